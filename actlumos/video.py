"""Video files: how long is this one, give me these frames, which frames make a clip.

Frames come from decord, one thread a reader, opened anew for each clip: a reader kept open over
a fork, or many threads in one reader, hang. A frame index is checked against the reader's own
count before decoding, because decord may wait for ever for a frame that is not in the file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import decord
import numpy as np

POLICIES = ("loop", "span", "pad")


class VideoError(ValueError):
    """A video file that is missing, damaged, or shorter than its list says."""


class VideoInfo(NamedTuple):
    """Frames in the file, frames a second, and the size of a frame in pixels."""

    frames: int
    fps: float
    height: int
    width: int


def probe(path: str | Path) -> VideoInfo:
    """Length, rate and size of a video; the first frame is decoded to see that it can be.

    Raises:
        VideoError: missing, empty, without a video track, or undecodable.
    """
    reader = _open(path)
    height, width = _decode(reader, np.zeros(1, np.int64), path).shape[1:3]
    return VideoInfo(len(reader), float(reader.get_avg_fps()), height, width)


def read_clip(path: str | Path, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """The frames at `indices`, in that order; an index may occur more than once.

    Args:
        path: any container and codec that FFmpeg reads; audio is ignored.
        indices: `[T]`, each in 0..frames-1.

    Returns:
        uint8 `[T, H, W, 3]`, RGB, at the stored size.

    Raises:
        ValueError: no index, or a negative one.
        VideoError: an index past the end, or the file is missing or damaged.
    """
    wanted = np.asarray(indices, dtype=np.int64)
    if wanted.ndim != 1 or not wanted.size or wanted.min() < 0:
        raise ValueError(f"{path}: frame indices must be a row of numbers from 0 on, not {indices}")
    reader = _open(path)
    if wanted.max() >= len(reader):
        raise VideoError(
            f"{path}: frame {wanted.max()} was asked for, but the file has {len(reader)} frames; "
            "it may be cut short or its list out of date: replace it, or make the list anew"
        )
    needed, back = np.unique(wanted, return_inverse=True)
    frames = _decode(reader, needed, path)
    return frames if len(needed) == len(wanted) and (needed == wanted).all() else frames[back]


def resize_frames(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 `[T, H, W, 3]` to `(height, width)` by area averaging (aspect is not kept)."""
    if frames.shape[1:3] == tuple(size):
        return frames
    height, width = size
    out = np.empty((len(frames), height, width, 3), np.uint8)
    for frame, target in zip(frames, out, strict=True):
        cv2.resize(frame, (width, height), dst=target, interpolation=cv2.INTER_AREA)
    return out


def sample_indices(
    frames: int, length: int, stride: int = 1, policy: str = "loop", position: float = 0.5
) -> np.ndarray:
    """Frame numbers of a clip of `length` frames, `stride` apart, taken from a longer video.

    A video of at least `(length - 1) * stride + 1` frames gives one window; `position` says
    where it starts: 0 at the first possible frame, 1 at the last, .5 in the middle. Training
    draws it uniformly, and then every start is equally likely. In a shorter video `position`
    does nothing and `policy` decides.

    Args:
        frames: number of frames in the video, at least 1.
        length: number of frames wanted.
        stride: distance between them.
        policy: `loop` starts over at frame 0 (the habit of the code this method grows from),
            `span` spreads the clip evenly over the whole video, `pad` repeats the last frame.
        position: 0..1.

    Returns:
        int64 `[length]`, each in 0..frames-1.

    Raises:
        ValueError: an argument is outside its range.
    """
    if min(frames, length, stride) < 1:
        raise ValueError(f"frames, length and stride must be positive: {frames, length, stride}")
    if policy not in POLICIES:
        raise ValueError(f"unknown short-clip policy {policy!r}: choose {', '.join(POLICIES)}")
    if not 0 <= position <= 1:
        raise ValueError(f"position must lie in 0..1, not {position}")
    steps = np.arange(length, dtype=np.int64) * stride
    slack = frames - 1 - int(steps[-1])
    if slack >= 0:
        return steps + max(math.ceil(position * (slack + 1)) - 1, 0)
    if policy == "loop":
        return steps % frames
    if policy == "span":
        return np.linspace(0, frames - 1, length).round().astype(np.int64)
    return np.minimum(steps, frames - 1)


def _open(path: str | Path) -> decord.VideoReader:
    if not Path(path).is_file():
        raise VideoError(f"{path}: no such file; check the data set's root folder")
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        if len(reader):
            return reader
    except (RuntimeError, decord.DECORDError) as error:
        raise _damaged(path) from error
    raise _damaged(path)


def _decode(reader: decord.VideoReader, indices: np.ndarray, path: str | Path) -> np.ndarray:
    try:
        return reader.get_batch(indices).asnumpy()
    except (RuntimeError, decord.DECORDError) as error:
        raise _damaged(path) from error


def _damaged(path: str | Path) -> VideoError:
    return VideoError(
        f"{path}: cannot be decoded; it is damaged, cut short, or no video: "
        "replace it or take it off the list"
    )
