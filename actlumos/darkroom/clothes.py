"""What covers the skin: colours by zone of the body, and cloth that is wider than the skin."""

from __future__ import annotations

import numpy as np

from actlumos.darkroom.body import SOLE, Body
from actlumos.darkroom.colour import Colour
from actlumos.darkroom.geometry import unit
from actlumos.darkroom.template import ZONES, template

FLOOR = 0.02  # metres: what is lower belongs to the sole


def albedo(body: Body) -> np.ndarray:
    """Linear RGB `[F, 3]` of the template's faces."""
    colours: dict[str, Colour | np.ndarray] = {
        "hair": body.hair, "face": body.skin, "hand": body.skin, "foot": body.shoes,
        "eye": 0.45 * np.array(body.skin), "mouth": np.array(body.skin) * [0.75, 0.55, 0.55],
        "chest": 0.6 * np.array(body.shirt) + 0.4 * np.array(body.mark),
        "shirt": body.shirt, "hips": body.trousers, "upper arm": body.shirt,
        "lower arm": body.shirt if body.long_sleeves else body.skin,
        "upper leg": body.trousers,
        "lower leg": body.trousers if body.legs == "long" else body.skin,
    }  # fmt: skip
    return np.array([colours[zone] for zone in ZONES])[template().face_zones]


def dressed(body: Body) -> np.ndarray:
    """The body's rest vertices `[V, 3]`, moved outwards to the surface of clothes, hair, shoes."""
    wide = {
        "hair": 0.014, "chest": 0.008, "shirt": 0.008, "hips": 0.008, "upper arm": 0.009,
        "lower arm": 0.009 * body.long_sleeves, "upper leg": 0.012,
        "lower leg": 0.014 * (body.legs == "long"), "foot": 0.008,
    }  # fmt: skip
    zones, bare = template().vertex_zones, body.vertices
    outwards = np.array([wide.get(zone, 0.0) for zone in ZONES])[zones]
    out = bare + outwards[:, None] * normals(bare)
    foot = zones == ZONES.index("foot")
    out[foot, 1] = np.where(bare[foot, 1] < FLOOR, -SOLE, np.maximum(out[foot, 1], -SOLE))
    return out


def normals(vertices: np.ndarray) -> np.ndarray:
    """Outward unit normals `[V, 3]` of the template's vertices."""
    faces = template().faces
    a, b, c, d = (vertices[faces[:, i]] for i in range(4))
    flat = np.cross(c - a, d - b)
    total = np.zeros_like(vertices)
    for i in range(4):
        np.add.at(total, faces[:, i], flat)
    return unit(total)
