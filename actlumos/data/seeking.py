"""Reach a late frame without decoding those before it, where the result is provably the same.

Frames are numbered in display order, and a container stores times, not numbers. All packets
are read, but not decoded: their time stamps, sorted, are the times at which frames are shown. If
there are as many packets as the clip has frames (as measured once by decoding all of it), no
packet can be without a frame, so the sorted time stamps are the frames' numbers. Decoding then
starts at a keyframe before which everything was shown earlier, and each frame that comes out must
have the time stamp of its number. If anything does not fit (no or double time stamps, hidden
frames, damage, a keyframe that is not found again), the attempt ends and the caller decodes from
the first frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import dropwhile
from typing import NamedTuple

import av
import numpy as np
from av.video.frame import PictureType

from actlumos.data.errors import VideoError
from actlumos.data.film import Film

_FAR, _SHARE = 256, 32  # reading all packets costs about as much as decoding 1/32 of the frames
_WORTH = 16  # frames that a jump must save, once the packets have been read
_RESTARTING = frozenset(
    ("av1", "h264", "hevc", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9")
)  # codecs whose keyframes depend on nothing before them


class Timetable(NamedTuple):
    """`shown`: the time stamp of each frame; `keys`: numbers of the frames where decoding may
    start, and `places`: the time stamps for seeking to them."""

    shown: np.ndarray
    keys: np.ndarray
    places: np.ndarray


def far(needed: Sequence[int], frames: int) -> bool:
    """Whether so many frames can be left out that reading all packets pays.

    Args:
        needed: frame numbers, ascending.
        frames: the clip's number of frames.
    """
    return int(np.diff(needed, prepend=0).max()) >= max(_FAR, frames // _SHARE)


def sought(film: Film, needed: Sequence[int], frames: int) -> dict[int, np.ndarray] | None:
    """Some frames of a clip, reached through its keyframes.

    Args:
        film: freshly opened.
        needed: frame numbers, ascending, below `frames`.
        frames: the clip's number of frames, as measured by decoding all of it.

    Returns:
        number -> uint8 `[H, W, 3]`; None where it is not certain that these would be the frames
        that decoding from the start gives.
    """
    if film.stream.codec_context.codec.canonical_name not in _RESTARTING:
        return None
    try:
        table = timetable(film, frames)
        return table and {n: film.picture(frame) for n, frame in _jumping(film, table, needed)}
    except (VideoError, av.FFmpegError, _Mismatch):
        return None


class Stamp(NamedTuple):
    """A packet's data about its frame; `clear`: it has a time, is shown, and is not damaged."""

    pts: int | None
    dts: int | None
    key: bool
    clear: bool


def stamps(film: Film) -> list[Stamp]:
    """Read every packet of the film without decoding it; in the order of decoding."""
    return [
        Stamp(packet.pts, packet.dts, packet.is_keyframe, _clear(packet))
        for packet in film.container.demux(film.stream)
        if packet.size
    ]


def unnumbered(found: Sequence[Stamp]) -> str:
    """Why time stamps do not number a clip's frames, an empty text where they do."""
    if not found or not found[0].key:
        return "it does not begin with a keyframe"
    if not all(stamp.clear for stamp in found):
        return "an edit list hides frames of it, or packets lack a time stamp or are damaged"
    if len({stamp.pts for stamp in found}) < len(found):
        return "frames share a time stamp"
    return ""


def timetable(film: Film, frames: int) -> Timetable | None:
    """When each frame is shown and where decoding may start; None where this is not certain."""
    found = stamps(film)
    if len(found) != frames or unnumbered(found):
        return None
    pts = np.array([stamp.pts for stamp in found])
    shown = np.sort(pts)
    before = np.maximum.accumulate(np.concatenate([[-1], pts[:-1]]))
    start = np.flatnonzero(np.array([stamp.key for stamp in found]) & (pts > before))
    asked = [s.pts if s.dts is None else s.dts for s in (found[index] for index in start)]
    return Timetable(shown, np.searchsorted(shown, pts[start]), np.array(asked))


class _Mismatch(Exception):
    """A frame did not have the time stamp of its number."""


def _clear(packet: av.Packet) -> bool:
    timed = packet.pts is not None and packet.pts >= 0
    return timed and not packet.is_discard and not packet.is_corrupt


def _jumping(
    film: Film, table: Timetable, needed: Sequence[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    frames: Iterator[av.VideoFrame] = iter(())
    position = -_WORTH - 1
    for number in needed:
        entry = int(np.searchsorted(table.keys, number, "right")) - 1
        if entry < 0:
            raise _Mismatch
        if table.keys[entry] > position + _WORTH:
            frames, position = _from(film, table, entry), int(table.keys[entry])
        for frame in frames:
            if frame.pts != table.shown[position]:
                raise _Mismatch
            position += 1
            if position > number:
                yield number, frame
                break
        else:
            raise _Mismatch


def _from(film: Film, table: Timetable, entry: int) -> Iterator[av.VideoFrame]:
    """Frames from a keyframe on; those that are shown before it and follow it are left out."""
    first = int(table.shown[table.keys[entry]])
    film.container.seek(int(table.places[entry]), stream=film.stream)
    packets = dropwhile(lambda packet: packet.pts != first, film.container.demux(film.stream))
    frames = dropwhile(lambda frame: frame.pts is not None and frame.pts < first,
                       film.decode(packets))  # fmt: skip
    for number, frame in enumerate(frames):
        if number == 0 and frame.pict_type != PictureType.I:  # a refresh that is spread over time
            raise _Mismatch
        yield frame
