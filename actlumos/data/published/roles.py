"""From the lists' roles to train, val and test. Validation never touches test.

Train and test stay as published. Val is, in this order:

1. the authors' val list, where there is one;
2. of ARID's `other` list the clips whose group is trained on and not tested on. The list is drawn
   from the groups of both train and test, and a clip of a test group resembles the test clips of
   that group: such clips are not used;
3. for every class that has no val clip yet, about 15 % of its training clips, whole groups,
   chosen by the seed. Groups that other classes or the test list share stay in train. A class
   with a single group of two or more clips gives the last 15 % of them instead, at least one:
   an optimistic measure, but test stays clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from actlumos.data.published.entries import Entry, natural

VAL_SHARE = 0.15


def assign(entries: Sequence[Entry], seed: int = 0) -> dict[str, str]:
    """Split (train, val or test) of every listed path that is used, in the lists' order.

    Args:
        entries: of one listing.
        seed: which groups of train become val where no list says so.

    Raises:
        ValueError: a path is listed twice.
    """
    double = [path for path, count in Counter(e.path for e in entries).items() if count > 1]
    if double:
        raise ValueError(f"{double[0]!r} is listed twice ({len(double)} such path(s))")
    usable = {entry.path for entry in usable_others(entries)}
    splits = {e.path: e.role for e in entries if e.role != "other"} | dict.fromkeys(usable, "val")
    for label in _without_val(entries, usable):
        splits |= dict.fromkeys(_slice(entries, label, seed), "val")
    return {entry.path: splits[entry.path] for entry in entries if entry.path in splits}


def usable_others(entries: Sequence[Entry]) -> list[Entry]:
    """Clips of the `other` list whose group is in train and not in test."""
    groups = _groups(entries, "train") - _groups(entries, "test")
    return [entry for entry in entries if entry.role == "other" and entry.group in groups]


def notes(entries: Sequence[Entry]) -> tuple[str, ...]:
    """What `assign` does with these lists, in sentences."""
    said = []
    others = [entry for entry in entries if entry.role == "other"]
    usable = usable_others(entries)
    if others:
        said.append(
            f"{len(usable)} of the {len(others)} clips of `other`, of training groups, are val; "
            f"{len(others) - len(usable)} are not used, as test clips may resemble them"
        )
    if labels := _without_val(entries, {entry.path for entry in usable}):
        said.append(
            f"{len(labels)} class(es) have no val list: about {VAL_SHARE:.0%} of their training "
            "clips, whole groups where there are two, are val"
        )
    shared = _groups(entries, "train") & _groups(entries, "test")
    if shared:
        number = sum(entry.role == "test" and entry.group in shared for entry in entries)
        said.append(f"{number} test clips have their group in train too; the lists are not changed")
    return tuple(said)


def _groups(entries: Sequence[Entry], role: str) -> set[str]:
    return {entry.group for entry in entries if entry.role == role}


def _without_val(entries: Sequence[Entry], usable: set[str]) -> list[int]:
    """Classes with training clips and neither val clips nor usable others."""
    served = {entry.label for entry in entries if entry.role == "val" or entry.path in usable}
    trained = {entry.label for entry in entries if entry.role == "train" and entry.label >= 0}
    return sorted(trained - served)


def _slice(entries: Sequence[Entry], label: int, seed: int) -> list[str]:
    """Paths of the training clips of a class that become val."""
    own = [entry for entry in entries if entry.role == "train" and entry.label == label]
    elsewhere = {e.group for e in entries if e.role == "test" or e.label != label}
    sizes = Counter(entry.group for entry in own)
    free = sorted(set(sizes) - elsewhere, key=natural)
    target = VAL_SHARE * len(own)
    if len(sizes) < 2 or not free:
        last = sorted((entry.path for entry in own), key=natural)
        return last[len(own) - max(round(target), 1) :] if len(own) > 1 else []
    chosen = _near(free, sizes, target, len(sizes) - 1, [seed, label])
    return [entry.path for entry in own if entry.group in chosen]


def _near(
    free: list[str], sizes: Counter[str], target: float, most: int, seed: list[int]
) -> set[str]:
    """Shuffled groups as long as each brings the number of clips nearer to `target`."""
    chosen: set[str] = set()
    total = 0
    for group in np.random.default_rng(seed).permutation(free).tolist():
        if len(chosen) < most and abs(total + sizes[group] - target) < abs(total - target):
            chosen.add(group)
            total += sizes[group]
    return chosen or {min(free, key=lambda group: sizes[group])}
