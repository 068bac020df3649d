"""Train many systems of the zoo: which of them a data set allows, and what each needs first."""

from __future__ import annotations

from collections.abc import Sequence

from actlumos import baselines
from actlumos.baselines.system import System
from actlumos.stages.arms import find


def needs_light(system: System) -> bool:
    """Whether it, or an enhancer that it needs, learns from clips in normal light."""
    if system.stage == "adapt" or "light" in system.streams:
        return True
    return any(needs_light(baselines.find(need)) for need in system.needs)


def choose(names: Sequence[str], dataset: str) -> tuple[tuple[System, ...], tuple[System, ...]]:
    """The systems of these names, and those of them that the data set cannot train.

    Args:
        names: of `actlumos.baselines.names()`; none means all of them.
        dataset: only `darkroom` has each of its dark clips in normal light too.

    Raises:
        ValueError: there is no such system.
    """
    if unknown := [name for name in names if name not in baselines.names()]:
        raise ValueError(f"unknown system {unknown[0]!r}: choose from {', '.join(baselines.names())}")
    systems = [baselines.find(name) for name in names or baselines.names()]
    without = [s for s in systems if dataset != "darkroom" and needs_light(s)]
    return tuple(s for s in systems if s not in without), tuple(without)


def before(name: str, profile: str = "demo") -> tuple[str, ...]:
    """Every arm that is trained before an arm, in the order of training.

    Raises:
        ValueError: unknown arm.
    """
    found: dict[str, None] = {}
    for need in find(name, profile).needs:
        found |= dict.fromkeys((*before(need, profile), need))
    return tuple(found)
