"""ARID, Action Recognition In the Dark (Xu et al. 2020, arXiv 2006.03876): V1.0 and V1.5.

    <root>/clips_v1/Drink/Drink_10_1.mp4          <root>/clips_v1.5/Drink/Drink_24_26.mp4
    <root>/list_cvt/ARID_split1_train.txt         <root>/list_cvt/split_0/split0_train.txt

A list row is `index<TAB>class id<TAB>path`, without a header; the paths of V1.0 end in `.avi`
although the download holds `.mp4`. A clip is called `<Class>_<group>_<number>`, and a group is
one take of one scene. The third list, `other`, is not documented: V1.0's is taken from the
groups of both train and test (see `roles`).

V1.0 has splits 1 to 3; their test lists overlap, so they are no folds. V1.5 has splits 0 and 1,
as its authors number them, and every clip twice (a converted `.avi` copy): one copy is used.
V1.0's clips are a subset of V1.5's by name, so V1.0's lists work in V1.5's folder without
an error and give V1.0's result under the name of V1.5; here that is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from actlumos.data.published.entries import (
    ALL,
    Entry,
    Listing,
    counted,
    find_folder,
    find_list,
    label_of,
    listed_path,
    need_list,
    rows,
    take_of,
)
from actlumos.runtime.text import shown

CLASSES = (
    "Drink", "Jump", "Pick", "Pour", "Push", "Run", "Sit", "Stand", "Turn", "Walk", "Wave"
)  # fmt: skip
SPLITS = {"arid-v1.0": (1, 2, 3), "arid-v1.5": (0, 1), "arid-layout": (1, 2, 3)}

# Clips per class in the official V1.0 lists (repository xuyu0010/ARID_v1), in the order of CLASSES.
_OTHER = (58, 64, 45, 80, 103, 43, 48, 51, 57, 62, 62)
_V10 = {
    1: {
        "train": (201, 215, 110, 215, 266, 226, 135, 142, 274, 276, 228),
        "test": (79, 78, 50, 77, 106, 70, 51, 44, 82, 110, 76),
        "other": _OTHER,
    },
    2: {
        "train": (210, 206, 119, 209, 267, 215, 130, 134, 259, 276, 227),
        "test": (70, 87, 41, 83, 105, 81, 56, 52, 97, 110, 77),
        "other": _OTHER,
    },
    3: {
        "train": (194, 226, 113, 218, 276, 212, 145, 123, 254, 276, 222),
        "test": (86, 67, 47, 74, 96, 84, 41, 63, 102, 110, 82),
        "other": _OTHER,
    },
}
PUBLISHED: dict[tuple[str, int], dict[str, dict[str, int]]] = {
    ("arid-v1.0", split): {
        role: dict(zip(CLASSES, numbers, strict=True)) | {ALL: sum(numbers)}
        for role, numbers in roles.items()
    }
    for split, roles in _V10.items()
}
# Of V1.5 a third party gives 5,572 clips and split 0's sizes; `other` is the rest. More is unknown.
PUBLISHED["arid-v1.5", 0] = {
    "train": {ALL: 3350}, "test": {ALL: 2011}, "other": {ALL: 211}, ALL: {ALL: 5572}
}  # fmt: skip

_LISTS = ("list_cvt", "raw/list_cvt", "ARID/raw/list_cvt", "dataset/ARID/raw/list_cvt", "lists", "")
_V15_VIDEOS = ("clips_v1.5", "clips_v1.5_avi")
_V10_VIDEOS = (
    "clips_v1", "clips_v1/avi", "raw/data", "ARID/raw/data", "dataset/ARID/raw/data", ""
)  # fmt: skip
_VIDEOS = {
    "arid-v1.0": (*_V10_VIDEOS, *_V15_VIDEOS),
    "arid-v1.5": (*_V15_VIDEOS, ""),
    "arid-layout": (*_V10_VIDEOS, *_V15_VIDEOS, "clips", "videos"),
}
_WRONG_LISTS = (
    "these are V1.0's lists. V1.0's clips are a subset of V1.5's by name, so a result would be "
    "V1.0's under the name of V1.5. Put V1.5's own list_cvt/split_0 and split_1 there, or ask for "
    "arid-v1.0"
)


def read(name: str, root: Path, split: int) -> Listing:
    """The three lists of one split of `arid-v1.0`, `arid-v1.5` or `arid-layout`.

    `arid-layout` is for the user's own clips: V1.0's file names and class ids, no published counts.
    `other` may be absent, and so may classes: those that occur are its class table.

    Raises:
        FileNotFoundError: no such folder, or no train or test list in any of the usual places.
        ValueError: V1.0's lists in V1.5's folder, a row that cannot be read, or a class id that
            contradicts the folder of its path.
    """
    if name == "arid-v1.5":
        _refuse_old_lists(root, split)
    entries = []
    for role in ("train", "test", "other"):
        names = _names(name, split, role)
        if role == "other":
            path = find_list(root, _LISTS, names)
        else:
            path = need_list(root, _LISTS, names, f"{name}, split {split}")
        entries += _entries(path, role) if path else []
    videos = find_folder(root, _VIDEOS[name], CLASSES)
    listing = Listing(
        name, split, CLASSES, tuple(entries), videos or root / _VIDEOS[name][0],
        PUBLISHED.get((name, split)), _notes(name, videos), _known(name, root),
    )  # fmt: skip
    if name == "arid-v1.5" and any(_counts_as_old(listing, old) for old in _V10):
        raise ValueError(f"{shown(root)}: arid-v1.5, split {split}: {_WRONG_LISTS}")
    return _own_classes(listing) if name == "arid-layout" else listing


def _own_classes(listing: Listing) -> Listing:
    """Only the classes that the lists of any split have, in ARID's order, numbered from 0."""
    folders = {path.partition("/")[0] for path in listing.known}
    kept = tuple(name for name in CLASSES if name in folders)
    number = {CLASSES.index(name): new for new, name in enumerate(kept)}
    entries = tuple(replace(entry, label=number[entry.label]) for entry in listing.entries)
    return replace(listing, classes=kept, entries=entries)


