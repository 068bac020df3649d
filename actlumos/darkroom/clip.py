"""From a clip's specification to its frames: act, place, film, light, paint, expose."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from actlumos.darkroom.body import Body, Pose, pose, sample_body
from actlumos.darkroom.camera import HEIGHT, WIDTH, Camera, panorama, warp
from actlumos.darkroom.figure import figure, held_thing
from actlumos.darkroom.mesh import Mesh, join, shade
from actlumos.darkroom.motion import act
from actlumos.darkroom.movement import Motion, Stage
from actlumos.darkroom.paint import Painter, paint_over
from actlumos.darkroom.places import sample_scene
from actlumos.darkroom.plan import DOMAINS, ClipSpec
from actlumos.darkroom.scene import Scene, faint
from actlumos.darkroom.scene import render as render_scene
from actlumos.darkroom.sensor import capture, develop, expose, sample_sensor, wanted_luma
from actlumos.darkroom.staging import (
    film,
    in_view,
    pushed,
    sample_spot,
    sample_stage,
    surroundings,
)

FRAMES = (33, 105)  # as the real clips
CONTRAST = 0.3  # least |ln| ratio of the figure's and the background's luminance


@dataclass(frozen=True)
class Clip:
    """A rendered clip: `dark` uint8 `[T, 120, 160, 3]`, `background` (one dark frame without the
    figure, `[120, 160, 3]`, at mid clip), and `crf`, the quality it is to be encoded with."""

    dark: np.ndarray
    background: np.ndarray
    crf: int


@dataclass(frozen=True)
class Take:
    """A filmed scene before exposure: linear radiance float32 `[T, 120, 160, 3]`, and the empty
    scene at mid clip `[1, 120, 160, 3]`."""

    radiance: np.ndarray
    empty: np.ndarray


def sample_times(rng: np.random.Generator) -> np.ndarray:
    """Frame times (s); the count has median 60, and everybody has a pace of their own."""
    frames = int(np.clip(60 * np.exp(rng.normal(0, 0.25)), *FRAMES))
    return np.arange(frames) / 30 * rng.uniform(0.88, 1.12)


def render_take(spec: ClipSpec) -> Take:
    """Act and film the clip `spec` in linear light."""
    body, scene = (
        sample_body(spec.generator("person")),
        sample_scene(spec.generator("place"), spec.domain),
    )
    rng = spec.generator("motion")
    t, stage = sample_times(rng), sample_stage(spec.generator("stage"))
    motion = act(spec.action, DOMAINS[spec.domain], body, stage, t, rng)
    local = pose(body, motion)
    for attempt in range(8):
        rng = spec.generator(f"camera{attempt}")
        spot = sample_spot(rng, motion)
        world = spot.pose(local)
        track = (np.ptp(motion.pelvis[:, 2]) > 0.8) and (rng.random() < 0.5 or attempt > 3)
        camera = film(rng, t, body, world, track)
        if in_view(camera, world) > 0.5:
            break
    rng = spec.generator("things")
    still = surroundings(rng, spec.action, stage, spot)
    moving = [figure(body, world), *_things(rng, spec.action, stage, motion, body, world)]
    if spec.action == "push":
        moving += pushed(rng, motion, world, spot)
    return _compose(scene, camera, join(moving), join(still) if still else None, world)


def _things(
    rng: np.random.Generator, action: str, stage: Stage, motion: Motion, body: Body, world: Pose
) -> list[Mesh]:
    """What the hands hold; drinkers and pourers need something, others often have it too."""
    kind = {"drink": str(rng.choice(["cup", "bottle"])), "pour": "bottle"}.get(action, stage.held)
    colour = tuple(faint(rng, 0.05, 0.7))
    things = [held_thing(kind, body, world, motion.main, motion.tilt, colour)] if kind else []
    if action == "pour":
        flat = np.zeros_like(motion.tilt)
        things.append(held_thing("cup", body, world, 1 - motion.main, flat, colour))
    return things


def _compose(scene: Scene, camera: Camera, moving: Mesh, still: Mesh | None, world: Pose) -> Take:
    """Warp the panorama, darken the shadow, paint the figure; for every frame."""
    view = panorama(camera)
    wide = render_scene(scene, camera, view)
    glow = shade(moving, scene.lights, scene.ambient)
    glow *= _balance(glow, camera, world, wide, view.to_frames)
    painter = _painter(camera, scene, moving, glow, still)
    shadows = _shadow_polygons(camera, world, scene)
    radiance = np.empty((len(glow), HEIGHT, WIDTH, 3), np.float32)
    for i in range(len(glow)):
        picture = warp(wide, view.to_frames[i])
        _darken(picture, shadows[i])
        paint_over(picture, *painter.frame(i))
        radiance[i] = picture
    empty = warp(wide, view.to_frames[len(glow) // 2])
    if still is not None:
        alone = _painter(camera, scene, still, shade(still, scene.lights, scene.ambient), None)
        paint_over(empty, *alone.frame(len(glow) // 2))
    return Take(np.maximum(radiance, 0), np.maximum(empty, 0)[None])


def _painter(
    camera: Camera, scene: Scene, surface: Mesh, glow: np.ndarray, still: Mesh | None
) -> Painter:
    """A painter for `surface` with radiance `glow`, and for the things that stand still."""
    frames = len(camera.rotation)
    if still is not None:
        fixed = shade(still, scene.lights, scene.ambient)
        glow = np.concatenate([glow, np.broadcast_to(fixed, (frames, *fixed.shape[1:]))], 1)
        surface = join([surface, still])
    if len(surface.quads) < frames:
        repeat = np.zeros(frames, int)
        glow = glow[repeat]
        surface = Mesh(
            surface.quads[repeat], surface.albedo, surface.centres[repeat], surface.normals[repeat]
        )
    return Painter(surface, glow, *camera.project(surface.quads), camera.position)


def _balance(
    glow: np.ndarray, camera: Camera, world: Pose, wide: np.ndarray, to_frames: np.ndarray
) -> float:
    """Factor on the figure's light that keeps it visible: people who cannot be told from the wall
    behind them are lit a little more, or stand in more shade."""
    middle = len(to_frames) // 2
    pixels, _ = camera.project(world.waist)
    x, y = np.clip(np.round(pixels[middle]).astype(int), [20, 20], [WIDTH - 20, HEIGHT - 20])
    behind = warp(wide, to_frames[middle])[y - 20 : y + 20, x - 20 : x + 20]
    gap = np.log((np.median(glow[middle].mean(-1)) + 1e-6) / (np.median(behind.mean(-1)) + 1e-6))
    if abs(gap) >= CONTRAST:
        return 1.0
    return float(np.exp(np.sign(gap or 1.0) * (0.55 - abs(gap))))


def _shadow_polygons(camera: Camera, world: Pose, scene: Scene) -> np.ndarray:
    """Pixels `[T, 5, 12, 2]` (fixed point) of soft patches on the floor, weakest first: two that
    the main lamp casts, one under the body, one under each foot."""
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
    lamp, spots = scene.lights[0][0], []
    for joint in (world.neck, world.pelvis):
        rise = np.maximum(lamp[1] - joint[:, 1:2], 0.4)
        spots.append((joint + np.clip((joint - lamp) * joint[:, 1:2] / rise, -2.0, 2.0), 0.28))
    spots += [(world.pelvis, 0.3), (world.ankles[:, 0], 0.15), (world.ankles[:, 1], 0.15)]
    centres = np.stack([p * [1, 0, 1] for p, _ in spots], 1)
    radii = np.array([r for _, r in spots])
    pixels, depth = camera.project(centres[:, :, None] + radii[:, None, None] * ring)
    pixels[depth < 0.4] = -2000
    return np.rint(np.clip(pixels * 16 - 8, -30000, 30000)).astype(np.int32)


def _darken(picture: np.ndarray, shadows: np.ndarray) -> None:
    """Multiply the floor by one frame's shadow `[5, 12, 2]`, in place."""
    mask = np.ones(picture.shape[:2], np.float32)
    for polygon, left in zip(shadows, (0.8, 0.75, 0.65, 0.5, 0.5), strict=True):
        if polygon.min() > -30000:
            cv2.fillConvexPoly(mask, polygon, left, cv2.LINE_8, 4)
    mask = cv2.blur(mask, (7, 5))
    cv2.multiply(picture, cv2.merge([mask, mask, mask]), picture)


def render_clip(spec: ClipSpec) -> Clip:
    """The dark clip of `spec`; equal specifications give equal pixels."""
    take, rng = render_take(spec), spec.generator("sensor")
    sensor = sample_sensor(rng, spec.order)
    crf = int(rng.integers(18, 22))
    luma = wanted_luma(take.radiance, sensor.rank)
    exposure = expose(take.radiance, sensor, luma)
    dark = capture(take.radiance, sensor, luma, exposure, rng)
    return Clip(dark, capture(take.empty, sensor, luma, exposure, rng)[0], crf)


def render_light(spec: ClipSpec) -> np.ndarray:
    """The same clip in normal light, uint8 `[T, 120, 160, 3]`; frame by frame the same content."""
    sensor = sample_sensor(spec.generator("sensor"), spec.order)
    return develop(render_take(spec).radiance, sensor.cast)
