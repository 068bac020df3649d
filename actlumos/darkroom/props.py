"""Things that stand still: furniture of a place, and seats, tables and boxes near the person."""

from __future__ import annotations

import numpy as np

from actlumos.darkroom.colour import Colour, as_colour
from actlumos.darkroom.geometry import yaw_matrix
from actlumos.darkroom.mesh import Mesh, box, join, upright

Size = tuple[float, float, float]  # x, y, z in metres


def _at(place: np.ndarray, yaw: float, offset: tuple[float, float, float]) -> np.ndarray:
    """The point `offset` metres from `place`, in axes that are turned by `yaw`."""
    return place + yaw_matrix(np.array(yaw)) @ np.array(offset)


def block(place: np.ndarray, yaw: float, size: Size, colour: Colour) -> Mesh:
    """A box of `size` (x, y, z) metres that stands on the floor at `place` `[3]`."""
    return box(_at(place, yaw, (0, size[1] / 2, 0)), size, colour, yaw_matrix(np.array(yaw)))


def chair(place: np.ndarray, yaw: float, height: float, colour: Colour, swivel: bool) -> Mesh:
    """A chair with a seat `height` m above the floor; a person on it looks along `yaw`."""
    turn = yaw_matrix(np.array(yaw))
    dark = as_colour(0.5 * c for c in colour)
    parts = [
        box(_at(place, yaw, (0, height - 0.03, 0)), (0.44, 0.06, 0.42), colour, turn),
        box(_at(place, yaw, (0, height + 0.3, -0.22)), (0.42, 0.36, 0.04), colour, turn),
        box(_at(place, yaw, (0, height + 0.06, -0.22)), (0.06, 0.2, 0.03), dark, turn),
    ]
    if swivel:
        parts.append(upright(place, [0.04, height - 0.05], [0.03, 0.03], dark))
        parts.append(box(_at(place, yaw, (0, 0.05, 0)), (0.5, 0.05, 0.06), dark, turn))
        parts.append(box(_at(place, yaw, (0, 0.05, 0)), (0.06, 0.05, 0.5), dark, turn))
    else:
        parts += _legs(place, yaw, 0.19, 0.18, height - 0.05, dark)
    return join(parts)


def stool(place: np.ndarray, yaw: float, height: float, colour: Colour) -> Mesh:
    """A seat without a back: a box, a step or a low wall, 0.42 to 1.32 m wide."""
    width = 0.42 + 0.9 * (colour[0] * 97 % 1)  # as good as random, and needs no further draw
    return block(place, yaw, (width, height, 0.42), colour)


def table(place: np.ndarray, yaw: float, height: float, width: float, colour: Colour) -> Mesh:
    """A table top on four legs."""
    top = box(
        _at(place, yaw, (0, height - 0.02, 0)),
        (width, 0.04, 0.55),
        colour,
        yaw_matrix(np.array(yaw)),
    )
    legs = _legs(place, yaw, width / 2 - 0.05, 0.22, height, as_colour(0.6 * c for c in colour))
    return join([top, *legs])


def _legs(
    place: np.ndarray, yaw: float, wide: float, deep: float, height: float, colour: Colour
) -> list[Mesh]:
    """Four legs, `wide` and `deep` metres from the middle."""
    spots = [(x, 0.0, z) for x in (-wide, wide) for z in (-deep, deep)]
    return [block(_at(place, yaw, spot), yaw, (0.04, height, 0.04), colour) for spot in spots]


def bottle(place: np.ndarray, colour: Colour) -> Mesh:
    """A bottle standing on `place`."""
    return upright(place, [0, 0.002, 0.15, 0.2, 0.24], [0.005, 0.036, 0.035, 0.015, 0.013], colour)


def cup(place: np.ndarray, colour: Colour) -> Mesh:
    """A cup standing on `place`."""
    return upright(place, [0, 0.002, 0.11], [0.005, 0.034, 0.042], colour)


def bush(place: np.ndarray, size: float, rng: np.random.Generator) -> Mesh:
    """A plant of uneven shape and colour on the floor, `size` metres high."""
    heights = [0.0, 0.15 * size, 0.5 * size, 0.8 * size, size]
    radii = np.array([0.15, 0.45, 0.5, 0.35, 0.05]) * size * rng.uniform(0.7, 1.3, 5)
    green = np.array([0.06, 0.07, 0.05]) * rng.uniform(0.4, 1.3)
    ragged = green * np.exp(rng.normal(0, 0.5, (4, 7, 1)))
    return upright(place, heights, list(radii), ragged, sides=7)


def cart(kind: str, colour: Colour) -> list[tuple[np.ndarray, Size, Colour]]:
    """Boxes (offset from the hands, size, colour) of a "crate", "trolley" or "door" to push."""
    if kind == "crate":
        return [(np.array([0, 0.55, 0.36]), (0.7, 1.1, 0.6), colour)]
    if kind == "trolley":
        return [
            (np.array([0, 0.95, 0.0]), (0.5, 0.04, 0.04), colour),
            (np.array([0, 0.6, 0.45]), (0.5, 0.45, 0.8), colour),
            (np.array([0, 0.25, 0.45]), (0.5, 0.06, 0.8), colour),
        ]
    return [(np.array([0, 1.0, 0.05]), (0.95, 2.0, 0.06), colour)]
