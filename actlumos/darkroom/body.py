"""One person: shape and clothes drawn at random; the measures follow from the shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actlumos.darkroom.colour import Colour, as_colour
from actlumos.darkroom.template import template

SIDES = np.array([-1.0, 1.0])  # sign of x: left, right
NECK = 0.035  # of the height: the neck's joint above the shoulders
SOLE = 0.02  # metres


@dataclass(frozen=True)
class Body:
    """A person's shape, and surface colours (linear RGB albedo, 0..1). Lengths are in metres."""

    vertices: np.ndarray  # [V, 3] of the bare body in the rest pose, on the floor
    rest: dict[str, np.ndarray]  # the right side's joints in the rest pose, `[3]` each
    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    mark: Colour  # print on the shirt, and the bag
    long_sleeves: bool
    legs: str  # "long", "shorts" or "skirt"
    long_hair: bool
    bag: bool

    @property
    def height(self) -> float:
        """Height of the bare body."""
        return float(np.ptp(self.vertices[:, 1]))

    @property
    def thigh(self) -> float:
        """Length from hip to knee."""
        return self._length("hip", "knee")

    @property
    def shin(self) -> float:
        """Length from knee to ankle."""
        return self._length("knee", "ankle")

    @property
    def upper_arm(self) -> float:
        """Length from shoulder to elbow."""
        return self._length("shoulder", "elbow")

    @property
    def forearm(self) -> float:
        """Length from elbow to wrist."""
        return self._length("elbow", "wrist")

    @property
    def shoulder(self) -> float:
        """Half the distance between the shoulders."""
        return float(self.rest["shoulder"][0])

    @property
    def hip(self) -> float:
        """Half the distance between the hips."""
        return float(self.rest["hip"][0])

    @property
    def spine(self) -> float:
        """Length from pelvis to neck, which is a little above the shoulders."""
        return float(self.rest["shoulder"][1] - self.rest["hip"][1]) + NECK * self.height

    @property
    def ankle(self) -> float:
        """Height of the ankle joint above the floor, in shoes."""
        return float(self.rest["ankle"][1]) + SOLE

    @property
    def foot(self) -> tuple[float, float]:
        """How far the sole goes behind and before the ankle joint."""
        sole = self.vertices[self.vertices[:, 1] < SOLE, 2] - self.rest["ankle"][2]
        return float(-sole.min()), float(sole.max())

    @property
    def hip_height(self) -> float:
        """Height of the pelvis when the person stands at ease."""
        return self.ankle + 0.992 * (self.thigh + self.shin)

    @property
    def arm(self) -> float:
        """Length of the arm from shoulder to wrist."""
        return self.upper_arm + self.forearm

    def toe(self, forward: np.ndarray, down: np.ndarray) -> np.ndarray:
        """The tip of the foot from its ankle; the unit vectors `[..., 3]` are those of the foot."""
        return 0.105 * self.height * forward + 0.7 * self.ankle * down

    def _length(self, start: str, end: str) -> float:
        return float(np.linalg.norm(self.rest[end] - self.rest[start]))


def sample_body(rng: np.random.Generator) -> Body:
    """Draw a person."""
    model = template()
    shape = model.adults[rng.integers(len(model.adults))]
    vertices, rest = model.vertices(shape), model.rest_joints(shape)
    floor = np.array([0, vertices[:, 1].min(), 0])
    skin = np.array([0.46, 0.33, 0.26]) * rng.uniform(0.45, 1.25)
    return Body(
        vertices=vertices - floor, rest={name: place - floor for name, place in rest.items()},
        skin=as_colour(skin), hair=_near_grey(rng, rng.uniform(0.015, 0.09), 0.1),
        shirt=_cloth(rng), trousers=_cloth(rng), shoes=_cloth(rng), mark=_cloth(rng),
        long_sleeves=bool(rng.random() < 0.5),
        legs=str(rng.choice(["long", "shorts", "skirt"], p=[0.68, 0.2, 0.12])),
        long_hair=bool(rng.random() < 0.3), bag=bool(rng.random() < 0.12),
    )  # fmt: skip


def _near_grey(rng: np.random.Generator, value: float, spread: float) -> Colour:
    """A grey of albedo `value`; its channels differ by a factor of about 1 + `spread`."""
    return as_colour(np.clip(value * np.exp(rng.normal(0, spread, 3)), 0.01, 0.9))


def _cloth(rng: np.random.Generator) -> Colour:
    """An unsaturated colour: dark in half of the cases, light in a third, else medium."""
    low, high = [(0.02, 0.07), (0.1, 0.28), (0.42, 0.8)][rng.choice(3, p=[0.5, 0.18, 0.32])]
    return _near_grey(rng, rng.uniform(low, high), 0.11)
