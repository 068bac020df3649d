"""The person's surface: skin, hair and clothes as tubes around the posed skeleton."""

from __future__ import annotations

import numpy as np

from actlumos.darkroom.body import Body
from actlumos.darkroom.colour import Colour
from actlumos.darkroom.mesh import Mesh, box, join, tube, upright
from actlumos.darkroom.pose import Pose


def figure(body: Body, pose: Pose) -> Mesh:
    """The clothed person as one mesh: T frames, F faces."""
    parts = [_torso(body, pose), _head(body, pose), _neck(body, pose)]
    for k in (0, 1):
        parts += [_arm(body, pose, k), _leg(body, pose, k), _foot(body, pose, k)]
    if body.legs == "skirt":
        parts.append(_skirt(body, pose))
    if body.bag:
        parts.append(_bag(body, pose))
    return join(parts)


def _rings(*points: np.ndarray) -> np.ndarray:
    return np.stack(points, 1)


def _between(a: np.ndarray, b: np.ndarray, part: float) -> np.ndarray:
    return a + part * (b - a)


def _torso(body: Body, pose: Pose) -> Mesh:
    """Hips, waist, chest and shoulders; the trousers start at the hips, the shirt has a print."""
    h, g = body.height, body.girth
    low, high = pose.pelvis_frame, pose.chest_frame
    centres = _rings(
        pose.pelvis - 0.05 * h * low[..., 1], pose.pelvis + 0.015 * h * low[..., 1], pose.waist,
        _between(pose.waist, pose.neck, 0.55) + 0.004 * h * high[..., 2],
        _between(pose.waist, pose.neck, 0.86), pose.neck - 0.004 * h * high[..., 1],
    )  # fmt: skip
    across = _rings(low[..., 0], low[..., 0], *(high[..., 0],) * 4)
    depth = _rings(low[..., 2], low[..., 2], *(high[..., 2],) * 4)
    wide = body.shoulder + 0.012 * h
    radii = h * np.array(
        [[0.08 * g, 0.06 * g], [0.102 * g, 0.074 * g], [0.09 * g, 0.067 * g],
         [0.1 * g, 0.072 * g], [wide / h, 0.056], [0.038, 0.034]]
    )  # fmt: skip
    albedo = np.tile(np.array(body.shirt), (5, 10, 1))
    albedo[0] = body.trousers
    albedo[2, 1:3] = 0.6 * albedo[2, 1:3] + 0.4 * np.array(body.mark)
    return tube(centres, across, radii, albedo, 10, depth)


def _head(body: Body, pose: Pose) -> Mesh:
    """An ellipsoid: hair on top and behind, skin in front."""
    h, frame = body.height, pose.head_frame
    level = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 8))
    ring = np.sqrt(1 - level**2) + 0.02
    centres = pose.head[:, None] + 0.068 * h * level[:, None] * frame[:, None, :, 1]
    radii = h * np.stack([0.047 * ring, 0.056 * ring], 1)
    angle = 2 * np.pi * (np.arange(10) + 1.0) / 10
    height = (level[:-1] + level[1:])[:, None] / 2
    forward = np.sin(angle)[None] * np.sqrt(np.maximum(1 - height**2, 0))
    hairline = 0.38 + 0.5 * forward
    is_hair = height > np.where(forward > 0.15, hairline, -0.3 + 1.2 * (forward + 0.15))
    is_hair |= (forward < -0.2) & (height > (-1.1 if body.long_hair else -0.45))
    albedo = np.where(is_hair[..., None], np.array(body.hair), np.array(body.skin))
    return tube(centres, frame[:, None, :, 0], radii, albedo, 10, frame[:, None, :, 2])


def _neck(body: Body, pose: Pose) -> Mesh:
    """The neck, and long hair behind it."""
    h = body.height
    centres = _rings(pose.neck - 0.015 * h * pose.chest_frame[..., 1], pose.head)
    if not body.long_hair:
        radii = np.full((2, 2), 0.031 * h)
        return tube(centres, pose.chest_frame[:, None, :, 0], radii, np.array(body.skin), 6)
    behind = pose.head_frame[..., 2]
    fall = _rings(
        pose.head + 0.02 * h * pose.head_frame[..., 1] - 0.018 * h * behind,
        pose.neck - 0.035 * h * behind,
        pose.neck - 0.09 * h * pose.chest_frame[..., 1] - 0.05 * h * behind,
    )  # fmt: skip
    radii = h * np.array([[0.05, 0.045], [0.055, 0.03], [0.045, 0.014]])
    long = tube(fall, pose.head_frame[:, None, :, 0], radii, np.array(body.hair), 6)
    neck = tube(
        centres, pose.chest_frame[:, None, :, 0], np.full((2, 2), 0.03 * h), np.array(body.skin), 6
    )
    return join([neck, long])


