"""Test material where it must not be: in training, in another data set's training, in a pool.

There are two checks. `find_leaks` reports what published lists share that makes a result too high,
before any video is opened. `check_pool` refuses, before a training, an unlabelled pool with clips
that the model is tested on.

Clips are identified by name (in the ARID family `<Class>_<group>_<number>`, case-sensitive: V1.0,
V1.5, UG2+ 2021 and EE6222 give a clip the same name) and, where they were measured, by
the SHA-256 of the file. `arid-layout` is the user's own material with names like ARID's, so its
names are compared within one folder only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from actlumos.data.manifest import Clip, Manifest
from actlumos.data.published.entries import Entry, Listing, natural, some, stem
from actlumos.runtime.text import shown

FAMILY = ("arid-v1.0", "arid-v1.5", "ug2-2021", "ee6222")
"""Data sets that share clips under the same names."""

_SHOWN = 5


@dataclass(frozen=True)
class Leak:
    """Something that two lists share and should not.

    `kind` is a key of `KINDS`; `first` and `second` say which lists, as `<set> split <k> <role>`;
    `count` is the number of clips (of names for `two classes`), `examples` the first few of them.
    """

    kind: str
    first: str
    second: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.first}: {self.count} {KINDS[self.kind].format(self.second)}: " + ", ".join(
            map(shown, self.examples)
        )


KINDS = {
    "shared group": "clips whose take or source video is in {} too",
    "other label": "clips that are in {} under another label",
    "two classes": "clip names that are in two classes of {}",
    "same clip": "clips that are in {}",
    "same take": "further clips of takes that are in {}",
}
"""What a leak is, with a place for its second list."""


def find_leaks(listings: Sequence[Listing]) -> list[Leak]:
    """What is shared within each list and, in the ARID family, between the lists of different sets.

    Training lists of one set are compared with the test lists of the others; two splits of one
    set overlap by design and are not compared.

    Args:
        listings: of any data sets and splits; no clip needs to be there.
    """
    found = [leak for listing in listings for leak in _inside(listing)]
    for first, second in permutations(listings, 2):
        if first.name != second.name and {first.name, second.name} <= set(FAMILY):
            found += _across(first, second)
    return found


def check_pool(pool: Manifest, test: Manifest) -> None:
    """Raise when an unlabelled pool holds clips that the model will be tested on.

    Args:
        pool: the clips for self-supervised training; may be the joint pool of several sets.
        test: the clips of the test.

    Raises:
        ValueError: says how many, which, and what to do.
    """
    leaks = leaking(pool, test)
    if not leaks:
        return
    name, tested = shown(pool.name), shown(test.name)
    same = [path for path, kind in leaks.items() if kind == "same clip"]
    take = [path for path, kind in leaks.items() if kind == "same take"]
    said = [f"{len(same)} test clips of {tested} ({_some(same)})"] if same else []
    if take:
        said.append(f"{len(take)} clips of takes that {tested} is tested on ({_some(take)})")
    raise ValueError(
        f"the unlabelled pool {name} holds {' and '.join(said)}: a model pretrained on them "
        "has used its test clips. Leave them out (`actlumos.data.published.leaks.leave_out`), or "
        "use --allow-leaks and state this with the result"
    )


def leave_out(pool: Manifest, test: Manifest) -> Manifest:
    """The pool without the clips that `check_pool` reports.

    Raises:
        ValueError: nothing would be left.
    """
    leaks = leaking(pool, test)
    clips = tuple(clip for clip in pool.clips if clip.path not in leaks)
    if not clips:
        raise ValueError(f"every clip of {shown(pool.name)} is test material of {shown(test.name)}")
    return replace(pool, clips=clips)


def leaking(pool: Manifest, test: Manifest) -> dict[str, str]:
    """Path -> `same clip` or `same take`, for the pool's clips that touch the test.

    `same clip`: equal bytes, the same file, or equal names in the ARID family. `same take`: a
    neighbour of test clips, in the family or within one folder of `arid-layout`.
    """
    digests = {clip.sha256 for clip in test.clips if clip.sha256}
    tested = [_keys(test, clip) for clip in test.clips]
    clips, takes = {name for name, _ in tested}, {take for _, take in tested if take}
    found = {}
    for clip in pool.clips:
        name, take = _keys(pool, clip)
        if clip.sha256 in digests or name in clips:
            found[clip.path] = "same clip"
        elif take in takes:
            found[clip.path] = "same take"
    return found


def base_name(name: str) -> str:
    """The data set of a manifest's name: `arid-v1.0-split2` -> `arid-v1.0`."""
    return re.sub(r"-split\d+$", "", name)


