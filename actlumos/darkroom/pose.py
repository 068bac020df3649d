"""The skeleton over time: from a motion to the position of every joint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from actlumos.darkroom.body import NECK, SIDES, Body
from actlumos.darkroom.geometry import orientation, turn, two_bones, unit, yaw_matrix
from actlumos.darkroom.motion import Motion


@dataclass(frozen=True)
class Pose:
    """Joint positions `[T, 3]` in metres, pairs `[T, 2, 3]` with the left one first.

    The axes `[T, 2, 3]` are the unit hinge axes of elbows and knees. The columns of the frames
    `[T, 3, 3]` are the right, up and forward axes of a part of the body.
    """

    pelvis: np.ndarray
    waist: np.ndarray
    neck: np.ndarray
    head: np.ndarray
    shoulders: np.ndarray
    elbows: np.ndarray
    wrists: np.ndarray
    hips: np.ndarray
    knees: np.ndarray
    ankles: np.ndarray
    toes: np.ndarray
    elbow_axes: np.ndarray
    knee_axes: np.ndarray
    pelvis_frame: np.ndarray
    chest_frame: np.ndarray
    head_frame: np.ndarray


class _Arm(NamedTuple):
    """Joints of one arm, `[T, 3]` each."""

    shoulder: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    axis: np.ndarray


class _Leg(NamedTuple):
    """Joints of one leg, `[T, 3]` each."""

    hip: np.ndarray
    knee: np.ndarray
    ankle: np.ndarray
    toe: np.ndarray
    axis: np.ndarray


def pose(body: Body, motion: Motion) -> Pose:
    """The joints of `body` in the motion's own frame.

    Pelvis and trunk follow the motion directly. Arms and legs are placed so that wrists and ankles
    are on their targets, or as near as the limbs reach.
    """
    pelvis_frame, chest_frame, head_frame = _frames(motion)
    waist = motion.pelvis + 0.42 * body.spine * pelvis_frame[..., 1]
    neck = waist + 0.58 * body.spine * chest_frame[..., 1]
    head = (
        neck + 0.045 * body.height * chest_frame[..., 1] + 0.06 * body.height * head_frame[..., 1]
    )
    arms = [_arm(body, motion, chest_frame, neck, k) for k in (0, 1)]
    legs = [_leg(body, motion, pelvis_frame, k) for k in (0, 1)]
    return Pose(
        pelvis=motion.pelvis, waist=waist, neck=neck, head=head,
        shoulders=np.stack([arm.shoulder for arm in arms], 1),
        elbows=np.stack([arm.elbow for arm in arms], 1),
        wrists=np.stack([arm.wrist for arm in arms], 1),
        hips=np.stack([leg.hip for leg in legs], 1),
        knees=np.stack([leg.knee for leg in legs], 1),
        ankles=np.stack([leg.ankle for leg in legs], 1),
        toes=np.stack([leg.toe for leg in legs], 1),
        elbow_axes=np.stack([arm.axis for arm in arms], 1),
        knee_axes=np.stack([leg.axis for leg in legs], 1),
        pelvis_frame=pelvis_frame, chest_frame=chest_frame, head_frame=head_frame,
    )  # fmt: skip


def _frames(motion: Motion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames `[T, 3, 3]` of pelvis, chest and head; pelvis and head take a part of the lean."""
    chest_yaw = motion.yaw + motion.twist
    head_pitch = 0.55 * motion.lean + motion.head_pitch
    return (
        orientation(motion.yaw, 0.45 * motion.lean, 0.4 * motion.roll),
        orientation(chest_yaw, motion.lean, motion.roll),
        orientation(chest_yaw + motion.head_yaw, head_pitch, 0.5 * motion.roll),
    )


def _arm(body: Body, motion: Motion, chest: np.ndarray, neck: np.ndarray, k: int) -> _Arm:
    """Arm `k`; its wrist follows `motion.hand`, `motion.reach`, or a mixture of both."""
    offset = np.array([SIDES[k] * body.shoulder, -NECK * body.height, 0.0])
    shoulder = neck + turn(chest, np.broadcast_to(offset, neck.shape))
    free = shoulder + turn(chest, motion.hand[:, k])
    mix = motion.reaching[:, k, None]
    target = (1 - mix) * free + mix * motion.reach[:, k]
    out = motion.elbow_out[:, k]
    hint = np.stack([SIDES[k] * (0.25 + out), np.full_like(out, -0.6), -0.8 * (1 - 0.7 * out)], -1)
    elbow, wrist, axis = two_bones(
        shoulder, target, body.upper_arm, body.forearm, turn(chest, hint)
    )
    return _Arm(shoulder, elbow, wrist, axis)


def _leg(body: Body, motion: Motion, pelvis: np.ndarray, k: int) -> _Leg:
    """Leg `k`; the knee bends forwards in the direction of the foot."""
    offset = np.array([SIDES[k] * body.hip, 0.0, 0.0])
    hip = motion.pelvis + turn(pelvis, np.broadcast_to(offset, motion.pelvis.shape))
    foot = yaw_matrix(motion.foot_yaw[:, k])
    hint = np.broadcast_to(np.array([SIDES[k] * motion.knees_out, 0.12, 1.0]), hip.shape)
    target = np.maximum(motion.feet[:, k], [-np.inf, body.ankle, -np.inf])
    knee, ankle, axis = two_bones(hip, target, body.thigh, body.shin, turn(foot, hint))
    heel, front = body.foot
    pitch = np.clip(
        motion.foot_pitch[:, k], -_tilt(body, ankle, heel), _tilt(body, ankle, front)
    )  # fmt: skip
    forward = np.stack([0 * pitch, -np.sin(pitch), np.cos(pitch)], -1)
    down = np.stack([0 * pitch, -np.cos(pitch), -np.sin(pitch)], -1)
    toe = ankle + turn(foot, body.toe(forward, down))
    return _Leg(hip, knee, ankle, toe, unit(axis))


def _tilt(body: Body, ankle: np.ndarray, reach: float) -> np.ndarray:
    """How far a foot may tilt, `[T]` radians, until the sole's end, `reach` metres before or behind
    the ankle `[T, 3]`, touches the floor."""
    radius = np.hypot(reach, body.ankle)
    sine = np.minimum(ankle[:, 1] / radius, 1)
    return np.maximum(np.arcsin(sine) - np.arctan2(body.ankle, reach), 0)
