"""Surfaces of quadrilaterals, and how much light they reflect.

Almost everything is a tube, that is, a sequence of rings joined by quadrilaterals: a limb is a tube
along its bones, a head is a tube whose radii follow a sphere. The other shape is the box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actlumos.darkroom.colour import Colour
from actlumos.darkroom.geometry import unit


@dataclass(frozen=True)
class Mesh:
    """F quadrilaterals over T frames; T is 1 for things that stand still. All arrays are float32.

    `quads` `[T, F, 4, 3]` are the corners, `albedo` `[F, 3]` is linear RGB, `centres` and outward
    unit `normals` are `[T, F, 3]`. `facing` `[T, F, 3]` are outward vectors of any length that are
    perpendicular to the faces; they differ from `normals` where a surface is shaded smoothly.
    """

    quads: np.ndarray
    albedo: np.ndarray
    centres: np.ndarray
    normals: np.ndarray
    facing: np.ndarray


def mesh(quads: np.ndarray, albedo: np.ndarray, middle: np.ndarray) -> Mesh:
    """Add centres, and normals that point away from `middle` `[T, F, 3]`, points inside."""
    quads = quads.astype(np.float32)
    a, b, c, d = (quads[..., i, :] for i in range(4))
    normals = unit(np.cross(c - a, d - b))
    centres = (a + b + c + d) * np.float32(0.25)
    away = centres - middle.astype(np.float32)
    outward = away[..., :1] * normals[..., :1] + away[..., 1:2] * normals[..., 1:2]
    outward += away[..., 2:] * normals[..., 2:]
    normals = np.where(outward < 0, -normals, normals)
    return Mesh(quads, albedo.astype(np.float32), centres, normals, normals)


def join(meshes: list[Mesh]) -> Mesh:
    """One mesh of several; those of one frame are repeated for all frames of the others."""
    frames = max(len(m.quads) for m in meshes)

    def spread(name: str) -> np.ndarray:
        parts = [getattr(m, name) for m in meshes]
        return np.concatenate([np.broadcast_to(p, (frames, *p.shape[1:])) for p in parts], 1)

    albedo = np.concatenate([m.albedo for m in meshes])
    return Mesh(
        spread("quads"), albedo, spread("centres"), spread("normals"), spread("facing")
    )  # fmt: skip


def tube(
    centres: np.ndarray, across: np.ndarray, radii: np.ndarray, albedo: np.ndarray,
    sides: int = 8, depth: np.ndarray | None = None,
) -> Mesh:  # fmt: skip
    """N elliptical rings, joined.

    Args:
        centres: of the rings, `[T, N, 3]`.
        across: first axes of the rings, `[T, N, 3]` or what broadcasts to it.
        radii: half axes of the rings in metres, `[N, 2]`.
        albedo: `[N - 1, sides, 3]` or what broadcasts to it.
        sides: number of corners of a ring.
        depth: second axes of the rings; None: perpendicular to the first and to the tube.
    """
    across = unit(np.broadcast_to(across, centres.shape))
    if depth is None:
        depth = unit(np.cross(across, np.gradient(centres, axis=1)))
    depth = np.broadcast_to(depth, centres.shape)
    angle = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    u, v = radii[:, 0, None] * np.cos(angle), radii[:, 1, None] * np.sin(angle)
    rings = (
        centres[:, :, None] + u[..., None] * across[:, :, None] + v[..., None] * depth[:, :, None]
    )
    following = np.roll(rings, -1, axis=2)
    quads = np.stack([rings[:, :-1], following[:, :-1], following[:, 1:], rings[:, 1:]], 3)
    middle = np.broadcast_to(
        (centres[:, :-1, None] + centres[:, 1:, None]) / 2, quads.shape[:3] + (3,)
    )
    frames, faces = len(centres), (len(radii) - 1) * sides
    colours = np.broadcast_to(albedo, (len(radii) - 1, sides, 3)).reshape(faces, 3)
    return mesh(quads.reshape(frames, faces, 4, 3), colours, middle.reshape(frames, faces, 3))


_CUBE = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_SIDES = np.array(
    [[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]]
)


def box(
    centre: np.ndarray, size: tuple[float, float, float], albedo: Colour,
    frame: np.ndarray | None = None,
) -> Mesh:  # fmt: skip
    """A box at `centre` `[3]` or `[T, 3]` of `size` (x, y, z), turned by `frame` `[..., 3, 3]`."""
    corners = _CUBE * np.array(size)
    centre = np.atleast_2d(centre)
    if frame is None:
        turned = corners[None]
    else:
        turned = np.einsum("...ij,nj->...ni", frame.reshape(-1, 3, 3), corners)
    points = centre[:, None] + turned
    quads = points[:, _SIDES]
    middle = np.broadcast_to(centre[:, None], quads.shape[:2] + (3,))
    return mesh(quads, np.tile(np.array(albedo, float), (6, 1)), middle)


def upright(
    base: np.ndarray, heights: list[float], radii: list[float], albedo: np.ndarray | Colour,
    up: np.ndarray | None = None, sides: int = 6,
) -> Mesh:  # fmt: skip
    """A round thing (bottle, pole, plant): rings of `radii` at `heights` above `base` `[T, 3]`.

    `up` `[T, 3]` are unit vectors along its axis (default: vertical).
    """
    base = np.atleast_2d(base)
    up = np.array([[0.0, 1.0, 0.0]]) if up is None else np.atleast_2d(up)
    centres = base[:, None] + np.array(heights)[:, None] * up[:, None]
    across = unit(np.cross(up, np.array([0.31, 0.2, 0.93])))[:, None]
    depth = np.cross(across, up[:, None])
    pairs = np.repeat(np.array(radii)[:, None], 2, 1)
    return tube(centres, across, pairs, np.asarray(albedo), sides, depth)


def shade(
    surface: Mesh, lights: list[tuple[np.ndarray, np.ndarray]], ambient: np.ndarray
) -> np.ndarray:
    """Reflected radiance `[T, F, 3]`: Lambert's law for point lights, plus ambient light `[3]`.

    Each light is a position `[3]` and a colour `[3]`. Its irradiance falls with the square of the
    distance, limited close to the light. Faces that look down get less ambient light.
    """
    normals = surface.normals
    total = ambient.astype(np.float32) * (0.72 + 0.28 * normals[..., 1:2])
    for position, colour in lights:
        towards = position.astype(np.float32) - surface.centres
        square, cosine = (np.einsum("...i,...i", towards, other) for other in (towards, normals))
        share = np.maximum(cosine / np.sqrt(square + 1e-9) + 0.12, 0) / (square + 0.5)
        total = total + share[..., None] * colour.astype(np.float32)
    return total * surface.albedo
