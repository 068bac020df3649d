"""ELLAR (repository knu-vis/ELLAR): twelve actions in low and extremely low light.

    <root>/videos/<Class>/....mp4
    <root>/ELLAR_label_train.txt, ELLAR_label_val.txt, ELLAR_label_test.txt

A row is `path class_id`, as mmaction2 reads it. Only five of the twelve names are public, so the
names come from the lists: the folder of each id's paths, spelled as it is (`Stertching`). A
user's copy is known to lack the test list: then val is used as test, with a note. The
official configuration validates on the training list; this kit does not. Whether file names
identify persons or places is not known, so each clip is a group of its own.
"""

from __future__ import annotations

from pathlib import Path

from actlumos.data.published.entries import (
    Entry,
    Listing,
    find_folder,
    find_list,
    label_of,
    listed_path,
    need_list,
    rows,
    stem,
)

NUM_CLASSES = 12

_LISTS = ("", "ELLAR", "data/ELLAR", "annotations")
_VIDEOS = ("videos", "ELLAR/videos", "data/ELLAR/videos", *_LISTS)
_IDS = tuple(map(str, range(NUM_CLASSES)))


def read(name: str, root: Path, split: int) -> Listing:
    """The lists that are there; without a test list, val is test.

    Raises:
        FileNotFoundError: no such folder, no training list, or neither a val nor a test list.
        ValueError: a row that cannot be read, or ids and folders that do not match one to one.
    """
    notes = ["the clips' groups are not known: each clip is its own group"]
    lists = {"train": need_list(root, _LISTS, ("ELLAR_label_train.txt",), name)}
    if test := find_list(root, _LISTS, ("ELLAR_label_test.txt",)):
        lists["test"] = test
        if val := find_list(root, _LISTS, ("ELLAR_label_val.txt",)):
            lists["val"] = val
    else:
        lists["test"] = need_list(root, _LISTS, ("ELLAR_label_val.txt",), name)
        notes.append("no test list: val is used as test")
    entries = [entry for role, path in lists.items() for entry in _entries(path, role)]
    classes, level = _classes(entries, name)
    tops = {entry.path.partition("/")[0] for entry in entries} if level else set(classes)
    videos = find_folder(root, _VIDEOS, sorted(tops)) or root / _VIDEOS[0]
    return Listing(name, split, classes, tuple(entries), videos, None, tuple(notes))


def _entries(path: Path, role: str) -> list[Entry]:
    found = []
    for where, line in rows(path):
        fields = line.rsplit(None, 1)
        if len(fields) != 2:
            raise ValueError(f"{where}: {line!r} is not a path, a space and a class id")
        clip = listed_path(fields[0], where)
        found.append(Entry(clip, label_of(fields[1], _IDS, where), role, stem(clip)))
    return found


def _classes(entries: list[Entry], name: str) -> tuple[tuple[str, ...], int]:
    """Class names by id, and the level of the path they are at (0 = the first folder)."""
    folders = [(entry.label, entry.path.split("/")[:-1]) for entry in entries]
    for level in range(min((len(parts) for _, parts in folders), default=0)):
        pairs = {(label, parts[level]) for label, parts in folders}
        names = dict(pairs)
        if len(pairs) == len(names) == len(set(names.values())) == NUM_CLASSES:
            return tuple(names[label] for label in range(NUM_CLASSES)), level
    raise ValueError(
        f"{name}: the lists do not name {NUM_CLASSES} classes, each by one id and one folder; "
        "a list may be cut short or belong to another set"
    )
