"""From a batch of stored frames to network input: enhance, then crop all streams in one way.

Enhancement comes before the crop, so that a stream's brightness does not depend on where the
crop fell, and one crop and one flip serve every stream of a clip: the teacher's two streams stay
aligned pixel by pixel, and in distillation teacher and student get the same pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from actlumos.config import Config
from actlumos.views import augment, enhance, flow

STORED = {"flow": 2, "normal_light": 3, "enhanced": 3}
"""Streams that are read from a cache, and how many channels each has after the stored colours:
optical flow, the clip in normal light, the output of an enhancer too slow to run in training."""


def channels(names: tuple[str, ...]) -> int:
    """Channels of the stored clips that these streams need: the colours and the further ones."""
    return 3 + sum(STORED.get(name, 0) for name in names)


def make_streams(clip: Tensor, names: tuple[str, ...], config: Config) -> tuple[Tensor, ...]:
    """One tensor per stream from a dark clip.

    Args:
        clip: dark frames, float `[B, 3, T, H, W]` in 0..1.
        names: `dark` (as it is), `retinex` (the configured enhancement) or the name of any
            method of `actlumos.views.enhance`.
        config: sets which enhancement `retinex` is.

    Returns:
        As many tensors of the clip's shape as there are names.
    """
    return tuple(clip if name == "dark" else _enhanced(clip, name, config) for name in names)


def _enhanced(clip: Tensor, name: str, config: Config) -> Tensor:
    method = config.enhancement if name == "retinex" else name
    options: dict[str, Any] = {}
    if method in ("msr", "msrcr"):
        options = {"sigmas": config.retinex_sigmas}
    elif method == "gamma":
        options = {"gamma": config.gamma}
    return enhance.enhance(clip, method, **options)


def whole_streams(
    clip: Tensor, names: tuple[str, ...], config: Config, dark: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Made and stored streams of whole frames, in the order of their names.

    Args:
        clip: uint8 `[B, T, H, W, 3]`, with further channels for the streams of `STORED`.
        dark: the clip's colours as float `[B, 3, T, H, W]`, where they were changed.

    Returns:
        One float `[B, 3, T, H, W]` per stream; a flow has 2 channels.

    Raises:
        ValueError: the clip has other channels than the streams need.
    """
    if clip.shape[-1] != channels(names):
        raise ValueError(f"{names} need {channels(names)} stored channels, not {clip.shape[-1]}")
    dark = augment.to_float(clip[..., :3]) if dark is None else dark
    stored, at = {}, 3
    for name in names:
        if name in STORED:
            read = flow.from_levels if name == "flow" else augment.to_float
            stored[name] = read(clip[..., at : at + STORED[name]])
            at += STORED[name]
    return tuple(
        stored[name] if name in stored else make_streams(dark, (name,), config)[0]
        for name in names
    )


def _crop(stream: Tensor, name: str, crop: augment.Crop, config: Config) -> Tensor:
    cut = flow.apply_flow_crop if name == "flow" else augment.apply_crop
    return cut(stream, crop, config.crop_size)


def train_streams(
    clip: Tensor, names: tuple[str, ...], config: Config, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Streams with one random exposure, crop and flip for all of them.

    Args:
        clip: uint8 `[B, T, H, W, 3]` on the generator's device, with further channels for the
            streams of `STORED`.

    Returns:
        One float `[B, 3, T, h, w]` per stream; a flow has 2 channels.
    """
    dark = augment.to_float(clip[..., :3])
    if config.exposure_jitter:
        dark = augment.photometric(dark, generator, config.exposure_jitter)
    crop = augment.multi_scale_crop(
        len(dark), config.frame_size, config.crop_size, generator, config.crop_scales, config.flip
    )
    streams = whole_streams(clip, names, config, dark)
    return tuple(_crop(s, name, crop, config) for s, name in zip(streams, names, strict=True))


def test_streams(
    clip: Tensor, names: tuple[str, ...], config: Config, crops: int = 1
) -> list[tuple[Tensor, ...]]:
    """Streams for evaluation: the centre crop, or the ten crops of prior code's test.

    Args:
        clip: uint8 `[B, T, H, W, 3]`, with further channels for the streams of `STORED`.
        crops: 1 or 10.

    Returns:
        A tuple of streams, each `[B, 3, T, h, w]`, for every crop.
    """
    whole = whole_streams(clip, names, config)
    sizes = len(clip), config.frame_size, config.crop_size
    views = augment.ten_crop(*sizes) if crops == 10 else [augment.center_crop(*sizes)]
    return [
        tuple(_crop(s, name, view, config) for s, name in zip(whole, names, strict=True))
        for view in views
    ]
