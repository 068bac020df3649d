"""What a worker process does: render a clip, write it, and record that it is done.

Separate from `build`, so that a new process imports nothing but the renderer.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from actlumos.darkroom.clip import render_clip, render_normal_light
from actlumos.darkroom.codec import encode
from actlumos.darkroom.plan import ClipSpec
from actlumos.runtime.files import atomic_write, sha256

NORMAL_LIGHT_CRF = 18


class Record(NamedTuple):
    """The record of a written clip: `path` below the data set's root, number of
    `frames`, `sha256` of the file, `background` as in `clip.Clip`."""

    path: str
    frames: int
    sha256: str
    background: np.ndarray


def start_worker() -> None:
    """Prepare a worker process: it uses one core, and ends with its parent."""
    cv2.setNumThreads(1)
    threadpool_limits(1)  # numpy's products: their threads would wait on the others' cores
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the end of the parent, then end this process; a killed parent cannot do it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def write_dark(spec: ClipSpec, root: Path, key: str) -> Record:
    """Render and encode the dark clip, and save its record in the folder of unfinished renders."""
    clip = render_clip(spec)
    path = root / spec.path
    encode(path, clip.dark, clip.crf)
    record = Record(spec.path, len(clip.dark), sha256(path), clip.background)
    with atomic_write(record_path(root, key, spec)) as temporary:
        np.savez(
            temporary, path=np.array(record.path), frames=np.array(record.frames),
            sha256=np.array(record.sha256), background=record.background,
        )  # fmt: skip
    return record


def record_path(root: Path, key: str, spec: ClipSpec) -> Path:
    """Path of a clip's record, which is kept until the data set is complete."""
    return root / "partial" / key / f"{Path(spec.path).stem}.npz"


def read_record(path: Path) -> Record:
    """Read what `write_dark` has saved."""
    with np.load(path) as saved:
        frames, digest = int(saved["frames"]), str(saved["sha256"])
        return Record(str(saved["path"]), frames, digest, saved["background"])


def write_normal_light(spec: ClipSpec, root: Path) -> None:
    """Render and encode the clip in normal light."""
    encode(normal_light_path(root, spec.path), render_normal_light(spec), NORMAL_LIGHT_CRF)


def normal_light_path(root: Path, path: str) -> Path:
    """Path of the clip in normal light whose dark clip is `path` below the root."""
    return root / "normal_light" / path
