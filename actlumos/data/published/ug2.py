"""Two six-class sets related to ARID: UG2+ 2021 (track 2.1, "ARID 1.1") and the course set EE6222.

UG2+ 2021: CSV lists with the header `VideoID,Video,ClassID`; the ids are 5 to 10, ARID's own, and
become 0 to 5 here. Training clips are in class folders, test clips are `0.mp4`, `1.mp4`, ...:

    <root>/train_data/Wave/Wave_10_1.mp4   <root>/test_data/0.mp4
    <root>/list_cvt/ARID1.1_t1_train_pub.csv   ARID1.1_t1_test_pub.csv

Most of its training clips are clips of ARID V1.0, some of them V1.0's test clips, so a model
pretrained on them must not be tested on V1.0.

EE6222: `VideoID<TAB>ClassID<TAB>File` with CRLF line ends, ids 0 to 5. The class names are not in
the lists; they are the training folders' (Jump 0 ... Walk 5, as its users' code has them). It
comes with `train.txt` and `validate.txt`; the latter is the test list here.

A path gets the folder its list belongs to in front (`train_data/`), because the two lists count
from different folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from actlumos.data.published.entries import (
    ALL,
    Entry,
    Listing,
    bases,
    find_list,
    label_of,
    listed_path,
    need_list,
    rows,
    take_of,
)
from actlumos.runtime.text import read_table, shown

UG2_CLASSES = ("Run", "Sit", "Stand", "Turn", "Walk", "Wave")
EE6222_CLASSES = ("Jump", "Run", "Sit", "Stand", "Turn", "Walk")
FIRST_UG2_ID = 5

# Clips per class, counted from the lists of ARID_UG2_2.1 (train) and DarkLight (labelled test).
_COUNTS = {"train": (335, 214, 232, 389, 353, 314), "test": (206, 192, 159, 228, 256, 248)}
PUBLISHED = {
    role: dict(zip(UG2_CLASSES, numbers, strict=True)) | {ALL: sum(numbers)}
    for role, numbers in _COUNTS.items()
}

_LISTS = ("list_cvt", "raw/list_cvt", "dataset/ARID/raw/list_cvt", "lists", "")
_TRAIN, _TEST = "ARID1.1_t1_train_pub.csv", "ARID1.1_t1_test_pub.csv"
_UNLABELLED = "ARID1.1_t1_validation_gt_pub.csv"


def read_ug2(name: str, root: Path, split: int) -> Listing:
    """UG2+ 2021: train, and test where the labelled list is there.

    The public validation list has no labels and is not used.

    Raises:
        FileNotFoundError: no such folder, or no training list.
        ValueError: a row without a label, or with one outside 5..10.
    """
    lists = {"train": need_list(root, _LISTS, (_TRAIN,), name)}
    notes = [f"class ids {FIRST_UG2_ID} to 10 of the lists are 0 to 5 here"]
    if test := find_list(root, _LISTS, (_TEST,)):
        lists["test"] = test
    else:
        notes.append(f"no labelled test list ({_TEST}): the set can be trained on, not tested")
    if find_list(root, _LISTS, (_UNLABELLED,)):
        notes.append(f"{_UNLABELLED} holds no labels and is not used")
    base = _base(root, ("train_data", "raw/train_data", "train"))
    entries = []
    for role, path in lists.items():
        folder = _prefix(base, (f"{role}_data", f"raw/{role}_data", role))
        entries += [
            _entry(folder, video, label_of(label, UG2_CLASSES, where, FIRST_UG2_ID), role, where)
            for where, video, label in _csv_rows(path)
        ]
    published = {role: PUBLISHED[role] for role in lists}
    return Listing(name, split, UG2_CLASSES, tuple(entries), base, published, tuple(notes))


def read_ee6222(name: str, root: Path, split: int) -> Listing:
    """EE6222: `train.txt` is train, `validate.txt` is test.

    Raises:
        FileNotFoundError: no such folder, or a list is missing.
        ValueError: a row that cannot be read, or a class outside 0..5.
    """
    base = _base(root, ("train", "validate"))
    entries = []
    for role, stem, folders in (
        ("train", "train", ("train",)),
        ("test", "validate", ("validate", "val")),
    ):
        path = need_list(root, ("", "list_cvt"), (f"{stem}.txt",), name)
        prefix = _prefix(base, folders)
        for where, line in rows(path):
            fields = line.split(None, 2)
            if fields[:1] == ["VideoID"]:
                continue
            if len(fields) != 3:
                raise ValueError(f"{where}: {line!r} is not VideoID, ClassID and File")
            label = label_of(fields[1], EE6222_CLASSES, where)
            entries.append(_entry(prefix, fields[2], label, role, where))
    notes = (
        "no test list: validate.txt is used as test",
        "the class names are those of the training folders; the lists hold numbers only",
    )
    return Listing(name, split, EE6222_CLASSES, tuple(entries), base, None, notes)


def _csv_rows(path: Path) -> list[tuple[str, str, str]]:
    header, table = read_table(path)
    if not {"Video", "ClassID"} <= set(header):
        raise ValueError(f"{shown(path)} lacks the header VideoID,Video,ClassID")
    return [(where, row["Video"], row["ClassID"]) for where, row in table]


def _entry(folder: str, video: str, label: int, role: str, where: str) -> Entry:
    path = listed_path(video, where)
    path = f"{folder}/{path}" if folder else path
    return Entry(path, label, role, take_of(path))


def _base(root: Path, inside: Sequence[str]) -> Path:
    """The folder that holds the folders of clips: the root, or its only folder."""
    found = bases(root)
    return next((base for base in found if any((base / x).is_dir() for x in inside)), root)


def _prefix(base: Path, folders: Sequence[str]) -> str:
    return next((folder for folder in folders if (base / folder).is_dir()), "")
