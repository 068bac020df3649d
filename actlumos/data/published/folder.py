"""The user's own videos: a folder of class folders.

    my_videos/Walk/Walk_3_1.mp4
    my_videos/Walk/Walk_3_2.mp4
    my_videos/Wave/...

Where every file is named `<Class>_<group>_<number>`, as in ARID, clips of one group (one person,
one scene, one take) stay together, because clips of one group resemble each other.
Other names show no groups: then each file is a group of its own, called `<Class>/<file name>`.
Byte-identical copies stay together too, and so do the groups that they are in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from actlumos.data.manifest import Clip, Manifest, check_classes, check_groups
from actlumos.data.published.copies import find_copies, join_groups, warnings
from actlumos.data.published.entries import VIDEO_SUFFIXES, natural, some
from actlumos.data.published.measure import Measured, measure
from actlumos.runtime.text import is_utf8, nfc, shown

_CLUTTER = ("thumbs.db", "desktop.ini")
SHARES = {"train": 0.60, "val": 0.15, "test": 0.25}


def folder(
    root: str | Path, *, seed: int = 0, csv: str | Path | None = None, workers: int = 2,
    on_bad_clip: str = "error", divide: bool = True,
) -> Manifest:  # fmt: skip
    """List, measure and split a folder of class folders.

    Classes are the folder names in alphabetical order, ignoring case. The split aims at
    60 / 15 / 25 % of each class's clips for train, val and test, and keeps groups whole. A class
    with two groups trains on the larger and tests on the other; its val clips are then the last
    fifth of the training group: optimistic, but test stays clean.

    Args:
        root: the folder; nothing is written into it.
        seed: which groups go where.
        csv: where to keep the manifest.
        workers: number of threads that open files.
        on_bad_clip: `error`, or `skip`: split the readable ones; see `Manifest.left_out`.
        divide: False makes every clip a test clip, and then one clip per class is enough.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no class folder, two that differ in case only, a class without videos or with
            too few groups to split.
        VideoError: a file cannot be decoded; it is named.
    """
    root = Path(root).expanduser().resolve()
    files = find_videos(root)
    if rest := passed_over(root):
        print(f"{shown(root)}: not used: {rest}", flush=True)
    measured = measure(sum(files.values(), []), workers=workers, on_bad_clip=on_bad_clip)
    manifest = _manifest(root, files, measured, seed if divide else None)
    print("".join(f"{line}\n" for line in warnings(manifest)), end="", flush=True)
    if csv is not None:
        manifest.write(csv)
    return manifest


def _manifest(
    root: Path, files: dict[str, list[Path]], measured: Mapping[Path, Measured], seed: int | None
) -> Manifest:
    """The measured files as clips; without a seed they are not divided."""
    named = find_groups(files)
    digests = {path: measured[path].sha256 for path in named if path in measured}
    groups = join_groups(named, find_copies(digests))
    if seed is None:
        splits = dict.fromkeys(digests, "test")
    else:
        splits = _split(files, groups, digests, seed)
    clips = [
        Clip(_key(root, path), label, groups[path], splits[path], *measured[path])
        for label, paths in enumerate(files.values())
        for path in paths
        if path in splits
    ]
    left_out = tuple(shown(_key(root, path)) for path in named if path not in measured)
    classes = tuple(map(nfc, files))
    manifest = Manifest(f"folder-{nfc(root.name)}", root, classes, tuple(clips), left_out)
    check_groups(manifest, apart=("train", "test"))
    check_groups(manifest, apart=("val", "test"))
    return manifest


def _split(
    files: dict[str, list[Path]], groups: dict[Path, str], digests: dict[Path, str], seed: int
) -> dict[Path, str]:
    """Split of each measured file: copies follow the first of them, groups stay whole.

    Copies do not count for the shares. A group that another class has placed (one file is under
    both) stays where it is.
    """
    splits: dict[Path, str] = {}
    placed: dict[str, str] = {}
    split_of: dict[str, str] = {}
    for label, (name, paths) in enumerate(files.items()):
        good = [path for path in paths if path in digests]
        first = {digests[path]: path for path in reversed(good)}
        own = [path for path in good if first[digests[path]] == path and groups[path] not in placed]
        chosen = split_groups([groups[path] for path in own], name, [seed, label])
        split_of |= {digests[path]: split for path, split in zip(own, chosen, strict=True)}
        for path in good:
            splits[path] = split_of.setdefault(digests[path], placed.get(groups[path], ""))
        for path in good:
            placed.setdefault(groups[path], splits[path])
    return splits


def find_videos(root: Path) -> dict[str, list[Path]]:
    """The videos of each class folder, both in natural order (2 before 10).

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no class folder, one without videos, one whose name is not UTF-8, or two that
            differ in case only.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{shown(root)}: no such folder; it needs one folder per class")
    found = {}
    for place in sorted(_folders(root), key=lambda path: (path.name.lower(), path.name)):
        if not is_utf8(place.name):
            raise ValueError(f"{shown(place)}: the name of this class is not UTF-8: rename it")
        found[place.name] = sorted(filter(_is_video, place.iterdir()), key=_by_name)
    if not found:
        raise ValueError(f"{shown(root)} holds no class folders: put videos into <root>/<class>/")
    check_classes(tuple(found), shown(root))
    empty = next((root / name for name, videos in found.items() if not videos), None)
    if empty:
        there = _kinds(_others(empty))
        raise ValueError(
            f"{shown(empty)} holds no video ({' '.join(VIDEO_SUFFIXES)})"
            + (f"; it holds {there}" if there else "")
        )
    return found


