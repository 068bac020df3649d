"""From a batch of stored frames to what the network sees: enhance, then crop every stream alike.

Enhancement comes before the crop, so that a stream's brightness does not depend on where the
crop fell, and one crop and one flip serve every stream of a clip: the teacher's two streams stay
aligned pixel by pixel, and in distillation teacher and student look at the same pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from actlumos import augment, enhance
from actlumos.config import Config


def make_streams(clip: Tensor, names: tuple[str, ...], config: Config) -> tuple[Tensor, ...]:
    """One tensor a stream from a dark clip.

    Args:
        clip: dark frames, float `[B, 3, T, H, W]` in 0..1.
        names: `dark` (as it is), `retinex` (the configured enhancement) or the name of any
            method of `actlumos.enhance`.
        config: says which enhancement `retinex` stands for.

    Returns:
        As many tensors of the clip's shape as there are names.
    """
    return tuple(clip if name == "dark" else _enhanced(clip, name, config) for name in names)


def _enhanced(clip: Tensor, name: str, config: Config) -> Tensor:
    method = config.enhancement if name == "retinex" else name
    options = {"sigmas": config.retinex_sigmas} if method in ("msr", "msrcr") else {}
    return enhance.enhance(clip, method, **options)


def train_streams(
    clip: Tensor, names: tuple[str, ...], config: Config, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Streams with one random exposure, crop and flip for all of them.

    Args:
        clip: uint8 `[B, T, H, W, 3]` on the generator's device.

    Returns:
        Float `[B, 3, T, h, w]` a stream.
    """
    dark = augment.to_float(clip)
    if config.exposure_jitter:
        dark = augment.photometric(dark, generator, config.exposure_jitter)
    crop = augment.multi_scale_crop(
        len(dark), config.frame_size, config.crop_size, generator, config.crop_scales, config.flip
    )
    streams = make_streams(dark, names, config)
    return tuple(augment.apply_crop(stream, crop, config.crop_size) for stream in streams)


def test_streams(
    clip: Tensor, names: tuple[str, ...], config: Config, crops: int = 1
) -> list[tuple[Tensor, ...]]:
    """Streams for evaluation: the centre crop, or the ten crops of the lineage's test.

    Args:
        clip: uint8 `[B, T, H, W, 3]`.
        crops: 1 or 10.

    Returns:
        A tuple of streams, each `[B, 3, T, h, w]`, for every crop.
    """
    whole = make_streams(augment.to_float(clip), names, config)
    sizes = len(clip), config.frame_size, config.crop_size
    views = augment.ten_crop(*sizes) if crops == 10 else [augment.center_crop(*sizes)]
    return [
        tuple(augment.apply_crop(stream, view, config.crop_size) for stream in whole)
        for view in views
    ]
