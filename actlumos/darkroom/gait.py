"""Legs and arms of a moving person: what walking, running and pushing have in common."""

from __future__ import annotations

import numpy as np

from actlumos.darkroom.body import SIDES, Body
from actlumos.darkroom.geometry import wobble
from actlumos.darkroom.motion import Motion, arm_angles, mirror


def gait(
    body: Body, m: Motion, rng: np.random.Generator, *,
    strides: float, hip: float, lean: float, knee: tuple[float, float], flight: float,
) -> np.ndarray:  # fmt: skip
    """Legs, pelvis and arms of walking or running; returns the phase `[T]` of the left leg.

    The thigh swings at an almost constant rate (a rounded triangle wave). The knee bends while the
    leg swings forwards. The standing leg gives the height of the pelvis. The pelvis moves forwards
    as fast as the standing foot moves backwards, so planted feet do not slide.

    Args:
        body: whose legs.
        m: a neutral motion; changed in place.
        rng: draws the phase and small irregularities.
        strides: strides (two steps) per second.
        hip: amplitude of the thigh's swing, radians.
        lean: mean angle of the thigh, forwards, radians.
        knee: smallest and largest bend of the knee, radians.
        flight: height of the pelvis's bounce, metres; 0 for walking.
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
    """Swing each arm opposite to the leg on its side.

    `phase` is that of `gait`, `size` the amplitude at the shoulder and `elbow` the mean bend, both
    in radians.
    """
    out = rng.uniform(0.08, 0.25)
    for k in (0, 1):
        swing = -size * np.cos(phase + np.pi * k) + 0.05
        bend = elbow + 0.35 * size * (1 - np.cos(phase + np.pi * k))
        m.hand[:, k] = arm_angles(body, swing, bend, np.full_like(phase, out)) * mirror(k)
        m.elbow_out[:, k] = 0.05
