"""The user's own videos: a folder of class folders.

    my_videos/Walk/Walk_3_1.mp4
    my_videos/Walk/Walk_3_2.mp4
    my_videos/Wave/...

Where every file is named `<Class>_<group>_<number>`, as in ARID, clips of one group (one person,
one scene, one take) stay together, because a clip seen in training makes its neighbours easy.
Other names show no groups: then each file is a group of its own, called `<Class>/<file name>`.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from actlumos.data.manifest import Clip, Manifest, check_groups
from actlumos.data.published.entries import VIDEO_SUFFIXES, natural
from actlumos.data.published.measure import measure

SHARES = {"train": 0.60, "val": 0.15, "test": 0.25}


def folder(
    root: str | Path, *, seed: int = 0, csv: str | Path | None = None, workers: int = 2,
    on_bad_clip: str = "error",
) -> Manifest:  # fmt: skip
    """List, measure and split a folder of class folders.

    Classes are the folder names in alphabetical order, whatever their case. The split aims at
    60 / 15 / 25 % of each class's clips for train, val and test, and keeps groups whole. A class
    with two groups trains on the larger and tests on the other; its val clips are then the last
    fifth of the training group: optimistic, but test stays clean.

    Args:
        root: the folder; nothing is written into it.
        seed: which groups go where.
        csv: where to keep the manifest.
        workers: number of threads that open files.
        on_bad_clip: `error`, or `skip`: split the readable ones; see `Manifest.left_out`.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no class folder, a class without videos or with too few groups to split.
        VideoError: a file cannot be decoded; it is named.
    """
    root = Path(root).expanduser().resolve()
    files = find_videos(root)
    groups = find_groups(files)
    measured = measure(list(groups), workers=workers, on_bad_clip=on_bad_clip)
    clips = []
    for label, (name, paths) in enumerate(files.items()):
        good = [path for path in paths if path in measured]
        splits = split_groups([groups[path] for path in good], name, [seed, label])
        for path, split in zip(good, splits, strict=True):
            clips.append(Clip(_key(root, path), label, groups[path], split, *measured[path]))
    left_out = tuple(_key(root, path) for path in groups if path not in measured)
    manifest = Manifest(f"folder-{root.name}", root, tuple(files), tuple(clips), left_out)
    check_groups(manifest, apart=("train", "test"))
    check_groups(manifest, apart=("val", "test"))
    if csv is not None:
        manifest.write(csv)
    return manifest


def find_videos(root: Path) -> dict[str, list[Path]]:
    """The videos of each class folder, both in natural order (2 before 10).

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no class folder, or one without videos.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; it should hold one folder a class")
    folders = [path for path in root.iterdir() if path.is_dir() and path.name[0] != "."]
    found = {}
    for place in sorted(folders, key=lambda path: (path.name.lower(), path.name)):
        found[place.name] = sorted(filter(_is_video, place.iterdir()), key=_by_name)
    if not found:
        raise ValueError(f"{root} holds no class folders: put videos into <root>/<class>/")
    empty = [name for name, videos in found.items() if not videos]
    if empty:
        raise ValueError(f"{root / empty[0]} holds no video ({' '.join(VIDEO_SUFFIXES)})")
    return found


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
    largest = max(sizes, key=lambda group: sizes[group])
    if len(sizes) < 2 or sizes[largest] < 2:
        raise ValueError(
            f"class {name!r} has {len(groups)} clip(s) in {len(sizes)} group(s), too few for "
            "train, val and test: add clips of other people or places"
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
