"""Render a data set into a folder: `.mp4` files, their manifest, and the empty backgrounds.

root/
  manifest.csv      one row per clip, with its SHA-256; written last
  backgrounds.npz   one dark frame without the person per clip, by path
  Walk/Walk_train-p000s000_0.mp4 ...
  normal_light/Walk/...   the same clips in normal light, on request
  partial/...       records of finished clips until the data set is complete
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

from actlumos.darkroom.codec import FPS
from actlumos.darkroom.plan import CLASSES, ClipSpec, plan
from actlumos.darkroom.worker import (
    Record,
    normal_light_path,
    read_record,
    record_path,
    start_worker,
    write_dark,
    write_normal_light,
)
from actlumos.data.manifest import Clip, Manifest
from actlumos.runtime.files import atomic_write, sha256, sweep

VERSION = 5  # raise it when pixels change: older renders are then rendered again
COUNTS = {"darkroom": {"train": 50, "val": 8, "test": 30}, "darkroom-b": {"train": 25}}
SERIAL = 3  # so few clips are rendered in this process: starting workers would take longer

T = TypeVar("T")


def render(
    root: str | Path, *, domain: str = "darkroom", counts: Mapping[str, int] | None = None,
    seed: int = 0, workers: int | None = None, normal_light: bool = False, progress: bool = True,
) -> Path:  # fmt: skip
    """Make sure that `root` holds the data set; returns the path of its `manifest.csv`.

    Clips that exist and are intact are kept: an interrupted or killed call is continued by the
    next one, and a call for a complete data set returns at once. A second process that renders
    into the same folder waits for the first.

    Args:
        root: the data set's folder.
        domain: `darkroom` or `darkroom-b`.
        counts: clips of each action, by split; None takes `COUNTS`.
        seed: of all random draws; another seed is another data set.
        workers: number of processes; None takes one per core.
        normal_light: also render each clip in normal light, into `root/normal_light`.
        progress: whether to show a progress line.

    Raises:
        ValueError: unknown domain, split or count, or fewer than one worker.
    """
    root = Path(root)
    specs = plan(domain, counts or COUNTS.get(domain, {}), seed)
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}: give at least 1")
    key = f"{domain}-v{VERSION}-s{seed}"
    if not _is_complete(root, key, specs, normal_light):
        root.mkdir(parents=True, exist_ok=True)
        how = workers or os.cpu_count() or 1, progress
        with _alone(root):
            _render_dark(root, key, specs, *how)
            if normal_light:
                _render_normal_light(root, specs, *how)
    return root / "manifest.csv"


def backgrounds(root: str | Path) -> dict[str, np.ndarray]:
    """The dark frame without the person of each clip, uint8 `[120, 160, 3]`, by the clip's path.

    Raises:
        FileNotFoundError: `root` holds no complete data set.
    """
    with np.load(Path(root) / "backgrounds.npz") as saved:
        return dict(zip(saved["paths"].tolist(), saved["frames"], strict=True))


def _is_complete(root: Path, key: str, specs: Sequence[ClipSpec], normal_light: bool) -> bool:
    """Whether `render` has nothing to do."""
    listed = _listed(root, key)
    return (
        _are_written(root, listed, specs)
        and all(_is_intact(root, record) for record in listed.values())
        and not (root / "partial").exists()
        and not (normal_light and _without_normal_light(root, specs))
    )


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until no other process renders into `root`, and keep others out meanwhile."""
    lock = FileLock(root / ".render.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{root}: another process renders into it, waiting", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _render_dark(
    root: Path, key: str, specs: Sequence[ClipSpec], workers: int, progress: bool
) -> None:
    """Render the missing clips, then write backgrounds and manifest; the caller has the lock."""
    listed = _listed(root, key)
    known = listed | _recorded(root, key)
    missing = [s for s in specs if s.path not in known or not _is_intact(root, known[s.path])]
    for spec in missing:
        sweep(root / spec.path)
        sweep(record_path(root, key, spec))
    work = partial(write_dark, root=root, key=key)
    for record in _each(work, missing, f"rendering {specs[0].domain}", workers, progress):
        known[record.path] = record
    if missing or not _are_written(root, listed, specs):
        _finish(root, key, specs, [known[spec.path] for spec in specs])
    shutil.rmtree(root / "partial", ignore_errors=True)


def _render_normal_light(
    root: Path, specs: Sequence[ClipSpec], workers: int, progress: bool
) -> None:
    """Render the missing clips in normal light; the caller has the lock."""
    missing = _without_normal_light(root, specs)
    for spec in missing:
        sweep(normal_light_path(root, spec.path))
    work = partial(write_normal_light, root=root)
    for _ in _each(work, missing, "normal light", workers, progress):
        pass


def _each(
    work: Callable[[ClipSpec], T], specs: Sequence[ClipSpec], title: str, workers: int,
    progress: bool,
) -> Iterable[T]:  # fmt: skip
    """Results of `work` on every spec, in any order, with a progress line."""
    serial = workers == 1 or len(specs) <= SERIAL
    results = map(work, specs) if serial else _in_parallel(work, specs, workers)
    hidden = not (progress and specs)
    return tqdm(results, title, total=len(specs), unit="clip", mininterval=2.0, disable=hidden)


def _in_parallel(
    work: Callable[[ClipSpec], T], specs: Sequence[ClipSpec], workers: int
) -> Iterator[T]:
    """Results of `work` on every spec from worker processes.

    At most three tasks per worker are queued, so that an interrupt does not wait for long.
    """
    context = multiprocessing.get_context("spawn")
    todo, running = iter(specs), set[Future[T]]()
    with ProcessPoolExecutor(min(workers, len(specs)), context, start_worker) as pool:
        while True:
            running |= {
                pool.submit(work, spec) for spec in islice(todo, 3 * workers - len(running))
            }
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def _listed(root: Path, key: str) -> dict[str, Record]:
    """Records of the clips in manifest and backgrounds, by path; none if their key is another."""
    manifest, store = root / "manifest.csv", root / "backgrounds.npz"
    if not (manifest.exists() and store.exists()):
        return {}
    with np.load(store) as saved:
        if str(saved["key"]) != key:
            return {}
    pictures = backgrounds(root)
    # A call that was killed between the two files leaves an older manifest, which may list more.
    return {
        clip.path: Record(clip.path, clip.frames, clip.sha256, pictures[clip.path])
        for clip in Manifest.read(manifest, root).clips
        if clip.path in pictures
    }


def _are_written(root: Path, listed: Mapping[str, Record], specs: Sequence[ClipSpec]) -> bool:
    """Whether backgrounds and manifest hold exactly the clips of `specs`, in their order."""
    paths = [spec.path for spec in specs]
    if list(listed) != paths:
        return False
    return [clip.path for clip in Manifest.read(root / "manifest.csv", root).clips] == paths


def _recorded(root: Path, key: str) -> dict[str, Record]:
    """Records of the clips that an interrupted call has finished, by path."""
    records = map(read_record, sorted((root / "partial" / key).glob("[!.]*.npz")))
    return {record.path: record for record in records}


def _is_intact(root: Path, record: Record) -> bool:
    """Whether the clip's file is the one that was recorded."""
    file = root / record.path
    return file.exists() and sha256(file) == record.sha256


def _without_normal_light(root: Path, specs: Sequence[ClipSpec]) -> list[ClipSpec]:
    return [spec for spec in specs if not normal_light_path(root, spec.path).exists()]


def _finish(root: Path, key: str, specs: Sequence[ClipSpec], records: Sequence[Record]) -> None:
    """Write the backgrounds, then the manifest."""
    store, manifest = root / "backgrounds.npz", root / "manifest.csv"
    sweep(store)
    sweep(manifest)
    with atomic_write(store) as temporary:
        np.savez(  # noise: packing it would take 5 s for the demo's set and save half of 56 MB
            temporary, key=np.array(key), paths=np.array([record.path for record in records]),
            frames=np.stack([record.background for record in records]),
        )  # fmt: skip
    clips = tuple(
        Clip(s.path, s.label, s.group, s.split, r.frames, float(FPS), r.sha256)
        for s, r in zip(specs, records, strict=True)
    )
    domain = specs[0].domain
    Manifest(domain, root, CLASSES if domain == "darkroom" else (), clips).write(manifest)
