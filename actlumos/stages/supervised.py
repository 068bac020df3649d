"""Supervised training: cross-entropy on one input, the baseline of every comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos.clips import Batch, Clips
from actlumos.config import Config
from actlumos.evaluate import predict, top_k
from actlumos.stages.loop import Task, Terms
from actlumos.streams import train_streams


def task(
    model: nn.Module, streams: tuple[str, ...], train: Clips, val: Clips, config: Config
) -> Task:
    """Cross-entropy of a model over its streams; L = CE(f(x), y).

    Args:
        model: takes one float `[B, 3, T, h, w]` a stream, returns logits `[B, K]`.
        streams: what the model looks at, see `actlumos.streams.make_streams`.
    """

    def loss(batch: Batch, generator: torch.Generator) -> Terms:
        label = batch.label.to(generator.device)
        clip = batch.clip[:, 0].to(generator.device)
        logits = model(*train_streams(clip, streams, config, generator))
        return classification(logits, label)

    return Task(
        model=model,
        loss=loss,
        clips=train,
        epochs=config.epochs_supervised,
        batch_size=config.batch_size,
        validate=lambda: validation(model, val, streams, config),
    )


def classification(logits: Tensor, label: Tensor) -> Terms:
    """Cross-entropy as `loss`, and the batch's Top-1 in percent."""
    correct = (logits.argmax(dim=1) == label).float().mean()
    return {"loss": F.cross_entropy(logits.float(), label), "top1": 100 * correct}


def validation(
    model: nn.Module, val: Clips, streams: tuple[str, ...], config: Config
) -> dict[str, float]:
    """Loss and Top-1 on the validation clips, which are never test clips; one centre crop."""
    logits, labels = predict(model, val, streams, config.with_(test_crops=1))
    loss = F.cross_entropy(logits, labels).item()
    return {"val_loss": loss, "val_top1": top_k(logits, labels)}
