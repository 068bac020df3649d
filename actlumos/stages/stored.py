"""The streams that are read from disk beside the frames: flow, normal light, a slow enhancer's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from actlumos.config import digest
from actlumos.data.cache import ClipCache, fill
from actlumos.data.channels import DerivedCache
from actlumos.data.clips import Clips
from actlumos.data.manifest import Manifest
from actlumos.data.video import read_clip, resize_frames
from actlumos.stages.runs import Run
from actlumos.views.flow import FlowSettings, flow_cache
from actlumos.views.streams import STORED


@dataclass(frozen=True)
class LightCache(DerivedCache):
    """The same clips in normal light, which the renderer of darkroom writes on request."""

    def add(self, manifest: Manifest, index: int) -> None:
        """Decode and keep the normal-light original of clip `index`."""
        path = manifest.root / "normal_light" / manifest.clips[index].path
        frames = read_clip(path, np.arange(manifest.clips[index].frames))
        self.keep(manifest, index, resize_frames(frames, self.size))


def clips(
    run: Run, manifest: Manifest, streams: Sequence[str], lit: tuple[nn.Module, str] | None = None
) -> Clips:
    """Clips of a manifest with the stored streams among `streams` behind their colours.

    Args:
        run: whose sizes and settings count.
        manifest: which clips.
        streams: names; those not stored are made later, from the colours.
        lit: for the stream `lit`: the trained enhancer, with a method `enhance_frames`, and the
            key of its training.

    Raises:
        ValueError: normal light was asked for of another data set than darkroom.
    """
    caches = [_cache(run, name, lit) for name in streams if name in STORED]
    if not caches:
        return run.clips(manifest)
    workers, policy = max(run.config.workers, 2), run.config.on_bad_clip
    return run.clips(manifest, [fill(cache, manifest, workers, policy) for cache in caches])


def _cache(run: Run, name: str, lit: tuple[nn.Module, str] | None) -> DerivedCache:
    frames = ClipCache(run.cache_directory, run.config.frame_size)
    if name == "flow":
        return flow_cache(frames, _flow_settings(run))
    place = frames.directory, frames.size
    if name == "light":
        run.render_light()
        return LightCache(*place, "light", 3, _unused)
    network, key = lit
    return DerivedCache(*place, f"lit-{digest(key)}", 3, network.enhance_frames)


def _unused(frames: np.ndarray) -> np.ndarray:
    raise AssertionError("normal light is read, not computed")


def _flow_settings(run: Run) -> FlowSettings:
    """Flow from one frame of a clip to the next, which lie `stride` frames apart."""
    config = run.config
    options = {"gamma": config.gamma} if config.flow_enhancement == "gamma" else {}
    return FlowSettings(
        method=config.flow_method,
        enhancement=config.flow_enhancement,
        step=max(config.stride, 1),
        bound=config.flow_bound,
        options=options,
        weights=config.flow_weights,
    )
