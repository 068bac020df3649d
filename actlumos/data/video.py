"""Video files: their length, their frames by number, and which frames make a clip.

A clip is a video file or a folder of frame pictures (see `pictures`). Files are decoded by PyAV,
one thread per clip, and opened again for each call. Decoding is sequential and does not rely on the
container's frame count: containers claim frames that they do not hold, and edit lists hide frames
that they do hold. Late frames of a long clip are reached through its keyframes only where the
result is certain to be the same (`actlumos.data.seeking`).

Frames come at the stored size: sound and the pixels' aspect ratio are ignored; quarter turns and
mirroring (telephones) are applied. A picture folder has no rate: 30 frames per second is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from actlumos.data.errors import VideoError, damaged, past_the_end
from actlumos.data.film import opened
from actlumos.data.pictures import PictureFolder
from actlumos.data.seeking import far, sought

__all__ = [
    "POLICIES",
    "RESIZE",
    "Inspection",
    "VideoError",
    "VideoInfo",
    "inspect",
    "probe",
    "read_clip",
    "resize_frames",
    "sample_indices",
]

POLICIES = ("loop", "span", "pad")
RESIZE = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR}


class VideoInfo(NamedTuple):
    """Frames that can be decoded, frames per second, and the size of a frame in pixels."""

    frames: int
    fps: float
    height: int
    width: int


class Inspection(NamedTuple):
    """A fully decoded clip, and what its container claims.

    `claimed` is the number of decoded frames plus those that would fill the missing time, the
    difference between the video track's length and the time for which frames are shown. `short`:
    time is missing; more than a tenth where the container gives no count of frames.
    """

    info: VideoInfo
    claimed: int
    short: bool


def inspect(path: str | Path) -> Inspection:
    """Decode the whole clip: the only way to know how many frames it really has.

    Raises:
        VideoError: missing, empty, without a picture, or a frame on the way is damaged.
    """
    frames = 0
    with _source(path) as source:
        for frame in source:
            height, width, _ = source.shape(frame)
            frames += 1
        if not frames:
            raise damaged(path, "it holds no frame")
        return Inspection(VideoInfo(frames, source.fps, height, width), *source.claim(frames))


def probe(path: str | Path) -> VideoInfo:
    """Length, rate and size; every frame is decoded, so that the count is true.

    Raises:
        VideoError: missing, empty, without a picture, or a frame on the way is damaged.
    """
    return inspect(path).info


def read_clip(
    path: str | Path, indices: Sequence[int] | np.ndarray, frames: int | None = None
) -> np.ndarray:
    """The frames at `indices`, in that order; an index may occur more than once.

    Args:
        path: any container and codec that FFmpeg reads, or a folder of pictures.
        indices: `[T]`, each in 0..frames-1.
        frames: the clip's length as `probe` has measured it. With it a window that starts late
            in a long clip is reached by seeking, with the same result; without it everything up to
            the last index is decoded.

    Returns:
        uint8 `[T, H, W, 3]`, RGB, at the stored size.

    Raises:
        ValueError: no index, or a negative one.
        VideoError: an index past the last frame that is there, or the file is missing or damaged
            somewhere in what has to be decoded, up to the last frame asked for.
    """
    wanted = checked(path, indices)
    needed = np.unique(wanted).tolist()
    kept = _sought(path, needed, frames) if frames else None
    if kept is None:
        kept = _decoded(path, needed)
    return np.stack([kept[index] for index in wanted.tolist()])


def checked(path: str | Path, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """The indices as int64 `[T]`.

    Raises:
        ValueError: no index, or a negative one.
    """
    wanted = np.asarray(indices, dtype=np.int64)
    if wanted.ndim != 1 or not wanted.size or wanted.min() < 0:
        raise ValueError(f"{path}: frame indices must be a list of numbers from 0, not {indices}")
    return wanted


def _sought(path: str | Path, needed: list[int], frames: int) -> dict[int, np.ndarray] | None:
    """The frames through keyframes, None where that saves little or is not certain."""
    if not far(needed, frames) or needed[-1] >= frames or Path(path).is_dir():
        return None
    with opened(path) as film:
        return sought(film, needed, frames)


def _decoded(path: str | Path, needed: list[int]) -> dict[int, np.ndarray]:
    """The frames by decoding from the first one."""
    kept: dict[int, np.ndarray] = {}
    left, seen = set(needed), 0
    with _source(path) as source:
        for frame in source:
            if seen in left:
                kept[seen] = source.picture(frame)
            seen += 1
            if seen > needed[-1]:
                return kept
        raise past_the_end(path, needed[-1], seen, source.claim(seen)[0])


@contextmanager
def playing(path: str | Path, every: int = 1) -> Iterator[tuple[float, Iterator[np.ndarray]]]:
    """Frames per second, and frames 0, `every`, 2 `every`, ... one after the other.

    All of them are decoded; the others are not converted to RGB. None is kept.

    Raises:
        VideoError: the file is missing, or damaged at the frame that is reached.
    """
    with _source(path) as source:
        yield source.fps, (source.picture(frame) for frame in islice(source, 0, None, every))


class _Source(Protocol):
    """What `Film` and `PictureFolder` share; either takes only the frames that it gives."""

    fps: float

    def __iter__(self) -> Iterator[Any]: ...
    def picture(self, frame: Any, /) -> np.ndarray: ...
    def shape(self, frame: Any, /) -> tuple[int, ...]: ...
    def claim(self, frames: int) -> tuple[int, bool]: ...


@contextmanager
def _source(path: str | Path) -> Iterator[_Source]:
    """The clip at `path`, opened."""
    if Path(path).is_dir():
        yield PictureFolder(Path(path))
        return
    with opened(path) as film:
        yield film


def resize_frames(
    frames: np.ndarray, size: tuple[int, int], method: str = "area"
) -> np.ndarray:
    """Resize uint8 `[T, H, W, C]` to `(height, width)`; the aspect ratio is not kept.

    Args:
        method: `area` averages all pixels that fall into one, which also removes noise;
            `bilinear` mixes the four nearest ones, as the public code of this family does.

    Raises:
        ValueError: unknown method.
    """
    if method not in RESIZE:
        raise ValueError(f"unknown resize method {method!r}: choose {', '.join(RESIZE)}")
    if frames.shape[1:3] == tuple(size):
        return frames
    height, width = size
    out = np.empty((len(frames), height, width, 3), np.uint8)
    for frame, target in zip(frames, out, strict=True):
        cv2.resize(frame, (width, height), dst=target, interpolation=RESIZE[method])
    return out


def sample_indices(
    frames: int, length: int, stride: int = 1, policy: str = "loop", position: float = 0.5
) -> np.ndarray:
    """Frame numbers of a clip of `length` frames, `stride` apart, taken from a longer video.

    A video of at least `(length - 1) * stride + 1` frames gives one window; `position` says
    where it starts: 0 at the first possible frame, 1 at the last. Training draws it uniformly;
    each start, 0 to N - 64 for 64 frames of N, is then equally likely (public two-stream code
    never draws the last one). In a shorter video `policy` decides.

    Args:
        frames: number of frames in the video, at least 1.
        length: number of frames wanted.
        stride: distance between them; 0: evenly from the video's first frame to its last.
        policy: `loop` starts over at frame 0 (as public code does),
            `span` spreads the clip evenly over the whole video, `pad` repeats the last frame.
        position: 0..1.

    Returns:
        int64 `[length]`, each in 0..frames-1.

    Raises:
        ValueError: an argument is outside its range.
    """
    if min(frames, length) < 1 or stride < 0:
        raise ValueError(f"frames and length from 1, stride from 0: not {frames, length, stride}")
    if policy not in POLICIES:
        raise ValueError(f"unknown short-clip policy {policy!r}: choose {', '.join(POLICIES)}")
    if not 0 <= position <= 1:
        raise ValueError(f"position must be in 0..1, not {position}")
    steps = np.arange(length, dtype=np.int64) * stride
    slack = frames - 1 - int(steps[-1])
    if stride == 0 or (slack < 0 and policy == "span"):
        return np.linspace(0, frames - 1, length).round().astype(np.int64)
    if slack >= 0:
        return steps + max(math.ceil(position * (slack + 1)) - 1, 0)
    if policy == "loop":
        return steps % frames
    return np.minimum(steps, frames - 1)
