"""Stored uint8 frames through a function that works on float clips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

_FRAMES_AT_ONCE = 64


def enhance_frames(frames: np.ndarray, enhancer: Callable[[Tensor], Tensor]) -> np.ndarray:
    """Enhanced frames, computed 64 at a time.

    Args:
        frames: uint8 `[T, H, W, 3]`.
        enhancer: float `[1, 3, T, H, W]` in 0..1 to the same; processes each frame on its own.

    Returns:
        uint8 `[T, H, W, 3]`.
    """
    parts = []
    for some in torch.from_numpy(frames).split(_FRAMES_AT_ONCE):
        with torch.no_grad():
            bright = enhancer(some.permute(3, 0, 1, 2)[None].float() / 255)
        parts.append((bright[0].permute(1, 2, 3, 0) * 255).round().clamp(0, 255).byte())
    return torch.cat(parts).numpy()
