"""The teacher: dark and Retinex streams, fused, with a contrastive term over both.

    L_teacher = L_CE + lambda_sup * L_SupCon                      (form: the paper's figure)

L_SupCon acts on the two streams' pooled backbone features before the fusion: all views of all
clips of a class are pulled together, so the features of a dark view move towards those of its
enhanced copy.

    actlumos train teacher --profile demo   # about 3 minutes on two cores, no GPU
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import nn

from actlumos.config import Config
from actlumos.data.clips import Batch, Clips
from actlumos.models import Teacher
from actlumos.models.losses import classification, supervised_contrastive
from actlumos.runtime.distributed import gather
from actlumos.stages.recipe import Needed
from actlumos.stages.runs import Run
from actlumos.stages.supervised import Supervised
from actlumos.stages.task import Task, Terms
from actlumos.views.streams import train_streams

STREAMS = ("dark", "retinex")


@dataclass(frozen=True, kw_only=True)
class TwoStream(Supervised):
    """Cross-entropy plus supervised contrast; `lambda_sup` 0 leaves the contrast out."""

    stage: ClassVar[str] = "teacher"
    smallest_batch: ClassVar[int] = 2  # DFF has a batch norm of pooled features

    streams: tuple[str, ...] = STREAMS

    def epochs(self, config: Config) -> int:
        """`epochs_teacher`."""
        return config.epochs_teacher

    def task(self, model: Any, clips: dict[str, Clips], run: Run, needed: Needed) -> Task:
        """Both losses over the two streams of each clip; `model` is a `Teacher`."""
        config = run.config
        model.projector.requires_grad_(bool(config.lambda_sup))

        def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
            """Cross-entropy and supervised contrast of the batch of all processes."""
            label = gather(batch.label.to(generator.device))
            clip = batch.clip[:, 0].to(generator.device)
            output = network(*train_streams(clip, self.streams, config, generator))
            terms = classification(gather(output.logits), label)
            if not config.lambda_sup:
                return terms
            contrast = supervised_contrastive(gather(output.projections), label, config.tau_sup)
            total = terms["loss"] + config.lambda_sup * contrast
            return {**terms, "loss": total, "ce": terms["loss"], "supcon": contrast}

        return self.labelled(model, loss, clips, config)


def _without_contrast(fusion: str) -> TwoStream:
    return TwoStream(network=partial(Teacher, fusion=fusion), changes={"lambda_sup": 0.0})


RECIPES: dict[str, Any] = {
    "fusion-mean": _without_contrast("mean"),
    "fusion-concat": _without_contrast("concat"),
    "dff": _without_contrast("dff"),
    "teacher": TwoStream(network=Teacher),
}
