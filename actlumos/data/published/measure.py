"""Frames, rate and digest of many videos, measured once and stored.

The store is a CSV with the header `path,size,mtime_ns,frames,fps,sha256`, one row per video, keyed
by the absolute path. A row is valid as long as the file has that size and time of change. The
store is saved every few seconds and when a call is interrupted, so the next call goes on there.
A damaged store is made again; its readable rows are used.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock
from tqdm import tqdm

from actlumos.data.pictures import frames_in, pictures_in
from actlumos.data.video import VideoError, probe
from actlumos.runtime.files import home, sha256, write_text
from actlumos.runtime.text import is_utf8, read_table, shown

ON_BAD_CLIP = ("error", "skip")
COLUMNS = ("path", "size", "mtime_ns", "frames", "fps", "sha256")
_SECONDS_BETWEEN_SAVES = 15

_DIGEST = re.compile(r"[0-9a-f]{64}")

_Stamp = tuple[int, int]


class Measured(NamedTuple):
    """Verified number of frames, frames per second, hex SHA-256 of the bytes.

    The digest of a folder of frame pictures is that of its frames' names and digests.
    """

    frames: int
    fps: float
    sha256: str


def measure(
    paths: Sequence[Path],
    *,
    store: Path | None = None,
    workers: int = 2,
    on_bad_clip: str = "error",
) -> dict[Path, Measured]:
    """Measure videos or frame folders, with a progress bar for those that are new or changed.

    Args:
        paths: any; a path that is given twice is measured once.
        store: the CSV of stored values; None is `data/measured.csv` of the project.
        workers: number of threads.
        on_bad_clip: `error` ends with the first video that cannot be read; `skip` leaves such
            videos out of the result.

    Raises:
        ValueError: unknown `on_bad_clip`.
        VideoError: a video is missing or damaged or its name is not UTF-8, and `on_bad_clip` is
            `error`.
    """
    check_policy(on_bad_clip)
    store = home() / "data" / "measured.csv" if store is None else Path(store)
    stamps = {path: _stamp(path) for path in dict.fromkeys(paths)}
    kept, damage = _load(store)
    if damage:
        print(f"{damage}; {shown(store)} is made again", flush=True)
        _save(store, stamps, {})
    known = {
        path: kept[key][1]
        for path, stamp in stamps.items()
        if (key := _key(path)) in kept and kept[key][0] == stamp
    }
    fresh = {path: stamp for path, stamp in stamps.items() if path not in known}
    known |= _measure_all(fresh, store, workers, on_bad_clip)
    return {path: known[path] for path in stamps if path in known}


def check_policy(on_bad_clip: str) -> None:
    """Raise ValueError unless the policy is `error` or `skip`."""
    if on_bad_clip not in ON_BAD_CLIP:
        raise ValueError(f"on_bad_clip is {on_bad_clip!r}: use {' or '.join(ON_BAD_CLIP)}")


def _measure_all(
    fresh: dict[Path, _Stamp], store: Path, workers: int, on_bad_clip: str
) -> dict[Path, Measured]:
    done: dict[Path, Measured] = {}
    if not fresh:
        return done
    saved = time.monotonic()
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        jobs = zip(fresh, pool.map(_try, fresh), strict=True)
        bar = tqdm(jobs, "measure videos", len(fresh), unit="clip", disable=None, mininterval=1)
        try:
            for path, result in bar:
                if isinstance(result, Measured):
                    done[path] = result
                elif on_bad_clip == "error":
                    raise result
                if time.monotonic() - saved > _SECONDS_BETWEEN_SAVES:
                    _save(store, fresh, done)
                    saved = time.monotonic()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            if done:
                _save(store, fresh, done)
    return done


def _try(path: Path) -> Measured | VideoError:
    if not is_utf8(path.absolute()):
        return VideoError(f"{shown(path)}: its name or a folder's is not UTF-8: rename it")
    try:
        info = probe(path)
        return Measured(info.frames, info.fps, _digest(path))
    except VideoError as error:
        return error


def _digest(path: Path) -> str:
    if path.is_file():
        return sha256(path)
    lines = [f"{file.name} {sha256(file)}" for file in sorted(frames_in(path))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _stamp(path: Path) -> _Stamp:
    """Size in bytes and time of the last change, of a folder over its pictures; (-1, 0): not there.

    A picture that is exchanged for an older one of the same size is not noticed.
    """
    try:
        files = [path, *pictures_in(path)] if path.is_dir() else [path]
        stats = [file.stat() for file in files]
    except OSError:
        return -1, 0
    return sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)


def _key(path: Path) -> str:
    return str(path.absolute())


def _load(store: Path) -> tuple[dict[str, tuple[_Stamp, Measured]], str]:
    """What the store holds, and what is wrong with it ("" = nothing).

    Raises:
        ValueError: there is a folder in its place.
    """
    if store.is_dir():
        raise ValueError(f"{shown(store)} is a folder where a file is kept: move it away")
    if not store.is_file():
        return {}, ""
    try:
        header, table = read_table(store)
    except ValueError as error:
        return {}, str(error)
    if header != COLUMNS:
        return {}, f"{shown(store)} is not a list of measured videos"
    rows = [(row.get("path", ""), _parse(row)) for _, row in table]
    lost = sum(value is None for _, value in rows)
    found = {path: value for path, value in rows if value is not None}
    return found, f"{lost} row(s) of {shown(store)} are damaged" if lost else ""


def _parse(row: Mapping[str | None, str]) -> tuple[_Stamp, Measured] | None:
    try:
        stamp = int(row["size"]), int(row["mtime_ns"])
        measured = Measured(int(row["frames"]), float(row["fps"]), row["sha256"])
    except ValueError:
        return None
    good = measured.frames > 0 and 0 < measured.fps < math.inf and None not in row
    return (stamp, measured) if good and _DIGEST.fullmatch(measured.sha256) else None


def _save(store: Path, stamps: dict[Path, _Stamp], done: dict[Path, Measured]) -> None:
    """Add to the store; what another process wrote in the meantime stays, damaged rows go."""
    store.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(store.parent / f".{store.stem}.lock"):
        kept, _ = _load(store)
        rows = kept | {_key(path): (stamps[path], value) for path, value in done.items()}
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((key, *stamp, *measured) for key, (stamp, measured) in rows.items())
        write_text(store, out.getvalue())
