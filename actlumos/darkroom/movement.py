"""What a motion is, the still person every action starts from, and the shared building blocks.

A motion lives in its own frame: the figure stands at the origin and looks along +z. All arrays
hold one row a frame; pairs are left, right. Actions change the arrays in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from actlumos.darkroom.geometry import ease, wobble

if TYPE_CHECKING:
    from actlumos.darkroom.body import Body

SIDES = np.array([-1.0, 1.0])


@dataclass
class Motion:
    """Trajectories of one clip; metres and radians, `T` frames."""

    t: np.ndarray  # [T] seconds
    pelvis: np.ndarray  # [T, 3]
    yaw: np.ndarray  # [T]
    lean: np.ndarray  # [T] trunk forwards
    roll: np.ndarray  # [T] trunk sideways
    twist: np.ndarray  # [T] chest against pelvis
    head_yaw: np.ndarray  # [T]
    head_pitch: np.ndarray  # [T] down is positive
    feet: np.ndarray  # [T, 2, 3] ankle targets
    foot_yaw: np.ndarray  # [T, 2]
    foot_pitch: np.ndarray  # [T, 2] toes down is positive
    hand: np.ndarray  # [T, 2, 3] wrist from its shoulder, in the chest's frame
    reach: np.ndarray  # [T, 2, 3] wrist in the motion's frame
    reaching: np.ndarray  # [T, 2] 0 = follow `hand`, 1 = follow `reach`
    elbow_out: np.ndarray  # [T, 2] 0 = elbow behind, 1 = elbow to the side
    tilt: np.ndarray  # [T] of the thing in the right hand
    knees_out: float = 0.15
    main: int = 1  # the arm that acts


@dataclass(frozen=True)
class Stage:
    """What stands near the figure; drawn without regard to the action, so it tells nothing."""

    seat: float | None  # height of a seat, or none
    seat_at: tuple[float, float]  # where the seat is, in the motion's frame (x, z)
    table: float | None  # height of a table before the figure, or none
    table_ahead: float
    seated: bool  # an action of the upper body is done sitting
    held: str  # thing in the hand where the action brings none: "", "bottle", "cup", "phone"


def neutral(body: Body, t: np.ndarray, rng: np.random.Generator) -> Motion:
    """A person who stands at ease, arms hanging, and sways a little."""
    n = len(t)
    apart = rng.uniform(0.07, 0.15)
    pelvis = np.zeros((n, 3))
    pelvis[:, 1] = body.hip_height - 0.004
    feet = np.zeros((n, 2, 3))
    feet[:, :, 0] = SIDES * apart
    feet[:, :, 1] = body.ankle
    feet[:, :, 2] = rng.normal(0, 0.04, 2)
    hand = np.zeros((n, 2, 3))
    for k in (0, 1):
        hand[:, k] = hanging(body, rng, t, k)
    motion = Motion(
        t, pelvis, *(np.zeros(n) for _ in range(4)), wobble(rng, t, 0.12, 0.5),
        0.08 + wobble(rng, t, 0.06, 0.5), feet, np.tile(SIDES * rng.uniform(0.05, 0.3), (n, 1)),
        np.zeros((n, 2)), hand, np.zeros((n, 2, 3)), np.zeros((n, 2)),
        np.full((n, 2), rng.uniform(0, 0.4)), np.zeros(n), main=int(rng.integers(2)),
    )  # fmt: skip
    sway(motion, rng)
    return motion


def hanging(body: Body, rng: np.random.Generator, t: np.ndarray, k: int) -> np.ndarray:
    """Wrist `[T, 3]` of an arm that hangs, or rests bent before the body or on the hip."""
    if rng.random() < 0.72:
        place = np.array([SIDES[k] * rng.uniform(0.02, 0.1), -rng.uniform(0.95, 0.99), 0.08])
    else:
        place = np.array([-SIDES[k] * rng.uniform(-0.15, 0.3), -rng.uniform(0.5, 0.75), 0.45])
    shake = np.stack([wobble(rng, t, 0.02) for _ in range(3)], -1)
    return place * body.arm + shake


def sway(motion: Motion, rng: np.random.Generator) -> None:
    """Nobody stands still: move pelvis and trunk slowly, a few centimetres and degrees."""
    size = rng.uniform(0.4, 1.6)
    motion.pelvis[:, 0] += wobble(rng, motion.t, 0.012 * size, 0.5)
    motion.pelvis[:, 2] += wobble(rng, motion.t, 0.01 * size, 0.5)
    motion.pelvis[:, 1] -= np.abs(wobble(rng, motion.t, 0.006 * size, 0.5))
    motion.lean += rng.normal(0.03, 0.05) + wobble(rng, motion.t, 0.02 * size)
    motion.roll += wobble(rng, motion.t, 0.015 * size)
    motion.twist += rng.normal(0, 0.1) + wobble(rng, motion.t, 0.04 * size)


def mirror(k: int) -> np.ndarray:
    """Factor that turns a right-arm vector into arm `k`'s."""
    return np.array([SIDES[k], 1.0, 1.0])


