"""The caches of streams that are too slow to compute for each batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from actlumos.config import Config, digest
from actlumos.data.channels import ChannelCache, NormalLightCache
from actlumos.views.flow import FlowSettings
from actlumos.views.streams import STORED


def channel_cache(
    stream: str, directory: Path, config: Config, enhancer: tuple[Any, str] | None
) -> ChannelCache:
    """The (perhaps empty) cache of one stored stream.

    Args:
        stream: a key of `STORED`.
        directory: of the decoded frames; the cache is next to them.
        config: frame size, and how the flow is computed.
        enhancer: for `enhanced`, see `Run.clips`.
    """
    place, channels = (directory, config.frame_size), STORED[stream]
    how: dict[str, Any] = {"reader": config.reader, "resize": config.resize}
    if stream == "flow":
        settings = flow_settings(config)
        return ChannelCache(*place, settings.name, channels, settings.levels, **how)
    if stream == "normal_light":
        return NormalLightCache(*place, "normal-light", channels, _unused, **how)
    if enhancer is None:
        raise ValueError("the stream 'enhanced' needs a trained enhancer")
    network, key = enhancer
    name = f"enhanced-{digest(key)}"
    return ChannelCache(*place, name, channels, network.enhance_frames, **how)


def flow_settings(config: Config) -> FlowSettings:
    """Flow from one frame of a clip to the next, which are `stride` frames apart."""
    options = {"gamma": config.gamma} if config.flow_enhancement == "gamma" else {}
    return FlowSettings(
        method=config.flow_method,
        enhancement=config.flow_enhancement,
        step=max(config.stride, 1),
        bound=config.flow_bound,
        options=options,
        weights=config.flow_weights,
    )


def _unused(frames: np.ndarray) -> np.ndarray:
    raise AssertionError("normal light is read, not computed")
