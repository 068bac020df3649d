"""Rows of training: a step against plain PyTorch, and an epoch against the steps alone.

`train_demo` is one step of the demo's student and one of its teacher, from stored frames to new
weights. Its peer is what one would write first: `nn.Conv3d`, tensors in PyTorch's default layout,
`torch.median`, AdamW as it comes. Before the clock starts, their losses are compared.

`epoch_overhead` is an epoch of the student through the loop and the loader, with its checkpoint.
Its peer is as many steps on tensors that are ready; a ratio of 1 is an epoch without overhead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from machine import Machine
from pairs import Row, compare
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from actlumos.config import Config
from actlumos.data.cache import ClipCache
from actlumos.data.clips import Batch, Clips
from actlumos.data.manifest import Clip, Manifest
from actlumos.models import input_norm
from actlumos.models.conv import FactorisedConv3d
from actlumos.runtime.device import autocast, channels_last, keep_freed_memory
from actlumos.stages import find
from actlumos.stages.loop import fit
from actlumos.stages.runs import Run, open_run

CLASSES = 11
CPU = torch.device("cpu")
Step = Callable[[], float]


@contextmanager
def _run(quick: bool) -> Iterator[Run]:
    """A run of the demo, or of the smoke profile, on the CPU with seed 0, in a scratch folder."""
    keep_freed_memory()
    with TemporaryDirectory() as folder:
        yield open_run("smoke" if quick else "demo", out=folder)


def train_demo(machine: Machine, quick: bool) -> Row:
    """One step of the student and one of the teacher.

    Raises:
        ArithmeticError: ours and the peer have other losses.
    """
    with _run(quick) as run:
        return _steps_row(machine, run, repeats=1 if quick else 10)


def _steps_row(machine: Machine, run: Run, repeats: int) -> Row:
    ours = [_step(name, run, plain=False) for name in ("dark", "teacher")]
    peer = [_step(name, run, plain=True) for name in ("dark", "teacher")]
    apart = max(abs(mine() - theirs()) for mine, theirs in zip(ours, peer, strict=True))
    if apart > 1e-3:
        raise ArithmeticError(f"the first losses of ours and the peer differ by {apart:.1e}")
    with FlopCounterMode(display=False) as counter:
        _each(ours)
    return compare(
        "train_demo",
        lambda: _each(ours),
        lambda: _each(peer),
        repeats=repeats,
        limit=1000 * counter.get_total_flops() / machine.gemm_fp32,
        note="one training step of student and of teacher, seed 0; peer: nn.Conv3d, default "
        "layout, torch.median and AdamW, in the same process, so it keeps freed memory too; limit: "
        "convolutions and matrix products, forward and backward, at the rate of a float32 product",
    )


def _each(steps: list[Step]) -> None:
    for step in steps:
        step()


def _step(name: str, run: Run, *, plain: bool) -> Step:
    """A fresh network with its optimizer and batch, as a function that trains it by one step."""
    recipe, config = find(name), run.config
    torch.manual_seed(0)
    model = recipe.network(CLASSES, config).train()
    model = with_plain_convolutions(model) if plain else channels_last(model)
    task = recipe.task(model, {"train": None, "val": None}, run, {})
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, fused=not plain)
    batch, precision = _batch(config), "fp32" if plain else config.precision

    def step() -> float:
        with autocast(CPU, precision):
            loss = task.loss(model, batch, torch.Generator().manual_seed(0))["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return patch.object(input_norm, "median_in_time", torch_median)(step) if plain else step


def with_plain_convolutions(model: nn.Module) -> nn.Module:
    """The network with PyTorch's own 3-D convolutions and the same weights."""
    for parent in list(model.modules()):
        for name, part in parent.named_children():
            if isinstance(part, FactorisedConv3d):
                how: Any = part.kernel_size, part.stride, part.padding
                conv = nn.Conv3d(part.in_channels, part.out_channels, *how, bias=False)
                conv.load_state_dict(part.state_dict())
                setattr(parent, name, conv)
    return model


def torch_median(clip: Tensor) -> Tensor:
    """PyTorch's median over time."""
    return clip.median(dim=2, keepdim=True).values


def _batch(config: Config) -> Batch:
    """Random dark clips, as the loader gives them."""
    size = (config.batch_size, 1, config.frames, *config.frame_size, 3)
    clip = torch.randint(0, 64, size, generator=torch.Generator().manual_seed(0)).byte()
    index = torch.arange(config.batch_size)
    return Batch(clip, index % CLASSES, index, index[:0])


def epoch_overhead(machine: Machine, quick: bool) -> Row:
    """An epoch through the loop and the loader against its steps alone."""
    with _run(quick) as run:
        return _epoch_row(run, steps=2 if quick else 16, repeats=1 if quick else 5)


def _epoch_row(run: Run, steps: int, repeats: int) -> Row:
    recipe, config = find("dark"), run.config
    torch.manual_seed(0)
    clips = _random_clips(config, steps * config.batch_size, run.directory)
    task = recipe.task(recipe.network(CLASSES, config), {"train": clips, "val": clips}, run, {})
    task.epochs, task.validate, keys = 1, None, count()
    bare = _bare_step(config)
    with patch("actlumos.stages.loop.print", create=True):
        return compare(
            "epoch_overhead",
            lambda: fit(
                task, config, seed=0, device=CPU, directory=run.directory, key=str(next(keys))
            ),
            lambda: _each([bare] * steps),
            repeats=repeats,
            note=f"an epoch of {steps} steps of the student from cached clips, with its "
            "checkpoint, seed 0; peer: the same steps on tensors that are ready",
        )


def _bare_step(config: Config) -> Step:
    """Forward, cross-entropy, backward and AdamW on one batch of floats."""
    model = channels_last(find("dark").network(CLASSES, config).train())
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, fused=True)
    clip = torch.rand(config.batch_size, 3, config.frames, *config.crop_size) / 4
    label = torch.arange(config.batch_size) % CLASSES

    def step() -> float:
        with autocast(CPU, config.precision):
            loss = F.cross_entropy(model(clip).float(), label)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def _random_clips(config: Config, number: int, folder: Path) -> Clips:
    """Clips of random frames that a cache holds, as a training reads them."""
    length = config.frames * config.stride
    listed = tuple(_listed(i, length) for i in range(number))
    manifest = Manifest("random", folder, tuple(map(str, range(CLASSES))), listed)
    cache, random = ClipCache(folder / "cache", config.frame_size), np.random.default_rng(0)
    for i in range(number):
        frames = random.integers(0, 64, (length, *config.frame_size, 3), dtype=np.uint8)
        cache.keep(manifest, i, frames)
    how: dict[str, Any] = {"stride": config.stride, "size": config.frame_size, "cache": cache}
    return Clips(manifest, frames=config.frames, **how)


def _listed(i: int, frames: int) -> Clip:
    digest = hashlib.sha256(str(i).encode()).hexdigest()
    return Clip(f"{i}.mp4", i % CLASSES, "group", "train", frames, 30.0, digest)


ROWS = {"train_demo": train_demo, "epoch_overhead": epoch_overhead}
