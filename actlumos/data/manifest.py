"""One list of clips for every data set: which file, which class, which group, which split.

A manifest CSV has the header `dataset,path,label,class,group,split,frames,fps,sha256`, one row per
clip, UTF-8, commas, LF. `path` is relative to the data set's root, with forward slashes; `label`
counts from 0 in the order of the class table and is -1 (with an empty `class`) for an unlabelled
clip. A class that has no clip is a row with nothing but `dataset`, `label` and `class`, so that
the class table survives the round trip.

A user's own list needs only `path`, `split` and one of `class` and `label`. Without labels the
classes are in alphabetical order, ignoring case; without class names a name is its number.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from filelock import FileLock

from actlumos.runtime.files import sweep, write_text
from actlumos.runtime.text import nfc, read_table, shown

SPLITS = ("train", "val", "test")
COLUMNS = ("dataset", "path", "label", "class", "group", "split", "frames", "fps", "sha256")
_DIGEST = re.compile(r"(?:[0-9a-f]{64})?")


@dataclass(frozen=True)
class Clip:
    """One video file.

    `path` is relative to the manifest's root (posix), `label` indexes its classes (-1 =
    unlabelled), `group` names what must not be shared between splits (person, scene, take),
    `split` is train, val or test, `frames` is the verified count, `fps` frames per second,
    `sha256` the hex digest of the file ("" = not taken).
    """

    path: str
    label: int
    group: str
    split: str
    frames: int
    fps: float
    sha256: str = ""


@dataclass(frozen=True)
class Manifest:
    """The clips of a data set, and what their labels mean.

    `left_out` are listed paths without a clip here: the file was missing or unreadable, and the
    policy was `skip`. They are not part of the CSV, of equality or of the digest.

    Raises:
        ValueError: a path is absolute or listed twice, a label is outside the class table, a
            split is unknown, a frame count is not positive, a digest is wrong, or two classes
            differ in case only.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    left_out: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        check_classes(self.classes, shown(self.name))
        seen: set[str] = set()
        for clip in self.clips:
            problem = _problem(clip, len(self.classes))
            if problem or clip.path in seen:
                what = problem or "is listed twice"
                raise ValueError(f"{shown(self.name)}: {clip.path!r} {what}")
            seen.add(clip.path)

    def __len__(self) -> int:
        return len(self.clips)

    def path(self, index: int) -> Path:
        """Path of clip `index` on this machine."""
        return self.root / self.clips[index].path

    @property
    def labels(self) -> np.ndarray:
        """Class numbers, int64 `[N]`; -1 where a clip has none."""
        return np.array([clip.label for clip in self.clips], dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything but the root: the same list anywhere has the same digest."""
        content = [self.name, self.classes, [astuple(clip) for clip in self.clips]]
        text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def counts(self) -> dict[str, int]:
        """Number of clips of each class, in the order of the class table."""
        found = Counter(clip.label for clip in self.clips)
        return {name: found[label] for label, name in enumerate(self.classes)}

    def select(self, split: str) -> Manifest:
        """The clips of one split, with the whole class table.

        Raises:
            ValueError: `split` is not train, val or test.
        """
        if split not in SPLITS:
            raise ValueError(f"split {split!r} is unknown: choose one of {', '.join(SPLITS)}")
        return replace(self, clips=tuple(clip for clip in self.clips if clip.split == split))

    def unlabeled(self) -> Manifest:
        """The same clips without a label or a class table, for self-supervised training."""
        return replace(self, classes=(), clips=tuple(replace(c, label=-1) for c in self.clips))

    def write(self, csv_path: str | Path) -> None:
        """Write the CSV described at the top of this file, atomically; one process at a time."""
        empty = [label for label, count in enumerate(self.counts().values()) if not count]
        rows = [asdict(clip) for clip in self.clips] + [{"label": label} for label in empty]
        out, path = io.StringIO(newline=""), Path(csv_path)
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(self._row, rows))
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.stem}.lock")):
            sweep(path)
            write_text(path, out.getvalue())

    def _row(self, fields: dict[str, Any]) -> dict[str, Any]:
        label = fields["label"]
        name = self.classes[label] if label >= 0 else ""
        return {"dataset": self.name, "class": name, **fields}

    @staticmethod
    def read(csv_path: str | Path, root: str | Path) -> Manifest:
        """Read a manifest CSV whose clips are under `root`.

        Raises:
            FileNotFoundError: there is no such CSV.
            ValueError: a column is missing, a field does not parse, or the labels have gaps.
        """
        name, classes, clips = read_rows(csv_path)
        return Manifest(name, Path(root), classes, clips)


def read_rows(csv_path: str | Path) -> tuple[str, tuple[str, ...], tuple[Clip, ...]]:
    """Data set, class table and clips of a manifest CSV; empty or absent numbers are 0.

    Raises:
        FileNotFoundError: there is no such CSV.
        ValueError: not text, a column is missing, a field does not parse, the labels have gaps, or
            two classes differ in case only.
    """
    header, rows = read_table(csv_path)
    missing = [name for name in ("path", "split") if name not in header]
    missing += [] if {"label", "class"} & set(header) else ["class"]
    if missing:
        found = f"; its first line is {','.join(header)[:80]!r}"
        raise ValueError(f"{shown(csv_path)} lacks the column(s) {', '.join(missing)}{found}")
    if not rows:
        raise ValueError(f"{shown(csv_path)} lists no clip; delete it and make the data set again")
    if not any(row.get("label") for _, row in rows):
        _number([row for _, row in rows])
    parsed = [_parse(row, where) for where, row in rows]
    classes = _class_table(((clip.label, name) for _, name, clip in parsed), shown(csv_path))
    check_classes(classes, shown(csv_path))
    return parsed[0][0], classes, tuple(clip for _, _, clip in parsed if clip.path)


def check_classes(classes: Sequence[str], where: str) -> None:
    """Raise ValueError when two class names differ in case, or in how accents are stored, only.

    Results of one data set are matched with the classes of another ignoring case.
    """
    seen: dict[str, str] = {}
    for name in classes:
        key = nfc(name).casefold()
        if key in seen:
            raise ValueError(
                f"{where}: the classes {seen[key]!r} and {name!r} differ in case only, or not at "
                "all: rename one, or join them"
            )
        seen[key] = name


def check_groups(manifest: Manifest, apart: tuple[str, ...] = SPLITS) -> None:
    """Raise when a group of clips is spread over two splits (test material would leak).

    Args:
        manifest: any.
        apart: the splits that may share no group.

    Raises:
        ValueError: names the first such group, its splits, and how many groups leak.
    """
    homes: dict[str, set[str]] = {}
    for clip in manifest.clips:
        homes.setdefault(clip.group, set()).add(clip.split)
    leaks = {group: sorted(splits & set(apart)) for group, splits in homes.items()}
    shared = sorted(group for group, splits in leaks.items() if len(splits) > 1)
    if shared:
        raise ValueError(
            f"{shown(manifest.name)}: group {shared[0]!r} is in {' and '.join(leaks[shared[0]])} "
            f"({len(shared)} such group(s)); give all clips of a group one split"
        )


def concat(*manifests: Manifest) -> Manifest:
    """Join unlabelled pools; the root becomes their common parent folder.

    Groups get the name of their data set in front, so that equal names do not merge.

    Raises:
        ValueError: nothing was given, a clip has a label, or the roots share no parent.
    """
    if not manifests:
        raise ValueError("concat needs at least one manifest")
    labelled = [m.name for m in manifests if m.classes or (m.labels >= 0).any()]
    if labelled:
        raise ValueError(f"concat joins unlabelled pools: call .unlabeled() on {labelled[0]!r}")
    try:
        root = Path(os.path.commonpath([m.root.resolve() for m in manifests]))
    except ValueError:
        raise ValueError("the pools are on different drives: put them under one folder") from None
    clips, left_out = [], []
    for manifest in manifests:
        prefix = PurePosixPath(manifest.root.resolve().relative_to(root).as_posix())
        clips += [
            replace(clip, path=str(prefix / clip.path), group=f"{manifest.name}/{clip.group}")
            for clip in manifest.clips
        ]
        left_out += [str(prefix / path) for path in manifest.left_out]
    name = "+".join(m.name for m in manifests)
    return Manifest(name, root, (), tuple(clips), tuple(left_out))


def _problem(clip: Clip, num_classes: int) -> str:
    path = PurePosixPath(clip.path)
    if not clip.path or path.is_absolute() or ".." in path.parts or "\\" in clip.path:
        return "is not a path below the root with forward slashes"
    if not -1 <= clip.label < num_classes:
        return f"has label {clip.label}, but there are {num_classes} classes"
    if clip.split not in SPLITS:
        return f"has split {clip.split!r}: use one of {', '.join(SPLITS)}"
    if not _DIGEST.fullmatch(clip.sha256):
        return f"has the sha256 {clip.sha256[:80]!r}, which is not 64 hex digits"
    return "" if clip.frames > 0 else f"has {clip.frames} frames"


def _number(rows: Sequence[dict[str | None, str]]) -> None:
    """Give rows without labels the number of their class, -1 where they name none."""
    names = {row["class"] for row in rows} - {""}
    number = {name: n for n, name in enumerate(sorted(names, key=lambda x: (x.lower(), x)))}
    for row in rows:
        row["label"] = str(number.get(row["class"], -1))


def _parse(row: Mapping[str | None, str], where: str) -> tuple[str, str, Clip]:
    """One CSV row as (data set, class name, clip); a class-only row has an empty path."""
    path, group, split, digest = (row.get(n, "") for n in ("path", "group", "split", "sha256"))
    try:
        if None in row:
            raise ValueError("more fields than the header has; a comma must be in quotes")
        if not _DIGEST.fullmatch(digest.lower()):
            raise ValueError(f"the sha256 {digest[:80]!r} is not 64 hex digits, or empty")
        label, frames = int(row["label"]), int(row.get("frames") or 0)
        clip = Clip(path, label, group, split, frames, _rate(row.get("fps")), digest.lower())
    except ValueError as error:
        raise ValueError(f"{where}: {error}; correct the row or make the list again") from None
    name = row.get("class") or (str(label) if label >= 0 else "")
    return row.get("dataset", ""), name, clip


def _rate(text: str | None) -> float:
    rate = float(text or 0)
    if not 0 <= rate < math.inf:
        raise ValueError(f"{text} is not a number of frames per second")
    return rate


def _class_table(pairs: Iterable[tuple[int, str]], where: str) -> tuple[str, ...]:
    names: dict[int, str] = {}
    for label, name in pairs:
        if label >= 0 and names.setdefault(label, name) != name:
            raise ValueError(f"{where}: label {label} is both {names[label]!r} and {name!r}")
    gaps = sorted(set(range(len(names))) - set(names))
    if gaps:
        raise ValueError(f"{where}: no row names class {gaps[0]}, but higher labels exist")
    return tuple(names[label] for label in range(len(names)))
