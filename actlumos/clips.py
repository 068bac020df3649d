"""From a list of clips to batches: a decoded-clip cache, a torch `Dataset`, a schedule, a loader.

Nothing here draws a random number while loading. `schedule` lays down, from a seed and the
number of the epoch, which clip comes when and where in time it is looked at; `Clips` is a pure
function of such a request. So the number of loading processes changes no result, and a resumed
epoch sees what the interrupted one would have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from actlumos.datasets.manifest import Manifest
from actlumos.files import atomic_write
from actlumos.video import POLICIES, read_clip, resize_frames, sample_indices

Request = tuple[int, tuple[float, ...]]
_SECONDS_FOR_A_BATCH = 300


class Item(TypedDict):
    """One clip: `clip` uint8 `[V, T, H, W, 3]`, its `label`, and its `index` in the manifest."""

    clip: Tensor
    label: int
    index: int


class Batch(NamedTuple):
    """`clip` uint8 `[B, V, T, H, W, 3]` RGB; `label` and `index` int64 `[B]`."""

    clip: Tensor
    label: Tensor
    index: Tensor


@dataclass(frozen=True)
class ClipCache:
    """Decoded frames at one size, a file `[frames, H, W, 3]` uint8 (.npy) a clip.

    A file is named after the digest of its video, so splits, pools and data sets that share a
    clip share its frames, and a changed video never meets old frames.
    """

    directory: Path
    size: tuple[int, int]

    def file(self, manifest: Manifest, index: int) -> Path:
        """Where clip `index` of a manifest is or will be kept."""
        key = manifest.clips[index].sha256
        if not key:
            path = manifest.path(index).resolve()
            stat = path.stat()
            text = f"{path.as_posix()} {stat.st_size} {stat.st_mtime_ns}"
            key = hashlib.sha256(text.encode()).hexdigest()
        return self.directory / f"{self.size[0]}x{self.size[1]}" / f"{key}.npy"

    def holds(self, manifest: Manifest, index: int) -> bool:
        """Whether clip `index` is there, whole, and of the listed length."""
        try:
            kept = np.load(self.file(manifest, index), mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return False
        whole = manifest.clips[index].frames, *self.size, 3
        return kept.dtype == np.uint8 and kept.shape == whole

    def add(self, manifest: Manifest, index: int) -> None:
        """Decode, resize and keep clip `index`.

        Raises:
            VideoError: the video is missing, damaged or shorter than listed.
        """
        frames = read_clip(manifest.path(index), np.arange(manifest.clips[index].frames))
        self.keep(manifest, index, frames)

    def keep(self, manifest: Manifest, index: int, frames: np.ndarray) -> None:
        """Resize and keep decoded frames, uint8 `[frames, height, width, 3]`, as clip `index`."""
        with atomic_write(self.file(manifest, index)) as temporary:
            np.save(temporary, resize_frames(frames, self.size))


def build_cache(
    manifest: Manifest, size: tuple[int, int], directory: str | Path, workers: int = 2
) -> ClipCache:
    """Decode every clip of a manifest once; what is there already is only looked at.

    Threads do the work, because decoding and resizing release Python's lock: as fast here as
    processes, and the same in a notebook, a test and on any system. An interrupted call leaves
    whole files only, and the next one goes on from there.

    Args:
        manifest: clips of any length.
        size: (height, width) of the kept frames.
        directory: the cache's folder; one folder may serve all data sets and sizes.
        workers: number of decoding threads.

    Raises:
        VideoError: a clip is missing, damaged or shorter than listed.
    """
    cache = ClipCache(Path(directory), (int(size[0]), int(size[1])))
    missing = [index for index in range(len(manifest)) if not cache.holds(manifest, index)]
    if not missing:
        return cache
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        jobs = [pool.submit(cache.add, manifest, index) for index in missing]
        line = {"desc": f"decode {manifest.name}", "total": len(jobs), "unit": "clip"}
        try:
            for job in tqdm(as_completed(jobs), disable=None, mininterval=1, **line):
                job.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return cache


class Clips(Dataset[Item]):
    """Clips of a fixed number of frames, as uint8; a pure function of the request.

    Args:
        manifest: which videos.
        frames: T, the length of a clip.
        stride: distance between its frames.
        short_clips: `loop`, `span` or `pad`; see `actlumos.video.sample_indices`.
        size: (height, width) that frames are resized to.
        cache: where `build_cache` has put these clips; without it each request decodes.

    Raises:
        ValueError: the policy is unknown, the cache has another size or lacks a clip.
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
    ) -> None:
        if short_clips not in POLICIES:
            raise ValueError(f"unknown short-clip policy {short_clips!r}: choose {POLICIES}")
        if cache and cache.size != tuple(size):
            raise ValueError(f"the cache holds frames of {cache.size}, not {tuple(size)}")
        self.manifest, self.frames, self.stride = manifest, frames, stride
        self.short_clips, self.size = short_clips, tuple(size)
        self._kept = [cache.file(manifest, i) for i in range(len(manifest))] if cache else None
        absent = [path for path in self._kept or () if not path.is_file()]
        if absent:
            raise ValueError(f"{len(absent)} clips are not in the cache: call build_cache first")

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, request: Request) -> Item:
        """The clip at each of V places in time.

        Args:
            request: number of the clip, and V temporal positions in 0..1.

        Raises:
            VideoError: the file is missing, damaged or shorter than listed.
        """
        index, positions = request
        clip = self.manifest.clips[index]
        how = clip.frames, self.frames, self.stride, self.short_clips
        wanted = np.concatenate([sample_indices(*how, position) for position in positions])
        views = self._read(index, wanted).reshape(len(positions), self.frames, *self.size, 3)
        return {"clip": torch.from_numpy(views), "label": clip.label, "index": index}

    def _read(self, index: int, wanted: np.ndarray) -> np.ndarray:
        if self._kept is None:
            return resize_frames(read_clip(self.manifest.path(index), wanted), self.size)
        return np.take(np.load(self._kept[index], mmap_mode="r").view(np.ndarray), wanted, axis=0)


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
        shuffle: False keeps the manifest's order and looks at the middle of every clip.
        views: places in time a clip, drawn independently and uniformly.
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
    """Stack items into a batch."""
    return Batch(
        torch.stack([item["clip"] for item in items]),
        torch.tensor([item["label"] for item in items]),
        torch.tensor([item["index"] for item in items]),
    )


def loader(
    clips: Clips, batches: Sequence[Sequence[Request]], workers: int = 0
) -> DataLoader[Item]:
    """Load the batches of a `schedule` in their order.

    Args:
        clips: the data set.
        batches: what `schedule` returned.
        workers: loading processes; 0 loads in this one, best for cached clips. A process that
            hangs in a damaged file ends the loading with an error after five minutes.
    """
    return DataLoader(
        clips,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        timeout=_SECONDS_FOR_A_BATCH if workers else 0,
        pin_memory=torch.cuda.is_available(),
    )