def _names(name: str, split: int, role: str) -> tuple[str, ...]:
    """File names of one list; `other` is also called `others`."""
    roles = ("other", "others") if role == "other" else (role,)
    if name != "arid-v1.5":
        return tuple(f"ARID_split{split}_{each}.txt" for each in roles)
    flat = [f"split{split}_{each}.txt" for each in roles]
    return (*(f"split_{split}/{each}" for each in flat), *flat)


def _entries(path: Path, role: str) -> list[Entry]:
    found = []
    for where, line in rows(path):
        fields = line.split("\t")
        if len(fields) != 3:
            raise ValueError(f"{where}: {line!r} is not index, class id, path, with tabs between")
        clip = listed_path(fields[2], where)
        label = label_of(fields[1], CLASSES, where)
        if clip.partition("/")[0] != CLASSES[label]:
            raise ValueError(
                f"{where}: class {label} is {CLASSES[label]}, but the path is {clip!r}; "
                "class ids are ARID's, from 0 Drink to 10 Wave"
            )
        found.append(Entry(clip, label, role, take_of(clip)))
    return found


def _known(name: str, root: Path) -> frozenset[str]:
    """Paths in the lists of all splits that are there."""
    listed: list[Entry] = []
    for split in SPLITS[name]:
        for role in ("train", "test", "other"):
            path = find_list(root, _LISTS, _names(name, split, role))
            listed += _entries(path, role) if path else []
    return frozenset(entry.path for entry in listed)


def _notes(name: str, videos: Path | None) -> tuple[str, ...]:
    if videos is None:
        places = ", ".join(place or "the folder itself" for place in _VIDEOS[name])
        return (f"no folder with the class folders Drink ... Wave: looked in {places}",)
    if name == "arid-v1.0" and videos.name in _V15_VIDEOS:
        return ("the clips come from V1.5's folder; the lists, and so the results, are V1.0's",)
    return ()


def _refuse_old_lists(root: Path, split: int) -> None:
    own = find_list(root, _LISTS, _names("arid-v1.5", split, "train"))
    old: Sequence[str] = [f"ARID_split{number}_train.txt" for number in _V10]
    if own is None and (path := find_list(root, _LISTS, old)):
        raise ValueError(f"{shown(path.parent)}: arid-v1.5, split {split}: {_WRONG_LISTS}")


def _counts_as_old(listing: Listing, split: int) -> bool:
    """Whether train and test have V1.0's size in every class: its lists under a new name."""
    found, old = counted(listing), PUBLISHED["arid-v1.0", split]
    return all(found[role] == old[role] for role in ("train", "test"))
