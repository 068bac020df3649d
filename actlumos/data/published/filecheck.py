"""Decode many videos to their end and store a result for each.

The results are the `files` part of a JSON report, keyed by absolute path. One is valid as long as
the file's size and time of change are the same, and only for a whole file: one that had a problem
is decoded again. They are written every few seconds and when the work is interrupted, so the next
call continues from there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from actlumos.data.video import VideoError, inspect
from actlumos.runtime.files import read_json, write_json
from actlumos.runtime.text import shown

_SECONDS_BETWEEN_SAVES = 10


@dataclass(frozen=True)
class FileReport:
    """One decoded video: frames really there, frames claimed, and what is wrong.

    `size` in bytes and `mtime_ns` say which version of the file was decoded (of a frame folder:
    sum and latest of its files); `problem` is empty for a whole file.
    """

    size: int
    mtime_ns: int
    frames: int = 0
    claimed: int = 0
    fps: float = 0.0
    height: int = 0
    width: int = 0
    problem: str = ""


_EMPTY = FileReport(0, 0)


def check_files(
    paths: Sequence[Path], memory: Path | None = None, workers: int = 2
) -> dict[str, FileReport]:
    """Decode every video without a valid stored result, with a progress bar.

    Args:
        paths: video files or frame folders.
        memory: the JSON file of stored results; None decodes all and stores nothing.
        workers: number of decoding threads.

    Returns:
        absolute path -> what the file is, in the order of `paths`.

    Raises:
        ValueError: `memory` is not a report.
    """
    known = _load(memory)
    done: dict[str, FileReport] = {}
    fresh: list[Path] = []
    for path in paths:
        kept = known.get(str(path.absolute()))
        if kept and not kept.problem and (kept.size, kept.mtime_ns) == _stamp(path):
            done[str(path.absolute())] = kept
        else:
            fresh.append(path)
    if fresh:
        _decode(fresh, done, memory, workers)
    return {str(path.absolute()): done[str(path.absolute())] for path in paths}


def _decode(
    fresh: Sequence[Path], done: dict[str, FileReport], memory: Path | None, workers: int
) -> None:
    """Add the fresh files to `done`, saving on the way."""
    saved = time.monotonic()
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        jobs = {pool.submit(check_file, path): str(path.absolute()) for path in fresh}
        line = {"desc": "decode", "total": len(jobs), "unit": "clip"}
        try:
            for job in tqdm(as_completed(jobs), disable=None, mininterval=1, **line):
                done[jobs[job]] = job.result()
                if time.monotonic() - saved > _SECONDS_BETWEEN_SAVES:
                    _save(memory, done)
                    saved = time.monotonic()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            _save(memory, done)


def check_file(path: Path) -> FileReport:
    """Decode one video to its end; what is wrong with it goes into `problem`."""
    size, changed = _stamp(path)
    try:
        info, claimed, short = inspect(path)
    except VideoError as error:
        reason = str(error).removeprefix(f"{path}: ").partition(";")[0]
        return FileReport(size, changed, problem=reason)
    problem = f"holds {info.frames} frames, its container claims {claimed}" if short else ""
    rest = info.fps, info.height, info.width, problem
    return FileReport(size, changed, info.frames, claimed, *rest)


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change; (-1, 0) = not there."""
    try:
        files = [path, *path.iterdir()] if path.is_dir() else [path]
        stats = [file.stat() for file in files]
    except OSError:
        return -1, 0
    return sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)


def _load(memory: Path | None) -> dict[str, FileReport]:
    if memory is None or not memory.is_file():
        return {}
    kept = read_json(memory)
    rows = kept.get("files") if isinstance(kept, dict) else None
    if not isinstance(rows, dict) or not all(map(_is_report, rows.values())):
        raise ValueError(
            f"{shown(memory)} is not a report of `actlumos data verify`: name another file"
        )
    return {path: FileReport(**row) for path, row in rows.items()}


def _is_report(row: Any) -> bool:
    """Whether a stored value has the fields of a `FileReport`, each of its type."""
    kinds = {field.name: type(getattr(_EMPTY, field.name)) for field in fields(FileReport)}
    return isinstance(row, dict) and {name: type(value) for name, value in row.items()} == kinds


def _save(memory: Path | None, done: dict[str, FileReport]) -> None:
    if memory is not None:
        write_json(memory, {"files": {path: asdict(file) for path, file in done.items()}})