def _arm(body: Body, pose: Pose, k: int) -> Mesh:
    """Sleeve, forearm and hand."""
    h, loose = body.height, 1.12 if body.long_sleeves else 1.0  # sleeves are wider than the arm
    shoulder, elbow, wrist = pose.shoulders[:, k], pose.elbows[:, k], pose.wrists[:, k]
    bone = (wrist - elbow) / body.forearm
    hand = wrist + 0.055 * h * bone
    up = (shoulder - elbow) / body.upper_arm
    centres = _rings(
        shoulder + 0.022 * h * up, shoulder, _between(shoulder, elbow, 0.55), elbow,
        _between(elbow, wrist, 0.35), wrist, hand, wrist + 0.095 * h * bone,
    )  # fmt: skip
    r = h * np.array([0.014, 0.037 * body.girth, 0.034 * loose, 0.028 * loose, 0.029 * loose, 0.019,
                      0.025, 0.009])  # fmt: skip
    albedo = np.tile(np.array(body.shirt), (7, 8, 1))
    albedo[5:] = body.skin
    if not body.long_sleeves:
        albedo[2:] = body.skin
    return tube(centres, pose.elbow_axes[:, k, None], np.stack([r, r], 1), albedo)


def _leg(body: Body, pose: Pose, k: int) -> Mesh:
    """Thigh and shin; the skin shows below the knee unless the trousers are long."""
    h, g = body.height, body.girth
    hip, knee, ankle = pose.hips[:, k], pose.knees[:, k], pose.ankles[:, k]
    up = (hip - knee) / body.thigh
    centres = _rings(
        hip + 0.03 * h * up, hip, _between(hip, knee, 0.5), knee, _between(knee, ankle, 0.35),
        _between(knee, ankle, 0.92), ankle,
    )  # fmt: skip
    trousers = 1.15 if body.legs == "long" else 1.0
    r = h * np.array([0.045, 0.057 * g, 0.05 * g, 0.037 * trousers, 0.037 * trousers,
                      0.028 * trousers, 0.022])  # fmt: skip
    albedo = np.tile(np.array(body.trousers), (6, 8, 1))
    if body.legs != "long":
        albedo[3:] = body.skin
    return tube(centres, pose.knee_axes[:, k, None], np.stack([r, r], 1), albedo)


def _foot(body: Body, pose: Pose, k: int) -> Mesh:
    """The shoe, from the heel to the tip."""
    h, ankle, toe = body.height, pose.ankles[:, k], pose.toes[:, k]
    heel = ankle - 0.3 * (toe - ankle)
    heel = np.stack([heel[..., 0], ankle[..., 1] - 0.4 * body.ankle, heel[..., 2]], -1)
    centres = _rings(heel, _between(ankle, toe, 0.25), _between(ankle, toe, 0.75), toe)
    radii = h * np.array([[0.016, 0.02], [0.024, 0.022], [0.026, 0.015], [0.012, 0.008]])
    return tube(centres, pose.knee_axes[:, k, None], radii, np.array(body.shoes), 6)


def _skirt(body: Body, pose: Pose) -> Mesh:
    """A skirt that hangs from the waist and follows both thighs."""
    h, knees = body.height, pose.knees.mean(1)
    spread = 0.5 * np.linalg.norm(pose.knees[:, 0] - pose.knees[:, 1], axis=-1).mean() / h
    end = pose.pelvis + 0.95 * (knees - pose.pelvis)
    centres = _rings(pose.waist, pose.pelvis, _between(pose.pelvis, end, 0.6), end)
    frame = pose.pelvis_frame
    radii = h * np.array([[0.088, 0.066], [0.108, 0.084], [0.12, 0.1], [0.1 + spread, 0.1]])
    return tube(centres, frame[:, None, :, 0], radii, np.array(body.trousers), 10)


def _bag(body: Body, pose: Pose) -> Mesh:
    """A rucksack on the back."""
    h, frame = body.height, pose.chest_frame
    middle = _between(pose.waist, pose.neck, 0.45) - 0.115 * h * frame[..., 2]
    return box(middle, (0.16 * h, 0.24 * h, 0.08 * h), body.mark, frame)


def held_thing(kind: str, body: Body, pose: Pose, k: int, tilt: np.ndarray, colour: Colour) -> Mesh:
    """A "bottle", "cup" or "phone" in hand `k`, tilted from the vertical by `tilt` `[T]` (radians).

    A cup tilts towards the face, anything else sideways, towards the other hand.
    """
    bone = pose.wrists[:, k] - pose.elbows[:, k]
    grip = pose.wrists[:, k] + 0.3 * body.height * 0.18 * bone / body.forearm
    side = (1.0, -1.0)[k] * pose.chest_frame[..., 0]
    lean_to = -pose.chest_frame[..., 2] if kind == "cup" else side
    up = np.cos(tilt)[:, None] * np.array([0.0, 1.0, 0.0]) + np.sin(tilt)[:, None] * lean_to
    if kind == "bottle":
        heights, radii = [-0.09, -0.088, 0.05, 0.09, 0.13], [0.005, 0.036, 0.034, 0.014, 0.012]
    elif kind == "cup":
        heights, radii = [-0.05, -0.048, 0.06], [0.005, 0.034, 0.042]
    else:
        heights, radii = [-0.07, -0.068, 0.068, 0.07], [0.005, 0.035, 0.035, 0.005]
    return upright(grip, heights, radii, colour, up)
