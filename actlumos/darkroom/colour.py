"""Colours as linear RGB triples: albedo (0..1), or radiance and irradiance (0 and up)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Colour = tuple[float, float, float]


def as_colour(values: Iterable[float]) -> Colour:
    """Three numbers as a tuple of Python floats."""
    red, green, blue = values
    return float(red), float(green), float(blue)


def faint(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """A nearly grey colour `[3]`; its brightness is log-uniform between `low` and `high`."""
    value = np.exp(rng.uniform(np.log(low), np.log(high)))
    return value * np.exp(rng.normal(0, 0.035, 3))
