"""How many frames a container claims, next to those that were shown.

Duration x rate is too high for a clip of variable rate, and a container is as long as its longest
track, which may be the sound. So times are compared: how long frames are shown, and the length of
the video track itself. Where the container does not give that length, a file in which another
track reaches the container's end is whole too.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av

from actlumos.data.containers import open_container

_SLACK = Fraction(1, 10)  # of a frame: time stamps are rounded to a clock
_UNCOUNTED = 0.9  # without a frame count a file is short if over a tenth is missing


def claim(
    path: str | Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    frames: int,
    shown: Fraction | None,
) -> tuple[int, bool]:
    """Compare a decoded clip with its container's claim.

    Args:
        path: of the file.
        container, stream: opened, and its video track.
        frames: how many were decoded.
        shown: seconds from the first frame's start to the last one's end; None: unknown.

    Returns:
        the claim: `frames`, and as many more as fit into the time that is missing; and whether
        the file is short, that is, holds less than it claims.
    """
    counted, missing = stream.frames, _missing(path, container, stream, shown)
    if missing is None:
        claimed = max(counted, frames)
    elif counted:
        claimed = max(frames, min(counted, frames + missing))
    else:
        claimed = frames + missing
    return claimed, frames < claimed * (1 if counted else _UNCOUNTED)


def _missing(
    path: str | Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    shown: Fraction | None,
) -> int | None:
    """Whole frames that fit into the time the track should last beyond what was shown."""
    rate, own = stream.average_rate or stream.guessed_rate, _own_length(stream)
    whole = Fraction(container.duration or 0, av.time_base)
    if not rate or shown is None or not (own or whole):
        return None
    missing = max(math.floor(((own or whole) - shown) * rate + _SLACK), 0)
    if missing and not own and _reached(path) > whole * Fraction(_UNCOUNTED):
        return 0
    return missing


def _own_length(stream: av.VideoStream) -> Fraction | None:
    """Seconds that this track lasts, None where only the whole container has a length.

    Matroska and WebM keep it as a tag (`DURATION`, also with a language behind it): the time at
    which the track ends.
    """
    begin = (stream.start_time or 0) * (stream.time_base or 0)
    for key, text in stream.metadata.items():
        if key.partition("-")[0] == "DURATION" and (ends := _seconds(text)):
            return ends - max(begin, 0)
    return stream.duration * stream.time_base if stream.duration and stream.time_base else None


def _seconds(text: str) -> Fraction | None:
    """`00:01:02.500000000` in seconds."""
    try:
        hours, minutes, seconds = map(Fraction, text.split(":"))
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds


def _reached(path: str | Path) -> Fraction:
    """The latest time, in seconds, at which any packet of any track ends."""
    latest = Fraction(0)
    with open_container(path) as container:
        for packet in container.demux():
            begin = packet.pts if packet.pts is not None else packet.dts
            if begin is not None:
                latest = max(latest, (begin + (packet.duration or 0)) * packet.time_base)
    return latest
