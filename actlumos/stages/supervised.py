"""Supervised training: cross-entropy on one input, the baseline of every comparison.

    L = CE(f(x), y)

    actlumos train dark --profile demo      # about 1 minute on two cores, no GPU
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos.config import Config
from actlumos.data.clips import Batch, Clips
from actlumos.data.manifest import Manifest
from actlumos.evaluation.evaluate import predict, top_k
from actlumos.models import Student
from actlumos.models.losses import classification
from actlumos.runtime.distributed import gather, gather_all
from actlumos.stages.recipe import Needed, Recipe
from actlumos.stages.runs import Run
from actlumos.stages.task import Task, Terms
from actlumos.views.streams import train_streams


def cross_entropy(output: Any, label: Tensor, config: Config) -> Terms:
    """Cross-entropy of the logits, the loss of most arms.

    Args:
        output: logits `[B, K]`, or something with `.logits`.
        label: int64 `[B]`.
    """
    return classification(getattr(output, "logits", output), label)


@dataclass(frozen=True, kw_only=True)
class Supervised(Recipe):
    """Trained on the labels of its clips.

    Args:
        terms: output, labels (None where an arm learns without) and settings to loss terms;
            `loss` is minimised.
    """

    stage: ClassVar[str] = "supervised"
    learns_from: ClassVar[str] = "labels of dark clips"

    terms: Callable[[Any, Any, Config], Terms] = cross_entropy

    def epochs(self, config: Config) -> int:
        """`epochs_supervised`."""
        return config.epochs_supervised

    def clips(self, run: Run, needed: Needed) -> dict[str, Clips]:
        """Train, selecting (`config.select_on`) and test clips of the run's data set."""
        splits = {"train": "train", "val": run.config.select_on, "test": "test"}
        return {
            role: self.clips_of(run, self.select(run, split), needed)
            for role, split in splits.items()
        }

    def select(self, run: Run, split: str) -> Manifest:
        """The clips of a split; a ValueError where there are none."""
        manifest = run.manifest.select(split)
        if not len(manifest):
            raise ValueError(f"{manifest.name} has no {split} clips, and {self.stage} needs some")
        return manifest

    def task(self, model: Any, clips: dict[str, Clips], run: Run, needed: Needed) -> Task:
        """The arm's loss over its streams."""
        config = run.config

        def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
            """The loss of the batch of all processes."""
            clip = batch.clip[:, 0].to(generator.device)
            output = gather_all(network(*train_streams(clip, self.streams, config, generator)))
            return self.terms(output, gather(batch.label.to(clip.device)), config)

        return self.labelled(model, loss, clips, config)

    def labelled(
        self,
        model: Any,
        loss: Callable[[nn.Module, Batch, torch.Generator], Terms],
        clips: dict[str, Clips],
        config: Config,
        validated_on: tuple[str, ...] = (),
    ) -> Task:
        """A task whose epoch is chosen on the clips of the role `val`.

        Args:
            validated_on: streams of those clips, where they are not the arm's own.
        """
        streams = validated_on or self.streams
        return Task(
            model=model,
            loss=loss,
            clips=clips["train"],
            epochs=self.epochs(config),
            batch_size=self.batch_size(config),
            validate=lambda: validation(model, clips["val"], streams, config),
        )


@dataclass(frozen=True, kw_only=True)
class Background(Supervised):
    """The control on the place without the person: one such frame per clip."""

    sees_clips: ClassVar[bool] = False

    def select(self, run: Run, split: str) -> Manifest:
        """The frames without the person of a split, as clips of one frame."""
        super().select(run, split)
        return run.backgrounds(split)


def validation(
    model: nn.Module, val: Clips, streams: tuple[str, ...], config: Config
) -> dict[str, float]:
    """Loss and Top-1 on the clips that select the epoch (`config.select_on`); one centre crop."""
    logits, labels = predict(model, val, streams, config.with_(test_crops=1))
    loss = F.cross_entropy(logits, labels).item()
    return {"val_loss": loss, "val_top1": top_k(logits, labels)}


_ONE_FRAME = {"frames": 1, "stride": 1}

RECIPES = {
    "dark": Supervised(network=Student),
    "retinex": Supervised(network=partial(Student, stream="retinex"), streams=("retinex",)),
    "dark-fixed": Supervised(network=Student, changes={"norm": "fixed"}),
    "dark-log": Supervised(network=Student, changes={"norm": "log"}),
    "one-frame": Supervised(network=Student, changes=_ONE_FRAME),
    "background": Background(network=Student, changes={**_ONE_FRAME, "cache_frames": True}),
}
