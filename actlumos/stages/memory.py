"""How much memory a training step takes, computed before anything runs.

The step is simulated with tensors that have shapes but no values (`FakeTensorMode`), forward
and backward, and after every operation the bytes of all storages alive are added up: parameters,
gradients, AdamW's two moments, the clips, what is kept for the backward pass, and what the
backward pass needs temporarily. The largest of these sums is the step's peak.

At each point of the step the bytes are a constant and a part per clip, so two batch sizes give the
peak of every other. It is an estimate: the CUDA context, cuDNN's workspaces, the allocator's
rounding and gaps, the enhancement of the clips, AdamW's own temporaries and DDP's buckets are not
in it.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from actlumos.config import Config
from actlumos.evaluation.cost import count_gmacs
from actlumos.runtime.device import autocast
from actlumos.stages.recipe import Recipe, find
from actlumos.views.streams import STORED


class LiveBytes(TorchDispatchMode):
    """Adds up the storages alive after each operation; `curve` has one sum per operation.

    Works with fake and with real tensors. Several tensors may share a storage, which counts once
    and until the last of them is gone. Earlier tensors need an `add`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.curve: list[int] = []
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def add(self, *tensors: Tensor) -> None:
        """Count the storages of `tensors` from here on."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage not in self._known:
                self._known.add(storage)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._free, storage.nbytes())

    def _free(self, size: int) -> None:
        self.now -= size

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        self.add(*(leaf for leaf in tree_iter(result) if isinstance(leaf, Tensor)))
        self.curve.append(self.now)
        return result


@dataclass(frozen=True)
class Footprint:
    """What training an arm takes; bytes are int64, one entry per operation of the step.

    Args:
        params: trainable parameters.
        gmacs: 1e9 multiply-adds of a forward pass of one clip, all its streams or views.
        activations: bytes that each clip of the batch adds to what is kept for the backward pass.
        constant, per_clip: the step's bytes with a batch of B are `constant + B * per_clip`.
    """

    params: int
    gmacs: float
    activations: int
    constant: np.ndarray
    per_clip: np.ndarray

    def peak(self, batch: int) -> int:
        """Bytes that a step with `batch` clips needs at its peak."""
        return int((self.constant + batch * self.per_clip).max())

    def largest_batch(self, limit: float) -> int:
        """The most clips whose step stays within `limit` bytes; 0 if one is too many."""
        growing = self.per_clip > 0
        if (self.constant[~growing] > limit).any():
            return 0
        room = (limit - self.constant[growing]) / self.per_clip[growing]
        return max(0, int(np.floor(room.min())))


def training_footprint(recipe: Recipe, config: Config, num_classes: int) -> Footprint:
    """Parameters, multiply-adds and memory of training an arm, in a second or two.

    Args:
        recipe: its own changes of the settings are applied.
        config: `precision` `bf16` counts bfloat16 autocast by the CPU's rules, which differ from
            CUDA's in a few small operations of the head; any other counts float32.
        num_classes: K.
    """
    config = recipe.settings(config)
    with FakeTensorMode():
        network = recipe.network(num_classes, config)
        frozen = [(other, other.network(num_classes, config)) for other in map(find, recipe.frozen)]
        inputs = _inputs(recipe, config, 1)
        gmacs = count_gmacs(network.eval(), *inputs)
        for parameter in network.parameters():  # an accumulated step's first pass leaves them
            parameter.grad = torch.zeros_like(parameter)
        two, three = (_trace(network, frozen, recipe, config, batch) for batch in (2, 3))
    per_clip = three.curve - two.curve
    moments = 2 * sum(p.numel() * p.element_size() for p in network.parameters())
    return Footprint(
        params=sum(p.numel() for p in network.parameters()),
        gmacs=gmacs,
        activations=three.kept - two.kept,
        constant=two.curve - 2 * per_clip + moments,
        per_clip=per_clip,
    )


Frozen = list[tuple[Recipe, nn.Module]]


@dataclass(frozen=True)
class _Trace:
    curve: np.ndarray
    kept: int


def _trace(
    network: nn.Module, frozen: Frozen, recipe: Recipe, config: Config, batch: int
) -> _Trace:
    """One step of `batch` clips: live bytes after every operation, and those kept for backward."""
    network.train()
    live = LiveBytes()
    with live:
        live.add(*_tensors(network, *(other for _, other in frozen)))
        inputs = _inputs(recipe, config, batch)
        start = len(live.curve)
        for other, teacher in frozen:
            _run_frozen(teacher, other, config, batch)
        before = live.now
        with autocast(torch.device("cpu"), _precision(config)):
            output = network(*inputs)
        loss = _sum(output)
        kept = live.now - before
        loss.backward()
    return _Trace(np.array(live.curve[start:], dtype=np.int64), kept)


def _precision(config: Config) -> str:
    return "bf16" if config.precision == "bf16" else "fp32"


def _tensors(*networks: nn.Module) -> list[Tensor]:
    """Parameters, their gradients, and buffers."""
    kept = [t for network in networks for t in (*network.parameters(), *network.buffers())]
    return kept + [t.grad for t in kept if t.grad is not None]


def _inputs(recipe: Recipe, config: Config, batch: int) -> tuple[Tensor, ...]:
    """One float clip per stream; a pretraining gets both views of each clip as one batch."""
    clips, size = recipe.views_per_clip * batch, (config.frames, *config.crop_size)
    return tuple(torch.empty(clips, STORED.get(name, 3), *size) for name in recipe.streams)


def _run_frozen(teacher: nn.Module, recipe: Recipe, config: Config, batch: int) -> None:
    """The forward pass of a frozen teacher, whose logits the first student of a run computes."""
    streams = _inputs(recipe, config, batch)
    with torch.no_grad(), autocast(torch.device("cpu"), _precision(config)):
        teacher.eval()(*streams)


def _sum(output: Any) -> Tensor:
    """A scalar that needs every output; the real losses keep a few kB more."""
    if isinstance(output, Tensor):
        return output.float().sum()
    return torch.stack([_sum(part) for part in output if part is not None]).sum()
