"""Which clips a data set holds: class, group, split and seed of each, before any is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from actlumos.darkroom.actions import ACTIONS
from actlumos.darkroom.actions_b import ACTIONS_B

SPLITS = ("train", "val", "test")
CLASSES = tuple(ACTIONS)  # ARID's eleven in ARID's order
DOMAINS = {"darkroom": ACTIONS, "darkroom-b": ACTIONS_B}


@dataclass(frozen=True)
class ClipSpec:
    """Everything that determines a clip's pixels, and where it is written.

    `index` counts the clips of an action within a split. It is also the number of the group, that
    is, of one person in one place. Every group has one clip of every action, so the place does not
    reveal the action.
    """

    domain: str
    seed: int
    split: str
    action: str
    index: int

    @property
    def group(self) -> str:
        """Name of person and place, unique to one split."""
        return f"{self.split}-p{self.index:03d}s{self.index:03d}"

    @property
    def label(self) -> int:
        """ARID's class number; -1 in the unlabelled domain."""
        return CLASSES.index(self.action) if self.domain == "darkroom" else -1

    @property
    def path(self) -> str:
        """File name below the data set's root, as `<Class>/<Class>_<group>_<n>.mp4`."""
        folder = self.action.capitalize() if self.domain == "darkroom" else "clips"
        return f"{folder}/{self.action.capitalize()}_{self.group}_0.mp4"

    @property
    def order(self) -> float:
        """A number in 0..1 that is spread evenly over the clips of a split (golden ratio sequence),
        so that a quantity derived from it has little sampling error even in a small set."""
        actions = list(DOMAINS[self.domain])
        number = self.index * len(actions) + actions.index(self.action) + 1
        return (number * 0.6180339887498949 + 0.377 * self.seed) % 1.0

    def generator(self, part: str) -> np.random.Generator:
        """Random numbers for one `part` of the clip. The parts `person` and `place` are shared by
        the group; any other belongs to this clip alone."""
        shared = part in ("person", "place")
        words = [self.domain, self.split, part, "" if shared else self.action]
        key = [b for word in words for b in (*word.encode(), 0)]
        return np.random.default_rng(np.random.SeedSequence([self.seed, self.index, *key]))


def plan(domain: str, counts: Mapping[str, int], seed: int) -> list[ClipSpec]:
    """All clips of `domain`: `counts[split]` of each action.

    A larger count only adds clips; those of the smaller plan stay the same.

    Raises:
        ValueError: the domain or a split is unknown, or a count is negative.
    """
    if domain not in DOMAINS:
        raise ValueError(f"domain {domain!r} is unknown: choose one of {', '.join(DOMAINS)}")
    wrong = [s for s, n in counts.items() if s not in SPLITS or n < 0]
    if wrong or not any(counts.values()):
        raise ValueError(f"counts {dict(counts)}: give clips per class for {', '.join(SPLITS)}")
    return [
        ClipSpec(domain, seed, split, action, index)
        for split in SPLITS
        for action in DOMAINS[domain]
        for index in range(counts.get(split, 0))
    ]
