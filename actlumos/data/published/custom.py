"""The user's own list: any clips, any classes, in a manifest CSV.

    dataset,path,label,class,group,split,frames,fps,sha256
    ,walk/a.mp4,0,walk,anna,train,,,

The columns are those of `Manifest.write`. `path` is relative to the root, `split` is train, val
or test, `label` -1 means unlabelled. Columns may be absent, except for `path`, `split` and one of
`class` and `label`: without labels, classes are numbered in alphabetical order. `frames`, `fps`
and `sha256`, where they are empty, are measured; without a `group` a clip is a group of its own.
The list is `<root>/manifest.csv`, or any file whose path is given.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from actlumos.data.manifest import SPLITS, Clip, read_rows
from actlumos.data.published.entries import Entry, Listing, bases, listed_path, stem
from actlumos.data.published.measure import Measured
from actlumos.runtime.text import nfc, shown

DEFAULT = "manifest.csv"


def read(name: str, root: Path, split: int, csv: str | Path | None = None) -> Listing:
    """The list as a listing; roles are the splits.

    Raises:
        FileNotFoundError: no such folder or list.
        ValueError: a column is missing, a field does not parse, a split is unknown, or the
            labels have gaps.
    """
    base, path = _place(root, csv)
    classes, clips = _rows(path)
    unknown = sorted({clip.split for clip in clips} - set(SPLITS))
    if unknown:
        raise ValueError(f"{shown(path)}: split {unknown[0]!r} is unknown; use {', '.join(SPLITS)}")
    entries = [Entry(c.path, c.label, c.split, c.group or stem(c.path)) for c in clips]
    return Listing(name, split, tuple(map(nfc, classes)), tuple(entries), base)


def given(root: Path, csv: str | Path | None = None) -> dict[str, Measured]:
    """Path -> the list's own measurements of a clip, where none is missing."""
    _, clips = _rows(_place(root, csv)[1])
    return {c.path: Measured(c.frames, c.fps, c.sha256) for c in clips if c.frames and c.sha256}


def _rows(path: Path) -> tuple[tuple[str, ...], list[Clip]]:
    """Class table and clips of a list, their paths with forward slashes."""
    _, classes, clips = read_rows(path)
    return classes, [replace(clip, path=listed_path(clip.path, shown(path))) for clip in clips]


def _place(root: Path, csv: str | Path | None) -> tuple[Path, Path]:
    """The folder that the paths are relative to, and the list."""
    found = bases(root)
    base = next((base for base in found if (base / DEFAULT).is_file()), root)
    path = Path(csv).expanduser() if csv else base / DEFAULT
    if not path.is_file():
        raise FileNotFoundError(f"{shown(path)}: no such list; write it, or name another CSV")
    return base, path
