"""Published lists by name, and where on disk the clips lie that they name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from actlumos.data.published import arid, custom, dark48, ellar, roles, ug2
from actlumos.data.published.archive import opened
from actlumos.data.published.entries import ALL, VIDEO_SUFFIXES, Entry, Listing, counted, stem
from actlumos.data.video import PICTURES

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
        csv: where the list of the set `csv` lies; None is `manifest.csv` in its root.

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

    Of several files with one stem the listed one is taken, else the first of .mp4 .avi .mkv .webm
    .mov, else a folder of pictures of that name.
    """
    on_disk = _index(listing)
    found = {}
    for entry in listing.entries:
        if files := on_disk.get(stem(entry.path)):
            exact = [path for path in files if path.name == entry.path.rpartition("/")[2]]
            found[entry.path] = (exact or files)[0]
    missing = tuple(entry.path for entry in listing.entries if entry.path not in found)
    listed = {stem(path) for path in listing.known} | {stem(e.path) for e in listing.entries}
    surplus = [on_disk[key][0] for key in sorted(set(on_disk) - listed)]
    names = tuple(path.relative_to(listing.videos).as_posix() for path in surplus)
    return Located(found, missing, names)


def _index(listing: Listing) -> dict[str, list[Path]]:
    """Every clip in the folders that the lists name, by path without ending, the best one first."""
    listed = {entry.path for entry in listing.entries} | listing.known
    depth = max((path.count("/") for path in listed), default=0) - 1
    found: dict[str, list[Path]] = {}
    for top in {path.partition("/")[0] if "/" in path else "" for path in listed}:
        for path in _clips(listing.videos / top, depth if top else 0):
            found.setdefault(stem(path.relative_to(listing.videos).as_posix()), []).append(path)
    return {key: sorted(paths, key=_rank) for key, paths in found.items()}


def _clips(folder: Path, depth: int) -> Iterator[Path]:
    """Videos and frame folders in `folder`, and `depth` folders below it, so that no link loops."""
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
            elif _holds_pictures(path):
                yield path
            elif depth > 0:
                yield from _clips(path, depth - 1)


def _holds_pictures(folder: Path) -> bool:
    with os.scandir(folder) as items:
        return any(item.name.lower().endswith(PICTURES) for item in items)


def _rank(path: Path) -> int:
    ending = path.suffix.lower()
    return VIDEO_SUFFIXES.index(ending) if ending in VIDEO_SUFFIXES else len(VIDEO_SUFFIXES)
