"""Surfaces: everything that is drawn is a tube, a row of rings joined by quadrilaterals.

A limb is a tube along its bones, a head a tube whose radii follow a sphere, a box a tube of four
sides. Quadrilaterals that face away are never drawn, the others are painted back to front.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actlumos.darkroom.geometry import unit


@dataclass(frozen=True)
class Mesh:
    """Quadrilaterals `[T, F, 4, 3]` (T = 1 for what stands still), albedo `[F, 3]` linear RGB,
    centres and outward normals `[T, F, 3]`; float32."""

    quads: np.ndarray
    albedo: np.ndarray
    centres: np.ndarray
    normals: np.ndarray


def mesh(quads: np.ndarray, albedo: np.ndarray, middle: np.ndarray) -> Mesh:
    """Attach centres, and normals that point away from `middle` `[T, F, 3]`, a point inside."""
    quads = quads.astype(np.float32)
    a, b, c, d = (quads[..., i, :] for i in range(4))
    normals = unit(np.cross(c - a, d - b))
    centres = (a + b + c + d) * np.float32(0.25)
    away = centres - middle.astype(np.float32)
    outward = away[..., :1] * normals[..., :1] + away[..., 1:2] * normals[..., 1:2]
    outward += away[..., 2:] * normals[..., 2:]
    normals = np.where(outward < 0, -normals, normals)
    return Mesh(quads, albedo.astype(np.float32), centres, normals)


def join(meshes: list[Mesh]) -> Mesh:
    """One mesh of many; still ones are repeated for every frame of the moving ones."""
    frames = max(len(m.quads) for m in meshes)

    def spread(name: str) -> np.ndarray:
        parts = [getattr(m, name) for m in meshes]
        return np.concatenate([np.broadcast_to(p, (frames, *p.shape[1:])) for p in parts], 1)

    albedo = np.concatenate([m.albedo for m in meshes])
    return Mesh(spread("quads"), albedo, spread("centres"), spread("normals"))


def tube(
    centres: np.ndarray, across: np.ndarray, radii: np.ndarray, albedo: np.ndarray,
    sides: int = 8, depth: np.ndarray | None = None,
) -> Mesh:  # fmt: skip
    """Rings round `centres` `[T, N, 3]`, joined.

    `across` `[T, N, 3]` are the rings' first axes, `depth` their second (default: perpendicular
    to the first and to the tube); `radii` `[N, 2]` their half axes in metres; `albedo` is
    `[N - 1, sides, 3]` or anything that broadcasts to it.
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
    centre: np.ndarray, size: tuple[float, float, float], albedo: tuple[float, ...],
    frame: np.ndarray | None = None,
) -> Mesh:  # fmt: skip
    """A box at `centre` `[3]` or `[T, 3]` of `size` (x, y, z), turned by `frame` `[..., 3, 3]`."""
    corners = _CUBE * np.array(size)
    centre = np.atleast_2d(centre)
    if frame is not None:
        turned = np.einsum("...ij,nj->...ni", np.atleast_3d(frame).reshape(-1, 3, 3), corners)
    else:
        turned = corners[None]
    points = centre[:, None] + turned
    quads = points[:, _SIDES]
    middle = np.broadcast_to(centre[:, None], quads.shape[:2] + (3,))
    return mesh(quads, np.tile(np.array(albedo, float), (6, 1)), middle)


def upright(
    base: np.ndarray, heights: list[float], radii: list[float], albedo: np.ndarray | tuple,
    up: np.ndarray | None = None, sides: int = 6,
) -> Mesh:  # fmt: skip
    """A turned thing (bottle, pole, plant) on `base` `[T, 3]` along `up` (default vertical)."""
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
    """Outgoing radiance `[T, F, 3]`: Lambert's law over point lights plus light from all round.

    Each light is a position `[3]` and a colour `[3]`; its effect falls with the square of the
    distance, softened near the lamp. What faces down sees a darker surrounding.
    """
    normals = surface.normals
    total = ambient.astype(np.float32) * (0.72 + 0.28 * normals[..., 1:2])
    for position, colour in lights:
        towards = position.astype(np.float32) - surface.centres
        square, cosine = (np.einsum("...i,...i", towards, other) for other in (towards, normals))
        share = np.maximum(cosine / np.sqrt(square + 1e-9) + 0.12, 0) / (square + 0.5)
        total = total + share[..., None] * colour.astype(np.float32)
    return total * surface.albedo
