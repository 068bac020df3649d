"""The ten actions of the second, unlabelled domain; none of them is one of ARID's eleven."""

from __future__ import annotations

import numpy as np

from actlumos.darkroom.actions import Action
from actlumos.darkroom.body import SIDES, Body
from actlumos.darkroom.geometry import ease, wobble
from actlumos.darkroom.motion import (
    Motion,
    Stage,
    arm_angles,
    mirror,
    move_hand,
    there_and_back,
)


def clap(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Move the hands together and apart in front of the chest at 1.5..3 Hz."""
    gap = 0.5 + 0.5 * np.cos(2 * np.pi * rng.uniform(1.5, 3.0) * m.t)
    high = rng.uniform(-0.5, 0.1)
    for k in (0, 1):
        side = -body.shoulder + 0.03 + 0.22 * gap
        place = np.stack([side, np.full_like(gap, high * body.arm), 0 * gap + 0.6 * body.arm], -1)
        move_hand(m, k, place * mirror(k), np.ones_like(gap))


def kick(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Swing one leg forwards and back, every 1.1..1.7 s."""
    beat = np.clip(np.sin(2 * np.pi * (m.t / rng.uniform(1.1, 1.7) + rng.random())), 0, 1) ** 1.5
    k, high = m.main, rng.uniform(0.3, 0.9)
    m.feet[:, k, 2] += 0.75 * beat
    m.feet[:, k, 1] += high * beat
    m.lean -= 0.3 * beat
    m.pelvis[:, 0] -= 0.05 * SIDES[k]


def squat(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Bend and stretch the knees repeatedly, arms forwards."""
    beat = 0.5 - 0.5 * np.cos(2 * np.pi * m.t / rng.uniform(1.2, 2.0))
    m.pelvis[:, 1] -= rng.uniform(0.2, 0.4) * beat
    m.pelvis[:, 2] -= 0.15 * beat
    m.lean += 0.5 * beat
    for k in (0, 1):
        move_hand(m, k, np.array([0, 0.0, 0.95]) * body.arm * mirror(k), beat)


def stretch(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Raise both arms, then lean to each side."""
    up = there_and_back(m.t, rng.uniform(0, 0.3), 0.8, rng.uniform(1.0, 2.5), 0.8)
    m.roll += 0.4 * up * np.sin(2 * np.pi * m.t / rng.uniform(1.5, 3))
    for k in (0, 1):
        move_hand(m, k, np.array([0.1, 0.97, 0.1]) * body.arm * mirror(k), up)
        m.elbow_out[:, k] = np.maximum(m.elbow_out[:, k], up)


def punch(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Punch forwards with the left and the right fist in turn."""
    rate = rng.uniform(0.9, 1.8)
    for k in (0, 1):
        out = np.clip(np.sin(2 * np.pi * rate * m.t + np.pi * k), 0, 1)
        guard, hit = np.array([-0.1, -0.15, 0.4]), np.array([-0.2, 0.0, 0.97])
        move_hand(m, k, guard * body.arm * mirror(k), np.ones_like(out))
        move_hand(m, k, hit * body.arm * mirror(k), out)
        m.twist -= SIDES[k] * 0.35 * out
    m.feet[:, 0, 2] += 0.2
    m.lean += 0.15


def throw(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Wind up and throw, overarm or underarm."""
    k, start = m.main, rng.uniform(0.1, 0.5)
    back, ahead = ease(m.t, start, 0.5), ease(m.t, start + 0.5, 0.3)
    over = rng.random() < 0.6
    angle = (2.6 if over else -1.1) * back + (-1.5 if over else 2.6) * ahead
    bend = 1.3 * (back - ahead) * over
    done = back - ease(m.t, start + 1.1, 0.6)
    target = arm_angles(body, angle, bend, np.full_like(angle, 0.2))
    move_hand(m, k, target * mirror(k), done)
    m.twist += SIDES[k] * (0.6 * back - 1.0 * ahead)
    m.lean += 0.4 * (ahead - 0.3 * back) * done


def bow(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Bend the trunk forwards, hands at the sides."""
    bent = there_and_back(m.t, rng.uniform(0.1, 0.5), 0.7, rng.uniform(0.2, 0.8), 0.7)
    m.lean += rng.uniform(0.5, 1.3) * bent
    m.pelvis[:, 2] -= 0.12 * bent


def dance(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Sway with hips and bent arms."""
    w = 2 * np.pi * rng.uniform(0.7, 1.3)
    m.pelvis[:, 0] += 0.08 * np.sin(w * m.t)
    m.pelvis[:, 1] -= 0.05 + 0.04 * np.cos(2 * w * m.t)
    m.roll -= 0.15 * np.sin(w * m.t)
    m.yaw += wobble(rng, m.t, 0.4, 0.5)
    for k in (0, 1):
        lift = np.sin(w * m.t + np.pi * k)
        place = np.stack([0.3 + 0 * lift, -0.3 + 0.35 * lift, 0.5 + 0 * lift], -1) * body.arm
        move_hand(m, k, place * mirror(k), np.ones_like(lift))


def march(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Lift the knees in turn without leaving the spot."""
    w = 2 * np.pi * rng.uniform(0.7, 1.2)
    for k in (0, 1):
        lift = np.clip(np.sin(w * m.t + np.pi * k), 0, 1)
        m.feet[:, k, 1] += rng.uniform(0.25, 0.5) * lift
        m.feet[:, k, 2] += 0.12 * lift
        angle = -0.5 * np.sin(w * m.t + np.pi * k)
        target = arm_angles(body, angle, 0.6 + 0 * angle, 0.1 + 0 * angle)
        move_hand(m, k, target * mirror(k), np.ones_like(lift))


def point(body: Body, m: Motion, stage: Stage, rng: np.random.Generator) -> None:
    """Stretch an arm towards something and look there."""
    up = there_and_back(m.t, rng.uniform(0, 0.5), 0.5, rng.uniform(0.8, 2.0), 0.5)
    side = rng.uniform(-0.3, 1.2)
    aim = np.array([np.sin(side), rng.uniform(-0.1, 0.5), np.cos(side)])
    move_hand(m, m.main, 0.97 * body.arm * aim / np.linalg.norm(aim) * mirror(m.main), up)
    m.head_yaw += SIDES[m.main] * 0.7 * side * up


ACTIONS_B: dict[str, Action] = {
    "bow": bow, "clap": clap, "dance": dance, "kick": kick, "march": march, "point": point,
    "punch": punch, "squat": squat, "stretch": stretch, "throw": throw,
}  # fmt: skip
