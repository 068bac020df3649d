"""Numbers that describe how dark a clip is, and the same numbers of real ARID clips.

`real_statistics.json` holds percentiles over 150 real clips (six classes of ARID V1.0), each
decoded in full and reduced to 160 x 120 by area averaging before measuring.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from actlumos.darkroom.sensor import LUMA
from actlumos.runtime.files import read_json

PERCENTILES = (5, 25, 50, 75, 95)
BINS = (0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)  # edges of the luma histogram


def clip_statistics(frames: np.ndarray) -> dict[str, Any]:
    """Numbers of one clip, uint8 `[T, H, W, 3]` RGB with T >= 2.

    `luma`, `luma_p50`, `luma_p99`: mean and percentiles of BT.601 luma over all pixels (0..255).
    `red`, `green`, `blue`: channel means (0..1).
    `frame_difference`: standard deviation of the change of luma from one frame to the next.
    `flicker`: median of the absolute value of this change.
    `detail`: mean absolute Laplacian of luma.
    `histogram`: share of the pixels in each of `BINS`.

    Raises:
        ValueError: the array is not a clip of at least two frames.
    """
    if frames.ndim != 4 or len(frames) < 2 or frames.shape[3] != 3:
        raise ValueError(f"expected [T, H, W, 3] with T >= 2, got {frames.shape}")
    luma = frames.astype(np.float32) @ LUMA
    change = np.diff(luma, axis=0)
    inner = luma[:, 1:-1, 1:-1]
    around = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    red, green, blue = frames.mean((0, 1, 2)) / 255
    return {
        "luma": float(luma.mean()), "red": float(red), "green": float(green), "blue": float(blue),
        "luma_p50": float(np.percentile(luma, 50)), "luma_p99": float(np.percentile(luma, 99)),
        "frame_difference": float(change.std()), "flicker": float(np.median(np.abs(change))),
        "detail": float(np.abs(around - 4 * inner).mean()),
        "histogram": (np.histogram(luma, BINS)[0] / luma.size).tolist(),
    }  # fmt: skip


def summary(clips: Iterable[dict[str, Any]]) -> dict[str, list[float]]:
    """`PERCENTILES` of each number over the clips, and the mean histogram."""
    rows = list(clips)
    names = [name for name in rows[0] if name != "histogram"]
    out = {
        name: np.percentile([row[name] for row in rows], PERCENTILES).round(4).tolist()
        for name in names
    }
    return {**out, "histogram": np.mean([r["histogram"] for r in rows], 0).round(4).tolist()}


def recorded() -> dict[str, list[float]]:
    """The summary of the real clips, from the file in this folder."""
    return read_json(Path(__file__).with_name("real_statistics.json"))["summary"]
