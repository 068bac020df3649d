"""Procedural paint for walls, floors and hedges: albedo and emission at (u, v) metres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from actlumos.darkroom.colour import Colour


@dataclass(frozen=True)
class Paint:
    """A pattern of two colours on a plane."""

    kind: str  # a key of `_PATTERNS`
    albedo: Colour
    period: tuple[float, float] = (0.3, 0.3)  # of the pattern, metres along u and v
    contrast: float = 0.3  # share of the second colour where the pattern is strongest, 0..1
    other: Colour = (0.05, 0.05, 0.05)  # the second colour; of windows: the panes
    emission: float = 0.0  # radiance of a lit window
    lit: float = 0.0  # share of the windows that are lit, 0..1
    gaps: tuple[float, float, float, float] | None = None  # see `scene.Plane`
    dirt: float = 0.25  # strength of irregular stains
    offset: tuple[float, float] = (0.0, 0.0)  # of the pattern, metres


@lru_cache(maxsize=1)
def _stains() -> np.ndarray:
    """A periodic 256 x 256 field of fractal noise, mean 0 and deviation 1 (256 px = 4 m)."""
    rng = np.random.default_rng(7)
    total = np.zeros((256, 256))
    for octave in range(1, 7):
        small = rng.standard_normal((2**octave,) * 2).astype(np.float32)
        wide = cv2.resize(np.tile(small, (3, 3)), (768, 768), interpolation=cv2.INTER_CUBIC)
        total += wide[256:512, 256:512] * 0.72**octave
    return ((total - total.mean()) / total.std()).astype(np.float32)


def stains(u: np.ndarray, v: np.ndarray, per_metre: float = 64.0) -> np.ndarray:
    """Fractal noise at points (u, v) in metres, mean 0 and deviation 1."""
    field = _stains()
    return field[(v * per_metre).astype(np.int64) & 255, (u * per_metre).astype(np.int64) & 255]


def _line(x: np.ndarray, width: float) -> np.ndarray:
    """1 on a line of relative `width` at every integer of `x`, else 0, with soft edges."""
    distance = np.abs(x - np.round(x))
    return np.clip(1.5 - distance / width, 0, 1)


# The patterns: strength 0..1 of the second colour at (u, v), in periods.


def _ribs(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * u) ** 3


def _slats(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _ribs(v, u)


def _tiles(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(_line(u, 0.04), _line(v, 0.04))


def _bricks(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(_line(u + 0.5 * (np.floor(v) % 2), 0.04), _line(v, 0.09))


def _panels(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    shade = np.sin(91.7 * np.floor(u) + 3.1 * np.floor(v)) * 0.5 + 0.5
    return np.maximum(_line(u, 0.015), 0.5 * shade)


def _plain(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.zeros_like(u)


def _leaves(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.clip(0.5 + 0.8 * stains(u, v, 150.0) + 0.5 * stains(v, u, 40.0), 0, 1)


_PATTERNS = {
    "bricks": _bricks, "leaves": _leaves, "panels": _panels, "plain": _plain, "ribs": _ribs,
    "slats": _slats, "tiles": _tiles, "windows": _plain,
}  # fmt: skip


def paint_on(paint: Paint, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Albedo `[N, 3]` and emitted radiance `[N, 3]` (both float32) at points (u, v) in metres."""
    u, v = u + paint.offset[0], v + paint.offset[1]
    across, along = u / paint.period[0], v / paint.period[1]
    mix = paint.contrast * _PATTERNS[paint.kind](across, along)
    albedo = (1 - mix)[:, None] * np.array(paint.albedo) + mix[:, None] * np.array(paint.other)
    emission = np.zeros_like(albedo)
    if paint.kind == "windows":
        albedo, emission = _windows(paint, across, along, albedo)
    albedo = albedo * np.exp(paint.dirt * np.clip(stains(u, v), -2, 2))[:, None]
    return albedo.astype(np.float32), emission.astype(np.float32)


def _windows(
    paint: Paint, u: np.ndarray, v: np.ndarray, albedo: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Albedo and emission of rows of windows, each with a cross bar; some are lit."""
    x, y = u % 1, v % 1
    pane = (x > 0.28) & (x < 0.74) & (y > 0.3) & (y < 0.78)
    bar = (np.abs(x - 0.51) < 0.025) | (np.abs(y - 0.6) < 0.02)
    number = np.sin(12.9 * np.floor(u) + 78.2 * np.floor(v)) * 43758.5 % 1
    albedo = np.where((pane & ~bar)[:, None], np.array(paint.other), albedo)
    shine = paint.emission * (0.3 + number) * (pane & ~bar & (number < paint.lit))
    return albedo, shine[:, None] * np.array([0.85, 0.95, 1.1])
