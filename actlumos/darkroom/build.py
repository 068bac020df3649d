"""Render a whole data set into a folder: `.mp4` files, their manifest, the empty backgrounds.

root/
  manifest.csv      a row a clip, with sha256
  backgrounds.npz   one dark frame without the figure for each clip, by path
  Walk/Walk_train-p000s000_0.mp4 ...
  light/Walk/...    the same clips in normal light, if asked for
  partial/...       what an interrupted render has finished; gone at the end
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from actlumos.darkroom.codec import FPS
from actlumos.darkroom.plan import CLASSES, ClipSpec, plan
from actlumos.darkroom.worker import one_thread, render_dark, render_normal
from actlumos.data.manifest import Clip, Manifest
from actlumos.runtime.files import atomic_write, sha256

VERSION = 4  # raise it when pixels change: older renders are then made anew
COUNTS = {"train": 50, "val": 8, "test": 30}
COUNTS_B = {"train": 25}


def render(
    root: str | Path, *, domain: str = "darkroom", counts: Mapping[str, int] | None = None,
    seed: int = 0, workers: int | None = None, light: bool = False, progress: bool = True,
) -> Path:  # fmt: skip
    """Make sure that `root` holds the data set; returns the path of its `manifest.csv`.

    `counts` are clips of each action for train, val and test (default: `COUNTS`, for
    `darkroom-b` `COUNTS_B`); `workers` processes (default: one a core). Whatever is there and
    intact is kept, so an interrupted call goes on where it stopped and a second call returns at
    once. `light=True` adds the normal-light original of each clip under `root/light`.

    Raises:
        ValueError: unknown domain, split or count, or fewer than one worker.
    """
    root = Path(root)
    specs = plan(domain, counts or (COUNTS if domain == "darkroom" else COUNTS_B), seed)
    key = f"{domain}-v{VERSION}-s{seed}"
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}: give at least 1")
    workers = workers or os.cpu_count() or 1
    known = _finished(root, key)
    missing = [spec for spec in specs if not _intact(root, spec.path, known)]
    work = partial(render_dark, root=root, key=key)
    for path, record in _each(work, missing, workers, f"rendering {domain}", progress):
        known[path] = record
    manifest = root / "manifest.csv"
    if missing or not manifest.exists() or _listed(root) != [s.path for s in specs]:
        _finish(root, key, domain, specs, known)
    if light:
        todo = [s for s in specs if not (root / "light" / s.path).exists()]
        list(_each(partial(render_normal, root=root), todo, workers, "normal light", progress))
    return manifest


def _each(
    work: Callable[[ClipSpec], tuple[str, dict[str, Any]]], specs: list[ClipSpec], workers: int,
    title: str, progress: bool,
) -> Iterator[tuple[str, dict[str, Any]]]:  # fmt: skip
    """Results of `work` on every spec, in any order, with a progress line; keeps only a few tasks
    in the queue, so that an interrupt stops at once."""
    bar = tqdm(
        total=len(specs), desc=title, unit="clip", mininterval=2.0, disable=not (progress and specs)
    )
    with bar:
        if workers == 1 or len(specs) < 4:
            for spec in specs:
                yield work(spec)
                bar.update()
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(specs)), context, one_thread) as pool:
            waiting, running = list(reversed(specs)), set()
            while waiting or running:
                while waiting and len(running) < 3 * workers:
                    running.add(pool.submit(work, waiting.pop()))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    bar.update()


def _finished(root: Path, key: str) -> dict[str, dict[str, Any]]:
    """Records of all clips that earlier calls finished: from the last manifest, then the notes."""
    known: dict[str, dict[str, Any]] = {}
    store = root / "backgrounds.npz"
    if store.exists() and (root / "manifest.csv").exists():
        with np.load(store) as saved:
            if str(saved["key"]) == key:
                pictures = dict(zip(saved["paths"].tolist(), saved["frames"], strict=True))
                for clip in Manifest.read(root / "manifest.csv", root).clips:
                    known[clip.path] = {
                        "frames": clip.frames, "sha256": clip.sha256,
                        "background": pictures[clip.path],
                    }  # fmt: skip
    for note in sorted((root / "partial" / key).glob("*.npz")):
        with np.load(note) as saved:
            facts = json.loads(str(saved["facts"]))
            known[facts.pop("path")] = {**facts, "background": saved["background"]}
    return known


def _intact(root: Path, path: str, known: dict[str, dict[str, Any]]) -> bool:
    """The clip was finished, and its file still is what was recorded."""
    file = root / path
    return path in known and file.exists() and sha256(file) == known[path]["sha256"]


def _listed(root: Path) -> list[str]:
    return [clip.path for clip in Manifest.read(root / "manifest.csv", root).clips]


def _finish(
    root: Path, key: str, domain: str, specs: list[ClipSpec], known: dict[str, dict[str, Any]]
) -> None:
    """Write backgrounds and manifest, then drop the notes of the unfinished state."""
    with atomic_write(root / "backgrounds.npz") as temporary:
        np.savez_compressed(
            temporary, key=np.array(key), paths=np.array([spec.path for spec in specs]),
            frames=np.stack([known[spec.path]["background"] for spec in specs]),
        )  # fmt: skip
    clips = tuple(
        Clip(s.path, s.label, s.group, s.split, known[s.path]["frames"], float(FPS),
             known[s.path]["sha256"])
        for s in specs
    )  # fmt: skip
    classes = CLASSES if domain == "darkroom" else ()
    Manifest(domain, root, classes, clips).write(root / "manifest.csv")
    shutil.rmtree(root / "partial", ignore_errors=True)


def backgrounds(root: str | Path) -> dict[str, np.ndarray]:
    """The empty dark frame of each clip, uint8 `[120, 160, 3]`, by its path in the manifest.

    Raises:
        FileNotFoundError: nothing was rendered into `root` yet.
    """
    with np.load(Path(root) / "backgrounds.npz") as saved:
        return dict(zip(saved["paths"].tolist(), saved["frames"], strict=True))
