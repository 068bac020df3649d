"""Every system that the paper stands beside, built from shared parts: `names`, `find`, `build`.

A system is one file here with a `SYSTEM`; `actlumos train baselines/NAME` trains it with the loop, the
clips and the test that the method itself has.
"""

from __future__ import annotations

from importlib import import_module

from torch import nn

from actlumos.baselines.system import STATUS, Choice, System

__all__ = ["STATUS", "Choice", "System", "build", "find", "names"]

_NAMES = (
    "vgg-ts", "tsn", "i3d-rgb", "i3d-two-stream", "p3d-199", "r2plus1d-34", "resnet3d-18",
    "resnet3d-50", "resnet3d-101", "r2plus1d-bert", "darklight-r2plus1d-34",
    "darklight-resnext-101", "mran", "r2plus1d-gcn-bert", "sci-r2plus1d-gcn", "dtcm", "wiid",
    "mfdl", "md-bert", "dl-kdd", "actlumos-student", "actlumos-teacher",
)  # fmt: skip


def names() -> tuple[str, ...]:
    """Every system: frames and flow, 3-D networks, temporal heads, dark video, ActLumos."""
    return _NAMES


def find(name: str) -> System:
    """The system of that name, or the supporting arm (an enhancer, a teacher) of a system.

    Raises:
        ValueError: there is none; the message lists the systems.
    """
    if name in _NAMES:
        return import_module(f"{__name__}.{name.replace('-', '_')}").SYSTEM
    support = import_module(f"{__name__}.enhancers").SUPPORT
    if name in support:
        return support[name]
    raise ValueError(f"unknown system {name!r}: choose one of {', '.join(_NAMES)}")


def build(name: str, num_classes: int, scale: str = "paper") -> nn.Module:
    """A system's untrained network.

    Args:
        name: one of `names()`.
        num_classes: K.
        scale: `paper` for the published size, `demo` for one that a CPU trains in minutes.

    Returns:
        A network that takes a float `[B, C, T, h, w]` a stream of the system, and gives logits
        `[B, K]` or something with `.logits`.

    Raises:
        ValueError: unknown name or scale.
    """
    system = find(name)
    return system.network(num_classes, system.settings(scale))
