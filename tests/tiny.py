"""The smallest network and clips that still train: what the tests of training change in `smoke`."""

from __future__ import annotations

from typing import Any

TINY: dict[str, Any] = {
    "widths": (16, 16, 16, 16),
    "frames": 4,
    "frame_size": (24, 32),
    "crop_size": (20, 28),
    "batch_size": 4,
}
