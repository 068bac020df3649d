"""Video files: how long is this one, give me these frames, which frames make a clip.

A clip is a video file or a folder of frame pictures (see `pictures`). Files are
decoded by PyAV from the start, one thread a clip, opened anew each time. Nothing is sought and
no count is believed: containers claim frames that they do not hold, and edit lists hide frames
that they do hold. Random access that trusts a container's index repeats and misplaces frames on
such files (seen with decord 0.6.0, which its users also report to hang on them).

Frames come at the stored size: sound and the pixels' aspect ratio are ignored, a rotation by
quarter turns (telephones) is applied. A picture folder has no rate: 30 frames a second is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from actlumos.data.errors import VideoError
from actlumos.data.pictures import ASSUMED_FPS, PictureFolder

POLICIES = ("loop", "span", "pad")
_LOCAL = {"protocol_whitelist": "file"}  # a playlist called .mp4 must not reach for the network


class VideoInfo(NamedTuple):
    """Frames that can be decoded, frames a second, and the size of a frame in pixels."""

    frames: int
    fps: float
    height: int
    width: int


class Inspection(NamedTuple):
    """A fully decoded clip, and what its container said beforehand.

    `claimed` is the container's frame count, less what an edit list hides on purpose (where it
    has none, duration x rate; 0 = it says neither). `short`: it claims more than it holds; a
    count made from duration and rate must be missed by more than a tenth.
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
    with _opened(path) as source:
        for frame in source:
            height, width, _ = source.picture(frame).shape
            frames += 1
        if not frames:
            raise _damaged(path, "it holds no frame")
        info = VideoInfo(frames, source.fps, height, width)
        return Inspection(info, source.claimed, frames < source.claimed * source.trust)


def probe(path: str | Path) -> VideoInfo:
    """Length, rate and size; every frame is decoded, so that the count is true.

    Raises:
        VideoError: missing, empty, without a picture, or a frame on the way is damaged.
    """
    return inspect(path).info


def read_clip(path: str | Path, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """The frames at `indices`, in that order; an index may occur more than once.

    Args:
        path: any container and codec that FFmpeg reads, or a folder of pictures.
        indices: `[T]`, each in 0..frames-1.

    Returns:
        uint8 `[T, H, W, 3]`, RGB, at the stored size.

    Raises:
        ValueError: no index, or a negative one.
        VideoError: an index past the last frame that is there, or the file is missing or damaged
            somewhere up to the last frame asked for.
    """
    wanted = np.asarray(indices, dtype=np.int64)
    if wanted.ndim != 1 or not wanted.size or wanted.min() < 0:
        raise ValueError(f"{path}: frame indices must be a row of numbers from 0 on, not {indices}")
    last, needed, seen = int(wanted.max()), set(wanted.tolist()), 0
    kept: dict[int, np.ndarray] = {}
    with _opened(path) as source:
        for frame in source:
            if seen in needed:
                kept[seen] = source.picture(frame)
            seen += 1
            if seen > last:
                return np.stack([kept[index] for index in wanted.tolist()])
        raise _past_the_end(path, last, seen, source.claimed)


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
        stride: distance between them; 0: as far apart as the video allows, from its first frame
            to its last.
        policy: `loop` starts over at frame 0 (the habit of the code this method grows from),
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
        raise ValueError(f"position must lie in 0..1, not {position}")
    steps = np.arange(length, dtype=np.int64) * stride
    slack = frames - 1 - int(steps[-1])
    if stride == 0 or (slack < 0 and policy == "span"):
        return np.linspace(0, frames - 1, length).round().astype(np.int64)
    if slack >= 0:
        return steps + max(math.ceil(position * (slack + 1)) - 1, 0)
    if policy == "loop":
        return steps % frames
    return np.minimum(steps, frames - 1)


class _Film:
    """The frames of an open container in the order of showing; a damaged one ends it."""

    def __init__(self, path: str | Path, container: av.container.InputContainer) -> None:
        self.path, self.container = path, container
        pictures = [s for s in container.streams.video if not _is_cover(s)]
        if not pictures:
            raise _damaged(path, "it has no moving picture")
        if pictures[0].codec_context is None:
            raise _damaged(path, "no decoder knows its codec")
        self.stream = pictures[0]
        self.stream.codec_context.thread_count = 1  # clips are read side by side, not frames
        self.rate = self.stream.average_rate or self.stream.guessed_rate
        self.fps = float(self.rate or ASSUMED_FPS)
        self.claimed, self.trust = self._claim()
        self._rgb, self._size = VideoReformatter(), (0, 0)

    def _claim(self) -> tuple[int, float]:
        """The container's count, and what share of it must be there not to count as short.

        A duration is shorter than the frame count where an edit list hides frames on purpose.
        """
        stream, counted = self.stream, self.stream.frames
        if not self.rate:
            return counted, 1.0
        if counted:
            lasting = (stream.duration or 0) * (stream.time_base or 0) * self.rate
            return min(counted, round(lasting) or counted), 1.0
        return round((self.container.duration or 0) / av.time_base * self.rate), 0.9

    def __iter__(self) -> Iterator[av.VideoFrame]:
        done = 0
        try:
            for frame in self.container.decode(self.stream):
                if frame.is_corrupt:
                    raise _damaged(self.path, f"frame {done} is damaged")
                yield frame
                done += 1
        except av.FFmpegError as error:
            raise _damaged(self.path, f"{error.strerror} after {done} frames") from error

    def picture(self, frame: av.VideoFrame) -> np.ndarray:
        """RGB, at the size of the first frame that was asked for, the right way up."""
        width, height = self._size = self._size if any(self._size) else (frame.width, frame.height)
        rgb = self._rgb.reformat(frame, width, height, format="rgb24").to_ndarray()
        return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90)))


@contextmanager
def _opened(path: str | Path) -> Iterator[_Film | PictureFolder]:
    """The clip at `path`; whatever the decoder dislikes inside the block becomes a VideoError."""
    path = Path(path)
    if path.is_dir():
        yield PictureFolder(path)
        return
    if not path.is_file():
        raise VideoError(f"{path}: no such file; check the data set's root folder")
    try:
        with av.open(f"file:{path}", metadata_errors="replace", options=_LOCAL) as container:
            yield _Film(path, container)
    except av.FFmpegError as error:
        raise _damaged(path, error.strerror or str(error)) from error


def _damaged(path: str | Path, what: str) -> VideoError:
    return VideoError(
        f"{path}: cannot be decoded ({what}); it is damaged, cut short, or no video: "
        "replace it or take it off the list"
    )


def _past_the_end(path: str | Path, wanted: int, found: int, claimed: int) -> VideoError:
    claims = f", although its container claims {claimed}" if claimed > found else ""
    return VideoError(
        f"{path}: frame {wanted} was asked for, but the file has {found} frames{claims}; it may be "
        "cut short or its list out of date: see what `actlumos data verify` says of it, then "
        "replace it or make the list anew"
    )


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether this is the still picture of a sound file."""
    return bool(stream.disposition & Disposition.attached_pic)
