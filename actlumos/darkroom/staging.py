"""Where the figure stands, what stands near it, and how the camera frames it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from actlumos.darkroom import props
from actlumos.darkroom.body import Body, Pose
from actlumos.darkroom.camera import HEIGHT, WIDTH, Camera, aim, follow, shake
from actlumos.darkroom.geometry import wobble, yaw_matrix
from actlumos.darkroom.mesh import Mesh, box
from actlumos.darkroom.movement import Motion, Stage
from actlumos.darkroom.scene import faint


def sample_stage(rng: np.random.Generator) -> Stage:
    """Draw the surroundings; the action is not asked, so they carry no information about it."""
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
    """The figure's place in the world: heading, point of its own frame that lies at `place`."""

    heading: float
    anchor: np.ndarray
    place: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points of the motion's frame in the world."""
        return (points - self.anchor) @ yaw_matrix(np.array(self.heading)).T + self.place

    def pose(self, pose: Pose) -> Pose:
        """A pose of the motion's frame in the world: points move, frames and axes only turn."""
        turn = yaw_matrix(np.array(self.heading))
        changed = {}
        for item in fields(pose):
            value = getattr(pose, item.name)
            if item.name.endswith("frame"):
                changed[item.name] = turn @ value
            else:
                changed[item.name] = value @ turn.T if item.name.endswith("axes") else self(value)
        return replace(pose, **changed)


def sample_spot(rng: np.random.Generator, motion: Motion) -> Spot:
    """Heading and place. People mostly face the camera or show a side; walkers cross the view or
    come and go along it."""
    travel = np.ptp(motion.pelvis[:, 2])
    heading = np.pi + rng.vonmises(0, 0.8)
    if travel > 0.8:
        heading = rng.choice([np.pi / 2, -np.pi / 2, np.pi, 0.0], p=[0.3, 0.3, 0.22, 0.18])
        heading += rng.normal(0, 0.3)
    share = rng.uniform(0.35, 0.65) if travel > 0.8 else 0.0
    anchor = np.array([0.0, 0.0, motion.pelvis[:, 2].min() + share * travel])
    return Spot(float(heading), anchor, np.array([rng.normal(0, 0.1), 0.0, rng.normal(0, 0.1)]))


def film(rng: np.random.Generator, t: np.ndarray, body: Body, pose: Pose, track: bool) -> Camera:
    """A hand-held camera: half body in about half of the clips, full body in the others.

    In two of five clips the operator tilts after the head, whatever the action.
    """
    focal = rng.uniform(125, 175)
    near = rng.random() < 0.5
    visible = rng.uniform(0.95, 1.5) if near else rng.uniform(1.6, 2.9)
    distance = visible * focal / HEIGHT
    towards = np.ptp(pose.pelvis[:, 2])
    if towards > 0.8:
        distance = max(distance + rng.uniform(0, 3.0), 0.9 - pose.pelvis[:, 2].min())
    height = rng.uniform(0.9, 1.6)
    top = np.quantile(pose.head[:, 1], 0.75) + 0.07 * body.height
    margin = rng.uniform(-0.05, 0.14) if near else rng.uniform(0.03, 0.2)
    centre = top - visible * (0.5 - margin)
    if not near:
        centre = max(centre, 0.42 * visible - 0.1)
    shift = rng.normal(0, 0.12) * WIDTH / HEIGHT * visible
    place = pose.pelvis[:, [0, 2]].mean(0)
    position = np.array([place[0] * 0.5 + shift, height, -distance])
    yaw, pitch, roll = shake(rng, t, rng.choice([0.002, 0.012], p=[0.4, 0.6]))
    rise = (pose.head[:, 1] - np.quantile(pose.head[:, 1], 0.75)) * rng.uniform(0.4, 1.0)
    tilted = centre + rise if rng.random() < 0.4 else np.full_like(rise, centre)
    pitch = pitch + follow(np.arctan2(height - tilted, distance), t, rng.uniform(0.1, 0.4))
    if track:
        across = np.arctan2(pose.pelvis[:, 0] - position[0], pose.pelvis[:, 2] + distance)
        yaw = yaw + follow(across, t, rng.uniform(0.1, 0.4)) + rng.normal(0, 0.03)
    elif rng.random() < 0.12:
        yaw = yaw + rng.uniform(-0.12, 0.12) * (t - t.mean())
    return Camera(position, focal, aim(yaw, pitch, roll + rng.normal(0, 0.02)))


