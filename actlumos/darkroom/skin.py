"""Linear blend skinning: the rest mesh follows the pose.

Every bone has a rigid motion from its rest place to its place in the pose; a vertex moves by the
weighted mean of its bones' motions. Half of a rotation is given to helper bones at waist, neck,
shoulders and hips, so that the skin there bends in two steps and keeps its volume.
"""

from __future__ import annotations

import numpy as np

from actlumos.darkroom.body import NECK, SIDES, Body
from actlumos.darkroom.geometry import turn, unit
from actlumos.darkroom.pose import Pose

# Bones of one kind, N on the axis after time (one, or left and right): rotations `[T, N, 3, 3]`,
# places `[T, N, 3]`, and places in the rest pose `[N, 3]` or `[3]`.
Bone = tuple[np.ndarray, np.ndarray, np.ndarray]


def motions(body: Body, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """How the bones move from rest to `pose`: rotations `[T, B, 3, 3]` and shifts `[T, B, 3]`."""
    bones = [*_trunk(body, pose), *_arms(body, pose), *_legs(body, pose)]
    turns = np.concatenate([rotation for rotation, _, _ in bones], 1)
    shifts = np.concatenate([place - turn(rotation, rest) for rotation, place, rest in bones], 1)
    return turns, shifts


def skinned(weights: np.ndarray, motion: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Points or vectors that follow the bones; float32 `[T, P, 3]`.

    One matrix product does it: `[P, bones x N]` with `[bones x N, T x 3]`. It is computed in
    float64, because its last digits depend on the processor and the number of threads.

    Args:
        weights: of the bones, `[P, B]`.
        motion: matrices `[T, B, 3, N]`: rotations (N = 3), or rotations and shifts (N = 4).
        values: in the rest pose, `[P, N]`; the fourth number of a point is 1.
    """
    mixed = weights[:, :, None].astype(np.float64) * values[:, None]
    columns = motion.transpose(1, 3, 0, 2).reshape(mixed[0].size, -1)
    moved = (mixed.reshape(len(values), -1) @ columns).astype(np.float32)
    return moved.reshape(len(values), -1, 3).swapaxes(0, 1)


def _trunk(body: Body, pose: Pose) -> list[Bone]:
    """Pelvis, waist, chest, neck and head."""
    low, high, top = pose.pelvis_frame, pose.chest_frame, pose.head_frame
    pelvis, shoulder = body.rest["hip"] * [0, 1, 1], body.rest["shoulder"] * [0, 1, 1]
    up = np.array([0.0, body.height, 0.0])
    neck = shoulder + NECK * up
    waist = pelvis + 0.42 * (neck - pelvis)
    bones = [
        (low, pose.pelvis, pelvis), (_halfway(low, high), pose.waist, waist),
        (high, pose.neck, neck), (_halfway(high, top), pose.neck + 0.045 * turn(high, up),
                                  neck + 0.045 * up),
        (top, pose.head, neck + 0.105 * up),
    ]  # fmt: skip
    return [(rotation[:, None], place[:, None], rest) for rotation, place, rest in bones]


def _arms(body: Body, pose: Pose) -> list[Bone]:
    """Shoulders, upper arms without and with their twist, and forearms with hands."""
    shoulder, elbow, wrist = (_pair(body.rest[name]) for name in ("shoulder", "elbow", "wrist"))
    upper, fore = pose.elbows - pose.shoulders, pose.wrists - pose.elbows
    rest_axis = np.cross(wrist - elbow, elbow - shoulder)
    chest = pose.chest_frame[:, None]
    straight = _swing(chest, elbow - shoulder, upper)
    twisted = _turned(rest_axis, elbow - shoulder, pose.elbow_axes, upper)
    bent = _turned(rest_axis, wrist - elbow, pose.elbow_axes, fore)
    return [
        (_halfway(chest, straight), pose.shoulders, shoulder), (straight, pose.shoulders, shoulder),
        (twisted, pose.shoulders, shoulder), (bent, pose.elbows, elbow),
    ]  # fmt: skip


def _legs(body: Body, pose: Pose) -> list[Bone]:
    """Hips, thighs, shins and feet."""
    hip, knee, ankle, tip = (_pair(body.rest[name]) for name in ("hip", "knee", "ankle", "toe"))
    thigh, shin = pose.knees - pose.hips, pose.ankles - pose.knees
    rest_axis = np.cross(ankle - hip, [0, 0, 1])
    pelvis = pose.pelvis_frame[:, None]
    twisted = _turned(rest_axis, knee - hip, pose.knee_axes, thigh)
    bent = _turned(rest_axis, ankle - knee, pose.knee_axes, shin)
    up, toe = np.array([0.0, 1.0, 0.0]), pose.toes - pose.ankles
    rest_toe = body.toe(unit((tip - ankle) * [1, 0, 1]), -up)
    flat = _turned(np.cross(up, rest_toe), rest_toe, np.cross(up, toe), toe)
    return [
        (_halfway(pelvis, _swing(pelvis, knee - hip, thigh)), pose.hips, hip),
        (twisted, pose.hips, hip), (bent, pose.knees, knee), (flat, pose.ankles, ankle),
    ]  # fmt: skip


def _pair(joint: np.ndarray) -> np.ndarray:
    """Both sides' joints `[2, 3]`, from that of the right side."""
    return joint * np.stack([SIDES, [1, 1], [1, 1]], 1)


def _turned(
    rest_axis: np.ndarray, rest_bone: np.ndarray, axis: np.ndarray, bone: np.ndarray
) -> np.ndarray:
    """The rotation that takes a bone and its hinge axis from rest, `[2, 3]`, to now `[T, 2, 3]`."""
    return _frame(axis, bone) @ _frame(rest_axis, rest_bone).swapaxes(-1, -2)


def _frame(axis: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Orthonormal columns `[..., 3, 3]`: `along`, and what is perpendicular to it and `axis`."""
    along = unit(along)
    side = unit(np.cross(axis, along))
    return np.stack([np.cross(along, side), along, side], -1)


def _swing(parent: np.ndarray, rest: np.ndarray, bone: np.ndarray) -> np.ndarray:
    """Rotation `[T, 2, 3, 3]` that follows `parent` and then takes the direction of `rest` `[2, 3]`
    to that of `bone` `[T, 2, 3]` the short way, without a twist."""
    start, end = unit(turn(parent, rest)), unit(bone)
    cross, cosine = np.cross(start, end), np.einsum("...i,...i", start, end)
    zero = np.zeros_like(cosine)
    x, y, z = np.moveaxis(cross, -1, 0)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*cosine.shape, 3, 3)
    factor = (1 / np.maximum(1 + cosine, 1e-3))[..., None, None]
    return (np.eye(3) + skew + factor * skew @ skew) @ parent


def _halfway(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation half way from `a` to `b`, `[..., 3, 3]`."""
    mean = a + b
    up = unit(mean[..., 1])
    right = unit(np.cross(up, mean[..., 2]))
    return np.stack([right, up, np.cross(right, up)], -1)
