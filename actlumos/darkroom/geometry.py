"""Small vector functions for the body, the scene and the camera.

World frame: x to the right, y up, z away from the camera, in metres. A heading (yaw) of 0 looks
along +z, away from the camera; a heading of pi looks at it. Angles are radians.
"""

from __future__ import annotations

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors `[..., 3]` at length one (a zero vector stays near zero)."""
    return vectors / (np.sqrt(np.einsum("...i,...i", vectors, vectors))[..., None] + 1e-9)


def yaw_matrix(yaw: np.ndarray) -> np.ndarray:
    """Rotation `[..., 3, 3]` about the vertical that turns +z towards +x."""
    c, s, o, i = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw), np.ones_like(yaw)
    return np.stack(
        [np.stack([c, o, s], -1), np.stack([o, i, o], -1), np.stack([-s, o, c], -1)], -2
    )


def pitch_matrix(pitch: np.ndarray) -> np.ndarray:
    """Rotation `[..., 3, 3]` about the right axis that tips +y towards +z (a bow)."""
    c, s, o, i = np.cos(pitch), np.sin(pitch), np.zeros_like(pitch), np.ones_like(pitch)
    return np.stack(
        [np.stack([i, o, o], -1), np.stack([o, c, -s], -1), np.stack([o, s, c], -1)], -2
    )


def roll_matrix(roll: np.ndarray) -> np.ndarray:
    """Rotation `[..., 3, 3]` about the forward axis that tips +y towards +x."""
    c, s, o, i = np.cos(roll), np.sin(roll), np.zeros_like(roll), np.ones_like(roll)
    return np.stack(
        [np.stack([c, s, o], -1), np.stack([-s, c, o], -1), np.stack([o, o, i], -1)], -2
    )


def orientation(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Rotation `[..., 3, 3]` whose columns are the right, up and forward axes of something that
    has this heading, is then pitched (forwards is positive) and then rolled."""
    return yaw_matrix(yaw) @ pitch_matrix(pitch) @ roll_matrix(roll)


def turn(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Matrices `[..., 3, 3]` applied to vectors `[..., 3]`."""
    return np.einsum("...ij,...j->...i", matrix, vectors)


def ease(t: np.ndarray, start: float, duration: float) -> np.ndarray:
    """0 before `start`, 1 after `start + duration` (s), in between a minimum-jerk rise.

    Flash and Hogan (1985): point-to-point human movement follows 10x^3 - 15x^4 + 6x^5.
    """
    x = np.clip((t - start) / max(duration, 1e-6), 0.0, 1.0)
    return x**3 * (10 - 15 * x + 6 * x**2)


def wobble(rng: np.random.Generator, t: np.ndarray, size: float, top: float = 0.9) -> np.ndarray:
    """Smooth random signal `[T]` of standard deviation `size`, frequencies 0.1..`top` Hz."""
    frequency = rng.uniform(0.1, top, 4)
    phase = rng.uniform(0, 2 * np.pi, 4)
    waves = np.sin(2 * np.pi * frequency[:, None] * t + phase[:, None])
    return size * waves.sum(0) / np.sqrt(2.0)


def two_bones(
    root: np.ndarray, target: np.ndarray, upper: float, lower: float, hint: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inverse kinematics of a limb with two bones; returns middle joint, end and hinge axis.

    All arrays are `[T, 3]`. The end lies on `target` if the limb reaches it, else on the line
    towards it. The middle joint bends towards `hint`. The hinge axis is perpendicular to both
    bones and not normalised.
    """
    reach = target - root
    length = np.linalg.norm(reach, axis=-1, keepdims=True)
    along = reach / (length + 1e-9)
    length = np.clip(length, abs(upper - lower) + 0.02, upper + lower - 1e-4)
    side = unit(hint - (hint * along).sum(-1, keepdims=True) * along)
    forward = (upper**2 - lower**2 + length**2) / (2 * length)
    height = np.sqrt(np.maximum(upper**2 - forward**2, 1e-9))
    return root + along * forward + side * height, root + along * length, np.cross(along, side)
