"""Clip-level evaluation: mean logits over crops, Top-1 and Top-5 over clips, 95 % intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from actlumos.config import Config
from actlumos.data.clips import Batch, Clips, loader, schedule
from actlumos.evaluation.engines import Engine
from actlumos.evaluation.stats import wilson
from actlumos.runtime import distributed
from actlumos.runtime.device import autocast, device_of
from actlumos.views.streams import test_streams


def test_views(
    clips: Clips, streams: tuple[str, ...], config: Config, device: torch.device, crops: int = 1
) -> Iterator[tuple[list[tuple[Tensor, ...]], Tensor]]:
    """Batches in the order of the data set: for each, its crops' streams, and its labels."""
    for batch in _batches(clips, config):
        yield test_streams(batch.clip[:, 0].to(device), streams, config, crops), batch.label


def _batches(clips: Clips, config: Config, first: int = 0, step: int = 1) -> Iterator[Batch]:
    """Every `step`-th batch from the `first` on; one of which no clip could be read is left out."""
    batches = schedule(len(clips), 2 * config.batch_size, seed=0, epoch=0, shuffle=False)
    mine = loader(clips, batches[first::step], config.workers)
    return (batch for batch in mine if len(batch.index))


@torch.no_grad()
def predict(
    model: nn.Module | Engine, clips: Clips, streams: tuple[str, ...], config: Config
) -> tuple[Tensor, Tensor]:
    """Logits of every clip, in the order of the data set.

    Several processes divide the batches, each batch is evaluated once, and each process gets
    the logits of all: the same numbers as from one process.

    Args:
        model: a network, or an engine of one: takes one float `[B, 3, T, h, w]` per stream; returns
            logits `[B, K]`, or something with a `.logits`.
        clips: the clips; each is used once, at its middle. One that cannot be read ends the call
            or, where `clips` skips it, is absent from the result (N counts the others).
        streams: names for `actlumos.views.streams.make_streams`.
        config: sizes, number of test crops, precision.

    Returns:
        Logits `[N, K]` (mean over the crops, float32) and labels `[N]`, on the CPU.

    Raises:
        ValueError: no clip could be read.
    """
    device = model.device if isinstance(model, Engine) else device_of(model.eval())
    parts = []
    for batch in _batches(clips, config, distributed.rank(), distributed.world_size()):
        views = test_streams(batch.clip[:, 0].to(device), streams, config, config.test_crops)
        with autocast(device, config.precision):
            outputs = [model(*view) for view in views]
        logits = torch.stack([getattr(o, "logits", o).float() for o in outputs]).mean(0).cpu()
        parts.append((batch.index, logits, batch.label))
    return _collect(parts, clips)


def _collect(parts: list[tuple[Tensor, Tensor, Tensor]], clips: Clips) -> tuple[Tensor, Tensor]:
    """Join the batches of all processes in the order of the data set, and what they skipped."""
    for theirs in distributed.exchange(clips.skipped):
        clips.skipped |= theirs
    parts = [part for theirs in distributed.exchange(parts) for part in theirs]
    if not parts:
        raise ValueError(f"none of the {len(clips)} clips of {clips.manifest.name} can be read")
    index, logits, labels = (torch.cat(column) for column in zip(*parts, strict=True))
    order = index.argsort()
    return logits[order], labels[order]


def top_k(logits: Tensor, labels: Tensor, k: int = 1) -> float:
    """Share of clips whose class is among the k highest logits, in percent (over clips)."""
    k = min(k, logits.shape[1])
    hits = (logits.topk(k, dim=1).indices == labels[:, None]).any(dim=1)
    return 100 * hits.float().mean().item()


def check_finite(logits: Tensor) -> None:
    """Refuse logits `[N, K]` of which the highest means nothing.

    Raises:
        FloatingPointError: one is NaN or infinite.
    """
    broken = int((~logits.isfinite().all(dim=1)).sum())
    if broken:
        raise FloatingPointError(
            f"the network's output is not finite for {broken} of {len(logits)} clips: train it "
            "again with a lower learning_rate, or with precision fp32"
        )


def score(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """The part of `result.json` about a test.

    Returns:
        top1, top5 in percent; n; interval (Wilson's 95 %); confusion (counts, rows are true
        classes, columns predictions); per_clip labels and predictions.

    Raises:
        FloatingPointError: logits that are not finite, of which the highest means nothing.
    """
    check_finite(logits)
    predictions = logits.argmax(dim=1)
    low, high = wilson(100 * int((predictions == labels).sum()) / len(labels), len(labels))
    classes = logits.shape[1]
    pairs = torch.bincount(classes * labels + predictions, minlength=classes**2)
    return {
        "top1": top_k(logits, labels, 1),
        "top5": top_k(logits, labels, 5),
        "n": len(labels),
        "interval": [low, high],
        "confusion": pairs.reshape(classes, classes).tolist(),
        "per_clip": {"labels": labels.tolist(), "predictions": predictions.tolist()},
    }


def restrict(logits: Tensor, classes: tuple[str, ...], wanted: tuple[str, ...]) -> Tensor:
    """Keep the columns of the wanted classes, in their order; names are compared ignoring case.

    Args:
        logits: `[N, len(classes)]`.

    Raises:
        ValueError: the model does not have one of the wanted classes.
    """
    known = {name.lower(): column for column, name in enumerate(classes)}
    missing = [name for name in wanted if name.lower() not in known]
    if missing:
        raise ValueError(f"the model has no class {missing[0]!r}; it has {', '.join(classes)}")
    return logits[:, [known[name.lower()] for name in wanted]]
