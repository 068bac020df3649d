"""The teacher: dark and Retinex streams, fused, with a contrastive term over both.

    L_teacher = L_CE + lambda_sup * L_SupCon                      (form: the paper's figure)

L_SupCon acts on the two streams' pooled backbone features before the fusion: all views of all
clips of a class attract each other, so a dark view learns where its enhanced copy lies.
"""

from __future__ import annotations

import torch
from torch import nn

from actlumos.config import Config
from actlumos.data.clips import Batch, Clips
from actlumos.models import Teacher
from actlumos.models.losses import classification, supervised_contrastive
from actlumos.runtime.distributed import gather
from actlumos.stages.loop import Task, Terms
from actlumos.stages.supervised import validation
from actlumos.views.streams import train_streams

STREAMS = ("dark", "retinex")


def task(model: Teacher, train: Clips, val: Clips, config: Config) -> Task:
    """Cross-entropy plus supervised contrast; `lambda_sup` 0 leaves the contrast out."""
    model.projector.requires_grad_(bool(config.lambda_sup))

    def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
        """Cross-entropy and supervised contrast of the batch of all processes."""
        label = gather(batch.label.to(generator.device))
        clip = batch.clip[:, 0].to(generator.device)
        output = network(*train_streams(clip, STREAMS, config, generator))
        terms = classification(gather(output.logits), label)
        if not config.lambda_sup:
            return terms
        contrast = supervised_contrastive(gather(output.projections), label, config.tau_sup)
        total = terms["loss"] + config.lambda_sup * contrast
        return {**terms, "loss": total, "ce": terms["loss"], "supcon": contrast}

    return Task(
        model=model,
        loss=loss,
        clips=train,
        epochs=config.epochs_teacher,
        batch_size=config.batch_size,
        validate=lambda: validation(model, val, STREAMS, config),
    )
