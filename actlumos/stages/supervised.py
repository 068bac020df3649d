"""Supervised training: cross-entropy on one input, the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos.config import Config
from actlumos.data.clips import Batch, Clips
from actlumos.evaluation.evaluate import predict, top_k
from actlumos.models.losses import classification
from actlumos.runtime.distributed import gather, gather_all
from actlumos.stages.loop import Task, Terms
from actlumos.views.streams import train_streams


def task(
    model: nn.Module,
    streams: tuple[str, ...],
    train: Clips,
    val: Clips,
    config: Config,
    terms: Callable[[Any, Tensor], Terms] = classification,
) -> Task:
    """Cross-entropy of a model over its streams; L = CE(f(x), y).

    Args:
        model: takes one float `[B, 3, T, h, w]` a stream, returns logits `[B, K]`.
        streams: what the model looks at, see `actlumos.views.streams`.
        terms: what is minimised instead, from the output and the labels of all processes.
    """

    def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
        clip = batch.clip[:, 0].to(generator.device)
        output = gather_all(network(*train_streams(clip, streams, config, generator)))
        return terms(output, gather(batch.label.to(clip.device)))

    return Task(
        model=model,
        loss=loss,
        clips=train,
        epochs=config.epochs_supervised,
        batch_size=config.batch_size,
        validate=lambda: validation(model, val, streams, config),
    )


def validation(
    model: nn.Module, val: Clips, streams: tuple[str, ...], config: Config
) -> dict[str, float]:
    """Loss and Top-1 on the clips that select the epoch (`config.select_on`); one centre crop."""
    logits, labels = predict(model, val, streams, config.with_(test_crops=1))
    loss = F.cross_entropy(logits, labels).item()
    return {"val_loss": loss, "val_top1": top_k(logits, labels)}
