"""From a clip's specification to its frames: move, place, film, paint, expose."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from actlumos.darkroom.actions import act
from actlumos.darkroom.body import Body, sample_body
from actlumos.darkroom.camera import HEIGHT, WIDTH, Camera, panorama, warp
from actlumos.darkroom.colour import as_colour, faint
from actlumos.darkroom.figure import figure, held_thing
from actlumos.darkroom.mesh import Mesh, join, shade
from actlumos.darkroom.motion import Motion, Stage
from actlumos.darkroom.paint import Painter, paint_over
from actlumos.darkroom.places import sample_scene
from actlumos.darkroom.plan import DOMAINS, ClipSpec
from actlumos.darkroom.pose import Pose, pose
from actlumos.darkroom.scene import Scene
from actlumos.darkroom.scene import render as render_scene
from actlumos.darkroom.sensor import capture, develop, expose, sample_sensor, wanted_luma
from actlumos.darkroom.staging import (
    TRAVEL,
    Spot,
    film,
    in_view,
    pushed,
    sample_spot,
    sample_stage,
    surroundings,
)

FRAMES = (33, 105)  # fewest and most, as the real clips
CONTRAST = 0.3  # least |ln| ratio of the person's and the background's radiance
ATTEMPTS = 8  # camera positions that are tried until the person is in view


@dataclass(frozen=True)
class Clip:
    """A rendered clip: `dark` uint8 `[T, 120, 160, 3]`, `background` (one dark frame without the
    person, `[120, 160, 3]`, at mid clip), and `crf`, the quality to encode it with."""

    dark: np.ndarray
    background: np.ndarray
    crf: int


@dataclass(frozen=True)
class Take:
    """A filmed scene before exposure: linear radiance float32 `[T, 120, 160, 3]`, and the scene
    without the person at mid clip, `[1, 120, 160, 3]`."""

    radiance: np.ndarray
    empty: np.ndarray


def render_clip(spec: ClipSpec) -> Clip:
    """The dark clip of `spec`; equal specifications give equal pixels."""
    take, rng = render_take(spec), spec.generator("sensor")
    sensor = sample_sensor(rng, spec.order)
    crf = int(rng.integers(18, 22))
    luma = wanted_luma(take.radiance, sensor.rank)
    exposure = expose(take.radiance, sensor, luma)
    dark = capture(take.radiance, sensor, luma, exposure, rng)
    return Clip(dark, capture(take.empty, sensor, luma, exposure, rng)[0], crf)


def render_normal_light(spec: ClipSpec) -> np.ndarray:
    """The clip of `spec` in normal light, uint8 `[T, 120, 160, 3]`; frames match the dark clip."""
    sensor = sample_sensor(spec.generator("sensor"), spec.order)
    return develop(render_take(spec).radiance, sensor.cast)


def render_take(spec: ClipSpec) -> Take:
    """Act and film the clip `spec` in linear light."""
    body = sample_body(spec.generator("person"))
    scene = sample_scene(spec.generator("place"), spec.domain)
    stage = sample_stage(spec.generator("stage"))
    rng = spec.generator("motion")
    t = sample_times(rng)
    motion = act(spec.action, DOMAINS[spec.domain], body, stage, t, rng)
    spot, world, camera = _film(spec, t, body, motion)
    rng = spec.generator("things")
    still = surroundings(rng, spec.action, stage, spot)
    moving = figure(body, world, _fists(spec.action, stage, motion.main))
    moving += _held(rng, spec.action, stage, motion, body, world)
    if spec.action == "push":
        moving += pushed(rng, motion, world, spot)
    return _compose(scene, camera, join(moving), join(still) if still else None, world)


def sample_times(rng: np.random.Generator) -> np.ndarray:
    """Frame times `[T]` (s); T has median 60, and the speed differs between clips."""
    frames = int(np.clip(60 * np.exp(rng.normal(0, 0.25)), *FRAMES))
    return np.arange(frames) / 30 * rng.uniform(0.88, 1.12)


def _film(spec: ClipSpec, t: np.ndarray, body: Body, motion: Motion) -> tuple[Spot, Pose, Camera]:
    """Place the person and the camera; try again until the person is in view."""
    local = pose(body, motion)
    travels = np.ptp(motion.pelvis[:, 2]) > TRAVEL
    for attempt in range(ATTEMPTS):
        rng = spec.generator(f"camera{attempt}")
        spot = sample_spot(rng, motion)
        world = spot.pose(local)
        track = bool(travels and (rng.random() < 0.5 or attempt >= ATTEMPTS // 2))
        camera = film(rng, t, body, world, track)
        if in_view(camera, world) > 0.5:
            break
    return spot, world, camera


def _held(
    rng: np.random.Generator, action: str, stage: Stage, motion: Motion, body: Body, world: Pose
) -> list[Mesh]:
    """The things in the hands: what drinking and pouring need, else the stage's held thing."""
    drink_from = str(rng.choice(["cup", "bottle"]))
    kind = {"drink": drink_from, "pour": "bottle"}.get(action, stage.held)
    colour = as_colour(faint(rng, 0.05, 0.7))
    things = [held_thing(kind, body, world, motion.main, motion.tilt, colour)] if kind else []
    if action == "pour":
        flat = np.zeros_like(motion.tilt)
        things.append(held_thing("cup", body, world, 1 - motion.main, flat, colour))
    return things


