"""Rows of enhancement: a batch of frames as tensors against one frame after the other.

The peer is what one would write with OpenCV and NumPy. Both start from the same floats in 0..1
and end with floats in 0..1; before the clock starts, their results are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import torch
from machine import Machine, clock
from pairs import Row, compare
from torch import Tensor

from actlumos.runtime.device import pick_device
from actlumos.views import enhance
from actlumos.views.enhance import SIGMAS

Frame = Callable[[np.ndarray], np.ndarray]


def _stretched(ratio: np.ndarray) -> np.ndarray:
    low, high = np.percentile(ratio, [1, 99], axis=(0, 1))
    return np.clip((ratio - low) / (high - low), 0, 1)


def _log_ratio(light: np.ndarray, sigmas: Sequence[float]) -> np.ndarray:
    ratio = np.zeros_like(light)
    for sigma in sigmas:
        ratio += np.log10(light) - np.log10(cv2.GaussianBlur(light, (0, 0), sigma))
    return ratio / len(sigmas)


def msr_frame(frame: np.ndarray, sigmas: Sequence[float] = SIGMAS) -> np.ndarray:
    """Multi-scale Retinex of float32 `[H, W, 3]` in 0..1 as it is usually written."""
    return _stretched(_log_ratio(255 * frame + 1, sigmas))


def msrcr_frame(frame: np.ndarray, sigmas: Sequence[float] = SIGMAS) -> np.ndarray:
    """Multi-scale Retinex with colour restoration; alpha 125, beta 46, gain 5, offset 25."""
    light = 255 * frame + 1
    colour = 46 * (np.log10(125 * light) - np.log10(light.sum(axis=2, keepdims=True)))
    return _stretched(5 * (_log_ratio(light, sigmas) * colour + 25))


def gamma_frame(frame: np.ndarray) -> np.ndarray:
    """Gamma 2.5."""
    return cv2.pow(frame, 1 / 2.5)


def sci_frame(frame: np.ndarray) -> np.ndarray:
    """I / (I + 0.15)."""
    return frame / (frame + np.float32(0.15))


def histogram_frame(frame: np.ndarray) -> np.ndarray:
    """Luma equalised on 256 levels."""
    levels = cv2.cvtColor(np.rint(255 * frame).astype(np.uint8), cv2.COLOR_RGB2YCrCb)
    levels[..., 0] = cv2.equalizeHist(levels[..., 0])
    return cv2.cvtColor(levels, cv2.COLOR_YCrCb2RGB).astype(np.float32) / 255


def frame_by_frame(frames: np.ndarray, enhanced: Frame) -> np.ndarray:
    """`[T, H, W, 3]` to `[T, H, W, 3]`, one frame after the other."""
    return np.stack([enhanced(frame) for frame in frames])


def dark_clip(*shape: int) -> Tensor:
    """Random 8-bit levels in the lower quarter, as floats in 0..1."""
    levels = torch.randint(0, 64, shape, generator=torch.Generator().manual_seed(0))
    return levels.float() / 255


METHODS: dict[str, tuple[Frame, int]] = {
    "gamma": (gamma_frame, 0),
    "histogram": (histogram_frame, 0),
    "ssr": (partial(msr_frame, sigmas=(80.0,)), 1),
    "msr": (msr_frame, 3),
    "msrcr": (msrcr_frame, 3),
    "sci": (sci_frame, 0),
}
"""The peer of every enhancement of `actlumos.views.enhance`, and how many blurs it takes."""

_SIZES = {
    "retinex_112": ("msr", 64, (112, 112)),
    "retinex_240": ("msr", 16, (240, 320)),
    **{
        f"enhance_{method}": (method, 64, (112, 112))
        for method in ("gamma", "histogram", "ssr", "msrcr", "sci")
    },
}


def row(name: str, machine: Machine, quick: bool) -> Row:
    """One row of `ROWS`, on the GPU where there is one.

    Raises:
        ArithmeticError: ours and the peer differ.
    """
    method, frames, (height, width) = _SIZES[name]
    frames = 2 if quick else frames
    device = pick_device()
    clip = dark_clip(1, 3, frames, height, width)
    as_frames = np.ascontiguousarray(clip[0].permute(1, 2, 3, 0).numpy())
    clip, ours = clip.to(device), enhance.METHODS[method]
    peer, blurs = METHODS[method]
    apart = _difference(ours(clip), frame_by_frame(as_frames, peer))
    if apart > 1e-4:
        raise ArithmeticError(f"ours and the peer differ by {apart:.1e}, in 0..1")
    # Per channel a blur is two matrix products; the clip is read once and written once.
    products = blurs * 2 * clip.numel() * (height + width)
    seconds = max(products / machine.gemm_fp32, 2 * clip.nbytes / machine.bandwidth)
    with torch.inference_mode():
        return compare(
            name,
            lambda: ours(clip),
            lambda: frame_by_frame(as_frames, peer),
            repeats=1 if quick else 7 if blurs else 41,  # without a blur a turn is short
            limit=1000 * seconds,
            clock=clock(device),
            note=f"`{method}` of {frames} frames of {height} x {width}; peer: OpenCV and NumPy, "
            "frame by frame; limit: "
            f"{'matrix products' if blurs else 'reading and writing the clip'}",
        )


def _difference(ours: Tensor, peer: np.ndarray) -> float:
    expected = torch.from_numpy(peer).permute(3, 0, 1, 2)
    return (ours[0].cpu() - expected).abs().max().item()


ROWS = {name: partial(row, name) for name in _SIZES}
"""Multi-scale Retinex at two sizes, then every other enhancement."""
