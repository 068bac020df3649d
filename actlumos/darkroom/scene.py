"""What a place consists of, and its picture: planes with procedural paint, furniture, lamps.

The origin of a scene is the point on the floor where the person acts. Its picture is a panorama,
which is rendered once per clip by casting one ray per pixel at the planes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from actlumos.darkroom.camera import Camera, Panorama, project
from actlumos.darkroom.geometry import yaw_matrix
from actlumos.darkroom.mesh import Mesh, join, shade
from actlumos.darkroom.paint import Painter, paint_over
from actlumos.darkroom.texture import Paint, paint_on

UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Plane:
    """A painted rectangle. Only the side that `normal` points away from is visible.

    `point` is the origin of (u, v) on it; `u` (horizontal) and `v` (vertical or depth) are unit
    axes; the ranges are its extents along both, in metres. If `paint.gaps` is given, only bars are
    solid: along u and along v, one bar per period, which covers that part of the period.
    """

    point: np.ndarray
    normal: np.ndarray
    u: np.ndarray
    v: np.ndarray
    u_range: tuple[float, float]
    v_range: tuple[float, float]
    paint: Paint


@dataclass
class Scene:
    """A place in linear RGB.

    `lights` are point lights (position `[3]`, colour `[3]`), which are not visible themselves.
    `glows` are visible lamps (position `[3]`, radius in metres, colour `[3]`), which light nothing.
    `ambient` light `[3]` comes from all directions; `sky` `[3]` is seen where there is no plane.
    """

    planes: list[Plane] = field(default_factory=list)
    furniture: list[Mesh] = field(default_factory=list)
    lights: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    glows: list[tuple[np.ndarray, float, np.ndarray]] = field(default_factory=list)
    ambient: np.ndarray = field(default_factory=lambda: np.full(3, 0.2))
    sky: np.ndarray = field(default_factory=lambda: np.full(3, 0.01))


def wall(yaw: float, distance: float, paint: Paint, **extents: tuple[float, float]) -> Plane:
    """A vertical plane at `distance` metres from the origin in the direction `yaw`.

    `extents` are `u_range` and `v_range` (default: endless, and 30 m high).
    """
    normal = yaw_matrix(np.array(yaw)) @ np.array([0.0, 0.0, 1.0])
    u = np.cross(UP, normal)
    return Plane(
        normal * distance, normal, u, UP, extents.get("u_range", (-60.0, 60.0)),
        extents.get("v_range", (0.0, 30.0)), paint,
    )  # fmt: skip


def level(height: float, paint: Paint, yaw: float = 0.0) -> Plane:
    """A floor (height 0) or a ceiling (height above 1)."""
    turned = yaw_matrix(np.array(yaw))
    normal = UP if height > 1 else -UP
    return Plane(
        np.array([0.0, height, 0.0]), normal, turned[:, 0], turned[:, 2], (-60.0, 60.0),
        (-60.0, 60.0), paint,
    )  # fmt: skip


def render(scene: Scene, camera: Camera, view: Panorama) -> np.ndarray:
    """The panorama's linear radiance, float32 `[H, W, 3]`."""
    rays = _rays(camera, view)
    distance = np.full(len(rays), 1e6, np.float32)
    owner = np.full(len(rays), -1)  # number of the plane that a ray hits
    for number, plane in enumerate(scene.planes):
        _intersect(plane, camera.position, rays, distance, owner, number)
    fade = np.clip(0.35 + 1.5 * np.abs(rays[:, 1:2]), 0, 1.2)
    pixels = (scene.sky * (1.4 - fade)).astype(np.float32)
    for number, plane in enumerate(scene.planes):
        mine = np.flatnonzero(owner == number)
        if len(mine):
            points = camera.position.astype(np.float32) + rays[mine] * distance[mine, None]
            pixels[mine] = _lit(scene, plane, points)
    picture = pixels.reshape(view.size[1], view.size[0], 3)
    _furnish(scene, camera, view, picture)
    _glow(scene, camera, view, picture)
    return np.ascontiguousarray(picture, np.float32)


def _rays(camera: Camera, view: Panorama) -> np.ndarray:
    """World direction of each pixel of the panorama, float32 `[H * W, 3]`, of depth 1."""
    width, height = view.size
    x = (np.arange(width) + 0.5 - view.centre[0]) / camera.focal
    y = (view.centre[1] - np.arange(height) - 0.5) / camera.focal
    rays = np.stack([*np.broadcast_arrays(x[None], y[:, None]), np.ones((height, width))], -1)
    return (rays.reshape(-1, 3) @ view.rotation.T).astype(np.float32)


