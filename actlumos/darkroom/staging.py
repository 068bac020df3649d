"""Where the person stands, what stands near, and how the camera frames it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from actlumos.darkroom import props
from actlumos.darkroom.body import Body
from actlumos.darkroom.camera import HEIGHT, WIDTH, Camera, follow, shake
from actlumos.darkroom.colour import Colour, as_colour, faint
from actlumos.darkroom.geometry import orientation, yaw_matrix
from actlumos.darkroom.mesh import Mesh, box
from actlumos.darkroom.motion import Motion, Stage
from actlumos.darkroom.pose import Pose

TRAVEL = 0.8  # metres: a person who goes farther crosses the scene


def sample_stage(rng: np.random.Generator) -> Stage:
    """Draw seat, table and held thing; the action has no influence, so they do not reveal it."""
    seat = float(rng.uniform(0.38, 0.52)) if rng.random() < 0.6 else None
    ahead = rng.random() < 0.3
    return Stage(
        seat=seat, seat_at=(0.0, -float(rng.uniform(0.34, 0.46))),
        table=float(rng.uniform(0.68, 0.8)) if ahead else None,
        table_ahead=float(rng.uniform(0.5, 0.62)),
        seated=bool(rng.random() < 0.45),
        held=str(rng.choice(["", "bottle", "cup", "phone"], p=[0.45, 0.2, 0.2, 0.15])),
    )  # fmt: skip


@dataclass(frozen=True)
class Spot:
    """The person's place in the world: the motion's frame turned by `heading` (radians) and moved
    so that its point `anchor` `[3]` lies at `place` `[3]`."""

    heading: float
    anchor: np.ndarray
    place: np.ndarray

    @property
    def rotation(self) -> np.ndarray:
        """Rotation `[3, 3]` from the motion's frame to the world."""
        return yaw_matrix(np.array(self.heading))

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """World coordinates of points `[..., 3]` of the motion's frame."""
        return (points - self.anchor) @ self.rotation.T + self.place

    def pose(self, local: Pose) -> Pose:
        """The pose in the world: points are moved and turned, frames and axes only turned."""
        changed = {}
        for item in fields(local):
            value = getattr(local, item.name)
            if item.name.endswith("frame"):
                changed[item.name] = self.rotation @ value
            elif item.name.endswith("axes"):
                changed[item.name] = value @ self.rotation.T
            else:
                changed[item.name] = self.to_world(value)
        return replace(local, **changed)


def sample_spot(rng: np.random.Generator, motion: Motion) -> Spot:
    """Draw heading and place.

    A person who stays mostly faces the camera or shows a side. One who walks crosses the view, or
    comes or goes along it.
    """
    travel = np.ptp(motion.pelvis[:, 2])
    heading = np.pi + rng.vonmises(0, 0.8)
    share = 0.0
    if travel > TRAVEL:
        heading = rng.choice([np.pi / 2, -np.pi / 2, np.pi, 0.0], p=[0.3, 0.3, 0.22, 0.18])
        heading += rng.normal(0, 0.3)
        share = rng.uniform(0.35, 0.65)
    anchor = np.array([0.0, 0.0, motion.pelvis[:, 2].min() + share * travel])
    return Spot(float(heading), anchor, np.array([rng.normal(0, 0.1), 0.0, rng.normal(0, 0.1)]))


def film(rng: np.random.Generator, t: np.ndarray, body: Body, pose: Pose, track: bool) -> Camera:
    """A hand-held camera that films `pose` (in the world) at times `t` `[T]`.

    It shows half the body in about half of the clips, else the whole body. In two of five clips it
    tilts with the head, in any action. With `track` it also turns with the person.
    """
    focal = rng.uniform(125, 175)
    near = rng.random() < 0.5
    visible = rng.uniform(0.95, 1.5) if near else rng.uniform(1.6, 2.9)  # height of view, metres
    distance = visible * focal / HEIGHT
    if np.ptp(pose.pelvis[:, 2]) > TRAVEL:
        distance = max(distance + rng.uniform(0, 3.0), 0.9 - pose.pelvis[:, 2].min())
    height = rng.uniform(0.9, 1.6)
    centre = _centre(rng, body, pose, visible, near)
    shift = rng.normal(0, 0.12) * WIDTH / HEIGHT * visible
    middle = pose.pelvis[:, [0, 2]].mean(0)
    position = np.array([middle[0] * 0.5 + shift, height, -distance])
    yaw, pitch, roll = shake(rng, t, rng.choice([0.002, 0.012], p=[0.4, 0.6]))
    rise = (pose.head[:, 1] - np.quantile(pose.head[:, 1], 0.75)) * rng.uniform(0.4, 1.0)
    aimed_at = centre + rise if rng.random() < 0.4 else np.full_like(rise, centre)
    pitch = pitch + follow(np.arctan2(height - aimed_at, distance), t, rng.uniform(0.1, 0.4))
    if track:
        across = np.arctan2(pose.pelvis[:, 0] - position[0], pose.pelvis[:, 2] + distance)
        yaw = yaw + follow(across, t, rng.uniform(0.1, 0.4)) + rng.normal(0, 0.03)
    elif rng.random() < 0.12:
        yaw = yaw + rng.uniform(-0.12, 0.12) * (t - t.mean())
    return Camera(position, focal, orientation(yaw, pitch, roll + rng.normal(0, 0.02)))


