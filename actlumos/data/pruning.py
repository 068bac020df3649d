"""How much room the kept clips take, and how it is limited.

A cache grows with each data set, frame size and stored stream. What was not used for the longest
time is removed on request; a training that needs it makes it again.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from filelock import FileLock


class Kept(NamedTuple):
    """One folder of a cache (a frame size, or a stream at it): files, bytes, and the last time
    that one of them was opened by a program (seconds since 1970)."""

    name: str
    files: int
    bytes: int
    used: float


def kept(directory: Path) -> list[Kept]:
    """The folders of a cache, by name; none where there is no cache."""
    folders: dict[str, list[Path]] = {}
    for file in sorted(directory.glob("*/*.npy")):
        folders.setdefault(file.parent.name, []).append(file)
    return [
        Kept(
            name, len(files), sum(file.stat().st_size for file in files),
            max(file.stat().st_atime for file in files),
        )
        for name, files in folders.items()
    ]  # fmt: skip


def prune(directory: Path, limit: float) -> int:
    """Remove files, the one that was not used for the longest time first, until at most `limit`
    bytes are left; returns the bytes removed.

    Programs that fill the cache wait meanwhile. One that reads from it may miss its clips.
    """
    if not directory.is_dir():
        return 0
    with FileLock(directory / ".lock"):
        files = [(file, file.stat()) for file in directory.glob("*/*.npy")]
        files.sort(key=lambda each: each[1].st_atime_ns)
        before = left = sum(about.st_size for _, about in files)
        for file, about in files:
            if left <= limit:
                break
            file.unlink()
            left -= about.st_size
    return before - left