def arm_angles(body: Body, flexion: np.ndarray, elbow: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Wrist `[T, 3]` from its (right) shoulder for an arm raised forwards by `flexion`, bent by
    `elbow` and led away from the body by `out`; mirror x for the left arm."""
    upper, lower = flexion, flexion + elbow
    down = -(body.upper_arm * np.cos(upper) + body.forearm * np.cos(lower))
    ahead = body.upper_arm * np.sin(upper) + body.forearm * np.sin(lower)
    return np.stack([-down * np.sin(out), down * np.cos(out), ahead], -1)


def take(motion: Motion, k: int, target: np.ndarray, amount: np.ndarray) -> None:
    """Move the hand `k` towards `target` `[T, 3]` (shoulder-relative) by `amount` `[T]` of 0..1."""
    motion.hand[:, k] += amount[:, None] * (target - motion.hand[:, k])


def grasp(motion: Motion, k: int, target: np.ndarray, amount: np.ndarray) -> None:
    """Like `take`, for a target in the motion's frame (a thing on a table, the floor, a wall)."""
    motion.reach[:, k] = target
    motion.reaching[:, k] = amount


def there_and_back(
    t: np.ndarray, start: float, rise: float, hold: float, fall: float
) -> np.ndarray:
    """0, up to 1 within `rise` s from `start`, stay for `hold` s, down to 0 within `fall` s."""
    return ease(t, start, rise) - ease(t, start + rise + hold, fall)


def lower_onto(
    body: Body, motion: Motion, stage: Stage, amount: np.ndarray, rng: np.random.Generator
) -> None:
    """Sit down by `amount` `[T]`: 0 stands, 1 sits on the stage's seat, or squats without one."""
    squat = stage.seat is None
    height = rng.uniform(0.2, 0.32) if squat else stage.seat + 0.09
    back = rng.uniform(0.08, 0.2) if squat else -stage.seat_at[1]
    dip = np.sin(np.pi * amount)
    motion.pelvis[:, 1] += amount * (height - motion.pelvis[:, 1])
    motion.pelvis[:, 2] -= back * ease(amount, 0.0, 0.9)
    rest = rng.uniform(0.35, 0.75) if squat else rng.uniform(-0.12, 0.28)
    motion.lean += rest * amount + rng.uniform(0.35, 0.85) * dip
    motion.head_pitch -= 0.4 * rest * amount
    motion.knees_out = rng.uniform(0.1, 0.45)
    motion.feet[:, :, 0] += amount[:, None] * SIDES * rng.uniform(0, 0.08)
    if rng.random() < 0.75:
        _hands_on_thighs(body, motion, amount, rng)


def _hands_on_thighs(
    body: Body, motion: Motion, amount: np.ndarray, rng: np.random.Generator
) -> None:
    """Rest the hands near the knees while seated."""
    ahead, high, inward = rng.uniform(0.18, 0.42), rng.uniform(0.1, 0.2), rng.uniform(-0.06, 0.08)
    for k in (0, 1):
        place = motion.pelvis + np.array([SIDES[k] * (body.hip + 0.08 - inward), high, ahead])
        motion.reach[:, k] = place
        motion.reaching[:, k] = ease(amount, 0.25, 0.75)
