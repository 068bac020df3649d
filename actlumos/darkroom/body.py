"""One person: proportions and clothes drawn at random.

Proportions follow the segment lengths of Drillis and Contini (1966), as fractions of stature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actlumos.darkroom.colour import Colour, as_colour

SIDES = np.array([-1.0, 1.0])  # sign of x: left, right


@dataclass(frozen=True)
class Body:
    """A person's measures (metres) and surface colours (linear RGB albedo, 0..1)."""

    height: float
    girth: float  # factor on the thickness of trunk and limbs, 1 = average
    thigh: float
    shin: float
    upper_arm: float
    forearm: float
    shoulder: float  # half the distance between the shoulders
    hip: float  # half the distance between the hips
    spine: float
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
    def ankle(self) -> float:
        """Height of the ankle joint above the floor."""
        return 0.042 * self.height

    @property
    def hip_height(self) -> float:
        """Height of the pelvis when the person stands at ease."""
        return self.ankle + 0.992 * (self.thigh + self.shin)

    @property
    def arm(self) -> float:
        """Length of the arm from shoulder to wrist."""
        return self.upper_arm + self.forearm


def sample_body(rng: np.random.Generator) -> Body:
    """Draw a person."""
    height = float(np.clip(rng.normal(1.7, 0.085), 1.52, 1.9))
    scale = height * rng.normal(1.0, 0.025, 7)
    skin = np.array([0.46, 0.33, 0.26]) * rng.uniform(0.45, 1.25)
    return Body(
        height=height, girth=float(np.clip(rng.normal(1.03, 0.12), 0.82, 1.35)),
        thigh=0.245 * scale[0], shin=0.243 * scale[1],
        upper_arm=0.178 * scale[2], forearm=0.152 * scale[3],
        shoulder=0.112 * scale[4], hip=0.05 * scale[5], spine=0.288 * scale[6],
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
