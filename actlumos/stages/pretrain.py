"""Self-supervised pretraining: two views of one dark clip are pulled together, all others apart.

    L_ssl = NT-Xent(view 1, view 2)                               (our choice; the paper: "SSL")

Both views go through one backbone and a projection. In NT-Xent each view has one positive, the
other view of its clip; all other views of the batch are negatives. No label is read. The paper
compares two-view pretraining with spatial-only and temporal-only variants:

    both       two moments of the clip, each with its own crop, flip and exposure
    spatial    one moment, two crops, flips and exposures
    temporal   two moments, one crop and flip, exposure as it is

    actlumos train ssl --profile demo       # about 1 minute on two cores, no GPU
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from actlumos.config import Config
from actlumos.data.clips import Batch, Clips
from actlumos.models import Pretrainer, Student
from actlumos.models.losses import nt_xent
from actlumos.runtime.distributed import gather
from actlumos.stages.recipe import Needed, Recipe
from actlumos.stages.runs import Run
from actlumos.stages.task import Task, Terms
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
    first, second = _cut(first, crops[0], config), _cut(second, crops[1], config)
    strength = config.ssl_photometric
    first = augment.photometric(first, generator, strength)
    return first, augment.photometric(second, generator, strength)


def _crop(batch: int, config: Config, generator: torch.Generator) -> augment.Crop:
    sizes = config.frame_size, config.crop_size
    return augment.multi_scale_crop(batch, *sizes, generator, config.ssl_crop_scales, config.flip)


def _cut(clip: Tensor, crop: augment.Crop, config: Config) -> Tensor:
    return augment.apply_crop(clip, crop, config.crop_size)


def pretrainer(num_classes: int, config: Config) -> Pretrainer:
    """A student of `num_classes` and the projector that its backbone is pretrained with."""
    return Pretrainer(Student(num_classes, config), config.projection)


@dataclass(frozen=True, kw_only=True)
class Pretraining(Recipe):
    """NT-Xent over unlabelled clips: backbone and projector learn, head and classifier are frozen.

    Args:
        pool: which clips: `a` the run's own training clips, `b` those of the second data set,
            `ab` both.
        views: `both`, `spatial` or `temporal`, see the top of this file.
    """

    stage: ClassVar[str] = "pretrain"
    learns_from: ClassVar[str] = "two views of dark clips, without labels"
    classifies: ClassVar[bool] = False
    views_per_clip: ClassVar[int] = 2
    smallest_batch: ClassVar[int] = 2  # a single clip has no negatives

    pool: str = "ab"
    views: str = "both"

    def epochs(self, config: Config) -> int:
        """`epochs_pretrain`."""
        return config.epochs_pretrain

    def batch_size(self, config: Config) -> int:
        """`ssl_batch_size`."""
        return config.ssl_batch_size

    def clips(self, run: Run, needed: Needed) -> dict[str, Clips]:
        """The pool; nothing is selected or tested."""
        return {"train": run.clips(run.pool(self.pool))}

    def data_digest(self, run: Run) -> str:
        """Identifies the pool, which the run's own manifest does not."""
        return run.pool(self.pool).digest

    def task(self, model: Any, clips: dict[str, Clips], run: Run, needed: Needed) -> Task:
        """NT-Xent between the two views; `model` is a `Pretrainer`."""
        config = run.config
        model.student.head.requires_grad_(False)
        model.student.classifier.requires_grad_(False)

        def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
            """NT-Xent over the batch of all processes; both views of a clip are in one process."""
            views = two_views(batch.clip.to(generator.device), self.views, config, generator)
            first, second = network(torch.cat(views)).chunk(2)
            return {"loss": nt_xent(gather(first), gather(second), config.tau_ssl)}

        return Task(
            model=model,
            loss=loss,
            clips=clips["train"],
            epochs=self.epochs(config),
            batch_size=self.batch_size(config),
            views=self.views_per_clip,
        )


def _on(pool: str, views: str = "both") -> Pretraining:
    return Pretraining(network=pretrainer, pool=pool, views=views)


RECIPES: dict[str, Any] = {
    "ssl": _on("ab"),
    "ssl-a": _on("a"),
    "ssl-b": _on("b"),
    "ssl-spatial": _on("ab", "spatial"),
    "ssl-temporal": _on("ab", "temporal"),
}