def _intersect(
    plane: Plane, eye: np.ndarray, rays: np.ndarray, distance: np.ndarray, owner: np.ndarray,
    number: int,
) -> None:  # fmt: skip
    """Set `distance` and `owner` (both `[N]`) of the rays that hit `plane` before any other."""
    slope = rays @ plane.normal.astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.float32((plane.point - eye) @ plane.normal) / slope
    u = (eye - plane.point) @ plane.u + t * (rays @ plane.u.astype(np.float32))
    v = (eye - plane.point) @ plane.v + t * (rays @ plane.v.astype(np.float32))
    hit = (slope > 1e-4) & (t > 0.05) & (t < distance)
    hit &= (u > plane.u_range[0]) & (u < plane.u_range[1])
    hit &= (v > plane.v_range[0]) & (v < plane.v_range[1])
    gaps = plane.paint.gaps
    if gaps:
        hit &= ((u / gaps[0]) % 1 < gaps[1]) | ((v / gaps[2]) % 1 < gaps[3])
    distance[hit] = t[hit]
    owner[hit] = number


def _lit(scene: Scene, plane: Plane, points: np.ndarray) -> np.ndarray:
    """Radiance of points `[N, 3]` on a plane: albedo times irradiance, plus emission."""
    u, v, normal = (axis.astype(np.float32) for axis in (plane.u, plane.v, plane.normal))
    offset = points - plane.point.astype(np.float32)
    albedo, emission = paint_on(plane.paint, offset @ u, offset @ v)
    total = np.broadcast_to(scene.ambient, points.shape).astype(np.float32)
    for position, colour in scene.lights:
        towards = position.astype(np.float32) - points
        square = np.einsum("ni,ni->n", towards, towards)
        cosine = np.abs(towards @ normal) / np.sqrt(square + 1e-6)
        total = total + (cosine / (square + 0.5))[:, None] * colour.astype(np.float32)
    return albedo * total + emission


def _furnish(scene: Scene, camera: Camera, view: Panorama, picture: np.ndarray) -> None:
    """Paint the furniture into the panorama."""
    if not scene.furniture:
        return
    surface = join(scene.furniture)
    pixels, depth = project(
        surface.quads, camera.position, view.rotation[None], camera.focal, view.centre
    )
    colours = shade(surface, scene.lights, scene.ambient)
    painter = Painter(surface, colours, pixels, depth, camera.position)
    paint_over(picture, *painter.frame(0))


def _glow(scene: Scene, camera: Camera, view: Panorama, picture: np.ndarray) -> None:
    """Add the visible lamps: a small bright disc, and the halo of a cheap lens."""
    for position, radius, colour in scene.glows:
        pixel, depth = project(
            position[None, None], camera.position, view.rotation[None], camera.focal, view.centre
        )
        if depth[0, 0] < 0.5:
            continue
        x, y = pixel[0, 0]
        size = max(radius * camera.focal / depth[0, 0], 0.7)
        if not (-20 < x < view.size[0] + 20 and -20 < y < view.size[1] + 20):
            continue
        spot = np.zeros(picture.shape[:2], np.float32)
        cv2.circle(spot, (round(x * 16), round(y * 16)), round(size * 16), 1.0, -1, cv2.LINE_8, 4)
        halo = cv2.GaussianBlur(spot, (0, 0), 0.8) + 0.25 * cv2.GaussianBlur(spot, (0, 0), 3 + size)
        picture += halo[..., None] * colour.astype(np.float32)


def lamp(
    rng: np.random.Generator, side: float, far: tuple[float, float], power: float
) -> tuple[np.ndarray, np.ndarray]:
    """A point light (position, colour) beside the person.

    Args:
        rng: draws its place and warmth.
        side: -1 = left, 1 = right.
        far: smallest and largest z of the lamp, metres.
        power: its irradiance where the person stands.
    """
    place = np.array([side * rng.uniform(0.8, 4.0), rng.uniform(1.7, 4.2), rng.uniform(*far)])
    warmth = rng.normal(0.05, 0.05)
    colour = np.exp(np.array([warmth, 0.0, -1.2 * warmth]))
    return place, power * colour * ((place - np.array([0, 1.0, 0])) ** 2).sum()