def _fists(action: str, stage: Stage, main: int) -> tuple[bool, bool]:
    """Which hands hold something (left, right): both while pouring, else at most the main one."""
    holds = bool(stage.held) or action in ("drink", "pour")
    return holds and (main == 0 or action == "pour"), holds and (main == 1 or action == "pour")


def _compose(scene: Scene, camera: Camera, moving: Mesh, still: Mesh | None, world: Pose) -> Take:
    """For every frame: warp the panorama, darken the shadows, paint the person and the things."""
    view = panorama(camera)
    wide = render_scene(scene, camera, view)
    glow = shade(moving, scene.lights, scene.ambient)
    glow *= _balance(glow, camera, world, wide, view.to_frames)
    painter = _painter(camera, scene, moving, glow, still)
    shadows = _shadow_polygons(camera, world, scene)
    radiance = np.empty((len(glow), HEIGHT, WIDTH, 3), np.float32)
    for i in range(len(glow)):
        warp(wide, view.to_frames[i], radiance[i])
        _darken(radiance[i], shadows[i])
        paint_over(radiance[i], *painter.frame(i))
    middle = len(glow) // 2
    empty = warp(wide, view.to_frames[middle])
    if still is not None:
        alone = _painter(camera, scene, still, shade(still, scene.lights, scene.ambient), None)
        paint_over(empty, *alone.frame(middle))
    return Take(np.maximum(radiance, 0, out=radiance), np.maximum(empty, 0)[None])


def _painter(
    camera: Camera, scene: Scene, surface: Mesh, glow: np.ndarray, still: Mesh | None
) -> Painter:
    """A painter of all frames for `surface` with radiance `glow`, together with the mesh `still`.

    Both meshes go to one painter, so that near faces of one cover far faces of the other.
    """
    frames = len(camera.rotation)
    if still is not None:
        fixed = shade(still, scene.lights, scene.ambient)
        glow = np.concatenate([glow, np.broadcast_to(fixed, (frames, *fixed.shape[1:]))], 1)
        surface = join([surface, still])
    if len(surface.quads) < frames:
        repeat = np.zeros(frames, int)
        glow = glow[repeat]
        surface = Mesh(
            surface.quads[repeat], surface.albedo, surface.centres[repeat],
            surface.normals[repeat], surface.facing[repeat],
        )  # fmt: skip
    return Painter(surface, glow, *camera.project(surface.quads), camera.position)


def _balance(
    glow: np.ndarray, camera: Camera, world: Pose, wide: np.ndarray, to_frames: np.ndarray
) -> float:
    """Factor on the person's radiance that makes the person visible against the background.

    It is 1 if the person is at least `CONTRAST` brighter or darker than the part of the middle
    frame behind the waist. Else it raises the contrast to 0.55, in the direction that it has.
    """
    middle = len(to_frames) // 2
    pixels, _ = camera.project(world.waist)
    x, y = np.clip(np.round(pixels[middle]).astype(int), [20, 20], [WIDTH - 20, HEIGHT - 20])
    behind = warp(wide, to_frames[middle])[y - 20 : y + 20, x - 20 : x + 20]
    gap = np.log((np.median(glow[middle].mean(-1)) + 1e-6) / (np.median(behind.mean(-1)) + 1e-6))
    if abs(gap) >= CONTRAST:
        return 1.0
    return float(np.exp(np.sign(gap or 1.0) * (0.55 - abs(gap))))


def _shadow_polygons(camera: Camera, world: Pose, scene: Scene) -> np.ndarray:
    """Outlines `[T, 5, 12, 2]` (fixed-point pixels) of soft shadows on the floor.

    Two are cast by the main lamp (of neck and pelvis), one lies under the body, one under each
    foot. A shadow that is behind the camera has far negative coordinates.
    """
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
    """Multiply `picture` by the shadows `[5, 12, 2]` of its frame, in place."""
    mask = np.ones(picture.shape[:2], np.float32)
    for polygon, remaining in zip(shadows, (0.8, 0.75, 0.65, 0.5, 0.5), strict=True):
        if polygon.min() > -30000:
            cv2.fillConvexPoly(mask, polygon, remaining, cv2.LINE_8, 4)
    blurred = cv2.blur(mask, (7, 5))
    cv2.multiply(picture, cv2.merge([blurred, blurred, blurred]), picture)