def _centre(rng: np.random.Generator, body: Body, pose: Pose, visible: float, near: bool) -> float:
    """Height in the world, metres, of the middle of the picture; the head is near its top."""
    top = np.quantile(pose.head[:, 1], 0.75) + 0.07 * body.height
    margin = rng.uniform(-0.05, 0.14) if near else rng.uniform(0.03, 0.2)
    centre = float(top - visible * (0.5 - margin))
    return centre if near else max(centre, 0.42 * visible - 0.1)


def in_view(camera: Camera, pose: Pose) -> float:
    """Share 0..1 of the trunk's joints, over all frames, inside the picture; 0 if one of them comes
    closer to the camera than 0.85 m."""
    joints = np.stack([pose.head, pose.neck, pose.waist, pose.pelvis], 1)
    pixels, depth = camera.project(joints)
    inside = (pixels > 0) & (pixels < [WIDTH, HEIGHT])
    return float((inside.all(-1)).mean() * (depth.min() > 0.85))


def surroundings(rng: np.random.Generator, action: str, stage: Stage, spot: Spot) -> list[Mesh]:
    """Seat, table, things on the floor and on the table, and in a tenth of the clips a post between
    camera and person."""
    meshes = _seat(rng, action, stage, spot)
    if stage.table is not None:
        meshes += _table(rng, stage.table, stage.table_ahead, spot)
    for _ in range(int(rng.integers(0, 3))):
        beside = rng.choice([-1, 1]) * rng.uniform(0.45, 1.3)
        place = spot.to_world(np.array([beside, 0.0, rng.normal(0, 0.6)]))
        size = tuple(rng.uniform(0.15, 0.55, 3))
        meshes.append(props.block(place, rng.uniform(0, 3), size, _any_colour(rng)))
    if rng.random() < 0.1:
        place = np.array([rng.choice([-1, 1]) * rng.uniform(0.3, 0.7), 0.0, -0.9])
        width = rng.uniform(0.05, 0.2)
        colour = as_colour(faint(rng, 0.02, 0.2))
        meshes.append(props.block(place, 0.0, (width, 3.0, 0.1), colour))
    return meshes


def _any_colour(rng: np.random.Generator) -> Colour:
    return as_colour(faint(rng, 0.03, 0.6))


def _table(rng: np.random.Generator, height: float, ahead: float, spot: Spot) -> list[Mesh]:
    """A table in front of the person, sometimes with a bottle or a cup on it."""
    place = spot.to_world(np.array([rng.normal(0, 0.1), 0.0, ahead + 0.25]))
    meshes = [props.table(place, spot.heading, height, rng.uniform(0.7, 1.4), _any_colour(rng))]
    things: tuple[Callable[[np.ndarray, Colour], Mesh], ...] = (props.bottle, props.cup)
    for thing in things:
        if rng.random() < 0.6:
            on = np.array([rng.uniform(-0.3, 0.3), height, ahead + 0.2])
            meshes.append(thing(spot.to_world(on), _any_colour(rng)))
    return meshes


def _seat(rng: np.random.Generator, action: str, stage: Stage, spot: Spot) -> list[Mesh]:
    """The stage's seat: behind the person if it is used, else there in half of the clips."""
    if stage.seat is None:
        return []
    used = action in ("sit", "stand") or stage.seated
    x, z = stage.seat_at
    if not used and rng.random() < 0.5:
        x, z = rng.choice([-1, 1]) * rng.uniform(0.6, 1.1), rng.uniform(-0.5, 0.5)
    heading = spot.heading + rng.normal(0, 0.1 if used else 0.5)
    colour = as_colour(faint(rng, 0.03, 0.5))
    place = spot.to_world(np.array([x, 0.0, z]))
    if rng.random() < 0.6:
        return [props.chair(place, heading, stage.seat, colour, bool(rng.random() < 0.5))]
    return [props.stool(place, heading, stage.seat, colour)]


def pushed(rng: np.random.Generator, motion: Motion, pose: Pose, spot: Spot) -> list[Mesh]:
    """The crate, trolley or door in front of the hands of a person who pushes; `pose` is in the
    world. A person who stays sometimes pushes nothing that is visible."""
    walks = np.ptp(motion.pelvis[:, 2]) > 0.5
    kind = str(rng.choice(["crate", "trolley"] if walks else ["crate", "door", ""]))
    forward = spot.rotation[:, 2]
    hands = pose.wrists.mean(1) + 0.1 * forward
    along = (hands - hands[0]) @ forward
    if not walks:
        along = np.full_like(along, along.max()) + 0.3 * (along - along.max())
    base = hands[0] + along[:, None] * forward
    base[:, 1] = 0.0
    rng.random(8)  # not used; without these draws the colour, and so the pixels, would change
    colour = as_colour(faint(rng, 0.05, 0.6))
    boxes = props.cart(kind, colour) if kind else []
    return [
        box(base + spot.rotation @ offset, size, paint, spot.rotation)
        for offset, size, paint in boxes
    ]
