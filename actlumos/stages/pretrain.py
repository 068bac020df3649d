"""Self-supervised pretraining: two views of one dark clip belong together, all else apart.

Both views go through one backbone and a projection; NT-Xent asks each view to find its partner
among all other views of the batch. No label is read. The paper contrasts two-view pretraining
with spatial-only and temporal-only variants:

    both       two moments of the clip, each with its own crop, flip and exposure
    spatial    one moment, two crops, flips and exposures
    temporal   two moments, one crop and flip, exposure as it is
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from actlumos.config import Config
from actlumos.data.clips import Batch, Clips
from actlumos.models import Pretrainer
from actlumos.models.losses import nt_xent
from actlumos.runtime.distributed import gather
from actlumos.stages.loop import Task, Terms
from actlumos.views import augment

VIEWS = ("both", "spatial", "temporal")


def two_views(
    clip: Tensor, kind: str, config: Config, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Two augmented views of each clip.

    Args:
        clip: uint8 `[B, 2, T, H, W, 3]`, the frames of two random moments.
        kind: `both`, `spatial` or `temporal`.

    Returns:
        Two float tensors `[B, 3, T, h, w]` in 0..1.

    Raises:
        ValueError: unknown kind.
    """
    if kind not in VIEWS:
        raise ValueError(f"unknown kind of views {kind!r}: choose one of {', '.join(VIEWS)}")
    first = augment.to_float(clip[:, 0])
    second = augment.to_float(clip[:, 0 if kind == "spatial" else 1])
    crops = [_crop(len(clip), config, generator) for _ in range(2)]
    if kind == "temporal":
        return _cut(first, crops[0], config), _cut(second, crops[0], config)
    views = [_cut(view, crop, config) for view, crop in zip((first, second), crops, strict=True)]
    strength = config.ssl_photometric
    return tuple(augment.photometric(view, generator, strength) for view in views)


def _crop(batch: int, config: Config, generator: torch.Generator) -> augment.Crop:
    sizes = config.frame_size, config.crop_size
    return augment.multi_scale_crop(batch, *sizes, generator, config.ssl_crop_scales, config.flip)


def _cut(clip: Tensor, crop: augment.Crop, config: Config) -> Tensor:
    return augment.apply_crop(clip, crop, config.crop_size)


def task(model: Pretrainer, pool: Clips, kind: str, config: Config) -> Task:
    """NT-Xent over the pool's unlabelled clips: backbone and projector learn, the head waits."""
    model.student.head.requires_grad_(False)
    model.student.classifier.requires_grad_(False)

    def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
        """NT-Xent over the batch of all processes: each view's partner is in its own process."""
        views = two_views(batch.clip.to(generator.device), kind, config, generator)
        first, second = network(torch.cat(views)).chunk(2)
        return {"loss": nt_xent(gather(first), gather(second), config.tau_ssl)}

    return Task(
        model=model,
        loss=loss,
        clips=pool,
        epochs=config.epochs_pretrain,
        batch_size=config.ssl_batch_size,
        views=2,
    )
