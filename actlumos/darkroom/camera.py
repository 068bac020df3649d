"""A hand-held perspective camera: its place, its shake, and how it follows the person.

The camera only rotates during a clip. Its view of the still scene is then exactly a homography
of one wider picture (a panorama), which is rendered once and warped for each frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from actlumos.darkroom.geometry import orientation, wobble

WIDTH, HEIGHT = 160, 120
NEAR = 0.25


@dataclass(frozen=True)
class Camera:
    """Position `[3]` (metres), focal length (pixels), and rotations `[T, 3, 3]`, whose columns are
    the camera's right, up and forward axes."""

    position: np.ndarray
    focal: float
    rotation: np.ndarray

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels `[T, ..., 2]` and depths `[T, ...]` (metres) of world points `[T, ..., 3]`."""
        return project(points, self.position, self.rotation, self.focal, (WIDTH / 2, HEIGHT / 2))


def project(
    points: np.ndarray, position: np.ndarray, rotation: np.ndarray, focal: float,
    centre: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Pinhole projection of world points `[T, ..., 3]` to pixels and depths; see `Camera`.

    `centre` is the pixel of the optical axis. A depth below `NEAR` means that the pixel is not
    valid: the point is behind the camera, or too close to it.
    """
    shape = points.shape
    local = (points - position).astype(np.float32).reshape(len(points), -1, 3)
    local = (local @ rotation.astype(np.float32)).reshape(shape)
    depth = local[..., 2]
    scale = focal / np.maximum(depth, NEAR)
    pixels = np.stack([centre[0] + scale * local[..., 0], centre[1] - scale * local[..., 1]], -1)
    return pixels, depth


def shake(rng: np.random.Generator, t: np.ndarray, size: float) -> np.ndarray:
    """Shake of a hand-held camera, `[3, T]` radians (yaw, pitch, roll): drift plus fast tremor."""
    drift = [wobble(rng, t, 0.8 * size, 0.9) for _ in range(3)]
    tremor = [wobble(rng, t, 0.14 * size, 6.0) for _ in range(3)]
    return np.array(drift) + np.array(tremor)


def follow(target: np.ndarray, t: np.ndarray, lag: float) -> np.ndarray:
    """Angle `[T]` of a camera that follows `target` `[T]` with a delay of about `lag` seconds."""
    share = min(1.0, (t[1] - t[0]) / lag)
    out = np.empty_like(target)
    value = target[: max(1, len(target) // 6)].mean()
    for i, angle in enumerate(target):
        value += share * (angle - value)
        out[i] = value
    return out


@dataclass(frozen=True)
class Panorama:
    """A wide picture of the still scene that covers every frame of a clip."""

    rotation: np.ndarray  # [3, 3], as of a camera
    size: tuple[int, int]  # width, height
    centre: tuple[float, float]  # pixel of the optical axis
    to_frames: np.ndarray  # [T, 3, 3] homographies from its pixels to those of the frames


def panorama(camera: Camera) -> Panorama:
    """The smallest upright picture around the mean viewing direction that contains all frames."""
    forward = camera.rotation[:, :, 2].mean(0)
    yaw = np.arctan2(forward[0], forward[2])
    pitch = -np.arctan2(forward[1], np.hypot(forward[0], forward[2]))
    base = orientation(np.array(yaw), np.array(pitch), np.array(0.0))
    corners = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], float)
    offset = (corners - [WIDTH / 2, HEIGHT / 2]) / camera.focal
    rays = np.stack([offset[:, 0], -offset[:, 1], np.ones(4)], -1)
    local = np.einsum("tij,nj->tni", base.T @ camera.rotation, rays)
    flat = local[..., :2] / np.maximum(local[..., 2:], 0.15) * camera.focal
    half = np.minimum(np.abs(flat).max((0, 1)) + 2, [420, 260])
    size = (int(2 * np.ceil(half[0])), int(2 * np.ceil(half[1])))
    centre = (size[0] / 2, size[1] / 2)
    return Panorama(base, size, centre, _homographies(camera, base, centre))


def _homographies(camera: Camera, base: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """From panorama pixels to frame pixels, `[T, 3, 3]`: K R_t^T R_base K_panorama^-1."""
    f = camera.focal
    out = np.array([[f, 0, WIDTH / 2 - 0.5], [0, -f, HEIGHT / 2 - 0.5], [0, 0, 1]])
    back = np.linalg.inv(np.array([[f, 0, centre[0] - 0.5], [0, -f, centre[1] - 0.5], [0, 0, 1]]))
    return out @ camera.rotation.transpose(0, 2, 1) @ base @ back


def warp(
    picture: np.ndarray, to_frame: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:  # fmt: skip
    """The part of the panorama that one frame shows, `[120, 160, 3]`, written to `out` if given."""
    return cv2.warpPerspective(
        picture, to_frame, (WIDTH, HEIGHT), out, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
    )
