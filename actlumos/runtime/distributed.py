"""Several processes that train one model: `torchrun --nproc-per-node=N -m actlumos train ARM`.

Every process runs the same program over its share of each batch. The network's outputs and the
labels are gathered, with their gradients, so every process computes the loss of the whole batch:
the contrastive losses use all pairs, and each loss is the one that a single process would get.
Outside torchrun there is one process, nothing is sent, and every function here is the identity.

Why no factor W (the number of processes) appears. `DistributedDataParallel` averages gradients:
the step follows 1/W sum_r dL_r/dw, with L_r the loss on process r. All L_r are the same function
L of the gathered outputs z = (z_1 .. z_W), so 1/W sum_r L_r = L, and the average is dL/dw, *if*
the derivative of every L_r by z_s reaches process s. That is what the backward pass of `total`
does: it sums over the processes. (A gather that keeps its own share of the gradient instead, as
many do, gives dL/dw / W after the average and needs the factor.)
"""

from __future__ import annotations

import atexit
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from math import gcd
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

# The others wait while the first process decodes a data set; torchrun ends them if it dies.
_LONGEST_WAIT = timedelta(days=1)


def start() -> None:
    """Join the other processes where torchrun started several; otherwise, or twice, do nothing.

    Raises:
        ValueError: more processes than GPUs on this machine.
    """
    if dist.is_initialized() or int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return
    if torch.cuda.is_available():
        local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= gpus:
            raise ValueError(f"process {local + 1} of {gpus} GPUs: use --nproc-per-node={gpus}")
        torch.cuda.set_device(local)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=_LONGEST_WAIT)
    atexit.register(dist.destroy_process_group)


def world_size() -> int:
    """Number W of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, 0..W-1."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    """Whether this is the process that writes files and prints."""
    return rank() == 0


def exchange(value: Any) -> list[Any]:
    """Every process's value (anything that pickles), in the order of the processes."""
    if world_size() == 1:
        return [value]
    values = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def from_main(make: Callable[[], Any]) -> Any:
    """What `make` returns on the first process, where alone it is called, for all of them."""
    values = [make() if is_main() else None]
    if world_size() > 1:
        dist.broadcast_object_list(values, src=0)
    return values[0]


@contextmanager
def main_first() -> Iterator[None]:
    """Let the first process do the block before the others: it makes files that they need."""
    if not is_main():
        dist.barrier()
    yield
    if is_main() and world_size() > 1:
        dist.barrier()


class _Total(torch.autograd.Function):
    """Sum over the processes, of values going forward and of gradients going back."""

    @staticmethod
    def forward(_context: Any, value: Tensor) -> Tensor:
        value = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(value)
        return value

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return _Total.apply(gradient)


def total(value: Tensor) -> Tensor:
    """Sum of a tensor over the processes; of one shape everywhere. Gradients flow through it."""
    return value if world_size() == 1 else _Total.apply(value)


def gather(rows: Tensor) -> Tensor:
    """Rows of all processes, `[N_1 + .. + N_W, ...]` from `[N_r, ...]`; gradients flow back.

    The processes may have different numbers of rows, and each has at least one.
    """
    if world_size() == 1:
        return rows
    counts = rows.new_zeros(world_size(), dtype=torch.int64)
    counts[rank()] = len(rows)
    lengths = total(counts).tolist()
    before, after = sum(lengths[: rank()]), sum(lengths[rank() + 1 :])
    return total(F.pad(rows, (0, 0) * (rows.dim() - 1) + (before, after)))


def gather_all(output: Any) -> Any:
    """A network's output with the rows of all processes in every tensor of its tuples."""
    if isinstance(output, Tensor):
        return gather(output) if output.dim() else output
    if isinstance(output, tuple) and world_size() > 1:
        parts = map(gather_all, output)
        return type(output)(*parts) if hasattr(output, "_fields") else tuple(parts)
    return output


class Share(NamedTuple):
    """How a step is divided: `clips` per process and forward pass, `passes` per step."""

    clips: int
    passes: int


def share(batch_size: int, accumulate: int, processes: int | None = None) -> Share:
    """Divide a step of `batch_size * accumulate` clips among the processes; it stays that large.

    Passes are divided as far as they can be, then the clips of a pass: with 8 clips x 16 passes,
    2 processes do 8 clips x 8 passes each, and 32 processes 4 clips x 1 pass. Batch norm and the
    contrastive losses always use the clips of one pass of all processes.

    Raises:
        ValueError: this number of processes does not divide the step, or would leave a process
            a single clip, which batch norm cannot train on.
    """
    processes = world_size() if processes is None else processes
    if not _fits(batch_size, accumulate, processes):
        counts = range(1, batch_size * accumulate + 1)
        fits = [count for count in counts if _fits(batch_size, accumulate, count)]
        raise ValueError(
            f"{processes} processes cannot share batch_size {batch_size} x accumulate {accumulate} "
            f"equally, with 2 clips or more each: use {', '.join(map(str, fits))} processes"
        )
    common = gcd(accumulate, processes)
    return Share(batch_size * common // processes, accumulate // common)


def _fits(batch_size: int, accumulate: int, processes: int) -> bool:
    clips, rest = divmod(batch_size * gcd(accumulate, processes), processes)
    return processes == 1 or (clips >= 2 and not rest)


class WholeBatchNorm(nn.BatchNorm3d):
    """Batch norm over the clips of all processes, on any device, for inputs of 2 to 5 axes.

    PyTorch's `SyncBatchNorm` does this on GPUs and refuses CPU tensors.
    """

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, ...]` to the same shape; statistics over all axes but C, over all processes."""
        if not self.training:
            return super().forward(x)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(x.dim())]
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        count = wide.new_tensor([x.numel() // x.shape[1]])
        sums = total(torch.cat([wide.sum(axes), count]))
        mean, count = sums[:-1] / sums[-1], sums[-1].detach()
        centred = wide - mean.view(shape)
        variance = total(centred.square().sum(axes)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes: one class replaces the 1-, 2- and 3-dimensional norms."""


def wrap(model: nn.Module) -> nn.Module:
    """The network to call in training: `model` itself, or `model` inside DDP with shared norms.

    Batch norm of `model` is changed in place, names of weights stay: checkpoints are those of a
    single process.
    """
    if world_size() == 1:
        return model
    # Raised for 1 x 1 x 1 kernels, whose strides along axes of length 1 have no effect.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    device = next(model.parameters()).device
    if device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return DistributedDataParallel(
            model, device_ids=[torch.cuda.current_device()], forward_sync_buffers=False
        )
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = WholeBatchNorm  # same weights, buffers and names, other `forward`
    return DistributedDataParallel(model, forward_sync_buffers=False)


def passes(network: nn.Module, last: bool) -> AbstractContextManager[object]:
    """The context of one forward and backward pass; gradients are averaged in a step's last."""
    if last or not isinstance(network, DistributedDataParallel):
        return nullcontext()
    return network.no_sync()
