"""Data sets by name: each becomes one `Manifest`, and nothing after it knows which it was."""

from __future__ import annotations

from pathlib import Path

from actlumos.datasets import folder, synthetic
from actlumos.datasets.manifest import Manifest
from actlumos.files import home

_RENDERED = {"darkroom": synthetic.darkroom, "darkroom-b": synthetic.darkroom_b}


def names() -> tuple[str, ...]:
    """Every name that `load_manifest` knows."""
    return (*_RENDERED, "folder")


def load_manifest(
    name: str,
    root: str | Path | None = None,
    split: int = 1,
    *,
    counts: dict[str, int] | None = None,
    seed: int = 0,
    csv: str | Path | None = None,
) -> Manifest:
    """The clips of a data set with their labels, groups and splits.

    Args:
        name: `darkroom` and `darkroom-b` are rendered on first use, `folder` is the user's own
            folder of class folders.
        root: the data set's folder; rendered sets have a default, `data/<name>` of the project.
        split: number of the official split; these sets have one.
        counts: clips a class for each split of a rendered set; None takes its default.
        seed: which groups of `folder` go where.
        csv: where `folder` keeps what it measured.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: unknown name or split, or a root is needed.
    """
    if name not in names():
        raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(names())}")
    if split != 1:
        raise ValueError(f"{name} has one split, not a split {split}")
    if name in _RENDERED:
        return _RENDERED[name](Path(root) if root else home() / "data" / name, counts)
    if root is None:
        raise ValueError(f"{name} needs a root: the folder that holds the class folders")
    return folder.folder(root, seed=seed, csv=csv)
