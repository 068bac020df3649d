"""ActLumos' own nets from the settings, for the systems that are one of them or a variant."""

from __future__ import annotations

from typing import Any

from actlumos.config import Config


def sizes(config: Config, streams: tuple[str, ...]) -> dict[str, Any]:
    """What `Teacher` takes beside its fusion: the dial, and a norm a stream."""
    norms = tuple(config.norm if name == "dark" else config.norm_enhanced for name in streams)
    fusion = {"streams": len(streams), "reduction": config.fusion_reduction, "norms": norms}
    return fusion | {"projection": config.projection} | config.dial()
