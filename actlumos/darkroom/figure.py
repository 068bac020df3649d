"""The person's surface: the skinned body, and skirt, long hair, bag and things in the hands."""

from __future__ import annotations

import numpy as np

from actlumos.darkroom.body import Body
from actlumos.darkroom.clothes import albedo, dressed, normals
from actlumos.darkroom.colour import Colour
from actlumos.darkroom.geometry import unit
from actlumos.darkroom.mesh import Mesh, box, tube, upright
from actlumos.darkroom.pose import Pose
from actlumos.darkroom.skin import motions, skinned
from actlumos.darkroom.template import ZONES, template


def figure(body: Body, pose: Pose, fists: tuple[bool, bool] = (False, False)) -> list[Mesh]:
    """The clothed person over T frames; `fists` tells which hands hold something (left, right)."""
    rest = dressed(body)
    for closed, mine in zip(fists, (rest[:, 0] < 0, rest[:, 0] > 0), strict=True):
        rest[mine] += closed * template().fist[mine]
    parts = [_surface(body, pose, rest)]
    if body.legs == "skirt":
        parts.append(_skirt(body, pose, rest))
    if body.long_hair:
        parts.append(_long_hair(body, pose))
    if body.bag:
        parts.append(_bag(body, pose, rest))
    return parts


def _surface(body: Body, pose: Pose, rest: np.ndarray) -> Mesh:
    """The template's faces with the rest vertices `rest` `[V, 3]`, in `pose`.

    A face is shaded with the mean normal of its corners, so the surface looks round.
    """
    model = template()
    turns, shifts = motions(body, pose)
    points = np.concatenate([rest, np.ones_like(rest[:, :1])], 1)
    moved = skinned(model.weights, np.concatenate([turns, shifts[..., None]], -1), points)
    quads = moved[:, model.faces]
    a, b, c, d = np.moveaxis(quads, 2, 0)
    smooth = skinned(model.face_weights, turns, normals(rest)[model.faces].mean(1))
    centres, facing = (a + b + c + d) / 4, np.cross(c - a, d - b)
    return Mesh(quads, albedo(body).astype(np.float32), centres, unit(smooth), facing)


def _rings(*points: np.ndarray) -> np.ndarray:
    return np.stack(points, 1)


def _between(a: np.ndarray, b: np.ndarray, part: float) -> np.ndarray:
    return a + part * (b - a)


def _long_hair(body: Body, pose: Pose) -> Mesh:
    """Hair that falls behind the neck."""
    h, behind = body.height, pose.head_frame[..., 2]
    fall = _rings(
        pose.head + 0.02 * h * pose.head_frame[..., 1] - 0.018 * h * behind,
        pose.neck - 0.045 * h * behind,
        pose.neck - 0.09 * h * pose.chest_frame[..., 1] - 0.06 * h * behind,
    )  # fmt: skip
    radii = h * np.array([[0.05, 0.045], [0.055, 0.03], [0.045, 0.014]])
    return tube(fall, pose.head_frame[:, None, :, 0], radii, np.array(body.hair), 6)


def _skirt(body: Body, pose: Pose, rest: np.ndarray) -> Mesh:
    """A skirt that hangs from the waist and follows both thighs."""
    h, knees = body.height, pose.knees.mean(1)
    waist, hips = _girth(body, rest, 0.16), _girth(body, rest, 0.0)
    spread = 0.5 * np.linalg.norm(pose.knees[:, 0] - pose.knees[:, 1], axis=-1).mean()
    pelvis = pose.pelvis + hips[2] * pose.pelvis_frame[..., 2]
    end = pelvis + 0.95 * (knees - pose.pelvis)
    centres = _rings(
        pose.waist + waist[2] * pose.chest_frame[..., 2], pelvis, _between(pelvis, end, 0.6), end
    )
    wide, deep = hips[0] + 0.012, hips[1] + 0.015
    below = max(wide, spread + 0.06 * h)
    radii = np.array(
        [[0.9 * waist[0], 0.9 * waist[1]], [wide, deep], [(wide + below) / 2, deep],
         [below, deep]]
    )  # fmt: skip
    return tube(centres, pose.pelvis_frame[:, None, :, 0], radii, np.array(body.trousers), 10)


def _girth(body: Body, rest: np.ndarray, above: float) -> tuple[float, float, float]:
    """The trunk's half width and half depth, and how far its middle is before the hip joints, at
    `above` (times the height) the hips; of the rest vertices `[V, 3]`."""
    trunk = np.isin(template().vertex_zones, [ZONES.index(z) for z in ("shirt", "chest", "hips")])
    level = np.abs(rest[:, 1] - body.rest["hip"][1] - above * body.height) < 0.05 * body.height
    band = rest[trunk & level]
    back, front = band[:, 2].min() - body.rest["hip"][2], band[:, 2].max() - body.rest["hip"][2]
    return float(band[:, 0].max()), float(front - back) / 2, float(front + back) / 2


def _bag(body: Body, pose: Pose, rest: np.ndarray) -> Mesh:
    """A rucksack on the back."""
    h, frame = body.height, pose.chest_frame
    _, deep, middle = _girth(body, rest, 0.2)
    offset = body.rest["hip"][2] - body.rest["shoulder"][2] + middle - deep - 0.03 * h
    place = _between(pose.waist, pose.neck, 0.45) + offset * frame[..., 2]
    return box(place, (0.16 * h, 0.24 * h, 0.08 * h), body.mark, frame)


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
