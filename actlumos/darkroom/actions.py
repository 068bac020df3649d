"""The eleven actions of ARID as trajectories, one function per action.

Speeds, angles and frequencies are everyday human values (gait: Winter 1991, "The biomechanics and
motor control of human gait"; the rest by observation). Every function changes a neutral `Motion`
in place, and may use the stage's seat and table.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actlumos.darkroom.body import SIDES, Body
from actlumos.darkroom.gait import gait, swing_arms
from actlumos.darkroom.geometry import ease
from actlumos.darkroom.motion import (
    Motion,
    Stage,
    arm_angles,
    mirror,
    move_hand,
    neutral,
    reach_for,
    sit_down,
    there_and_back,
)

Action = Callable[[Body, Motion, Stage, np.random.Generator], None]
GRAVITY = 9.81  # m/s2


def sit_first(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Seat the person for an action of the upper body, if the stage says so."""
    if stage.seated and stage.seat is not None:
        sit_down(body, m, stage, np.ones_like(m.t), rng)
        m.reaching[:] = 0
        for k in (0, 1):
            m.hand[:, k] = np.array([-SIDES[k] * 0.05, -0.62, 0.55]) * body.arm


def walk(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Walk at 0.75..1.05 strides per second."""
    hip = np.deg2rad(rng.uniform(20, 27))
    knee = (np.deg2rad(5), np.deg2rad(rng.uniform(46, 58)))
    phase = gait(
        body, m, rng, strides=rng.uniform(0.75, 1.05), hip=hip, lean=0.06, knee=knee, flight=0.0
    )
    m.lean += rng.uniform(0, 0.1)
    swing_arms(body, m, rng, phase, np.deg2rad(rng.uniform(10, 32)), rng.uniform(0.1, 0.5))
    if stage.held and rng.random() < 0.5:
        move_hand(m, m.main, np.array([-0.05, -0.35, 0.5]) * mirror(m.main), np.ones_like(m.t))


def run(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Run at 1.2..1.6 strides per second, with bent elbows and a flight phase."""
    hip = np.deg2rad(rng.uniform(30, 42))
    knee = (np.deg2rad(14), np.deg2rad(rng.uniform(75, 105)))
    phase = gait(
        body, m, rng, strides=rng.uniform(1.2, 1.6), hip=hip, lean=np.deg2rad(12), knee=knee,
        flight=rng.uniform(0.03, 0.07),
    )  # fmt: skip
    m.lean += rng.uniform(0.08, 0.25)
    swing_arms(
        body, m, rng, phase, np.deg2rad(rng.uniform(28, 48)), np.deg2rad(rng.uniform(60, 95))
    )


def jump(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Crouch, fly, land, and repeat until the clip ends; forwards or in place."""
    start, far = rng.uniform(0.0, 0.35), rng.uniform(0.2, 1.1) * (rng.random() < 0.5)
    swing = rng.random() < 0.8
    high = rng.uniform(0.15, 0.42)
    while start < m.t[-1] - 0.55:
        height = high * rng.uniform(0.8, 1.2)
        start = one_jump(body, m, rng, start, height, far, swing) + rng.uniform(0.0, 0.45)


def one_jump(
    body: Body, m: Motion, rng: np.random.Generator, start: float, height: float, far: float,
    swing: bool,
) -> float:  # fmt: skip
    """One jump from time `start`, `height` metres up and `far` forwards; returns its end time."""
    crouch, down, push = rng.uniform(0.14, 0.34), rng.uniform(0.28, 0.45), 0.17
    flight = 2 * np.sqrt(2 * height / GRAVITY)
    take_off, landing = start + down + push, start + down + push + flight
    air = np.clip((m.t - take_off) / flight, 0, 1)
    rise = 4 * height * air * (1 - air)
    land = there_and_back(m.t, landing - 0.02, 0.14, 0.02, 0.4)
    low = ease(m.t, start, down) - ease(m.t, start + down, push)
    dip = crouch * low + 0.75 * crouch * land
    m.pelvis[:, 1] += rise - dip
    shift = far * np.clip((m.t - take_off) / flight, 0, 1)
    m.pelvis[:, 2] += shift - 0.1 * (low + land) * crouch
    m.feet[:, :, 2] += shift[:, None]
    tuck = rng.uniform(0.0, 0.18) * np.sin(np.pi * air)
    m.feet[:, :, 1] += (rise + tuck)[:, None]
    m.foot_pitch += (0.6 * np.sin(np.pi * air) + 0.5 * (m.t > take_off - 0.1) * (air < 1) * low)[
        :, None
    ]
    m.lean += (2.3 * crouch + 0.1) * low + 1.8 * crouch * land
    if swing:
        back, up = low, there_and_back(m.t, start + down - 0.05, 0.25, 0.12, 0.45)
        raise_to = rng.uniform(0.9, 2.6)
        for k in (0, 1):
            angle = -0.8 * back + raise_to * up
            target = arm_angles(body, angle, np.full_like(angle, 0.25), np.full_like(angle, 0.15))
            move_hand(m, k, target * mirror(k), np.clip(back + up, 0, 1))
    return landing + 0.35


def sit(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Sit down from standing, onto the seat or into a low squat, within 0.6..1.3 s."""
    lasts = rng.uniform(0.6, 1.3)
    start = rng.uniform(0.1, max(0.15, 0.85 * m.t[-1] - lasts))
    sit_down(body, m, stage, ease(m.t, start, lasts), rng)


def stand(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Stand up from the seat or from a low squat, within 0.6..1.3 s."""
    lasts = rng.uniform(0.6, 1.3)
    start = rng.uniform(0.1, max(0.15, 0.85 * m.t[-1] - lasts))
    sit_down(body, m, stage, 1 - ease(m.t, start, lasts), rng)


def turn_round(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Turn on the spot by 90, 180 or 360 degrees in small steps; the head turns first."""
    angle = rng.choice([np.pi / 2, np.pi, 2 * np.pi], p=[0.4, 0.42, 0.18]) * rng.choice([-1, 1])
    lasts = rng.uniform(0.7, 1.2) * (0.6 + 0.4 * abs(angle) / np.pi)
    start = rng.uniform(0.05, max(0.1, 0.7 * (m.t[-1] - lasts)))
    yaw = angle * ease(m.t, start, lasts)
    if start + 2 * lasts + 0.3 < m.t[-1] and rng.random() < 0.6:
        yaw = yaw - angle * ease(m.t, start + lasts + 0.3, lasts)
    rate = np.abs(np.gradient(yaw, m.t))
    m.yaw += yaw
    m.head_yaw += np.deg2rad(25) * np.gradient(yaw, m.t) / (rate.max() + 1e-6)
    step = np.sin(2 * np.pi * rng.uniform(1.4, 2.0) * m.t)
    c, s = np.cos(yaw), np.sin(yaw)
    for k in (0, 1):
        x, z = m.feet[:, k, 0].copy(), m.feet[:, k, 2].copy()
        m.feet[:, k, 0], m.feet[:, k, 2] = c * x + s * z, c * z - s * x
        m.feet[:, k, 1] += 0.05 * np.clip(rate, 0, 1.5) * np.clip(SIDES[k] * step, 0, 1)
        m.hand[:, k, 0] += SIDES[k] * 0.05 * np.clip(rate, 0, 2)
    m.foot_yaw += yaw[:, None]
    m.pelvis[:, 1] -= 0.012 * np.clip(rate, 0, 1.5) * (1 + np.abs(step))


def wave(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Raise a hand beside the head and swing the forearm at 1.2..2.8 Hz."""
    sit_first(body, m, stage, rng)
    both = rng.random() < 0.1
    up = there_and_back(m.t, rng.uniform(-0.5, 0.4), 0.45, rng.uniform(1.2, 4.0), 0.5)
    swing = np.deg2rad(rng.uniform(22, 42)) * np.sin(
        2 * np.pi * rng.uniform(1.2, 2.8) * m.t + rng.uniform(0, 6)
    )
    raised, ahead = rng.uniform(0.15, 2.2), rng.uniform(0.15, 0.7)
    for k in (0, 1) if both else (m.main,):
        lean = swing + rng.uniform(-0.1, 0.25)
        upper = np.array([np.sin(raised) * np.cos(ahead), -np.cos(raised), np.sin(ahead)])
        fore = np.stack([np.sin(lean), np.cos(lean), np.full_like(lean, 0.25)], -1)
        target = body.upper_arm * upper / np.linalg.norm(upper) + body.forearm * fore
        move_hand(m, k, target * mirror(k), up)
        m.elbow_out[:, k] = np.maximum(m.elbow_out[:, k], up)
    m.roll -= 0.04 * swing * up


def drink(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Lift the cup from the waist to the mouth, tip the head back, lower the cup again."""
    sit_first(body, m, stage, rng)
    k, h = m.main, body.height
    rise, hold = rng.uniform(0.5, 0.9), rng.uniform(0.5, 1.3)
    first = rng.uniform(0.0, 0.35)
    up = there_and_back(m.t, first, rise, hold, rise)
    if first + 3 * rise + hold + 0.4 < m.t[-1]:
        up = up + there_and_back(m.t, first + 2 * rise + hold + 0.3, rise, 2 * hold, rise)
    mouth = np.array([-body.shoulder + 0.06, 0.03 * h, 0.1 * h + 0.05]) * mirror(k)
    rest = np.array([-0.05, -rng.uniform(0.45, 0.75) * body.arm, rng.uniform(0.4, 0.7) * body.arm])
    arc = np.sin(np.pi * up)[:, None] * np.array([0.02, -0.02, 0.1]) * mirror(k)
    move_hand(m, k, rest * mirror(k), np.ones_like(m.t))
    move_hand(m, k, mouth + arc, up)
    m.elbow_out[:, k] = 0.1 + rng.uniform(0.1, 0.5) * up
    back = ease(up, 0.7, 0.3)
    m.head_pitch -= np.deg2rad(rng.uniform(12, 34)) * back
    m.lean -= 0.06 * back
    m.tilt = np.deg2rad(rng.uniform(45, 95)) * back


def pour(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Hold the bottle over the cup, which is in the other hand or on the table, and tip it."""
    sit_first(body, m, stage, rng)
    k = m.main
    start, hold = rng.uniform(0.0, 0.4), rng.uniform(0.8, 1.8)
    lift = there_and_back(m.t, start, 0.6, hold + 0.5, 0.6)
    tip = there_and_back(m.t, start + 0.35, 0.5, hold, 0.45)
    high, ahead = rng.uniform(0.2, 0.5), rng.uniform(0.62, 0.82)
    low = np.array([0.0, -0.75, 0.5]) * body.arm
    top = np.array([-0.12, -high + 0.22, ahead]) * body.arm
    move_hand(m, k, low * mirror(k), np.ones_like(m.t))
    move_hand(m, k, top * mirror(k), lift)
    other = np.array([-0.3, -high - 0.18, ahead - 0.02]) * body.arm
    if stage.table is None or rng.random() < 0.4:
        move_hand(m, 1 - k, other * mirror(1 - k), np.clip(0.6 + lift, 0, 1))
    m.elbow_out[:, k] = 0.2 + rng.uniform(0.4, 0.9) * tip
    m.hand[:, k, 1] += 0.05 * tip
    m.head_pitch += 0.35
    m.lean += rng.uniform(0.0, 0.2)
    m.roll += SIDES[k] * 0.05 * tip
    m.tilt = np.deg2rad(rng.uniform(95, 135)) * tip


def pick(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Bend down to the floor or the table, take something, and straighten up with it."""
    k = m.main
    start, fall = rng.uniform(0.0, 0.4), rng.uniform(0.55, 0.95)
    hold, rise = rng.uniform(0.08, 0.35), rng.uniform(0.55, 0.95)
    bent = there_and_back(m.t, start, fall, hold, rise)
    table = stage.table if stage.table is not None and rng.random() < 0.6 else None
    floor = table is None
    knees = rng.uniform(0.05, 0.85) if floor else 0.0
    aside = rng.uniform(-0.1, 0.25) * SIDES[k]
    height = rng.uniform(0.04, 0.2) if table is None else table + 0.06
    ahead = rng.uniform(0.25, 0.45) if floor else stage.table_ahead + rng.uniform(0.02, 0.15)
    m.pelvis[:, 1] -= bent * (0.03 + 0.48 * knees) * body.hip_height
    m.pelvis[:, 2] -= bent * (0.05 + 0.12 * (1 - knees))
    m.lean += bent * (1.75 - 0.85 * knees if floor else rng.uniform(0.35, 0.6))
    m.roll += bent * 0.1 * SIDES[k]
    m.foot_pitch += (0.5 * knees * bent)[:, None]
    m.head_pitch += 0.3 * bent
    place = np.array([aside, height, ahead])
    near = ease(m.t, start + 0.2 * fall, 0.8 * fall) - ease(m.t, start + fall + hold, 0.6 * rise)
    reach_for(m, k, np.broadcast_to(place, m.pelvis.shape), near)
    after = ease(m.t, start + fall + hold, rise)
    move_hand(m, k, np.array([0.0, -0.55, 0.6]) * body.arm * mirror(k), after)


def push(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Walk behind a cart or a box, or push a wall or a door repeatedly."""
    high = rng.uniform(-0.25, 0.05)
    if rng.random() < 0.5:
        knee = (0.12, np.deg2rad(42))
        gait(
            body, m, rng, strides=rng.uniform(0.5, 0.85), hip=np.deg2rad(rng.uniform(13, 22)),
            lean=0.12, knee=knee, flight=0.0,
        )  # fmt: skip
        reach = 0.8 + 0.06 * np.sin(2 * np.pi * 0.8 * m.t)
        m.lean += rng.uniform(0.3, 0.65)
    else:
        effort = np.clip(
            np.sin(2 * np.pi * (m.t / rng.uniform(0.9, 1.6) + rng.random())), -0.6, 0.8
        )
        reach = 0.66 + 0.3 * effort
        m.feet[:, 0, 2], m.feet[:, 1, 2] = 0.12, -0.42
        m.pelvis[:, 1] -= 0.08
        m.pelvis[:, 2] += 0.1 * effort
        m.lean += rng.uniform(0.2, 0.5) + 0.25 * effort
    for k in (0, 1):
        place = np.stack([0 * reach + 0.05, high + 0.4 * m.lean, reach], -1) * body.arm
        m.hand[:, k] = place * mirror(k)
        m.elbow_out[:, k] = 0.5
    m.head_pitch -= 0.3 * m.lean


ACTIONS: dict[str, Action] = {
    "drink": drink, "jump": jump, "pick": pick, "pour": pour, "push": push, "run": run,
    "sit": sit, "stand": stand, "turn": turn_round, "walk": walk, "wave": wave,
}  # fmt: skip


def act(
    name: str, actions: dict[str, Action], body: Body, stage: Stage, t: np.ndarray,
    rng: np.random.Generator,
) -> Motion:  # fmt: skip
    """The motion of `body` in the action `name`, at times `t` `[T]` (s)."""
    motion = neutral(body, t, rng)
    actions[name](body, motion, stage, rng)
    return motion
