"""What is computed once from each clip and kept next to its frames: optical flow, slow enhancers.

`ChannelCache` defines what is computed and where it is, `cache.fill` computes what is missing, and
`StackedClips` gives a clip's frames with these channels behind the three colours, for the same
requests as `Clips`. So a stream that is too slow to compute for each batch is read like frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actlumos.data.cache import ClipCache, mapped
from actlumos.data.clips import Clips, Item, Request
from actlumos.data.manifest import Manifest
from actlumos.data.video import resize_frames, sample_indices
from actlumos.runtime.files import sweep


@dataclass(frozen=True)
class ChannelCache(ClipCache):
    """Something computed from whole clips, one file `[frames, H, W, channels]` uint8 per clip.

    They are next to the frames of the same folder and size, in `{H}x{W}-{name}`; a file is named
    after its video's digest. With three channels it can replace the frames: `Clips(cache=...)`.

    Args:
        directory, size: of the `ClipCache` it belongs to; clips not kept there are decoded.
        name: identifies what is computed and the settings; other settings need another name.
        channels: of the result.
        compute: uint8 `[T, H, W, 3]` to uint8 `[T, H, W, channels]`; several threads call it.
    """

    name: str
    channels: int
    compute: Callable[[np.ndarray], np.ndarray] = field(compare=False, repr=False)

    @property
    def work(self) -> str:
        """Label of the progress bar while it is filled."""
        return self.name

    def file(self, manifest: Manifest, index: int) -> Path:
        """Where clip `index` of a manifest is or will be kept."""
        source = super().file(manifest, index)
        return source.parents[1] / f"{source.parent.name}-{self.name}" / source.name

    def shape(self, manifest: Manifest, index: int) -> tuple[int, int, int, int]:
        """What clip `index` is kept as: `(frames, H, W, channels)`."""
        return manifest.clips[index].frames, *self.size, self.channels

    def add(self, manifest: Manifest, index: int) -> None:
        """Compute and keep clip `index`; only under the lock of `cache.fill`.

        Raises:
            VideoError: the frames are not kept and the video cannot be read.
        """
        source = ClipCache(
            self.directory, self.size, reader=self.reader, resize=self.resize
        )
        if source.holds(manifest, index):
            frames = mapped(source.file(manifest, index)).copy()
        else:
            whole = self.read(manifest.path(index), manifest.clips[index].frames)
            frames = resize_frames(whole, self.size, self.resize)
        sweep(self.file(manifest, index))
        self.keep(manifest, index, self.compute(frames))


@dataclass(frozen=True)
class NormalLightCache(ChannelCache):
    """The same clips in normal light, which the renderer of darkroom writes on request."""

    def add(self, manifest: Manifest, index: int) -> None:
        """Decode and keep the normal-light original of clip `index`."""
        path = manifest.root / "normal_light" / manifest.clips[index].path
        frames = self.read(path, manifest.clips[index].frames)
        self.keep(manifest, index, frames)


class StackedClips(Clips):
    """Clips with further channels: the frames of a request, and the same frames of each cache.

    An item's `clip` is uint8 `[V, T, H, W, 3 + C]`; on the device `clip[..., :3]` are the
    colours and the rest the further channels, in the caches' order.

    Args:
        manifest: which videos.
        caches: filled caches of the clips' size.
        **how: of `Clips`.

    Raises:
        ValueError: a cache of another size or, unless bad clips are skipped, one that lacks a
            clip; and what `Clips` raises.
    """

    def __init__(self, manifest: Manifest, *, caches: Sequence[ChannelCache], **how: Any) -> None:
        super().__init__(manifest, **how)
        self._caches = [[cache.find(manifest, i) for i in range(len(self))] for cache in caches]
        for cache, files in zip(caches, self._caches, strict=True):
            if cache.size != self.size:
                raise ValueError(f"{cache.name} is kept at {cache.size}, clips at {self.size}")
            absent = sum(file is None for file in files)
            if absent and not self.skips:
                raise ValueError(f"{cache.name} lacks {absent} clips: call fill first")

    def __getitem__(self, request: Request) -> Item:
        """As `Clips`, with the caches' channels after the colours."""
        item, (index, positions) = super().__getitem__(request), request
        files = [file for kept in self._caches if (file := kept[index]) is not None]
        if item["clip"] is None or len(files) < len(self._caches):
            return {**item, "clip": None}
        how = self.manifest.clips[index].frames, self.frames, self.stride, self.short_clips
        wanted = np.concatenate([sample_indices(*how, position) for position in positions])
        stack: list[Tensor] = [item["clip"]]
        for file in files:
            taken = np.take(mapped(file), wanted, axis=0)
            stack.append(torch.from_numpy(taken).unflatten(0, (len(positions), self.frames)))
        return {**item, "clip": torch.cat(stack, dim=-1)}
