"""The two embedded data sets by name; each is rendered where it is missing.

`darkroom` has ARID's eleven classes; no person and no place is in two splits.
`darkroom-b` has other places, other actions and no labels. It is a second source of clips for
self-supervised pretraining.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from actlumos.darkroom.build import render
from actlumos.darkroom.plan import DOMAINS
from actlumos.data.manifest import Manifest

NAMES = tuple(DOMAINS)


def load(
    name: str, root: str | Path, counts: Mapping[str, int] | None = None, *, seed: int = 0,
    workers: int | None = None, progress: bool = True,
) -> Manifest:  # fmt: skip
    """The clips of a data set of `NAMES` under `root`, rendered first if any is missing.

    Args:
        name: `darkroom` or `darkroom-b`.
        root: the data set's folder.
        counts: clips per class and split, for instance `{"train": 50, "val": 8, "test": 30}`; None
            takes the numbers in `build.COUNTS`.
        seed: of all random draws.
        workers: number of processes; None takes one per core.
        progress: whether to show a progress line.

    Raises:
        ValueError: unknown name or split, no clips, or fewer than one worker.
    """
    path = render(root, domain=name, counts=counts, seed=seed, workers=workers, progress=progress)
    return Manifest.read(path, root)
