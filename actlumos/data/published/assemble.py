"""From a published listing to a manifest: find the files, decide the splits, measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from actlumos.data.manifest import Clip, Manifest, check_groups
from actlumos.data.published import roles
from actlumos.data.published.copies import warnings
from actlumos.data.published.entries import Listing, counted, some
from actlumos.data.published.listing import locate, splits_of
from actlumos.data.published.measure import Measured, check_policy, measure
from actlumos.runtime.text import shown

KEPT_APART = ("arid-v1.0", "arid-layout", "csv")
"""Sets whose test groups must not occur in train or val.

The other official lists are left as their authors made them: Dark48's share sources between train
and test, and whether V1.5's share takes is not known. `roles` keeps val off test in every set.
"""


def assemble(
    listing: Listing, root: str | Path, *, seed: int = 0, on_bad_clip: str = "error",
    workers: int = 2, given: Mapping[str, Measured] | None = None,
) -> Manifest:  # fmt: skip
    """The clips of a listing that are trained, validated or tested on.

    Args:
        listing: from `read_listing`.
        root: the folder the user named; errors repeat it.
        seed: which training groups become val where no list says so.
        on_bad_clip: `error`, or `skip`: missing and unreadable clips go to `Manifest.left_out`.
        workers: number of threads that open files.
        given: listed path -> what need not be measured.

    Raises:
        FileNotFoundError: clips are missing and the policy is `error`.
        ValueError: the lists are not those that were published, a path is listed twice, a test
            group is trained on where that must not be, or nothing is left.
        VideoError: a clip cannot be read and the policy is `error`.
    """
    check_policy(on_bad_clip)
    check_published(listing)
    splits = _splits(listing, seed)
    found = {path: file for path, file in locate(listing).found.items() if path in splits}
    missing = [path for path in splits if path not in found]
    if missing and on_bad_clip == "error":
        raise FileNotFoundError(_missing(listing, root, missing, len(splits)))
    known = {found[path]: value for path, value in (given or {}).items() if path in found}
    fresh = [file for file in found.values() if file not in known]
    known |= measure(fresh, workers=workers, on_bad_clip=on_bad_clip)
    good = {path: file for path, file in found.items() if file in known}
    if not good:
        place, number = shown(root), len(splits)
        raise ValueError(f"{place}: not one of the {number} clips of {listing.name} is usable")
    clips = [
        Clip(_below(listing, good[e.path]), e.label, e.group, splits[e.path], *known[good[e.path]])
        for e in listing.entries
        if e.path in good
    ]
    return _manifest(listing, clips, tuple(path for path in splits if path not in good))


def _below(listing: Listing, file: Path) -> str:
    return file.relative_to(listing.videos).as_posix()


def _manifest(listing: Listing, clips: list[Clip], left_out: tuple[str, ...]) -> Manifest:
    several = len(splits_of(listing.name)) > 1
    name = f"{listing.name}-split{listing.split}" if several else listing.name
    manifest = Manifest(name, listing.videos, listing.classes, tuple(clips), left_out)
    if listing.name in KEPT_APART:
        check_groups(manifest, apart=("train", "test"))
        check_groups(manifest, apart=("val", "test"))
    print("".join(f"{line}\n" for line in warnings(manifest)), end="", flush=True)
    return manifest


def check_published(listing: Listing) -> None:
    """Raise when a list does not have the size that its authors published.

    A missing list is not counted. A score on a shortened or different list would otherwise have
    the data set's name.

    Raises:
        ValueError: names the first few differences.
    """
    found = counted(listing)
    there = {entry.role for entry in listing.entries}
    wrong = [
        f"{role} {name} {found[role].get(name, 0)} instead of {number}"
        for role, numbers in (listing.published or {}).items()
        for name, number in numbers.items()
        if role in there and found[role].get(name, 0) != number
    ]
    if wrong:
        raise ValueError(
            f"the lists of {listing.name}, split {listing.split}, are not the published ones: "
            f"{some(wrong)}. Fetch them again; for your own clips use arid-layout, csv or folder"
        )


def _splits(listing: Listing, seed: int) -> dict[str, str]:
    try:
        return roles.assign(listing.entries, seed)
    except ValueError as error:
        raise ValueError(f"{listing.name}, split {listing.split}: {error}") from None


def _missing(listing: Listing, root: str | Path, missing: Sequence[str], number: int) -> str:
    ask = f"actlumos data verify {listing.name} --root {shown(root)}"
    if len(splits_of(listing.name)) > 1:
        ask += f" --split {listing.split}"
    place = f"in {shown(listing.videos)}"
    if not listing.videos.is_dir() and listing.notes:
        place = f"under {shown(root)} ({listing.notes[0]})"
    return (
        f"{len(missing)} of the {number} clips of {listing.name}, split {listing.split}, are not "
        f"{place}: {some(missing)}. `{ask}` lists them all; "
        "fetch them, or set on_bad_clip to skip"
    )