def passed_over(root: Path) -> str:
    """Other files in the class folders, and videos next to them: `2 .rm: Run/a.rm, ...`."""
    files = [path for place in _folders(root) for path in _others(place)]
    files += filter(_is_video, root.iterdir())
    return f"{_kinds(files)}: {some(_key(root, path) for path in files)}" if files else ""


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir() and path.name[0] != "."]


def _others(place: Path) -> list[Path]:
    """What a class folder holds besides videos, without the systems' own files."""
    found = (path for path in place.iterdir() if not _is_video(path))
    return sorted(p for p in found if p.name[0] != "." and p.name.lower() not in _CLUTTER)


def _kinds(files: list[Path]) -> str:
    kinds = Counter("folder" if p.is_dir() else p.suffix.lower() or "no ending" for p in files)
    return some(f"{number} {kind}" for kind, number in kinds.most_common())


def find_groups(files: dict[str, list[Path]]) -> dict[Path, str]:
    """Group of each file: `<Class>_<group>` if all names show one, else `<Class>/<name>`."""
    paths = [path for videos in files.values() for path in videos]
    shown = {path: path.stem.rpartition("_")[0] for path in paths}
    if all(_shows_group(path) for path in paths):
        return {path: f"{path.parent.name}{shown[path][len(path.parent.name) :]}" for path in paths}
    return {path: f"{path.parent.name}/{path.stem}" for path in paths}


def split_groups(groups: list[str], name: str, seed: list[int]) -> list[str]:
    """A split for each clip of one class, given the clips' groups.

    Groups are shuffled, and each goes to the split that lacks most of its share; none stays empty.

    Raises:
        ValueError: fewer than two groups, or two that leave no clip for val.
    """
    sizes = {group: groups.count(group) for group in dict.fromkeys(groups)}
    if len(sizes) < 3:
        return _split_two(groups, sizes, name)
    order = np.random.default_rng(seed).permutation(list(sizes)).tolist()
    lack = {split: share * len(groups) for split, share in SHARES.items()}
    empty = dict.fromkeys(SHARES)
    home = {}
    for done, group in enumerate(order):
        open_splits = empty if len(order) - done == len(empty) else SHARES
        split = max(open_splits, key=lambda candidate: lack[candidate])
        empty.pop(split, None)
        lack[split] -= sizes[group]
        home[group] = split
    return [home[group] for group in groups]


def _split_two(groups: list[str], sizes: dict[str, int], name: str) -> list[str]:
    largest = max(sizes, key=lambda group: sizes[group], default="")
    if len(sizes) < 2 or sizes[largest] < 2:
        raise ValueError(
            f"class {name!r} has {len(groups)} different clip(s) in {len(sizes)} group(s), too few "
            "for train, val and test: add clips of other people or places"
        )
    splits = ["train" if group == largest else "test" for group in groups]
    inside = [place for place, split in enumerate(splits) if split == "train"]
    for place in inside[-max(len(inside) // 5, 1) :]:
        splits[place] = "val"
    return splits


def _key(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _shows_group(path: Path) -> bool:
    return bool(re.fullmatch(rf"{re.escape(path.parent.name)}_.+_\d+", path.stem, re.IGNORECASE))


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and path.name[0] != "." and path.is_file()


def _by_name(path: Path) -> list[tuple[int, str]]:
    return natural(path.name)
