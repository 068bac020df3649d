"""Decoded clips on disk: a video is decoded and resized once, and read fast from then on.

Every file ends in a checksum of the bytes before it. It is compared once per process, when a
cache is filled or opened, and not at each read; a file without one is made again.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import shutil
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from actlumos.data.manifest import Manifest
from actlumos.data.readers import reader as reader_of
from actlumos.data.video import VideoError, resize_frames
from actlumos.runtime.files import DiskFull, atomic_write, free_room, sweep
from actlumos.runtime.text import shown

_SEAL = b"crc32 %08x\n"
_header = threading.Lock()  # numpy parses it with `ast`: see `mapped`
_whole: set[tuple[str, int, int, int]] = set()  # files whose checksum this process has compared


@dataclass(frozen=True)
class ClipCache:
    """Decoded frames at one size, one file `[frames, H, W, 3]` uint8 (.npy) per clip.

    A file is named after the digest of its video, so splits, pools and data sets that share a
    clip share its frames, and a changed video never gets old frames. Frames of a reader other
    than PyAV, or of a resize method other than area averaging, are in a separate folder.
    """

    directory: Path
    size: tuple[int, int]
    reader: str = field(default="pyav", kw_only=True)
    resize: str = field(default="area", kw_only=True)

    @property
    def work(self) -> str:
        """Label of the progress bar while it is filled."""
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
        folder += "" if self.resize == "area" else f"-{self.resize}"
        return self.directory / folder / f"{key}.npy"

    def shape(self, manifest: Manifest, index: int) -> tuple[int, int, int, int]:
        """What clip `index` is kept as: `(frames, H, W, channels)`."""
        return manifest.clips[index].frames, *self.size, 3

    def find(self, manifest: Manifest, index: int) -> Path | None:
        """The file of clip `index`, None where there is none or a damaged one."""
        path = _place(self, manifest, index)
        return path if path and is_whole(path) else None

    def holds(self, manifest: Manifest, index: int) -> bool:
        """Whether clip `index` is there, undamaged, with at least the listed frames."""
        path = self.find(manifest, index)
        if path is None:
            return False
        with _header, open(path, "rb") as file:  # a third of the time that mapping would take
            np.lib.format.read_magic(file)
            kept, _, dtype = np.lib.format.read_array_header_1_0(file)
        frames, *rest = self.shape(manifest, index)
        return dtype == np.uint8 and kept[1:] == tuple(rest) and kept[0] >= frames

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
        """Resize and keep decoded frames, uint8 `[frames, height, width, C]`, as clip `index`.

        Raises:
            DiskFull: there is no room for it.
        """
        content = io.BytesIO()
        np.save(content, resize_frames(frames, self.size, self.resize))
        content.write(_seal(content.getbuffer()))
        with atomic_write(self.file(manifest, index), content.tell()) as temporary:
            temporary.write_bytes(content.getbuffer())


Kind = TypeVar("Kind", bound=ClipCache)


def build_cache(
    manifest: Manifest,
    size: tuple[int, int],
    directory: str | Path,
    workers: int = 2,
    on_bad_clip: str = "error",
    reader: str = "pyav",
    resize: str = "area",
) -> ClipCache:
    """Decode every clip of a manifest once; existing files are only checked.

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
        resize: how, see `actlumos.data.video.resize_frames`.

    Raises:
        ValueError: the reader is unknown or not installed.
        VideoError: a clip is missing, damaged or shorter than listed, and `on_bad_clip` is `error`.
    """
    reader_of(reader)
    height, width = size
    cache = ClipCache(
        Path(directory), (int(height), int(width)), reader=reader, resize=resize
    )
    return fill(cache, manifest, workers, on_bad_clip)


def fill(cache: Kind, manifest: Manifest, workers: int = 2, on_bad_clip: str = "error") -> Kind:
    """Make every file of a manifest that a cache lacks, as `build_cache` does; returns the cache.

    Raises:
        VideoError: a clip cannot be read, and `on_bad_clip` is `error`.
        DiskFull: there is no room, which is looked for first; the message gives the size of all
            files.
    """
    if not _missing(cache, manifest, workers):
        return cache
    cache.directory.mkdir(parents=True, exist_ok=True)
    with FileLock(cache.directory / ".lock"), ThreadPoolExecutor(max(workers, 1)) as pool:
        missing, skip = _missing(cache, manifest, workers), on_bad_clip == "skip"
        size = sum(math.prod(cache.shape(manifest, index)) for index, *_ in missing)
        title = f"{cache.work} {shown(manifest.name)}"
        _room_for(size, cache.directory, title)
        jobs = [pool.submit(_add, cache, manifest, same, skip) for same in missing]
        try:
            for job in tqdm(
                as_completed(jobs), title, len(jobs), mininterval=1, disable=None, unit="clip"
            ):
                job.result()
        except BaseException as error:
            pool.shutdown(wait=True, cancel_futures=True)
            if isinstance(error, DiskFull):
                raise DiskFull(f"{error} ({title}: {size / 1e6:,.1f} MB in all)") from error
            raise
    return cache


def _room_for(size: int, directory: Path, title: str) -> None:
    """Raise DiskFull if `size` bytes do not fit: better now than after hours."""
    if size > shutil.disk_usage(directory).free:
        raise DiskFull(
            f"{title}: {free_room(directory / 'clips', size)} in {shown(directory)}. Make room "
            "(`actlumos data cache --keep GB` removes what was not used for the longest time), "
            "or use --set cache_frames=false, which decodes each clip again in each epoch"
        )


def mapped(path: Path) -> np.ndarray:
    """A kept file `[frames, H, W, C]` as an array that reads from disk what is asked for.

    May be called in several threads at once, which `numpy.load` alone may not (CPython's
    gh-106905: its header is parsed with `ast`).
    """
    with _header:
        return np.load(path, mmap_mode="r").view(np.ndarray)


def is_whole(path: Path) -> bool:
    """Whether a kept file is there and as it was written; its bytes are read once per process.

    Its access time becomes that of this check (`actlumos.data.pruning` goes by it; the disk's own
    may be switched off).
    """
    try:
        about = path.stat()
        state = str(path), about.st_ino, about.st_size, about.st_mtime_ns
        if state not in _whole:
            content = memoryview(path.read_bytes())
            end = len(_seal(b""))
            if content[-end:] != _seal(content[:-end]):
                return False
            with suppress(OSError):  # a cache that may only be read
                os.utime(path, ns=(time.time_ns(), about.st_mtime_ns))
            _whole.add(state)
    except OSError:
        return False
    return True


def _seal(content: bytes | memoryview) -> bytes:
    """The checksum after an array in its file, which numpy does not read."""
    return _SEAL % zlib.crc32(content)


def _place(cache: ClipCache, manifest: Manifest, index: int) -> Path | None:
    """The file of a clip, None for a missing video without a digest: it has no name there."""
    try:
        return cache.file(manifest, index)
    except FileNotFoundError:
        return None


def _missing(cache: ClipCache, manifest: Manifest, workers: int) -> list[list[int]]:
    """The clips that a cache lacks; those that share a file together, the longest first.

    Two threads that write the same file would each remove the other's unfinished file.
    """
    lacking: dict[Path | int, list[int]] = {}
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        held = list(pool.map(partial(cache.holds, manifest), range(len(manifest))))
    for index, there in enumerate(held):
        if not there:
            lacking.setdefault(_place(cache, manifest, index) or index, []).append(index)
    length = [-clip.frames for clip in manifest.clips]
    return [sorted(same, key=length.__getitem__) for same in lacking.values()]


def _add(cache: ClipCache, manifest: Manifest, same: list[int], skip: bool) -> None:
    """Make one file, from the first of its clips that can be read."""
    errors = []
    for index in same:
        try:
            return cache.add(manifest, index)
        except VideoError as error:
            errors.append(error)
    if not skip:
        raise advised(errors[0])
    if stale := _place(cache, manifest, same[0]):  # damaged, or it would not be missing
        stale.unlink(missing_ok=True)


def advised(error: VideoError) -> VideoError:
    """The error of one clip, with what to do about all clips like it."""
    return VideoError(
        f"{error} (`actlumos data verify` finds all such files before a training; "
        "on_bad_clip=skip leaves them out and counts them)"
    )
