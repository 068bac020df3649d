"""The one training loop: every stage hands it a model, a loss and its clips.

An epoch ends with a resumable checkpoint (`last.pt`), written beside the old one and moved. All
randomness of a step comes from (seed, epoch, step): order, temporal positions, crops, jitter,
dropout. So a resumed run repeats an uninterrupted one bit by bit on the same CPU, and two arms
with the same seed see the same clips in the same order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from actlumos.clips import Batch, Clips, loader, schedule
from actlumos.config import Config
from actlumos.device import autocast, channels_last
from actlumos.files import atomic_write

Terms = dict[str, Tensor]


@dataclass
class Task:
    """What a stage trains.

    Args:
        model: the trainable part; the loop optimises all of its parameters.
        loss: terms of one batch; `loss` is minimised, the others (scalars) go to the history.
        clips: training clips.
        epochs, batch_size: passes over the clips, clips a forward pass.
        views: temporal positions drawn a clip.
        validate: returns `val_loss` and `val_top1`; without it the last weights are kept.
    """

    model: nn.Module
    loss: Callable[[Batch, torch.Generator], Terms]
    clips: Clips
    epochs: int
    batch_size: int
    views: int = 1
    validate: Callable[[], dict[str, float]] | None = None


@dataclass
class State:
    """Everything a resumed run needs beside the seed."""

    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] | None = None
    best_loss: float = math.inf


def fit(
    task: Task, config: Config, *, seed: int, device: torch.device, directory: Path, key: str
) -> pd.DataFrame:
    """Train, resume where `last.pt` has the same key, and leave the selected weights in the model.

    Selection: lowest validation loss, never the test split. The lineage took the best Top-1, on
    test; on the few validation clips of a small set Top-1 jumps by chance, the loss hardly does.

    Args:
        seed: of order, positions, augmentation and dropout.
        directory: where `last.pt` lies; it is removed by the caller once the result is written.
        key: identifies the settings; a checkpoint with another key is not used.

    Returns:
        The history: a row an epoch.
    """
    model = channels_last(task.model.to(device))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=5, factor=0.1)
    parts = {"model": model, "optimizer": optimizer, "plateau": plateau}
    state = _resume(directory / "last.pt", key, parts)
    for epoch in range(state.epoch, task.epochs):
        row = _train_epoch(task, config, optimizer, seed, epoch, device)
        row |= task.validate() if task.validate else {}
        if config.schedule == "plateau":
            plateau.step(row.get("val_loss", row["train_loss"]))
        _select(state, row, model)
        state.epoch = epoch + 1
        _save(directory / "last.pt", key, parts, state)
        print(_line(directory.name, row, task.epochs), flush=True)
    if state.best is not None:
        model.load_state_dict(state.best)
    return pd.DataFrame(state.history)


def _train_epoch(
    task: Task, config: Config, optimizer: Any, seed: int, epoch: int, device: torch.device
) -> dict[str, float]:
    """One pass; returns the means of all loss terms, the learning rate and the seconds."""
    started = time.perf_counter()
    task.model.train()
    batches = schedule(
        len(task.clips),
        task.batch_size,
        seed=seed,
        epoch=epoch,
        shuffle=True,
        views=task.views,
        drop_last=len(task.clips) > task.batch_size,
    )
    sums: dict[str, float] = {}
    for step, batch in enumerate(loader(task.clips, batches, config.workers)):
        rate = _learning_rate(config, optimizer, (epoch + step / len(batches)) / task.epochs)
        generator = _seed_step(seed, epoch, step, device)
        with autocast(device, config.precision):
            terms = task.loss(batch, generator)
        _update(terms["loss"], optimizer, config.accumulate, step, len(batches))
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
    means = {f"train_{name}": total / len(batches) for name, total in sums.items()}
    return {"epoch": epoch + 1, **means, "lr": rate, "seconds": time.perf_counter() - started}


def _update(loss: Tensor, optimizer: Any, accumulate: int, step: int, steps: int) -> None:
    """Backward; an optimizer step after `accumulate` passes and at the epoch's end.

    The last, smaller group is averaged over its own size: nothing is thrown away.
    """
    group_start = step - step % accumulate
    group = min(accumulate, steps - group_start)
    (loss / group).backward()
    if step - group_start + 1 == group:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _learning_rate(config: Config, optimizer: Any, done: float) -> float:
    """Set and return the rate at a share `done` of the training (cosine); plateau keeps its own."""
    if config.schedule == "plateau":
        return optimizer.param_groups[0]["lr"]
    if config.schedule != "cosine":
        raise ValueError(f"unknown schedule {config.schedule!r}: choose plateau or cosine")
    if done < config.warmup:
        rate = config.learning_rate * (done + 1e-3) / config.warmup
    else:
        rest = (done - config.warmup) / (1 - config.warmup)
        rate = config.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def _seed_step(seed: int, epoch: int, step: int, device: torch.device) -> torch.Generator:
    """Seed dropout (global) and augmentation (returned) from the step's own number."""
    dropout, augmentation = np.random.SeedSequence([seed, epoch, step]).generate_state(2)
    torch.manual_seed(int(dropout))
    return torch.Generator(device).manual_seed(int(augmentation))


def _select(state: State, row: dict[str, float], model: nn.Module) -> None:
    state.history.append(row)
    if row.get("val_loss", math.inf) < state.best_loss:
        state.best_loss = row["val_loss"]
        state.best = {name: value.clone() for name, value in model.state_dict().items()}


def _save(path: Path, key: str, parts: dict[str, Any], state: State) -> None:
    content = {"key": key, "state": vars(state)}
    content |= {name: part.state_dict() for name, part in parts.items()}
    with atomic_write(path) as temporary:
        torch.save(content, temporary)


def _resume(path: Path, key: str, parts: dict[str, Any]) -> State:
    """The state of `last.pt`, with the parts loaded from it; a fresh one where it does not fit."""
    if not path.exists():
        return State()
    content = torch.load(path, weights_only=True)
    if content["key"] != key:
        return State()
    for name, part in parts.items():
        part.load_state_dict(content[name])
    print(f"{path.parent.name}: resumed after epoch {content['state']['epoch']}", flush=True)
    return State(**content["state"])


def _line(arm: str, row: dict[str, float], epochs: int) -> str:
    """The progress line of one epoch."""
    text = f"{arm}: epoch {row['epoch']:.0f}/{epochs}  loss {row['train_loss']:.3f}"
    if "val_top1" in row:
        text += f"  val top-1 {row['val_top1']:.1f} %"
    return f"{text}  {row['seconds']:.1f} s"
