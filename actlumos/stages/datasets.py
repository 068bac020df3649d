"""All data sets in one list: those that are rendered here, and those that are read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from actlumos.darkroom import dataset as rendered
from actlumos.data import published
from actlumos.data.manifest import Manifest
from actlumos.runtime.files import home


def names() -> tuple[str, ...]:
    """Every name that `load_manifest` accepts; rendered data sets come first.

    `folder` is the user's own folder of class folders, `csv` the user's own list, `arid-layout`
    the user's own clips with lists like ARID's; those after `csv` come with lists.
    """
    return (*rendered.NAMES, *published.names())


def splits_of(name: str) -> tuple[int, ...]:
    """Numbers of a data set's splits, as its authors count: (1, 2, 3), or (0, 1) for ARID V1.5.

    Raises:
        ValueError: unknown data set.
    """
    if name not in names():
        raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(names())}")
    return (1,) if name in rendered.NAMES else published.splits_of(name)


def check_split(name: str, split: int) -> None:
    """Raise ValueError unless the data set is known and has this split."""
    known = splits_of(name)
    if name not in rendered.NAMES:
        published.check_split(name, split)
    elif split not in known:
        raise ValueError(f"{name} has one split, not a split {split}")


def load_manifest(
    name: str, root: str | Path | None = None, split: int = 1, *,
    counts: Mapping[str, int] | None = None, seed: int = 0, csv: str | Path | None = None,
    on_bad_clip: str = "error", workers: int = 2, divide: bool = True,
) -> Manifest:  # fmt: skip
    """The clips of a data set with their labels, groups and splits.

    `counts` are the clips per class and split of a rendered data set, whose `root` has a default
    and which takes no other option; `actlumos.data.published.load_manifest` says what the others
    mean.

    Raises:
        FileNotFoundError: the folder, a list or clips are not there.
        ValueError: unknown name, split or policy, no root, or the lists contradict themselves or
            what was published; a VideoError, if a clip cannot be read and the policy is `error`.
    """
    check_split(name, split)
    if name in rendered.NAMES:
        return rendered.load(name, root or home() / "data" / name, counts)
    return published.load_manifest(
        name, root, split, seed=seed, csv=csv, on_bad_clip=on_bad_clip, workers=workers,
        divide=divide,
    )  # fmt: skip
