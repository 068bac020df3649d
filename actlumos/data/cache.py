"""Decoded clips on disk: a video is decoded and resized once, and read in a blink ever after."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from actlumos.data.manifest import Manifest
from actlumos.data.readers import reader as reader_of
from actlumos.data.video import VideoError, resize_frames
from actlumos.runtime.files import atomic_write, sweep


@dataclass(frozen=True)
class ClipCache:
    """Decoded frames at one size, a file `[frames, H, W, 3]` uint8 (.npy) a clip.

    A file is named after the digest of its video, so splits, pools and data sets that share a
    clip share its frames, and a changed video never meets old frames. Frames of another reader
    than PyAV lie in a folder of their own.
    """

    directory: Path
    size: tuple[int, int]
    reader: str = field(default="pyav", kw_only=True)

    @property
    def work(self) -> str:
        """What filling it is called in a progress bar."""
        return "decode"

    def file(self, manifest: Manifest, index: int) -> Path:
        """Where clip `index` of a manifest is or will be kept.

        Raises:
            FileNotFoundError: a missing video without a digest has no name here.
        """
        key = manifest.clips[index].sha256
        if not key:
            path = manifest.path(index).resolve()
            stat = path.stat()
            text = f"{path.as_posix()} {stat.st_size} {stat.st_mtime_ns}"
            key = hashlib.sha256(text.encode()).hexdigest()
        folder = f"{self.size[0]}x{self.size[1]}"
        folder += "" if self.reader == "pyav" else f"-{self.reader}"
        return self.directory / folder / f"{key}.npy"

    def find(self, manifest: Manifest, index: int) -> Path | None:
        """The file of clip `index`, None where there is none."""
        try:
            path = self.file(manifest, index)
        except FileNotFoundError:
            return None
        return path if path.is_file() else None

    def holds(self, manifest: Manifest, index: int) -> bool:
        """Whether clip `index` is there, whole, and of the listed length."""
        try:
            kept = np.load(self.file(manifest, index), mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return False
        whole = manifest.clips[index].frames, *self.size, 3
        return kept.dtype == np.uint8 and kept.shape == whole

    def add(self, manifest: Manifest, index: int) -> None:
        """Decode, resize and keep clip `index`; only under the lock of `build_cache`.

        Raises:
            VideoError: the video is missing, damaged or shorter than listed.
        """
        frames = self.read(manifest.path(index), manifest.clips[index].frames)
        sweep(self.file(manifest, index))
        self.keep(manifest, index, frames)

    def read(self, path: Path, frames: int) -> np.ndarray:
        """All `frames` frames of a video, uint8 `[frames, height, width, 3]`.

        Raises:
            VideoError: the video is missing, damaged or shorter.
        """
        return reader_of(self.reader)(path, np.arange(frames), frames)

    def keep(self, manifest: Manifest, index: int, frames: np.ndarray) -> None:
        """Resize and keep decoded frames, uint8 `[frames, height, width, 3]`, as clip `index`."""
        with atomic_write(self.file(manifest, index)) as temporary:
            np.save(temporary, resize_frames(frames, self.size))


Kind = TypeVar("Kind", bound=ClipCache)


def build_cache(
    manifest: Manifest,
    size: tuple[int, int],
    directory: str | Path,
    workers: int = 2,
    on_bad_clip: str = "error",
    reader: str = "pyav",
) -> ClipCache:
    """Decode every clip of a manifest once; what is there already is only looked at.

    Threads do the work, because decoding and resizing release Python's lock: as fast here as
    processes, and the same in a notebook, a test and on any system. An interrupted call leaves
    whole files only, and the next one goes on from there. Of two programs that fill one folder
    the second waits for the first.

    Args:
        manifest: clips of any length.
        size: (height, width) of the kept frames.
        directory: the cache's folder; one folder may serve all data sets and sizes.
        workers: number of decoding threads.
        on_bad_clip: `skip` leaves a clip that cannot be decoded out of the cache.
        reader: what decodes, see `actlumos.data.readers`.

    Raises:
        ValueError: the reader is unknown or not installed.
        VideoError: a clip is missing, damaged or shorter than listed, and `on_bad_clip` is `error`.
    """
    reader_of(reader)
    cache = ClipCache(Path(directory), (int(size[0]), int(size[1])), reader=reader)
    return fill(cache, manifest, workers, on_bad_clip)


def fill(
    cache: Kind, manifest: Manifest, workers: int = 2, on_bad_clip: str = "error"
) -> Kind:
    """Make every file of a manifest that a cache lacks, as `build_cache` does; returns the cache.

    Raises:
        VideoError: a clip cannot be read, and `on_bad_clip` is `error`.
    """
    if not _missing(cache, manifest):
        return cache
    cache.directory.mkdir(parents=True, exist_ok=True)
    with FileLock(cache.directory / ".lock"), ThreadPoolExecutor(max(workers, 1)) as pool:
        missing, skip = _missing(cache, manifest), on_bad_clip == "skip"
        jobs = [pool.submit(_add, cache, manifest, index, skip) for index in missing]
        line = {"desc": f"{cache.work} {manifest.name}", "total": len(jobs), "unit": "clip"}
        try:
            for job in tqdm(as_completed(jobs), disable=None, mininterval=1, **line):
                job.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return cache


def _missing(cache: ClipCache, manifest: Manifest) -> list[int]:
    return [index for index in range(len(manifest)) if not cache.holds(manifest, index)]


def _add(cache: ClipCache, manifest: Manifest, index: int, skip: bool) -> None:
    try:
        cache.add(manifest, index)
    except VideoError as error:
        if not skip:
            raise advised(error) from None
        if stale := cache.find(manifest, index):  # damaged, or it would not be missing
            stale.unlink()


def advised(error: VideoError) -> VideoError:
    """The error of one clip, with what to do about all clips like it."""
    return VideoError(
        f"{error} (`actlumos data verify` finds all such files before a training; "
        "on_bad_clip=skip leaves them out and counts them)"
    )
