"""`actlumos data`: list, make, verify, prepare, compare and rebuild data sets."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from actlumos.cli.options import DataError
from actlumos.cli.runs import open_run_of
from actlumos.data.cache import build_cache
from actlumos.data.manifest import Manifest
from actlumos.data.pruning import kept, prune
from actlumos.data.published import read_listing
from actlumos.data.published.entries import Listing
from actlumos.data.published.leaks import find_leaks
from actlumos.data.published.listing import LISTED
from actlumos.data.published.rebuild import rebuild_dark48
from actlumos.data.published.verify import verify as check_copy
from actlumos.runtime.files import home, write_json
from actlumos.runtime.text import shown
from actlumos.stages.datasets import load_manifest, names, splits_of


def print_names(arguments: Namespace) -> None:
    """Print the name of every data set."""
    print("\n".join(names()))


def make(arguments: Namespace) -> None:
    """Make the data set of a run, and print its counts and where its manifest is."""
    run = open_run_of(arguments)
    _show(run.manifest, run.directory / "manifest.csv")


def _show(manifest: Manifest, path: Path) -> None:
    """Write the manifest and print the number of clips per class and split."""
    splits = ("train", "val", "test")
    counts = {split: manifest.select(split).counts() for split in splits}
    print(f"{'class':<24}" + "".join(f"{split:>8}" for split in splits))
    for name in manifest.classes:
        print(f"{shown(name):<24}" + "".join(f"{counts[split][name]:>8}" for split in splits))
    totals = [len(manifest.select(split)) for split in splits]
    print(f"{'together':<24}" + "".join(f"{total:>8}" for total in totals))
    manifest.write(path)
    print(f"clips: {shown(manifest.root)}\nmanifest: {shown(path)}\ndigest: {manifest.digest}")
    if manifest.left_out:
        print(f"left out as unreadable or missing: {len(manifest.left_out)} clips")
        print("".join(f"  {shown(name)}\n" for name in manifest.left_out), end="")


def _print_lines(text: str) -> None:
    print("\n".join(map(shown, text.split("\n"))))


def verify(arguments: Namespace) -> None:
    """Check a copy of a data set.

    Raises:
        DataError: it is not whole.
        ValueError: no root was given, or the data set comes without lists.
    """
    root = _root(arguments)
    _check_lists(arguments.name)
    path = arguments.report or _place("verify", arguments.name, root, ".json")
    splits = None if arguments.split is None else (arguments.split,)
    found = check_copy(arguments.name, root, splits, report=path, workers=arguments.workers)
    _print_lines(found.summary())
    print(f"report: {shown(path)}")
    if not found.ok:
        raise DataError(f"{arguments.name} in {root} is not whole; {path} names every file")


def prepare(arguments: Namespace) -> None:
    """Write a data set's manifest, and decode it if a frame size is given."""
    split = splits_of(arguments.name)[0] if arguments.split is None else arguments.split
    root = _root(arguments) if arguments.root else None
    how = {"on_bad_clip": arguments.on_bad_clip, "workers": arguments.workers}
    manifest = load_manifest(arguments.name, root, split, **how)
    _show(manifest, _place("manifests", manifest.name, root or manifest.root, ".csv"))
    if arguments.frame_size:
        height, width = arguments.frame_size
        build_cache(manifest, arguments.frame_size, _cache_directory(), **how)
        print(f"frames: {len(manifest)} clips at {height}x{width} in {shown(_cache_directory())}")


def leaks(arguments: Namespace) -> None:
    """Print what lists share.

    Raises:
        DataError: they share something.
    """
    listings = [listing for text in arguments.sets for listing in _listings(text)]
    found = find_leaks(listings)
    read = ", ".join(f"{each.name} split {each.split}" for each in listings)
    _print_lines("\n".join(map(str, found)) or f"nothing is shared within or between {read}")
    if found:
        raise DataError(f"{len(found)} leak(s) in {read}")


def _listings(text: str) -> list[Listing]:
    """The lists of `NAME=DIR[:SPLIT]`; a colon in a folder's name (`C:`) is no split."""
    name, equals, place = text.partition("=")
    if not equals or not place:
        raise ValueError(f"{text!r} is not NAME=DIR or NAME=DIR:SPLIT, like arid-v1.0=ARID:1")
    _check_lists(name)
    root, colon, split = place.rpartition(":")
    if colon and split.isdecimal():
        return [read_listing(name, Path(root).expanduser(), int(split))]
    return [read_listing(name, Path(place).expanduser(), number) for number in splits_of(name)]


def _check_lists(name: str) -> None:
    """Raise ValueError for a data set that comes without lists."""
    if name in names() and name not in LISTED:
        raise ValueError(f"{name} comes without lists; those with: {', '.join(LISTED)}")


def rebuild(arguments: Namespace) -> None:
    """Link Dark48 together and print how much of it was found."""
    found = rebuild_dark48(arguments.lists, arguments.kinetics, arguments.mit, arguments.out)
    path = found.out / "rebuild.json"
    write_json(path, {"missing": found.missing, "found": found.found, "copied": found.copied})
    _print_lines(f"{found}\nnames of the missing: {path}")


def cache(arguments: Namespace) -> None:
    """Print what the cache holds, after removing what is above `--keep`."""
    place = _cache_directory()
    if arguments.keep is not None:
        print(f"removed: {prune(place, 1e9 * arguments.keep) / 1e9:.3f} GB")
    print(f"{'size':<40}{'clips':>8}{'GB':>9}  last used")
    for each in kept(place):
        used = datetime.fromtimestamp(each.used).strftime("%Y-%m-%d")
        print(f"{shown(each.name):<40}{each.files:>8}{each.bytes / 1e9:>9.3f}  {used}")
    print(f"cache: {shown(place)}")


def _cache_directory() -> Path:
    return home() / "data" / "cache"


def _root(arguments: Namespace) -> Path:
    """The folder that was given.

    Raises:
        ValueError: none was.
    """
    if not arguments.root:
        raise ValueError(f"{arguments.name} needs --root: the folder that holds it")
    return Path(arguments.root).expanduser().resolve()


def _place(kind: str, name: str, root: Path, ending: str) -> Path:
    """Default place of a file about one copy of a data set."""
    mark = sha256(str(root).encode()).hexdigest()[:8]
    return home() / "data" / kind / f"{name}-{mark}{ending}"


ACTIONS: dict[str, Callable[[Namespace], None]] = {
    "list": print_names,
    "make": make,
    "verify": verify,
    "prepare": prepare,
    "leaks": leaks,
    "rebuild": rebuild,
    "cache": cache,
}
