"""What a published list says: which path, which class, which role, which group.

Nothing here opens a video. A list is read as it is distributed, and its paths stay as written
(`Drink/Drink_10_1.avi`), although the file on disk may be a `.mp4`: `listing.locate` finds it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from actlumos.runtime.text import read_text, shown

ROLES = ("train", "val", "test", "other")
ALL = "all"
VIDEO_SUFFIXES = (
    ".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".3gp", ".3g2", ".mpg", ".mpeg", ".wmv",
    ".asf", ".ts", ".mts", ".m2ts", ".flv", ".f4v", ".ogv", ".vob", ".mxf", ".divx",
)  # fmt: skip
"""Endings of video files, in any case; of files of one name the first of these is taken."""

_SHOWN = 5


@dataclass(frozen=True)
class Entry:
    """One row of a list.

    `path` is as listed, with forward slashes; `label` indexes the listing's classes (-1 = the
    list gives none); `role` is the list it is in: train, val, test or other; `group` names
    what should not be shared between splits (ARID: class and take; Dark48: the source video).
    """

    path: str
    label: int
    role: str
    group: str


@dataclass(frozen=True)
class Listing:
    """The lists of one split of a data set.

    `videos` is the folder that the paths are relative to. `published` holds the authors' counts
    as role -> class -> number, None where there are none; the key `ALL` in place of a role or a
    class means the sum over all of them (of ARID V1.5 only sums are known). `counted` gives the
    same shape for what the lists hold. `notes` are remarks for the user. `known` are the paths
    that any list of any split names.
    """

    name: str
    split: int
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    videos: Path
    published: Mapping[str, Mapping[str, int]] | None = None
    notes: tuple[str, ...] = ()
    known: frozenset[str] = field(default=frozenset(), repr=False)


def counted(listing: Listing) -> dict[str, dict[str, int]]:
    """Number of entries by role and class, with the sums under the key `ALL` in both places.

    Roles without entries and classes without entries are there too, with 0.
    """
    found = Counter((entry.role, entry.label) for entry in listing.entries)
    sizes = Counter(entry.role for entry in listing.entries)
    table = {
        role: {name: found[role, label] for label, name in enumerate(listing.classes)}
        for role in ROLES
    }
    total = {name: sum(table[role][name] for role in ROLES) for name in listing.classes}
    sums = {role: {**table[role], ALL: sizes[role]} for role in ROLES}
    return sums | {ALL: {**total, ALL: len(listing.entries)}}


def stem(path: str) -> str:
    """`path` without its ending, if that is a video's (case does not matter)."""
    head, dot, ending = path.rpartition(".")
    return head if dot and f".{ending.lower()}" in VIDEO_SUFFIXES else path


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts 2 before 10 and ignores case."""
    parts = re.findall(r"\d+|\D+", name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def take_of(path: str) -> str:
    """ARID's group: `Drink/Drink_10_1.avi` belongs to `Drink_10`.

    A clip whose name does not end in `_<group>_<clip>` is a group of its own, named by the whole
    path without the ending.
    """
    shown = re.fullmatch(r"(.+_[^_]+)_\d+", stem(path).rpartition("/")[2])
    return shown[1] if shown else stem(path)


def rows(path: Path) -> Iterator[tuple[str, str]]:
    """Place and text of every line that holds something; the last may lack its line end."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield f"{shown(path)}, line {number}", line.rstrip("\r")


def label_of(text: str, classes: Sequence[str], where: str, first: int = 0) -> int:
    """The class number that a list gives, counted from 0; the list counts from `first`.

    Raises:
        ValueError: no number, or outside the class table.
    """
    last = first + len(classes) - 1
    if not text.strip().isdecimal() or not first <= int(text) <= last:
        raise ValueError(f"{where}: class {text!r} is not one of {first}..{last}; correct the list")
    return int(text) - first


def listed_path(text: str, where: str) -> str:
    r"""A list's path with forward slashes: `.\walk\a.mp4` and `./walk//a.mp4` are `walk/a.mp4`.

    Raises:
        ValueError: it is empty, absolute, or climbs out of its folder.
    """
    path = PurePosixPath(text.strip().replace("\\", "/"))
    if not path.parts or path.is_absolute() or ":" in path.parts[0] or ".." in path.parts:
        raise ValueError(f"{where}: {text!r} is not a path below the data set's folder")
    return str(path)


def some(names: Iterable[str], more: str = "more") -> str:
    """The first few of many names, safe to print, and the number of the others."""
    listed = list(names)
    rest = len(listed) - _SHOWN
    return ", ".join(map(shown, listed[:_SHOWN])) + (f" and {rest} {more}" if rest > 0 else "")


def bases(root: Path) -> tuple[Path, ...]:
    """`root`, and its only folder where it holds nothing else, as unpacked archives often do.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not root.is_dir():
        raise FileNotFoundError(
            f"{shown(root)}: no such folder; give the data set's folder or archive"
        )
    inside = [path for path in root.iterdir() if path.name[0] not in "._"]
    return (root, inside[0]) if len(inside) == 1 and inside[0].is_dir() else (root,)


def find_list(root: Path, folders: Sequence[str], names: Sequence[str]) -> Path | None:
    """The first list file of one of these names in one of these folders under `root`."""
    places = [base / folder / name for base in bases(root) for folder in folders for name in names]
    return next((place for place in places if place.is_file()), None)


def need_list(root: Path, folders: Sequence[str], names: Sequence[str], data: str) -> Path:
    """As `find_list`, for a list that the data set cannot do without.

    Raises:
        FileNotFoundError: names every place that was searched.
    """
    if found := find_list(root, folders, names):
        return found
    where = ", ".join(folder or "the folder itself" for folder in folders)
    raise FileNotFoundError(
        f"{shown(root)}: no list {' or '.join(names)} of {data}; looked in {where}. "
        "Put the lists that came with the clips into one of these"
    )


def find_folder(root: Path, places: Sequence[str], inside: Sequence[str]) -> Path | None:
    """The first of `places` under `root` that holds one of the folders or files `inside`.

    Only this one is searched for clips, so a second, converted copy of them is never mixed in.
    """
    spots = [base / place for base in bases(root) for place in places]
    return next((spot for spot in spots if any((spot / name).exists() for name in inside)), None)
