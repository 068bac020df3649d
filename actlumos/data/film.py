"""An open video file: its video track, and the track's frames in display order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from actlumos.data.containers import open_container, picture_track
from actlumos.data.counting import claim
from actlumos.data.errors import VideoError, damaged
from actlumos.data.picture import display_matrix, to_rgb, upright

ASSUMED_FPS = 30.0


class Film:
    """The frames of an open container; a damaged one ends the iteration with an error.

    Attributes:
        stream: the video track that is read.
        fps: frames per second as given by the container, 30 where it gives none.
    """

    def __init__(self, path: str | Path, container: av.container.InputContainer) -> None:
        self.path, self.container = path, container
        self.stream = picture_track(path, container)
        self.stream.codec_context.thread_count = 1  # clips are decoded in parallel, not frames
        self.rate = self.stream.average_rate or self.stream.guessed_rate
        self.fps = float(self.rate or ASSUMED_FPS)
        self._begin: Fraction | None = None
        self._end = Fraction(0)
        self._converter, self._size, self._shape = VideoReformatter(), (0, 0), (0, 0, 0)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for frame in self.decode(self.container.demux(self.stream)):
            self._clock(frame)
            yield frame

    def decode(self, packets: Iterable[av.Packet]) -> Iterator[av.VideoFrame]:
        """The frames of some packets, in display order.

        Raises:
            VideoError: a frame is damaged; the message counts the frames before it.
        """
        done = 0
        try:
            for packet in packets:
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise damaged(self.path, f"frame {done} is damaged")
                    yield frame
                    done += 1
        except av.FFmpegError as error:
            raise damaged(self.path, f"{error.strerror} after {done} frames") from error

    def _clock(self, frame: av.VideoFrame) -> None:
        """Record the earliest and the latest time that is shown."""
        if frame.pts is None or not frame.time_base:
            return
        begin = frame.pts * frame.time_base
        lasts = (frame.duration or 0) * frame.time_base or 1 / Fraction(self.rate or 30)
        self._begin = begin if self._begin is None else min(self._begin, begin)
        self._end = max(self._end, begin + lasts)

    def picture(self, frame: av.VideoFrame) -> np.ndarray:
        """RGB, at the size of the first frame that was asked for, the right way up."""
        width, height = self._size = self._size if any(self._size) else (frame.width, frame.height)
        return upright(to_rgb(frame, self._converter, width, height), display_matrix(frame))

    def shape(self, frame: av.VideoFrame) -> tuple[int, ...]:
        """The shape of the clip's pictures; only the first frame is converted for it."""
        self._shape = self._shape if any(self._shape) else self.picture(frame).shape
        return self._shape

    def claim(self, frames: int) -> tuple[int, bool]:
        """After the last frame: what the container claims, and whether the file is short."""
        shown = None if self._begin is None else self._end - self._begin
        return claim(self.path, self.container, self.stream, frames, shown)


@contextmanager
def opened(path: str | Path) -> Iterator[Film]:
    """The film at `path`; any decoder error inside the block becomes a VideoError.

    Raises:
        VideoError: no such file, or it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path}: no such file; check the data set's root folder")
    try:
        with open_container(path) as container:
            yield Film(path, container)
    except av.FFmpegError as error:
        raise damaged(path, error.strerror or str(error)) from error
