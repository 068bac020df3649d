"""Every system of the comparison, one file each: a `CARD` (what is known) and a `RECIPE`.

    actlumos train baselines/NAME --profile demo

trains one with the same loop, clips and test as ActLumos. A recipe is an instance of a stage of
`actlumos.stages` wherever the system is trained in that way. `docs/compared.md` says what was
compared with public code, and where a system differs from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from torch import nn

from actlumos.arms import BASELINES, SYSTEMS, Card, module_of
from actlumos.config import profile
from actlumos.stages.recipe import before, find

__all__ = ["build", "card", "choose", "names"]


def names() -> tuple[str, ...]:
    """Every system: frames and flow, 3-D networks, temporal heads, dark video, ActLumos."""
    return SYSTEMS


def card(name: str) -> Card:
    """What is known of a system, or of an enhancer or teacher that one needs.

    Raises:
        ValueError: there is none of that name; the message lists the systems.
    """
    module_of(BASELINES + name)
    return import_module(f"{__name__}.{name.replace('-', '_')}").CARD


def build(name: str, num_classes: int, scale: str = "paper") -> nn.Module:
    """A system's untrained network.

    Args:
        name: one of `names()`.
        num_classes: K.
        scale: `paper` for the published size, `demo` for one that a CPU trains in minutes.

    Returns:
        A network that takes one float `[B, C, T, h, w]` per stream of the system, and gives
        logits `[B, K]` or something with `.logits`.

    Raises:
        ValueError: unknown name or scale.
    """
    if scale not in ("paper", "demo"):
        raise ValueError(f"scale is {scale!r}: choose 'paper' or 'demo'")
    recipe = find(BASELINES + name)
    return recipe.network(num_classes, recipe.settings(profile(scale)))


def choose(names_: Sequence[str], dataset: str) -> tuple[tuple[Card, ...], tuple[Card, ...]]:
    """The systems of these names that a data set can train, and those that it cannot.

    Args:
        names_: of `names()`; none means all of them.
        dataset: only `darkroom` also has its dark clips in normal light.

    Raises:
        ValueError: there is no such system.
    """
    if unknown := [name for name in names_ if name not in SYSTEMS]:
        raise ValueError(f"unknown system {unknown[0]!r}: choose from {', '.join(SYSTEMS)}")
    cards = [card(name) for name in names_ or SYSTEMS]
    without = [c for c in cards if dataset != "darkroom" and _needs_normal_light(c.name)]
    return tuple(c for c in cards if c not in without), tuple(without)


def _needs_normal_light(name: str) -> bool:
    arm = BASELINES + name
    return any(find(need).needs_normal_light for need in (arm, *before(arm)))
