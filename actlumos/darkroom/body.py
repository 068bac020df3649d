"""One person: proportions and clothes drawn at random, and the skeleton's pose over time.

Proportions follow the segment lengths of Drillis and Contini (1966), as fractions of stature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actlumos.darkroom.geometry import (
    pitch_matrix,
    roll_matrix,
    turn,
    two_bones,
    unit,
    yaw_matrix,
)
from actlumos.darkroom.movement import Motion

Colour = tuple[float, float, float]
SIDES = np.array([-1.0, 1.0])  # left, right


@dataclass(frozen=True)
class Body:
    """A person's measures (metres) and surface colours (linear RGB albedo, 0..1)."""

    height: float
    girth: float
    thigh: float
    shin: float
    upper_arm: float
    forearm: float
    shoulder: float
    hip: float
    spine: float
    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    mark: Colour
    long_sleeves: bool
    legs: str  # "long", "shorts" or "skirt"
    long_hair: bool
    bag: bool

    @property
    def ankle(self) -> float:
        """Height of the ankle joint above the floor."""
        return 0.042 * self.height

    @property
    def hip_height(self) -> float:
        """Height of the pelvis when the person stands at ease."""
        return self.ankle + 0.992 * (self.thigh + self.shin)

    @property
    def arm(self) -> float:
        """Length of the arm from shoulder to wrist."""
        return self.upper_arm + self.forearm


def _tint(rng: np.random.Generator, value: float, spread: float) -> Colour:
    """A grey of `value` whose channels differ by a factor of about `spread`."""
    return tuple(float(c) for c in np.clip(value * np.exp(rng.normal(0, spread, 3)), 0.01, 0.9))


def _cloth(rng: np.random.Generator) -> Colour:
    """Clothes are mostly dark, often light, seldom between, and never saturated."""
    low, high = [(0.02, 0.07), (0.1, 0.28), (0.42, 0.8)][rng.choice(3, p=[0.5, 0.18, 0.32])]
    return _tint(rng, rng.uniform(low, high), 0.11)


def sample_body(rng: np.random.Generator) -> Body:
    """Draw a person."""
    height = float(np.clip(rng.normal(1.7, 0.085), 1.52, 1.9))
    scale = height * rng.normal(1.0, 0.025, 7)
    skin = np.array([0.46, 0.33, 0.26]) * rng.uniform(0.45, 1.25)
    return Body(
        height=height, girth=float(np.clip(rng.normal(1.03, 0.12), 0.82, 1.35)),
        thigh=0.245 * scale[0], shin=0.243 * scale[1],
        upper_arm=0.178 * scale[2], forearm=0.152 * scale[3],
        shoulder=0.112 * scale[4], hip=0.05 * scale[5], spine=0.288 * scale[6],
        skin=tuple(float(c) for c in skin), hair=_tint(rng, rng.uniform(0.015, 0.09), 0.1),
        shirt=_cloth(rng), trousers=_cloth(rng), shoes=_cloth(rng), mark=_cloth(rng),
        long_sleeves=bool(rng.random() < 0.5),
        legs=str(rng.choice(["long", "shorts", "skirt"], p=[0.68, 0.2, 0.12])),
        long_hair=bool(rng.random() < 0.3), bag=bool(rng.random() < 0.12),
    )  # fmt: skip


@dataclass(frozen=True)
class Pose:
    """World positions `[T, 3]` (pairs `[T, 2, 3]`, left first) and frames `[T, 3, 3]`."""

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


def pose(body: Body, motion: Motion) -> Pose:
    """Turn a motion (pelvis, leans, foot and hand targets) into joints, in the motion's frame."""
    heading = yaw_matrix(motion.yaw)
    lower = heading @ pitch_matrix(0.45 * motion.lean) @ roll_matrix(0.4 * motion.roll)
    chest = (
        yaw_matrix(motion.yaw + motion.twist) @ pitch_matrix(motion.lean) @ roll_matrix(motion.roll)
    )
    head = yaw_matrix(motion.yaw + motion.twist + motion.head_yaw)
    head = (
        head @ pitch_matrix(0.55 * motion.lean + motion.head_pitch) @ roll_matrix(0.5 * motion.roll)
    )
    waist = motion.pelvis + 0.42 * body.spine * lower[..., 1]
    neck = waist + 0.58 * body.spine * chest[..., 1]
    crown = neck + 0.045 * body.height * chest[..., 1] + 0.06 * body.height * head[..., 1]
    arms = [_arm(body, motion, chest, neck, k) for k in (0, 1)]
    legs = [_leg(body, motion, lower, k) for k in (0, 1)]
    pair = lambda items, i: np.stack([item[i] for item in items], 1)  # noqa: E731
    return Pose(
        motion.pelvis, waist, neck, crown,
        pair(arms, 0), pair(arms, 1), pair(arms, 2),
        pair(legs, 0), pair(legs, 1), pair(legs, 2), pair(legs, 4),
        pair(arms, 3), pair(legs, 3), lower, chest, head,
    )  # fmt: skip


def _arm(
    body: Body, motion: Motion, chest: np.ndarray, neck: np.ndarray, k: int
) -> list[np.ndarray]:
    """Shoulder, elbow, wrist and hinge axis of arm `k`."""
    offset = np.array([SIDES[k] * body.shoulder, -0.035 * body.height, 0.0])
    shoulder = neck + turn(chest, np.broadcast_to(offset, neck.shape))
    free = shoulder + turn(chest, motion.hand[:, k])
    mix = motion.reaching[:, k, None]
    target = (1 - mix) * free + mix * motion.reach[:, k]
    out = motion.elbow_out[:, k]
    hint = np.stack([SIDES[k] * (0.25 + out), np.full_like(out, -0.6), -0.8 * (1 - 0.7 * out)], -1)
    elbow, wrist, axis = two_bones(
        shoulder, target, body.upper_arm, body.forearm, turn(chest, hint)
    )
    return [shoulder, elbow, wrist, axis]


def _leg(body: Body, motion: Motion, lower: np.ndarray, k: int) -> list[np.ndarray]:
    """Hip, knee, ankle, hinge axis and toe tip of leg `k`."""
    offset = np.array([SIDES[k] * body.hip, 0.0, 0.0])
    hip = motion.pelvis + turn(lower, np.broadcast_to(offset, motion.pelvis.shape))
    foot = yaw_matrix(motion.foot_yaw[:, k])
    hint = np.broadcast_to(np.array([SIDES[k] * motion.knees_out, 0.12, 1.0]), hip.shape)
    knee, ankle, axis = two_bones(hip, motion.feet[:, k], body.thigh, body.shin, turn(foot, hint))
    pitch = motion.foot_pitch[:, k]
    forward = np.stack([0 * pitch, -np.sin(pitch), np.cos(pitch)], -1)
    down = np.stack([0 * pitch, -np.cos(pitch), -np.sin(pitch)], -1)
    toe = ankle + turn(foot, 0.105 * body.height * forward + 0.7 * body.ankle * down)
    return [hip, knee, ankle, unit(axis), toe]
