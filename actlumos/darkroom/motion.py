"""What a motion is, the still person that every action starts from, and shared building blocks.

A motion has its own frame: the person stands at the origin and looks along +z. All arrays hold one
row per frame; pairs are left, right. Actions change the arrays in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actlumos.darkroom.body import SIDES, Body
from actlumos.darkroom.geometry import ease, wobble


@dataclass
class Motion:
    """Trajectories of one clip; metres and radians, `T` frames."""

    t: np.ndarray  # [T] seconds
    pelvis: np.ndarray  # [T, 3]
    yaw: np.ndarray  # [T] heading of the pelvis
    lean: np.ndarray  # [T] trunk forwards
    roll: np.ndarray  # [T] trunk sideways
    twist: np.ndarray  # [T] chest against pelvis
    head_yaw: np.ndarray  # [T] head against chest
    head_pitch: np.ndarray  # [T] down is positive
    feet: np.ndarray  # [T, 2, 3] ankle targets
    foot_yaw: np.ndarray  # [T, 2]
    foot_pitch: np.ndarray  # [T, 2] toes down is positive
    hand: np.ndarray  # [T, 2, 3] wrist target, from the shoulder, in the chest's frame
    reach: np.ndarray  # [T, 2, 3] wrist target in the motion's frame
    reaching: np.ndarray  # [T, 2] 0 = follow `hand`, 1 = follow `reach`
    elbow_out: np.ndarray  # [T, 2] 0 = elbow behind, 1 = elbow to the side
    tilt: np.ndarray  # [T] of the thing in the main hand
    knees_out: float = 0.15  # direction in which the knees bend: 0 = straight ahead
    main: int = 1  # the arm that acts: 0 = left, 1 = right


@dataclass(frozen=True)
class Stage:
    """What stands near the person; drawn independently of the action, so it shows no class."""

    seat: float | None  # height of a seat, if there is one
    seat_at: tuple[float, float]  # where the seat is, in the motion's frame (x, z)
    table: float | None  # height of a table in front of the person, if there is one
    table_ahead: float  # distance of the table
    seated: bool  # whether an action of the upper body is done sitting
    held: str  # thing in the hand where the action needs none: "", "bottle", "cup", "phone"


def neutral(body: Body, t: np.ndarray, rng: np.random.Generator) -> Motion:
    """A person who stands at ease at times `t` `[T]`, arms hanging, and sways a little."""
    n = len(t)
    feet, pelvis = np.zeros((n, 2, 3)), np.zeros((n, 3))
    feet[:, :, 0] = SIDES * rng.uniform(0.07, 0.15)
    feet[:, :, 1] = body.ankle
    feet[:, :, 2] = rng.normal(0, 0.04, 2)
    pelvis[:, 1] = body.hip_height - 0.004
    motion = Motion(
        t=t, pelvis=pelvis, feet=feet,
        hand=np.stack([_hanging(body, rng, t, k) for k in (0, 1)], 1),
        yaw=np.zeros(n), lean=np.zeros(n), roll=np.zeros(n), twist=np.zeros(n),
        head_yaw=wobble(rng, t, 0.12, 0.5), head_pitch=0.08 + wobble(rng, t, 0.06, 0.5),
        foot_yaw=np.tile(SIDES * rng.uniform(0.05, 0.3), (n, 1)), foot_pitch=np.zeros((n, 2)),
        reach=np.zeros((n, 2, 3)), reaching=np.zeros((n, 2)),
        elbow_out=np.full((n, 2), rng.uniform(0, 0.4)), tilt=np.zeros(n),
        main=int(rng.integers(2)),
    )  # fmt: skip
    _sway(motion, rng)
    return motion


def _hanging(body: Body, rng: np.random.Generator, t: np.ndarray, k: int) -> np.ndarray:
    """Wrist `[T, 3]` of an arm that hangs, or rests bent in front of the body or on the hip."""
    if rng.random() < 0.72:
        place = np.array([SIDES[k] * rng.uniform(0.02, 0.1), -rng.uniform(0.95, 0.99), 0.08])
    else:
        place = np.array([-SIDES[k] * rng.uniform(-0.15, 0.3), -rng.uniform(0.5, 0.75), 0.45])
    shake = np.stack([wobble(rng, t, 0.02) for _ in range(3)], -1)
    return place * body.arm + shake


def _sway(motion: Motion, rng: np.random.Generator) -> None:
    """Move pelvis and trunk slowly, by a few centimetres and degrees, as a standing person does."""
    size = rng.uniform(0.4, 1.6)
    motion.pelvis[:, 0] += wobble(rng, motion.t, 0.012 * size, 0.5)
    motion.pelvis[:, 2] += wobble(rng, motion.t, 0.01 * size, 0.5)
    motion.pelvis[:, 1] -= np.abs(wobble(rng, motion.t, 0.006 * size, 0.5))
    motion.lean += rng.normal(0.03, 0.05) + wobble(rng, motion.t, 0.02 * size)
    motion.roll += wobble(rng, motion.t, 0.015 * size)
    motion.twist += rng.normal(0, 0.1) + wobble(rng, motion.t, 0.04 * size)


def mirror(k: int) -> np.ndarray:
    """Factor `[3]` that makes a vector of the right arm one of arm `k`."""
    return np.array([SIDES[k], 1.0, 1.0])


def arm_angles(body: Body, flexion: np.ndarray, elbow: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Wrist `[T, 3]` from the right shoulder, for an arm that is raised forwards by `flexion`, bent
    by `elbow` and moved away from the body by `out` (all `[T]`); `mirror` gives the left arm."""
    upper, lower = flexion, flexion + elbow
    down = -(body.upper_arm * np.cos(upper) + body.forearm * np.cos(lower))
    ahead = body.upper_arm * np.sin(upper) + body.forearm * np.sin(lower)
    return np.stack([-down * np.sin(out), down * np.cos(out), ahead], -1)


def move_hand(motion: Motion, k: int, target: np.ndarray, amount: np.ndarray) -> None:
    """Move the hand `k` towards `target` `[T, 3]` (shoulder-relative) by `amount` `[T]` of 0..1."""
    motion.hand[:, k] += amount[:, None] * (target - motion.hand[:, k])


def reach_for(motion: Motion, k: int, target: np.ndarray, amount: np.ndarray) -> None:
    """Like `move_hand`, but `target` is in the motion's frame (a thing on a table or the floor)."""
    motion.reach[:, k] = target
    motion.reaching[:, k] = amount


def there_and_back(
    t: np.ndarray, start: float, rise: float, hold: float, fall: float
) -> np.ndarray:
    """0 until `start`, up to 1 within `rise`, 1 for `hold`, down to 0 within `fall` (seconds)."""
    return ease(t, start, rise) - ease(t, start + rise + hold, fall)


def sit_down(
    body: Body, motion: Motion, stage: Stage, amount: np.ndarray, rng: np.random.Generator
) -> None:
    """Sit down by `amount` `[T]`: 0 = stand, 1 = sit on the seat, or squat where there is none."""
    squat = stage.seat is None
    height = rng.uniform(0.2, 0.32) if stage.seat is None else stage.seat + 0.09
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
