"""Legs and arms of people on the move: the part that walking, running and pushing share."""

from __future__ import annotations

import numpy as np

from actlumos.darkroom.body import Body
from actlumos.darkroom.geometry import wobble
from actlumos.darkroom.movement import SIDES, Motion, arm_angles, mirror


def gait(
    body: Body, m: Motion, rng: np.random.Generator, *,
    strides: float, hip: float, lean: float, knee: tuple[float, float], flight: float,
) -> np.ndarray:  # fmt: skip
    """Legs, pelvis and arms of walking or running; returns the phase `[T]` of the left leg.

    The thigh swings at an almost even rate (a rounded triangle wave), the knee bends while the leg
    swings forwards. The pelvis is as high as the standing leg holds it and moves as fast as that
    foot goes backwards, so planted feet do not slide.
    """
    phase = 2 * np.pi * strides * (m.t + wobble(rng, m.t, 0.012)) + rng.uniform(0, 2 * np.pi)
    legs = phase[:, None] + np.array([0, np.pi])
    thigh = lean + hip * np.arcsin(0.96 * np.cos(legs)) / np.arcsin(0.96)
    bend = knee[0] + (knee[1] - knee[0]) * np.clip(-np.sin(legs + 0.35), 0, 1) ** 1.4
    down = -(body.thigh * np.cos(thigh) + body.shin * np.cos(thigh - bend))
    ahead = body.thigh * np.sin(thigh) + body.shin * np.sin(thigh - bend)
    weight = 1 / (1 + np.exp(-8 * np.sin(legs)))
    speed = -(np.gradient(ahead, m.t, axis=0) * weight).sum(1)
    speed = np.clip(np.convolve(np.pad(speed, 4, "edge"), np.ones(9) / 9, "valid"), 0.2, None)
    m.pelvis[:, 2] += np.cumsum(speed * (1 + 2 * flight)) * (m.t[1] - m.t[0])
    lift = flight * np.abs(np.sin(phase + 0.4)) ** 1.5
    m.pelvis[:, 1] = body.ankle - (down * weight).sum(1) + lift
    m.pelvis[:, 0] += 0.018 * np.sin(phase)
    m.feet[:, :, 0] = SIDES * rng.uniform(0.05, 0.09)
    m.feet[:, :, 1] = m.pelvis[:, 1:2] + down
    m.feet[:, :, 2] = m.pelvis[:, 2:3] + ahead
    m.foot_pitch[:] = np.clip(0.75 * (bend - thigh), -0.35, 1.1)
    m.foot_yaw[:] = SIDES * 0.1
    m.twist += 0.1 * np.cos(phase)
    return phase


def swing_arms(
    body: Body, m: Motion, rng: np.random.Generator, phase: np.ndarray, size: float, elbow: float
) -> None:
    """Swing each arm against its leg."""
    out = rng.uniform(0.08, 0.25)
    for k in (0, 1):
        swing = -size * np.cos(phase + np.pi * k) + 0.05
        bend = elbow + 0.35 * size * (1 - np.cos(phase + np.pi * k))
        m.hand[:, k] = arm_angles(body, swing, bend, np.full_like(phase, out)) * mirror(k)
        m.elbow_out[:, k] = 0.05
