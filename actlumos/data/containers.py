"""Opening a video container, and the choice among its video tracks."""

from __future__ import annotations

from pathlib import Path

import av
from av.stream import Disposition

from actlumos.data.errors import damaged

_STILL = Disposition.attached_pic | Disposition.timed_thumbnails


def open_container(path: str | Path) -> av.container.InputContainer:
    """The opened file; only local files are read, even if a playlist named .mp4 lists others.

    Raises:
        av.FFmpegError: not a container that FFmpeg can read.
    """
    local = {"protocol_whitelist": "file"}
    return av.open(f"file:{path}", metadata_errors="replace", options=local)


def picture_track(path: str | Path, container: av.container.InputContainer) -> av.VideoStream:
    """The track that players show: the default one, else the largest, else the fastest.

    Covers of sound files and chapter thumbnails are not candidates.

    Raises:
        VideoError: there is none, or there is no decoder for its codec.
    """
    moving = picture_tracks(container)
    if not moving:
        raise damaged(path, "it has no video track")
    known = [stream for stream in moving if stream.codec_context is not None]
    if not known:
        raise damaged(path, "there is no decoder for its codec")
    return max(known, key=_standing)


def picture_tracks(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The video tracks, without cover pictures and thumbnails."""
    return [stream for stream in container.streams.video if not stream.disposition & _STILL]


def _standing(stream: av.VideoStream) -> tuple[bool, int, float]:
    default = bool(stream.disposition & Disposition.default)
    return default, stream.width * stream.height, float(stream.average_rate or 0)
