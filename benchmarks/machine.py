"""What this machine can do at most: the limits that rows of `make bench` stand beside."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Machine:
    """Measured limits.

    Args:
        threads: of torch.
        gemm_fp32, gemm_bf16: floating-point operations per second of a large matrix product (a
            multiply-add counts as two).
        bandwidth: bytes per second that a copy of a large array reads and writes.
    """

    threads: int
    gemm_fp32: float
    gemm_bf16: float
    bandwidth: float


def measure(size: int = 1024, repeats: int = 7) -> Machine:
    """The limits of the CPU with torch's present number of threads."""
    return Machine(
        torch.get_num_threads(),
        _gemm(size, torch.float32, repeats),
        _gemm(size, torch.bfloat16, repeats),
        _copy(16 * size * size, repeats),
    )


def _gemm(size: int, dtype: torch.dtype, repeats: int) -> float:
    left, right = (torch.rand(size, size).to(dtype) for _ in range(2))
    return 2 * size**3 / _seconds(lambda: left @ right, repeats)


def _copy(numbers: int, repeats: int) -> float:
    source, target = torch.rand(numbers), torch.empty(numbers)
    return 2 * source.nbytes / _seconds(lambda: target.copy_(source), repeats)


def _seconds(call: Callable[[], object], repeats: int) -> float:
    """The median time of a call, after one to warm up."""
    call()
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)
