"""Rebuild Dark48 by name from a user's own Kinetics-700 and Moments in Time.

Dark48's only public link is often unavailable, but its clips are clips of two other data sets,
and its lists say which: ten classes come from Kinetics-700 (`<video>_<start>_<end>`), the other
38 from Moments in Time. A user who has these can link the clips by name:

    <out>/<class>/<name>.mp4   links into the source folders (copies where links are impossible)
    <out>/annotations/         the lists, so that <out> loads as `dark48`

A linked clip has the name Dark48 gives it; whether its bytes are those of Dark48's archive cannot
be checked without the archive. Names are handled as data, not as shell words: some begin with `-`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from actlumos.data.published.dark48 import CLASSES, SPLITS
from actlumos.data.published.entries import VIDEO_SUFFIXES, Entry, find_list
from actlumos.data.published.listing import read_listing
from actlumos.runtime.files import atomic_write
from actlumos.runtime.text import shown

KINETICS_CLASSES = (
    "breathing_fire", "headbanging", "juggling_fire", "karaoke", "playing_laser_tag",
    "riding_mechanical_bull", "shooting_off_fireworks", "silent_disco", "spelunking",
    "spinning_poi",
)  # fmt: skip
SOURCES = ("kinetics", "mit")
_LISTS = ("annotations", "Dark48/annotations", "lists", "")

_Index = Mapping[str, list[Path]]


@dataclass(frozen=True)
class Rebuilt:
    """What was linked to `out`.

    `linked` and `missing` are listed paths, `copied` how many of `linked` had to be copied;
    `found` counts, for `kinetics`, `mit` and each class, (linked, listed).
    """

    out: Path
    linked: tuple[str, ...]
    missing: tuple[str, ...]
    copied: int
    found: dict[str, tuple[int, int]]

    def __str__(self) -> str:
        listed = len(self.linked) + len(self.missing)
        lines = [f"{len(self.linked)} of {listed} clips of Dark48 are in {self.out}"]
        lines += [f"  {name:<24}{has:>5} of {of:>5}" for name, (has, of) in self.found.items()]
        if self.copied:
            lines.append(f"{self.copied} were copied, because links are not possible there")
        return "\n".join(lines)


def rebuild_dark48(
    lists_root: str | Path, kinetics: Path | None, mit: Path | None, out: str | Path
) -> Rebuilt:
    """Link a Dark48 tree from the user's own source data sets; what is there already stays.

    Args:
        lists_root: the folder of Dark48's lists (`train_split1.txt` ...) or one above it.
        kinetics: a folder of Kinetics-700 videos in any sub-folders, None = not available.
        mit: a folder of Moments in Time videos, likewise.
        out: the folder to make or to complete.

    Raises:
        FileNotFoundError: a folder or list is not there.
        ValueError: neither source is given, `out` is in a source, or a list cannot be read.
    """
    out = Path(out).expanduser().resolve()
    trees = {name: _tree(place, out) for name, place in zip(SOURCES, (kinetics, mit), strict=True)}
    if not any(trees.values()):
        raise ValueError("give at least one source: a folder of Kinetics-700 or Moments in Time")
    entries = read_listing("dark48", lists_root, SPLITS[0]).entries
    _copy_lists(Path(lists_root), out / "annotations")
    indexes = {name: _index(tree, name) if tree else {} for name, tree in trees.items()}
    done: dict[str, str] = {}
    for entry in tqdm(entries, "link clips", unit="clip", disable=None, mininterval=1):
        source = _choose(indexes[source_of(entry)], entry)
        if how := _present(out / entry.path) or (
            _place(source, out / entry.path) if source else ""
        ):
            done[entry.path] = how
    missing = tuple(entry.path for entry in entries if entry.path not in done)
    copied = sum(how == "copied" for how in done.values())
    return Rebuilt(out, tuple(done), missing, copied, _counts(entries, done))


def source_of(entry: Entry) -> str:
    """`kinetics` or `mit`, by the clip's class."""
    return "kinetics" if CLASSES[entry.label] in KINETICS_CLASSES else "mit"


def key_of(name: str, source: str) -> str:
    """What a video is found by: the name without its ending.

    Kinetics copies write the seconds with or without zeros in front (`_000003_000013`, `_3_13`):
    here without.
    """
    times = re.fullmatch(r"(.+)_(\d+)_(\d+)", name) if source == "kinetics" else None
    return f"{times[1]}_{int(times[2])}_{int(times[3])}" if times else name


def _tree(place: Path | None, out: Path) -> Path | None:
    if place is None:
        return None
    tree = Path(place).expanduser().resolve()
    if not tree.is_dir():
        raise FileNotFoundError(f"{shown(tree)}: no such folder")
    if out == tree or tree in out.parents:
        raise ValueError(
            f"{shown(out)} is in the source folder {shown(tree)}: choose another place for Dark48"
        )
    return tree


def _index(tree: Path, source: str) -> dict[str, list[Path]]:
    """Every video below a folder by its key; links to folders are followed, once each."""
    found: dict[str, list[Path]] = {}
    seen: set[str] = set()
    for folder, inside, files in os.walk(tree, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            inside.clear()
            continue
        seen.add(real)
        for name in files:
            head, ending = os.path.splitext(name)
            if ending.lower() in VIDEO_SUFFIXES:
                found.setdefault(key_of(head, source), []).append(Path(folder, name))
    return found


def _choose(index: _Index, entry: Entry) -> Path | None:
    """The video of that name; of several, the one whose folder has the class's name."""
    folder, _, name = entry.path.rpartition("/")
    videos = sorted(index.get(key_of(os.path.splitext(name)[0], source_of(entry)), ()))
    alike = [video for video in videos if re.sub(r"\W+", "_", video.parent.name) == folder]
    return next(iter(alike or videos), None)


def _present(place: Path) -> str:
    """Whether an existing clip is `linked` or `copied`, else ""; a broken link is removed."""
    for spot in (place.with_suffix(ending) for ending in VIDEO_SUFFIXES):
        if spot.is_file():
            return "linked" if spot.is_symlink() else "copied"
        if spot.is_symlink():
            spot.unlink()
    return ""


def _place(source: Path, place: Path) -> str:
    """Link, or copy where the system refuses links; the source's ending is kept."""
    place = place.with_suffix(source.suffix.lower())
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.symlink_to(source)
    except OSError:
        with atomic_write(place, source.stat().st_size) as temporary:
            shutil.copyfile(source, temporary)
        return "copied"
    return "linked"


def _copy_lists(root: Path, target: Path) -> None:
    names = [f"{role}_split{split}.txt" for split in SPLITS for role in ("train", "test")]
    for name in ("classInd.txt", *names):
        found = find_list(root, _LISTS, (name,))
        if found and not (target / name).exists():
            with atomic_write(target / name) as temporary:
                shutil.copyfile(found, temporary)


def _counts(entries: Iterable[Entry], done: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    found = dict.fromkeys((*SOURCES, *CLASSES), (0, 0))
    for entry in entries:
        for name in (source_of(entry), CLASSES[entry.label]):
            has, of = found[name]
            found[name] = has + (entry.path in done), of + 1
    return found
