"""Published lists by name, and where on disk their clips are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from actlumos.data.pictures import is_picture
from actlumos.data.published import arid, custom, dark48, ellar, roles, ug2
from actlumos.data.published.archive import opened
from actlumos.data.published.entries import ALL, VIDEO_SUFFIXES, Entry, Listing, counted, stem
from actlumos.runtime.text import nfc

__all__ = [
    "ALL", "LISTED", "Entry", "Listing", "Located", "counted", "locate", "read_listing",
    "splits_of",
]  # fmt: skip

_READERS: dict[str, Callable[[str, Path, int], Listing]] = {
    "arid-v1.0": arid.read,
    "arid-v1.5": arid.read,
    "arid-layout": arid.read,
    "ug2-2021": ug2.read_ug2,
    "ee6222": ug2.read_ee6222,
    "dark48": dark48.read,
    "ellar": ellar.read,
    "csv": custom.read,
}
LISTED = tuple(_READERS)
"""Names of the data sets that come with lists."""

_SPLITS = {**arid.SPLITS, "dark48": dark48.SPLITS}
_WITHOUT_LISTS = ("folder",)


@dataclass(frozen=True)
class Located:
    """Where the clips of a listing are.

    `found`: listed path -> video file or folder of frame pictures. `missing`: listed paths with
    neither. `surplus`: videos below the listed folders that no list of any split names, relative
    to the listing's folder.
    """

    found: dict[str, Path]
    missing: tuple[str, ...]
    surplus: tuple[str, ...]


def splits_of(name: str) -> tuple[int, ...]:
    """Numbers of a data set's splits, as its authors count: (1, 2, 3), or (0, 1) for ARID V1.5.

    `arid-layout` may have fewer than the three it is given here.

    Raises:
        ValueError: unknown data set.
    """
    if name not in (*LISTED, *_WITHOUT_LISTS):
        known = ", ".join((*_WITHOUT_LISTS, *LISTED))
        raise ValueError(f"unknown data set {name!r}: choose one of {known}")
    return _SPLITS.get(name, (1,))


def check_split(name: str, split: int) -> None:
    """Raise ValueError unless the data set is known and has this split."""
    known = splits_of(name)
    if len(known) == 1 and split != known[0]:
        raise ValueError(f"{name} has one split, not a split {split}")
    if split not in known:
        numbers = ", ".join(map(str, known))
        raise ValueError(f"{name} has the splits {numbers}, as its authors count; not {split}")


def read_listing(
    name: str, root: str | Path, split: int = 1, *, csv: str | Path | None = None
) -> Listing:
    """The lists of one split, as distributed.

    Args:
        name: a data set that comes with lists.
        root: its folder, or the archive it came in, which is then unpacked once.
        split: number of the official split, as the authors count.
        csv: where the list of the set `csv` is; None is `manifest.csv` in its root.

    Raises:
        FileNotFoundError: no such folder, or a list is not in any of the usual places.
        ValueError: unknown name or split, or a list contradicts itself or the class table.
    """
    check_split(name, split)
    if name not in LISTED:
        raise ValueError(f"{name} comes without lists; those with: {', '.join(LISTED)}")
    folder = opened(root)
    if name == "csv":
        listing = custom.read(name, folder, split, csv)
    else:
        listing = _READERS[name](name, folder, split)
    return replace(listing, notes=listing.notes + roles.notes(listing.entries))


def locate(listing: Listing) -> Located:
    """Find every listed clip by its stem: lists say `.avi` where files are `.mp4`.

    Of several files with one stem the listed one is taken, else the first in the order of
    `VIDEO_SUFFIXES`, else a folder of pictures of that name. How a name's accents are stored makes
    no difference.
    """
    on_disk = _index(listing)
    found = {}
    for entry in listing.entries:
        if files := on_disk.get(_key(entry.path)):
            exact = [path for path in files if path.name == entry.path.rpartition("/")[2]]
            found[entry.path] = (exact or files)[0]
    missing = tuple(entry.path for entry in listing.entries if entry.path not in found)
    surplus = [on_disk[key][0] for key in sorted(set(on_disk) - _listed_keys(listing))]
    names = tuple(path.relative_to(listing.videos).as_posix() for path in surplus)
    return Located(found, missing, names)


def _key(path: str) -> str:
    """What a clip is found by: its path without a video's ending, accents composed."""
    return nfc(stem(path))


def _listed_keys(listing: Listing) -> set[str]:
    return {_key(path) for path in (*listing.known, *(entry.path for entry in listing.entries))}


def _index(listing: Listing) -> dict[str, list[Path]]:
    """Every clip in the folders that the lists name, by its key, the best one first."""
    listed = _listed_keys(listing)
    depth = max((key.count("/") for key in listed), default=0) - 1
    found: dict[str, list[Path]] = {}
    for top, levels in _tops(listing.videos, listed, depth):
        for path in _clips(top, levels, listing.videos, listed):
            found.setdefault(_key(_below(path, listing.videos)), []).append(path)
    return {key: sorted(paths, key=_rank) for key, paths in found.items()}


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _tops(root: Path, listed: set[str], depth: int) -> Iterator[tuple[Path, int]]:
    """The folders to search, and how many levels below each: those that the lists name first."""
    if not root.is_dir():
        return
    names = {key.partition("/")[0] for key in listed if "/" in key}
    yield from ((path, depth) for path in root.iterdir() if nfc(path.name) in names)
    if any("/" not in key for key in listed):
        yield root, 0


def _clips(folder: Path, depth: int, root: Path, listed: set[str]) -> Iterator[Path]:
    """Videos and frame folders in `folder`, and `depth` folders below it, so that no link loops.

    A folder of pictures that no list names is a clip only if nothing else in it is one: a class
    folder may hold a thumbnail next to its videos.
    """
    if not folder.is_dir():
        return
    with os.scandir(folder) as items:
        for item in items:
            path = folder / item.name
            if item.name.startswith("."):
                continue
            if not item.is_dir():
                if item.name.lower().endswith(VIDEO_SUFFIXES):
                    yield path
                continue
            inside = list(_clips(path, depth - 1, root, listed)) if depth > 0 else []
            yield from inside
            pictures, videos = _holds(path)
            if pictures and (_key(_below(path, root)) in listed or not (inside or videos)):
                yield path


def _holds(folder: Path) -> tuple[bool, bool]:
    """Whether a folder holds pictures, and whether it holds videos."""
    names = [name for name in os.listdir(folder) if not name.startswith(".")]
    videos = any(name.lower().endswith(VIDEO_SUFFIXES) for name in names)
    return any(map(is_picture, names)), videos


def _rank(path: Path) -> int:
    ending = path.suffix.lower()
    return VIDEO_SUFFIXES.index(ending) if ending in VIDEO_SUFFIXES else len(VIDEO_SUFFIXES)
