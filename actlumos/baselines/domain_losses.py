"""Domain adaptation from normal light to the dark: darkened copies, and losses that align features.

Pure functions of tensors, for a recogniser with labels of normal-light clips only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from actlumos.models.input_norm import LUMA

DISPLAY_GAMMA = 2.2
CAMERA_GAMMA = (1.0, 1.6)
NOISE = (0.6, 3.0)  # standard deviation at the mean luma, in levels of 255
SHOT_SHARE = 0.6  # of the noise's variance there
KERNELS = 5  # of MMD


def mean_luma(clip: Tensor) -> Tensor:
    """Mean luma (BT.601) of each clip `[B, 3, T, H, W]`, `[B]`."""
    weights = clip.new_tensor(LUMA).view(3, 1, 1, 1)
    return (clip * weights).sum(1).mean((1, 2, 3))


def darken(clip: Tensor, luma: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A darkened copy of a normal-light clip: exposure, gamma and noise of a dark camera; ours.

    Undo the display's gamma, apply the camera's gamma, scale each clip to the wanted mean luma,
    add noise, and round to 255 levels. With g in 1..1.6 and s in .6..3 levels drawn for each
    clip, and k the factor that gives the luma::

        y = k x^(2.2 / g),     noise variance  s^2 (.6 y / luma + .4)

    The ranges are those of the embedded set's camera (`actlumos.darkroom.sensor`).

    Args:
        clip: float `[B, 3, T, H, W]` in 0..1.
        luma: `[B]` in 0..1, mean luma of each result; clipping at 0 and 1 changes it by one or
            two levels of 255.
        generator: of all draws, on the clip's device; None: torch's own.

    Returns:
        The same shape, in 0..1.

    Raises:
        ValueError: not one luma per clip.
    """
    if luma.shape != clip.shape[:1]:
        raise ValueError(f"need one luma per clip, [{len(clip)}], got {list(luma.shape)}")
    draw: dict[str, Any] = {"generator": generator, "device": clip.device, "dtype": clip.dtype}
    shape = (len(clip), 1, 1, 1, 1)
    camera, deviation = (
        low + (high - low) * torch.rand(shape, **draw) for low, high in (CAMERA_GAMMA, NOISE)
    )
    linear = clip.clamp(min=0) ** (DISPLAY_GAMMA / camera)
    wanted = luma.view(shape)
    dark = linear * (wanted / mean_luma(linear).view(shape).clamp(min=1e-6))
    variance = SHOT_SHARE * dark / wanted.clamp(min=1e-3) + 1 - SHOT_SHARE
    noisy = dark + deviation / 255 * variance.sqrt() * torch.randn(clip.shape, **draw)
    return (noisy.clamp(0, 1) * 255).round() / 255


def mmd(first: Tensor, second: Tensor) -> Tensor:
    """Maximum mean discrepancy of two sets of vectors, squared (Gretton et al., JMLR 2012, eq. 5).

    With k the sum of five Gaussian kernels exp(-d^2 / w), whose widths w are 1/4, 1/2, 1, 2 and 4
    times the mean squared distance d^2 between all vectors (Long et al., ICML 2015; the sum, in
    place of a mean, as in the public code of WiiD)::

        mean k(x, x') + mean k(y, y') - 2 mean k(x, y)

    Both sets get a gradient; the widths are constants.

    Args:
        first, second: `[N, D]` and `[M, D]`.

    Returns:
        Scalar in 0..10, zero for equal sets.

    Raises:
        ValueError: not two sets of vectors of one length.
    """
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(
            f"need [N, D] and [M, D], got {list(first.shape)} and {list(second.shape)}"
        )
    with torch.autocast(first.device.type, enabled=False):
        vectors = torch.cat([first, second]).float()
        squares = (vectors[:, None] - vectors[None]).square().sum(2)
        pairs = max(1, len(vectors) * (len(vectors) - 1))
        width = (squares.detach().sum() / pairs).clamp(min=1e-12)
        scales = [2.0 ** (k - KERNELS // 2) for k in range(KERNELS)]
        kernel = torch.stack([(-squares / (width * scale)).exp() for scale in scales]).sum(0)
        n = len(first)
        return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def byol(predicted: Tensor, target: Tensor) -> Tensor:
    """BYOL's loss: 2 - 2 cos of each vector and its target, averaged (Grill et al., 2020, eq. 2).

    The target gets no gradient.

    Args:
        predicted, target: `[..., D]`, one shape.

    Returns:
        Scalar in 0..4.
    """
    return (2 - 2 * F.cosine_similarity(predicted.float(), target.detach().float(), -1)).mean()
