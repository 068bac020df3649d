"""From a decoded frame to an RGB picture that is the right way up.

Colours: FFmpeg's converter is set to accurate rounding and to chroma at every pixel
(interpolated linearly between its samples, per field in interlaced frames). Without that it is
wrong by up to 3 levels, and darker by .5 to 2 on average, a large error in a dark clip. Planes are
converted and interleaved afterwards, because only the planar output has fast code for this: the
values are the same and it takes half the time.

Orientation: a container may carry a display matrix (ISO 14496-12, 8.3.2; FFmpeg's
`libavutil/display.h`). It maps a stored point (x, y) to (a x + c y, b x + d y): quarter turns, and
mirrored pictures, which an angle alone does not tell apart.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import Interpolation, VideoReformatter

_EXACT = (
    Interpolation.BILINEAR
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)


def to_rgb(
    frame: av.VideoFrame, converter: VideoReformatter, width: int, height: int
) -> np.ndarray:
    """A frame of any pixel format as uint8 `[height, width, 3]`, within half a level of exact.

    Args:
        frame: as decoded.
        converter: one for all frames of a clip, because it keeps its tables.
        width, height: in pixels; the frame is scaled where its own size is another.
    """
    planar = converter.reformat(frame, width, height, "gbrp", interpolation=_EXACT, threads=1)
    green, blue, red = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:height, :width]
        for plane in planar.planes
    )
    return cv2.merge([red, green, blue])


def display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """The nine numbers a b u c d v x y w of the frame's display matrix, None without one."""
    data: Any = frame.side_data  # by `Type`, which PyAV's stub does not say
    found = data.get(Type.DISPLAYMATRIX)
    return struct.unpack("=9i", bytes(found)) if found is not None else None


def upright(picture: np.ndarray, matrix: Sequence[int] | None) -> np.ndarray:
    """The picture turned and mirrored by its display matrix: one of eight orientations.

    Args:
        picture: `[H, W, 3]` as stored.
        matrix: a b u c d v x y w, rounded here to the nearest quarter turn; None: as stored.

    Returns:
        `[H, W, 3]` or `[W, H, 3]`, contiguous.
    """
    if matrix is None:
        return picture
    across, b, _, c, down = matrix[:5]
    if abs(b) + abs(c) > abs(across) + abs(down):  # rows become columns
        picture, across, down = picture.swapaxes(0, 1), c, b
    turned = picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
    return np.ascontiguousarray(turned)
