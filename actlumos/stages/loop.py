"""The one training loop: every stage hands it a model, a loss and its clips.

All randomness of a step comes from (seed, epoch, step): order, temporal positions, crops, jitter,
dropout. So two arms with the same seed get the same clips in the same order, and a killed training
continues from its checkpoint with the same result (`actlumos.stages.checkpoint`).

Under torchrun several processes share each step (`actlumos.runtime.distributed`). A step is then
as many clips as before, and which clips it holds is decided for all processes together;
augmentation and dropout are drawn by each process for itself.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from actlumos.config import Config
from actlumos.data.clips import Batch, Clips, Request, loader, schedule
from actlumos.runtime import distributed
from actlumos.runtime.device import autocast, channels_last, keep_freed_memory
from actlumos.stages.checkpoint import Checkpoint, State
from actlumos.stages.task import Task


def fit(
    task: Task, config: Config, *, seed: int, device: torch.device, directory: Path, key: str
) -> pd.DataFrame:
    """Train, resume where `last.pt` has the same key, and leave the selected weights in the model.

    Selection: lowest loss on the clips that the stage validates on; on the few validation clips
    of a small set Top-1 jumps by chance, the loss hardly does. With `config.select_on` test it is
    the rule of prior code: highest Top-1, the last of equals.

    Args:
        seed: of order, positions, augmentation and dropout.
        directory: where `last.pt` is; it is removed by the caller once the result is written.
        key: identifies the settings; a checkpoint with another key is not used.

    Returns:
        The history: one row per epoch.

    Raises:
        FloatingPointError: a loss or weight is not finite; `last.pt` keeps what was good.
    """
    keep_freed_memory()
    model = channels_last(task.model.to(device))
    optimizer = _adamw(model, config)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=5, factor=0.1)
    parts = {"model": model, "optimizer": optimizer, "plateau": plateau, **task.parts}
    checkpoint = Checkpoint(directory / "last.pt", key, parts, config.checkpoint_minutes)
    state = checkpoint.resume()
    epochs = _Epochs(task, config, distributed.wrap(model), optimizer, checkpoint, seed, device)
    for epoch in range(state.epoch, task.epochs):
        row = epochs.train(state) | epochs.validate(state)
        if config.schedule == "plateau":
            plateau.step(row.get("val_loss", row["train_loss"]))
        _select(state, row, model, config.select_on)
        state.begin_epoch(epoch + 1)
        checkpoint.save(state)
        if distributed.is_main():
            print(_line(directory.name, row, task.epochs), flush=True)
    if state.best is not None:
        model.load_state_dict(state.best)
    return pd.DataFrame(state.history)


def _adamw(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.optim.AdamW(
        trained, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


@dataclass
class _Epochs:
    """What every epoch of one training shares."""

    task: Task
    config: Config
    network: nn.Module
    optimizer: torch.optim.Optimizer
    checkpoint: Checkpoint
    seed: int
    device: torch.device

    def train(self, state: State) -> dict[str, float]:
        """The rest of an epoch; returns the means of all loss terms, the rate and the seconds."""
        started = time.perf_counter() - state.seconds
        share = distributed.share(self.task.batch_size, self.config.accumulate)
        batches = epoch_batches(self.task, share, self.seed, state.epoch)
        self.task.model.train()
        for step, batch in enumerate(
            loader(self.task.clips, batches[state.step :], self.config.workers), state.step
        ):
            done = (state.epoch + step / len(batches)) / self.task.epochs
            _set_learning_rate(self.config, self.optimizer, done)
            group, last = _group(step, len(batches), share.passes)
            self._pass(state, batch, step, group, last)
            if last:
                self._step()
                state.step, state.seconds = step + 1, time.perf_counter() - started
                if self.checkpoint.due():
                    self._check_weights(state, step)
                    self.checkpoint.save(state)
        if not state.passes:
            raise ValueError(
                f"no batch of epoch {state.epoch + 1} had two clips that can be read; "
                "`actlumos data verify` lists the others"
            )
        self._check_weights(state, len(batches) - 1)
        means = {f"train_{name}": total / state.passes for name, total in state.sums.items()}
        rate, seconds = self.optimizer.param_groups[0]["lr"], time.perf_counter() - started
        return {"epoch": state.epoch + 1, **means, "lr": rate, "seconds": seconds}

    def validate(self, state: State) -> dict[str, float]:
        """Loss and Top-1 that select the epoch; nothing where the task has none."""
        row = self.task.validate() if self.task.validate else {}
        if not math.isfinite(loss := row.get("val_loss", 0.0)):
            raise self._stopped(f"the validation loss is {loss}", state)
        return row

    def _check_weights(self, state: State, step: int) -> None:
        """Once for each checkpoint; in between, broken weights show in the next loss."""
        if name := self.checkpoint.not_finite():
            raise self._stopped(f"{name} is not finite any more", state, step)

    def _stopped(self, what: str, state: State, step: int | None = None) -> FloatingPointError:
        """The error that ends this training: where it was, and what is likely to help."""
        path, config = self.checkpoint.path, self.config
        inside = "" if step is None else f", pass {step + 1}"
        begun = state.epoch or (step or 0) >= config.accumulate
        if begun or step is None:
            likely = f"probably learning_rate {config.learning_rate:g} is too high"
        else:
            likely = "nothing was learned yet: the first weights or a setting of the loss is wrong"
        if config.precision != "fp32":
            likely += f", or precision {config.precision} too coarse"
        kept = f"; {path} keeps what was good" if path.exists() else ""
        return FloatingPointError(
            f"{path.parent.name}: {what} in epoch {state.epoch + 1}{inside}: training stops "
            f"({likely}){kept}"
        )

    def _pass(self, state: State, batch: Batch, step: int, group: int, last: bool) -> None:
        """Forward and backward. A batch that lost too many clips is skipped: zero gradient."""
        generator = seed_step(self.seed, state.epoch, step, self.device)
        skips = self.task.clips.skips
        if skips and not _usable(batch, self.task.clips):
            return
        # Where any pass may be skipped, each is averaged: the last one may be skipped too.
        with distributed.passes(self.network, last or skips):
            with autocast(self.device, self.config.precision):
                terms = self.task.loss(self.network, batch, generator)
            (terms["loss"] / group).backward()
        for name, value in terms.items():
            number = float(value.detach())
            if not math.isfinite(number):
                term = "the loss" if name == "loss" else f"the loss term {name}"
                raise self._stopped(f"{term} is {number}", state, step)
            state.sums[name] = state.sums.get(name, 0.0) + number
        state.passes += 1

    def _step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.task.after_step:
            self.task.after_step()


def epoch_batches(
    task: Task, share: distributed.Share, seed: int, epoch: int
) -> list[list[Request]]:
    """This process's part of an epoch's batches; the others have the rest of the same batches.

    A last short batch is left out, unless it is the only one. Of that one, clips that cannot be
    divided equally are left out.

    Raises:
        ValueError: too few clips for so many processes.
    """
    n, processes, rank = len(task.clips), distributed.world_size(), distributed.rank()
    size = share.clips * processes
    batches = schedule(
        n, size, seed=seed, epoch=epoch, shuffle=True, views=task.views, drop_last=n > size
    )
    if processes > 1 and n < 2 * processes:
        raise ValueError(f"{n} clips are too few for {processes} processes: 2 each at least")
    parts = ((batch, len(batch) // processes) for batch in batches)
    return [batch[rank * part : (rank + 1) * part] for batch, part in parts]


def _usable(batch: Batch, clips: Clips) -> bool:
    """Whether every process has two clips or more: fewer have no batch statistics to train on."""
    everywhere = distributed.exchange((len(batch.index), batch.skipped.tolist()))
    for _, skipped in everywhere:
        clips.skipped.update(skipped)
    return min(count for count, _ in everywhere) >= 2


def _group(step: int, steps: int, accumulate: int) -> tuple[int, bool]:
    """Number of passes in the optimizer step that this pass belongs to; whether it is the last.

    The last, smaller group is averaged over its own size: no pass is discarded.
    """
    start = step - step % accumulate
    group = min(accumulate, steps - start)
    return group, step - start + 1 == group


def _set_learning_rate(config: Config, optimizer: Any, done: float) -> None:
    """Set the rate at a share `done` of the training (cosine); plateau keeps its own."""
    if config.schedule == "plateau":
        return
    if done < config.warmup:
        rate = config.learning_rate * (done + 1e-3) / config.warmup
    else:
        rest = (done - config.warmup) / (1 - config.warmup)
        rate = config.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))
    for group in optimizer.param_groups:
        group["lr"] = rate


def seed_step(seed: int, epoch: int, step: int, device: torch.device) -> torch.Generator:
    """Seed dropout (global) and augmentation (returned) from the step's own number.

    Several processes draw differently for their clips, so the process's number goes in too.
    """
    own = [distributed.rank()] if distributed.world_size() > 1 else []
    dropout, augmentation = np.random.SeedSequence([seed, epoch, step, *own]).generate_state(2)
    torch.manual_seed(int(dropout))
    return torch.Generator(device).manual_seed(int(augmentation))


def _select(
    state: State, row: dict[str, float], model: nn.Module, select_on: str = "val"
) -> None:
    """Enter an epoch into the history, and keep its weights if it is the best so far."""
    top1 = row.get("val_top1", -math.inf)
    if select_on == "test":
        best = "val_loss" in row and all(top1 >= other["val_top1"] for other in state.history)
    else:
        best = row.get("val_loss", math.inf) < state.best_loss
    state.history.append(row)
    if best:
        state.best_loss = row["val_loss"]
        state.best = {name: value.clone() for name, value in model.state_dict().items()}


def _line(arm: str, row: dict[str, float], epochs: int) -> str:
    """The progress line of one epoch."""
    text = f"{arm}: epoch {row['epoch']:.0f}/{epochs}  loss {row['train_loss']:.3f}"
    if "val_top1" in row:
        text += f"  val top-1 {row['val_top1']:.1f} %"
    return f"{text}  {row['seconds']:.1f} s"
