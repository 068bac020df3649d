"""One list of clips for every data set: which file, which class, which group, which split.

A manifest CSV has the header `dataset,path,label,class,group,split,frames,fps,sha256`, a row a
clip, UTF-8, commas, LF. `path` is relative to the data set's root, with forward slashes; `label`
counts from 0 in the order of the class table and is -1 (with an empty `class`) for an unlabelled
clip. A class that has no clip is a row with nothing but `dataset`, `label` and `class`, so that
the class table survives the round trip.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from actlumos.runtime.files import atomic_write

SPLITS = ("train", "val", "test")
COLUMNS = ("dataset", "path", "label", "class", "group", "split", "frames", "fps", "sha256")


@dataclass(frozen=True)
class Clip:
    """One video file.

    `path` is relative to the manifest's root (posix), `label` indexes its classes (-1 =
    unlabelled), `group` names what must not be shared between splits (person, scene, take),
    `split` is train, val or test, `frames` is the verified count, `fps` frames a second,
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

    `left_out` are listed paths without a clip here, because the file was missing or could not be
    read and the policy was `skip`. They are no part of the CSV, of equality or of the digest:
    these speak of the clips that are there, and those differ already.

    Raises:
        ValueError: a path is absolute or listed twice, a label is outside the class table, a
            split is unknown, or a frame count is not positive.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    left_out: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for clip in self.clips:
            problem = _problem(clip, len(self.classes))
            if problem or clip.path in seen:
                raise ValueError(f"{self.name}: {clip.path!r} {problem or 'is listed twice'}")
            seen.add(clip.path)

    def __len__(self) -> int:
        return len(self.clips)

    def path(self, index: int) -> Path:
        """Where clip `index` lies on this machine."""
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
        """Write the CSV described at the top of this file, atomically."""
        empty = [label for label, count in enumerate(self.counts().values()) if not count]
        rows = [asdict(clip) for clip in self.clips] + [{"label": label} for label in empty]
        with atomic_write(csv_path) as path, open(path, "w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(map(self._row, rows))

    def _row(self, fields: dict[str, Any]) -> dict[str, Any]:
        label = fields["label"]
        name = self.classes[label] if label >= 0 else ""
        return {"dataset": self.name, "class": name, **fields}

    @staticmethod
    def read(csv_path: str | Path, root: str | Path) -> Manifest:
        """Read a manifest CSV whose clips lie under `root`.

        Raises:
            FileNotFoundError: there is no such CSV.
            ValueError: a column is missing, a field does not parse, or the labels have gaps.
        """
        name, classes, clips = read_rows(csv_path)
        return Manifest(name, Path(root), classes, clips)


def read_rows(csv_path: str | Path) -> tuple[str, tuple[str, ...], tuple[Clip, ...]]:
    """Data set, class table and clips of a manifest CSV; empty numbers are 0.

    Raises:
        FileNotFoundError: there is no such CSV.
        ValueError: a column is missing, a field does not parse, or the labels have gaps.
    """
    with open(csv_path, newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{csv_path} lacks the column(s) {', '.join(missing)}")
        rows = [_parse(row, f"{csv_path}, line {reader.line_num}") for row in reader]
    if not rows:
        raise ValueError(f"{csv_path} lists no clip; delete it and make the data set anew")
    classes = _class_table(((clip.label, name) for _, name, clip in rows), csv_path)
    return rows[0][0], classes, tuple(clip for _, _, clip in rows if clip.path)


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
            f"{manifest.name}: group {shared[0]!r} is in {' and '.join(leaks[shared[0]])} "
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
        raise ValueError(f"concat joins unlabelled pools: call .unlabeled() on {labelled[0]} first")
    try:
        root = Path(os.path.commonpath([m.root.resolve() for m in manifests]))
    except ValueError:
        raise ValueError("the pools lie on different drives: put them under one folder") from None
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
    return "" if clip.frames > 0 else f"has {clip.frames} frames"


def _parse(row: dict[str, str], where: str) -> tuple[str, str, Clip]:
    """One CSV row as (data set, class name, clip); a class-only row has an empty path."""
    try:
        numbers = int(row["label"]), int(row["frames"] or 0), float(row["fps"] or 0)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}; correct the row or make the list anew") from None
    label, frames, fps = numbers
    path, group, split, digest = (row[name] or "" for name in ("path", "group", "split", "sha256"))
    clip = Clip(path, label, group, split, frames, fps, digest)
    return row["dataset"] or "", row["class"] or "", clip


def _class_table(pairs: Iterable[tuple[int, str]], csv_path: str | Path) -> tuple[str, ...]:
    names: dict[int, str] = {}
    for label, name in pairs:
        if label >= 0 and names.setdefault(label, name) != name:
            raise ValueError(f"{csv_path}: label {label} is both {names[label]!r} and {name!r}")
    gaps = sorted(set(range(len(names))) - set(names))
    if gaps:
        raise ValueError(f"{csv_path}: no row names class {gaps[0]}, but higher labels exist")
    return tuple(names[label] for label in range(len(names)))
