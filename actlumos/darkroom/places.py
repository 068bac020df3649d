"""Random places of both domains.

`darkroom`: a wall behind the person, a walkway, a room, a yard. `darkroom-b`: stairs, shelves, a
fence, a wall.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actlumos.darkroom.colour import as_colour, faint
from actlumos.darkroom.props import block, bush, table
from actlumos.darkroom.scene import Scene, lamp, level, wall
from actlumos.darkroom.texture import Paint

Place = Callable[[np.random.Generator], Scene]


def _paint(
    rng: np.random.Generator, kinds: list[str], low: float, high: float, period: float = 0.3
) -> Paint:
    """A random paint of one of `kinds` with an albedo between `low` and `high`.

    `period` is a typical size of the pattern in metres.
    """
    kind = str(rng.choice(kinds))
    albedo = faint(rng, low, high)
    scale = {"bricks": 0.7, "tiles": 1.2, "panels": 4.0, "ribs": 0.8, "slats": 0.5}.get(kind, 1.0)
    size = period * scale * rng.uniform(0.6, 1.5)
    contrast, second = rng.uniform(0.15, 0.8), as_colour(albedo * rng.uniform(0.15, 0.6))
    dirt = rng.uniform(0.02, 0.16)
    # Not as Python floats: added to float32 arrays they would keep single precision, and the
    # pixels of version 4 come from double precision.
    u, v = rng.uniform(0, 9, 2)
    return Paint(
        kind, as_colour(albedo), (size, size * (0.35 if kind == "bricks" else 1.0)),
        contrast=contrast, other=second, dirt=dirt, offset=(u, v),
    )  # fmt: skip


def _floor(rng: np.random.Generator) -> Paint:
    """Tiles, bricks or a plain floor."""
    return _paint(rng, ["tiles", "plain", "plain", "bricks"], 0.08, 0.4, 0.4)


def _facade(rng: np.random.Generator) -> Paint:
    """A building with rows of windows, a few of them lit."""
    albedo = faint(rng, 0.15, 0.5)
    return Paint(
        "windows", as_colour(albedo), (rng.uniform(1.2, 2.5), rng.uniform(2.4, 3.4)), contrast=0.0,
        other=as_colour(faint(rng, 0.03, 0.12)), emission=float(np.exp(rng.uniform(-1, 1.3))),
        lit=float(rng.choice([0.0, 0.15, 0.5])), dirt=0.1, offset=(rng.uniform(0, 9), 0.4),
    )  # fmt: skip


def _hedge(rng: np.random.Generator) -> Paint:
    """Dark green leaves."""
    green = np.array([0.08, 0.09, 0.065]) * rng.uniform(0.5, 1.6)
    dark = as_colour(0.12 * green)
    return Paint("leaves", as_colour(green), (1, 1), contrast=0.85, other=dark, dirt=0.4)


def _with_lights(rng: np.random.Generator, scene: Scene, far: tuple[float, float]) -> Scene:
    """The scene with its lights: a main lamp at one side, ambient light, sometimes a weaker lamp on
    the other side, and often one close to a wall. `far` is the range of z of the main lamp.

    In soft light the main lamp is weak, the ambient light is strong and no wall is lit.
    """
    side = float(rng.choice([-1.0, 1.0]))
    soft = rng.random() < 0.28
    scene.lights.append(
        lamp(rng, side, far, rng.uniform(0.3, 0.8) if soft else rng.uniform(0.7, 1.5))
    )
    if rng.random() < 0.6:
        scene.lights.append(lamp(rng, -side, (-6, 6), rng.uniform(0.05, 0.4)))
    scene.ambient = faint(rng, 0.2, 0.5) if soft else faint(rng, 0.02, 0.12)
    upright = [p for p in scene.planes if abs(p.normal[1]) < 0.1]
    if not soft and upright and rng.random() < 0.9:
        near = upright[rng.integers(len(upright))]
        spot = near.point - rng.uniform(0.4, 1.2) * near.normal + rng.uniform(-3, 3) * near.u
        power = np.exp(rng.uniform(0.0, 2.1)) * np.exp(rng.normal(0, 0.04, 3))
        scene.lights.append((spot + [0.0, rng.uniform(1.0, 3.0), 0.0], power))
    return scene


def _clutter(rng: np.random.Generator, scene: Scene, near: float, far: float) -> None:
    """Add up to four cabinets, desks, bins or plants at z from `near` to `far`."""
    for _ in range(int(rng.integers(0, 5))):
        side, depth = rng.choice([-1, 1]) * rng.uniform(0.5, 3.2), rng.uniform(near, far)
        place, yaw = np.array([side, 0.0, depth]), rng.normal(0, 0.3)
        colour = as_colour(faint(rng, 0.04, 0.5))
        kind = rng.choice(["cabinet", "desk", "bin", "bush"])
        if kind == "cabinet":
            size = (rng.uniform(0.5, 1.2), rng.uniform(0.7, 2.0), 0.5)
            scene.furniture.append(block(place, yaw, size, colour))
        elif kind == "desk":
            scene.furniture.append(table(place, yaw, 0.75, rng.uniform(0.9, 1.6), colour))
            screen = place + np.array([0.1, 0.76, 0.0])
            scene.furniture.append(
                block(screen, yaw + 0.3, (0.5, 0.35, 0.05), as_colour(faint(rng, 0.02, 0.1)))
            )
        elif kind == "bin":
            scene.furniture.append(block(place, yaw, (0.4, rng.uniform(0.5, 1.0), 0.4), colour))
        else:
            scene.furniture.append(bush(place, rng.uniform(0.6, 1.6), rng))


def before_wall(rng: np.random.Generator) -> Scene:
    """A wall or shutter behind the person, sometimes with a hedge or a pillar."""
    scene, yaw = Scene(), rng.uniform(-0.45, 0.45)
    distance = rng.uniform(1.0, 3.5)
    kinds = ["ribs", "ribs", "plain", "bricks", "panels", "slats", "tiles"]
    scene.planes.append(wall(yaw, distance, _paint(rng, kinds, 0.12, 0.7)))
    scene.planes.append(level(0.0, _floor(rng), yaw))
    if rng.random() < 0.3:
        scene.planes.append(
            wall(yaw, distance - 0.05, _hedge(rng), v_range=(0.0, rng.uniform(0.4, 1.3)))
        )
    if rng.random() < 0.4:
        start = rng.uniform(0.6, 2.5) * rng.choice([-1, 1])
        colour = as_colour(faint(rng, 0.1, 0.6))
        place = np.array([start, 0.0, rng.uniform(0.5, 1.0) * distance])
        scene.furniture.append(block(place, yaw, (rng.uniform(0.3, 0.8), 5.0, 0.4), colour))
    _clutter(rng, scene, 0.7 * distance, distance - 0.2)
    return _with_lights(rng, scene, (-3.0, distance - 0.4))


def walkway(rng: np.random.Generator) -> Scene:
    """A corridor or bridge that leads away between low or high walls."""
    scene, yaw = Scene(), rng.uniform(-0.35, 0.35)
    paint = _paint(rng, ["plain", "plain", "panels", "tiles"], 0.2, 0.7, 0.6)
    low = rng.random() < 0.6
    for side in (-1, 1):
        top = rng.uniform(0.9, 1.4) if low else 30.0
        away = rng.uniform(1.0, 2.2)
        scene.planes.append(wall(yaw + side * np.pi / 2, away, paint, v_range=(0.0, top)))
    if low and rng.random() < 0.8:
        scene.planes.append(
            wall(yaw + rng.choice([-1, 1]) * np.pi / 2, rng.uniform(4, 9), _facade(rng))
        )
    end = _hedge(rng) if low else paint
    scene.planes.append(wall(yaw, rng.uniform(9, 25), end, v_range=(0.0, rng.uniform(3, 9))))
    scene.planes.append(level(0.0, _floor(rng), yaw))
    if not low:
        scene.planes.append(
            level(rng.uniform(2.5, 3.2), _paint(rng, ["tiles", "plain"], 0.3, 0.7, 0.6), yaw)
        )
    _far_lamps(rng, scene, 8, 24)
    return _with_lights(rng, scene, (-2.0, 6.0))


def _far_lamps(rng: np.random.Generator, scene: Scene, near: float, far: float) -> None:
    """Add up to four distant lamps with halos at z from `near` to `far`."""
    for _ in range(int(rng.integers(0, 5))):
        place = np.array([rng.uniform(-8, 8), rng.uniform(1.8, 5.0), rng.uniform(near, far)])
        colour = np.array([1.0, 0.9, 0.75]) * np.exp(rng.uniform(0.0, 2.3))
        scene.glows.append((place, rng.uniform(0.04, 0.14), colour))


def room(rng: np.random.Generator) -> Scene:
    """An office or laboratory: three walls, a ceiling, furniture, sometimes a strip of light."""
    scene, yaw = Scene(), rng.uniform(-0.4, 0.4)
    distance = rng.uniform(1.2, 4.5)
    paint = _paint(rng, ["plain", "panels", "panels"], 0.15, 0.7, 0.5)
    scene.planes.append(wall(yaw, distance, paint))
    for side in (-1, 1):
        scene.planes.append(wall(yaw + side * np.pi / 2, rng.uniform(2.2, 4.5), paint))
    scene.planes.append(level(0.0, _floor(rng), yaw))
    ceiling = rng.uniform(2.3, 3.0)
    scene.planes.append(level(ceiling, _paint(rng, ["tiles"], 0.4, 0.75, 0.6), yaw))
    if rng.random() < 0.4:
        grey, size = (0.5, 0.5, 0.5), (rng.uniform(2, 5), 2.0)
        strip = Paint("windows", grey, size, contrast=0.0, emission=1.2, lit=0.6)
        high = (ceiling - 0.5, ceiling - 0.1)
        scene.planes.append(wall(yaw, distance - 0.03, strip, v_range=high))
    for _ in range(2):
        _clutter(rng, scene, 0.5 * distance, distance - 0.3)
    return _with_lights(rng, scene, (-2.0, distance - 0.4))


def yard(rng: np.random.Generator) -> Scene:
    """Open ground with a hedge, a building, a railing and street lamps."""
    scene, yaw = Scene(sky=faint(rng, 0.003, 0.03)), rng.uniform(-0.5, 0.5)
    ground = _paint(rng, ["plain", "bricks", "tiles"], 0.06, 0.3, 0.5)
    scene.planes.append(level(0.0, ground, yaw))
    hedge = rng.uniform(3, 9)
    scene.planes.append(wall(yaw, hedge, _hedge(rng), v_range=(0.0, rng.uniform(0.8, 3.5))))
    scene.planes.append(wall(yaw + rng.normal(0, 0.3), hedge + rng.uniform(2, 12), _facade(rng)))
    if rng.random() < 0.5:
        bars = (rng.uniform(0.12, 0.3), 0.18, 0.5, 0.12)
        rail = Paint("plain", as_colour(faint(rng, 0.15, 0.7)), gaps=bars)
        scene.planes.append(
            wall(yaw, rng.uniform(1.2, 2.8), rail, v_range=(0.0, rng.uniform(0.9, 1.3)))
        )
    _far_lamps(rng, scene, 5, 20)
    _clutter(rng, scene, 1.5, hedge - 0.5)
    return _with_lights(rng, scene, (-2.0, 5.0))


def stairs(rng: np.random.Generator) -> Scene:
    """Steps that rise behind the person, and a wall behind them."""
    scene, yaw = Scene(), rng.uniform(-0.3, 0.3)
    colour = faint(rng, 0.12, 0.5)
    start = rng.uniform(1.0, 2.2)
    for step in range(9):
        place = np.array([0.0, 0.0, start + 0.3 * step])
        tint = as_colour(colour * (0.8 + 0.05 * step))
        scene.furniture.append(block(place, yaw, (7.0, 0.17 * (step + 1), 0.3), tint))
    scene.planes.append(level(0.0, _floor(rng), yaw))
    scene.planes.append(wall(yaw, start + 3, _paint(rng, ["bricks", "plain", "slats"], 0.1, 0.6)))
    return _with_lights(rng, scene, (-3.0, 2.0))


def store(rng: np.random.Generator) -> Scene:
    """Shelves full of boxes in front of a wall."""
    scene, yaw = Scene(), 0.0
    distance = rng.uniform(1.4, 3.0)
    scene.planes.append(level(0.0, _floor(rng), yaw))
    scene.planes.append(wall(yaw, distance + 0.5, _paint(rng, ["slats", "tiles"], 0.1, 0.6)))
    for shelf in range(4):
        for x in np.arange(-3.0, 3.0, rng.uniform(0.35, 0.7)):
            size = (rng.uniform(0.2, 0.4), rng.uniform(0.15, 0.42), 0.35)
            place = np.array([x, 0.1 + 0.5 * shelf, distance])
            scene.furniture.append(block(place, yaw, size, as_colour(faint(rng, 0.03, 0.6))))
    return _with_lights(rng, scene, (-3.0, 1.0))


def fence(rng: np.random.Generator) -> Scene:
    """Open ground behind a tall fence, trees behind it."""
    scene, yaw = Scene(sky=faint(rng, 0.003, 0.02)), rng.uniform(-0.5, 0.5)
    scene.planes.append(level(0.0, _paint(rng, ["plain", "tiles"], 0.08, 0.3, 0.8), yaw))
    bars = (rng.uniform(0.08, 0.2), 0.15, rng.uniform(0.08, 1.2), 0.08)
    mesh = Paint("plain", as_colour(faint(rng, 0.2, 0.7)), gaps=bars)
    scene.planes.append(
        wall(yaw, rng.uniform(1.0, 2.5), mesh, v_range=(0.0, rng.uniform(1.2, 2.6)))
    )
    scene.planes.append(
        wall(yaw, rng.uniform(4, 10), _hedge(rng), v_range=(0.0, rng.uniform(1.5, 6)))
    )
    _far_lamps(rng, scene, 6, 20)
    return _with_lights(rng, scene, (-2.0, 2.0))


PLACES: dict[str, tuple[tuple[Place, float], ...]] = {
    "darkroom": ((before_wall, 0.4), (walkway, 0.24), (room, 0.2), (yard, 0.16)),
    "darkroom-b": ((stairs, 0.28), (store, 0.26), (fence, 0.26), (before_wall, 0.2)),
}


def sample_scene(rng: np.random.Generator, domain: str) -> Scene:
    """Draw a place of `domain`."""
    kinds, shares = zip(*PLACES[domain], strict=True)
    return kinds[rng.choice(len(kinds), p=shares)](rng)
