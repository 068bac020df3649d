"""Painter's algorithm: quadrilaterals are filled from far to near, at twice the resolution."""

from __future__ import annotations

import cv2
import numpy as np

from actlumos.darkroom.camera import NEAR
from actlumos.darkroom.mesh import Mesh

SCALE, SHIFT = 2, 4  # supersampling; fractional bits of OpenCV's fixed-point coordinates


def paint_over(picture: np.ndarray, quads: np.ndarray, colours: list[list[float]]) -> None:
    """Fill `quads` in the given order over `picture` float32 `[H, W, 3]`, in place.

    The part of the picture around the quads is enlarged, painted and averaged back to its size.
    Pixels that no quad covers keep their value, and edges become smooth.

    Args:
        picture: linear radiance.
        quads: corners `[N, 4, 2]`, fixed-point as `Painter` gives them.
        colours: N linear RGB colours.
    """
    if not len(colours):
        return
    points = quads.reshape(-1, 2)
    x0, y0 = (max(int(points[:, i].min() >> (SHIFT + 1)) - 1, 0) for i in (0, 1))
    x1 = min(int(points[:, 0].max() >> (SHIFT + 1)) + 2, picture.shape[1])
    y1 = min(int(points[:, 1].max() >> (SHIFT + 1)) + 2, picture.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    part = picture[y0:y1, x0:x1]
    size = (x1 - x0, y1 - y0)
    large = cv2.resize(part, (SCALE * size[0], SCALE * size[1]), interpolation=cv2.INTER_NEAREST)
    moved = quads - (SCALE << SHIFT) * np.array([x0, y0], np.int32)
    for quad, colour in zip(moved, colours, strict=True):
        cv2.fillConvexPoly(large, quad, colour, cv2.LINE_8, SHIFT)
    part[:] = cv2.resize(large, size, interpolation=cv2.INTER_AREA)


class Painter:
    """A mesh seen by a camera: the visible faces of each frame, from far to near."""

    def __init__(
        self, surface: Mesh, radiance: np.ndarray, pixels: np.ndarray, depth: np.ndarray,
        position: np.ndarray,
    ) -> None:  # fmt: skip
        """Find the visible faces and convert their corners to fixed point.

        Args:
            surface: F faces.
            radiance: of the faces, `[T, F, 3]`.
            pixels: projected corners, `[T, F, 4, 2]`.
            depth: of the corners, `[T, F, 4]`.
            position: of the camera, `[3]`.
        """
        away = np.einsum("...i,...i", surface.centres - position.astype(np.float32), surface.facing)
        near = np.minimum(
            np.minimum(depth[..., 0], depth[..., 1]), np.minimum(depth[..., 2], depth[..., 3])
        )
        self.visible = (away < 0) & (near > NEAR)
        self.depth = depth[..., 0] + depth[..., 1] + depth[..., 2] + depth[..., 3]
        fixed = np.clip(pixels * (SCALE << SHIFT) - (1 << (SHIFT - 1)), -30000, 30000)
        self.points = np.rint(fixed).astype(np.int32)
        self.colours = radiance

    def frame(self, index: int) -> tuple[np.ndarray, list[list[float]]]:
        """Quads and colours of one frame, for `paint_over`."""
        chosen = np.flatnonzero(self.visible[index])
        chosen = chosen[np.argsort(-self.depth[index, chosen], kind="stable")]
        return self.points[index, chosen], self.colours[index, chosen].tolist()
