"""The two embedded data sets, rendered when they are missing.

`darkroom` has ARID's eleven classes, with persons and places that no two splits share.
`darkroom-b` has other places and other actions and no labels: it plays the part of a second
source for self-supervised pretraining.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from actlumos.darkroom import build
from actlumos.data.manifest import Manifest


def darkroom(
    root: str | Path, counts: Mapping[str, int] | None = None, *, seed: int = 0,
    workers: int | None = None, progress: bool = True,
) -> Manifest:  # fmt: skip
    """Labeled clips under `root`; `counts` are clips a class, for instance
    `{"train": 50, "val": 8, "test": 30}` (the default).

    Raises:
        ValueError: unknown split, no clips, or fewer than one worker.
    """
    path = build.render(root, counts=counts, seed=seed, workers=workers, progress=progress)
    return Manifest.read(path, Path(root))


def darkroom_b(
    root: str | Path, counts: Mapping[str, int] | None = None, *, seed: int = 0,
    workers: int | None = None, progress: bool = True,
) -> Manifest:  # fmt: skip
    """Unlabeled clips of the second domain under `root`; by default 25 of each of ten actions.

    Raises:
        ValueError: unknown split, no clips, or fewer than one worker.
    """
    path = build.render(
        root, domain="darkroom-b", counts=counts, seed=seed, workers=workers, progress=progress
    )
    return Manifest.read(path, Path(root))
