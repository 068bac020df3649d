"""Data sets that are read from disk, by name: each becomes one `Manifest`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actlumos.data.manifest import Manifest
from actlumos.data.published import custom, folder
from actlumos.data.published.archive import opened
from actlumos.data.published.assemble import assemble
from actlumos.data.published.listing import LISTED, check_split, read_listing, splits_of

__all__ = ["check_split", "load_manifest", "names", "read_listing", "splits_of"]


def names() -> tuple[str, ...]:
    """Every name that `load_manifest` accepts.

    `folder` is the user's own folder of class folders, `csv` the user's own list, `arid-layout`
    the user's own clips with lists like ARID's; those after `csv` come with lists.
    """
    return ("folder", "csv", *(name for name in LISTED if name != "csv"))


def load_manifest(
    name: str, root: str | Path | None = None, split: int = 1, *,
    seed: int = 0, csv: str | Path | None = None, on_bad_clip: str = "error", workers: int = 2,
    divide: bool = True,
) -> Manifest:  # fmt: skip
    """The clips of a data set with their labels, groups and splits.

    Clips are measured at the first call; the values are stored in `data/measured.csv`. `roles`
    describes where val comes from in published lists, `folder` in the user's own folder.

    Args:
        name: see `names`.
        root: the data set's folder or the archive it came in.
        split: number of the official split, as the authors count; see `splits_of`.
        seed: which groups go where, where no list decides it.
        csv: where `folder` keeps its manifest; the list of `csv`, else `manifest.csv` in root.
        on_bad_clip: `error`, or `skip`: missing and unreadable clips go to `Manifest.left_out`.
        workers: number of threads that open files.
        divide: False makes every clip of `folder` a test clip; no effect where lists decide.

    Raises:
        FileNotFoundError: the folder, a list or clips are not there.
        ValueError: unknown name, split or policy, no root, or the lists contradict themselves or
            what was published; a VideoError, if a clip cannot be read and the policy is `error`.
    """
    check_split(name, split)
    if root is None:
        raise ValueError(f"{name} needs a root: the folder that holds the clips")
    place = opened(root)
    if name == "folder":
        how: dict[str, Any] = {"workers": workers, "on_bad_clip": on_bad_clip, "divide": divide}
        return folder.folder(place, seed=seed, csv=csv, **how)
    given = custom.given(place, csv) if name == "csv" else {}
    listing = read_listing(name, place, split, csv=csv)
    return assemble(listing, root, seed=seed, on_bad_clip=on_bad_clip, workers=workers, given=given)