def _inside(listing: Listing) -> Iterator[Leak]:
    """Leaks within the lists of one split."""
    train, test = _role(listing, "train"), _role(listing, "test")
    where = _where(listing, "test"), _where(listing, "train")
    groups = {entry.group for entry in train}
    yield from _leak("shared group", *where, [e.path for e in test if e.group in groups])
    labels: dict[str, set[int]] = {}
    for entry in train:
        labels.setdefault(_name(entry.path), set()).add(entry.label)
    other = [e.path for e in test if labels.get(_name(e.path), set()) - {e.label}]
    yield from _leak("other label", *where, other)
    everywhere: dict[str, set[int]] = {}
    for entry in listing.entries:
        everywhere.setdefault(_name(entry.path), set()).add(entry.label)
    double = [name for name, found in everywhere.items() if len(found) > 1]
    place = f"{listing.name} split {listing.split}"
    yield from _leak("two classes", place, place, double)


def _across(first: Listing, second: Listing) -> Iterator[Leak]:
    """What `first` trains on and `second` tests on."""
    where = _where(first, "train"), _where(second, "test")
    train = [entry.path for entry in _role(first, "train") if _take(entry.path)]
    test = [entry.path for entry in _role(second, "test")]
    names, takes = {_name(path) for path in test}, {_take(path) for path in test}
    same = [path for path in train if _name(path) in names]
    yield from _leak("same clip", *where, same)
    near = [path for path in train if _name(path) not in names and _take(path) in takes]
    yield from _leak("same take", *where, near)


def _leak(kind: str, first: str, second: str, paths: Sequence[str]) -> Iterator[Leak]:
    if paths:
        examples = sorted(paths, key=natural)[:_SHOWN]
        yield Leak(kind, first, second, len(paths), tuple(examples))


def _role(listing: Listing, role: str) -> list[Entry]:
    return [entry for entry in listing.entries if entry.role == role]


def _where(listing: Listing, role: str) -> str:
    return f"{listing.name} split {listing.split} {role}"


def _name(path: str) -> str:
    return stem(path).rpartition("/")[2]


def _take(path: str) -> str:
    """`Drink_10` of `Drink/Drink_10_1.avi`; empty for a name of another kind."""
    shown = re.fullmatch(r"([^\W\d_]+_\d+)_\d+", _name(path))
    return shown[1] if shown else ""


def _keys(manifest: Manifest, clip: Clip) -> tuple[str, str]:
    """What identifies a clip, and its take; "" = not known."""
    source, take = _source(manifest, clip), _take(clip.path)
    if source in FAMILY and take:
        return _name(clip.path), take
    file = manifest.root.resolve() / clip.path
    return str(file), str(file.with_name(take)) if source == "arid-layout" and take else ""


def _source(manifest: Manifest, clip: Clip) -> str:
    """The data set that a clip came from; in a joint pool its group begins with the set's name."""
    parts = manifest.name.split("+")
    inside = [part for part in parts if len(parts) == 1 or clip.group.startswith(f"{part}/")]
    return base_name(inside[0]) if inside else ""


def _some(paths: Iterable[str]) -> str:
    return some(sorted(paths, key=natural))
