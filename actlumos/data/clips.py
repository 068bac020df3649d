"""From a list of clips to batches: a torch `Dataset`, a schedule, a loader.

No random number is drawn while loading. `schedule` computes from a seed and the number of the
epoch the order of the clips and the position in time at which each is read; `Clips` is a pure
function of such a request. So the number of loading processes changes no result, and a resumed
epoch gets the same clips as an uninterrupted one.

A clip that cannot be read ends the program with its name, or (`on_bad_clip="skip"`) drops out of
its batch and is counted: `Clips.skipped` holds the number of every clip that did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from actlumos.data.cache import ClipCache, advised, build_cache, mapped
from actlumos.data.manifest import Manifest
from actlumos.data.readers import reader as reader_of
from actlumos.data.video import POLICIES, VideoError, resize_frames, sample_indices

__all__ = [
    "Batch",
    "ClipCache",
    "Clips",
    "Item",
    "Request",
    "build_cache",
    "collate",
    "loader",
    "schedule",
]

Request = tuple[int, tuple[float, ...]]
ON_BAD_CLIP = ("error", "skip")
_SECONDS_FOR_A_BATCH = 300


class Item(TypedDict):
    """One clip: `clip` uint8 `[V, T, H, W, 3]`, its `label`, and its `index` in the manifest.

    `clip` is None where the file could not be read and bad clips are skipped.
    """

    clip: Tensor | None
    label: int
    index: int


class Batch(NamedTuple):
    """`clip` uint8 `[B, V, T, H, W, 3]` RGB; `label` and `index` int64 `[B]`.

    `skipped`, int64 `[S]`, are the clips that should have been in it and could not be read.
    """

    clip: Tensor
    label: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which is not used
    skipped: Tensor


class Clips(Dataset[Item]):
    """Clips of a fixed number of frames, as uint8; a pure function of the request.

    Args:
        manifest: which videos.
        frames: T, the length of a clip.
        stride: distance between its frames.
        short_clips: `loop`, `span` or `pad`; see `actlumos.data.video.sample_indices`.
        size: (height, width) that frames are resized to.
        resize: how, see `actlumos.data.video.resize_frames`.
        cache: where `build_cache` has put these clips; without it each request decodes.
        on_bad_clip: `error` raises at a clip that cannot be read; `skip` gives an item without a
            clip, which `collate` leaves out of the batch.
        reader: what decodes where there is no cache, see `actlumos.data.readers`.

    Attributes:
        skipped: numbers of the clips that `loader` could not read. Nothing else changes during
            use, so a checkpoint saves only this (`state_dict`).

    Raises:
        ValueError: a policy or the reader is unknown, the cache has another size or lacks a clip.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        frames: int,
        stride: int = 1,
        short_clips: str = "loop",
        size: tuple[int, int],
        cache: ClipCache | None = None,
        on_bad_clip: str = "error",
        reader: str = "pyav",
        resize: str = "area",
    ) -> None:
        if short_clips not in POLICIES:
            raise ValueError(f"unknown short-clip policy {short_clips!r}: choose {POLICIES}")
        if on_bad_clip not in ON_BAD_CLIP:
            raise ValueError(f"unknown on_bad_clip {on_bad_clip!r}: choose {ON_BAD_CLIP}")
        if cache and cache.size != tuple(size):
            raise ValueError(f"the cache holds frames of {cache.size}, not {tuple(size)}")
        self.manifest, self.frames, self.stride = manifest, frames, stride
        self.short_clips, self.size = short_clips, (size[0], size[1])
        self._reader, self._resize = reader_of(reader), resize
        self.skips, self.skipped = on_bad_clip == "skip", set[int]()
        self._kept = [cache.find(manifest, i) for i in range(len(manifest))] if cache else None
        absent = sum(path is None for path in self._kept or ())
        if absent and not self.skips:
            raise ValueError(f"{absent} clips are not in the cache: call build_cache first")

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the clips skipped so far."""
        return {"skipped": sorted(self.skipped)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.skipped = set(state["skipped"])

    @property
    def skipped_paths(self) -> list[str]:
        """Paths, relative to the root, of the clips that could not be read."""
        return [self.manifest.clips[index].path for index in sorted(self.skipped)]

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, request: Request) -> Item:
        """The clip at each of V places in time.

        Args:
            request: number of the clip, and V temporal positions in 0..1.

        Raises:
            VideoError: the file is missing, damaged or shorter than listed, and not skipped.
        """
        index, positions = request
        clip = self.manifest.clips[index]
        how = clip.frames, self.frames, self.stride, self.short_clips
        wanted = np.concatenate([sample_indices(*how, position) for position in positions])
        try:
            frames = self._read(index, wanted)
        except VideoError as error:
            if not self.skips:
                raise advised(error) from None
            return {"clip": None, "label": clip.label, "index": index}
        views = frames.reshape(len(positions), self.frames, *self.size, 3)
        return {"clip": torch.from_numpy(views), "label": clip.label, "index": index}

    def _read(self, index: int, wanted: np.ndarray) -> np.ndarray:
        if self._kept is None:
            path, frames = self.manifest.path(index), self.manifest.clips[index].frames
            return resize_frames(self._reader(path, wanted, frames), self.size, self._resize)
        kept = self._kept[index]
        if kept is None:
            raise VideoError(f"{self.manifest.path(index)} could not be decoded into the cache")
        return np.take(mapped(kept), wanted, axis=0)


def schedule(
    n: int,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    shuffle: bool,
    views: int = 1,
    drop_last: bool = False,
) -> list[list[Request]]:
    """One epoch's batches: every clip once, with `views` places in time each.

    Args:
        n: number of clips.
        batch_size: clips in a batch; the last batch may be smaller.
        seed: with `epoch`, decides order and places; the same two give the same epoch.
        epoch: from 0.
        shuffle: False keeps the manifest's order and takes the middle of every clip.
        views: places in time per clip, drawn independently and uniformly.
        drop_last: leave out a last batch that is not full.

    Raises:
        ValueError: `n`, `batch_size` or `views` is not positive.
    """
    if min(n, batch_size, views) < 1:
        raise ValueError(f"n, batch_size and views must be positive: {n, batch_size, views}")
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(n) if shuffle else np.arange(n)
    places = random.random((n, views)) if shuffle else np.full((n, views), 0.5)
    requests = list(zip(order.tolist(), map(tuple, places.tolist()), strict=True))
    stop = n - n % batch_size if drop_last else n
    return [requests[start : start + batch_size] for start in range(0, stop, batch_size)]


def collate(items: Sequence[Item]) -> Batch:
    """Stack items into a batch; an item without a clip is counted as skipped instead.

    A batch in which no clip could be read has a clip tensor of shape `[0]`.
    """
    read = [item for item in items if item["clip"] is not None]
    clips = [item["clip"] for item in items if item["clip"] is not None]
    return Batch(
        torch.stack(clips) if clips else torch.empty(0, dtype=torch.uint8),
        torch.tensor([item["label"] for item in read], dtype=torch.int64),
        torch.tensor([item["index"] for item in read], dtype=torch.int64),
        torch.tensor([i["index"] for i in items if i["clip"] is None], dtype=torch.int64),
    )


def loader(clips: Clips, batches: Sequence[Sequence[Request]], workers: int = 0) -> Iterator[Batch]:
    """Load the batches of a `schedule` in their order, and record skipped clips in `clips`.

    Args:
        clips: the data set.
        batches: what `schedule` returned.
        workers: loading processes; 0 loads in this one, best for cached clips. A process that
            hangs in a damaged file ends the loading with an error after five minutes.

    Raises:
        VideoError: a clip cannot be read, and `clips` does not skip it.
    """
    source = DataLoader(
        clips,
        batch_sampler=[list(batch) for batch in batches],
        collate_fn=collate,
        num_workers=workers,
        timeout=_SECONDS_FOR_A_BATCH if workers else 0,
        pin_memory=torch.cuda.is_available(),
    )
    try:
        for batch in source:
            if len(batch.skipped):
                clips.skipped.update(batch.skipped.tolist())
            yield batch
    except VideoError as error:  # a loading process wraps it into its whole traceback
        raise VideoError(str(error).rpartition("VideoError: ")[2].strip()) from None
