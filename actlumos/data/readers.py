"""The available readers of video files, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from actlumos.data.video import read_clip

READERS = ("pyav", "decord")

Reader = Callable[[str | Path, Sequence[int] | np.ndarray, int | None], np.ndarray]
"""path, indices `[T]`, measured number of frames -> uint8 `[T, H, W, 3]`, as `read_clip`."""


def reader(name: str) -> Reader:
    """The function that reads frames; `pyav` reads every file, `decord` ordinary ones.

    Raises:
        ValueError: unknown name, or its package is not installed.
    """
    if name == "pyav":
        return read_clip
    if name != "decord":
        raise ValueError(f"unknown reader {name!r}: choose {', '.join(READERS)}")
    try:
        from actlumos.data import decord_reader
    except ImportError as error:
        raise ValueError(
            "reader=decord needs the package decord (Linux x86-64, Windows) or decord2 "
            f"(elsewhere): install it, or use reader=pyav ({error})"
        ) from error
    return decord_reader.read_clip