def in_view(camera: Camera, pose: Pose) -> float:
    """Share of the trunk's joints (over all frames) that the camera sees; 0 if it is run over."""
    joints = np.stack([pose.head, pose.neck, pose.waist, pose.pelvis], 1)
    pixels, depth = camera.project(joints)
    inside = (pixels > 0) & (pixels < [WIDTH, HEIGHT])
    return float((inside.all(-1)).mean() * (depth.min() > 0.85))


def surroundings(rng: np.random.Generator, action: str, stage: Stage, spot: Spot) -> list[Mesh]:
    """Seat, table, things on floor and table near the figure, and now and then an occluder."""
    meshes = _seat(rng, action, stage, spot)
    colour = lambda: tuple(faint(rng, 0.03, 0.6))  # noqa: E731
    if stage.table is not None:
        place = spot(np.array([rng.normal(0, 0.1), 0.0, stage.table_ahead + 0.25]))
        meshes.append(
            props.table(place, spot.heading, stage.table, rng.uniform(0.7, 1.4), colour())
        )
        for make in (props.bottle, props.cup):
            if rng.random() < 0.6:
                on = np.array([rng.uniform(-0.3, 0.3), stage.table, stage.table_ahead + 0.2])
                meshes.append(make(spot(on), colour()))
    for _ in range(int(rng.integers(0, 3))):
        place = spot(
            np.array([rng.choice([-1, 1]) * rng.uniform(0.45, 1.3), 0.0, rng.normal(0, 0.6)])
        )
        size = tuple(rng.uniform(0.15, 0.55, 3))
        meshes.append(props.block(place, rng.uniform(0, 3), size, colour()))
    if rng.random() < 0.1:
        place = np.array([rng.choice([-1, 1]) * rng.uniform(0.3, 0.7), 0.0, -0.9])
        meshes.append(
            props.block(
                place, 0.0, (rng.uniform(0.05, 0.2), 3.0, 0.1), tuple(faint(rng, 0.02, 0.2))
            )
        )
    return meshes


def _seat(rng: np.random.Generator, action: str, stage: Stage, spot: Spot) -> list[Mesh]:
    """The stage's seat: behind the figure where it is used and half of the other times."""
    if stage.seat is None:
        return []
    used = action in ("sit", "stand") or stage.seated
    x, z = stage.seat_at
    if not used and rng.random() < 0.5:
        x, z = rng.choice([-1, 1]) * rng.uniform(0.6, 1.1), rng.uniform(-0.5, 0.5)
    heading = spot.heading + rng.normal(0, 0.1 if used else 0.5)
    colour = tuple(faint(rng, 0.03, 0.5))
    place = spot(np.array([x, 0.0, z]))
    if rng.random() < 0.6:
        return [props.chair(place, heading, stage.seat, colour, bool(rng.random() < 0.5))]
    return [props.stool(place, heading, stage.seat, colour)]


def pushed(rng: np.random.Generator, motion: Motion, pose: Pose, spot: Spot) -> list[Mesh]:
    """The crate, trolley or door before the hands of one who pushes."""
    walks = np.ptp(motion.pelvis[:, 2]) > 0.5
    kind = (
        str(rng.choice(["crate", "trolley"])) if walks else str(rng.choice(["crate", "door", ""]))
    )
    turn = yaw_matrix(np.array(spot.heading))
    ahead = turn[:, 2]
    hands = pose.wrists.mean(1) + 0.1 * ahead
    along = (hands - hands[0]) @ ahead
    if not walks:
        along = np.full_like(along, (along).max()) + 0.3 * (along - along.max())
    base = hands[0] + along[:, None] * ahead
    base[:, 1] = 0.0
    base += 0.0 * wobble(rng, motion.t, 1.0)[:, None]
    colour = tuple(faint(rng, 0.05, 0.6))
    return [
        box(base + turn @ offset, size, paint, turn)
        for offset, size, paint in (props.cart(kind, colour) if kind else [])
    ]
