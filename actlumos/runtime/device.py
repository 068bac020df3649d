"""Which device, which precision, which memory layout: decided in one place."""

from __future__ import annotations

import ctypes
import platform
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn


def pick_device() -> torch.device:
    """The first CUDA GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(model: nn.Module) -> torch.device:
    """The device of a model's parameters."""
    return next(model.parameters()).device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is much faster: on GPUs that have it and on CPUs with AMX.

    A CPU with AVX512-BF16 alone is left at float32, although a step of the demo's student takes
    three quarters of the time in bfloat16 there: where a kernel is longer than a clip's steps in
    time allow, PyTorch 2.14.1 computes wrong weight gradients of `nn.Conv3d` (3 x 3 x 3 at 2
    steps, 7 x 7 x 7 at 3). `FactorisedConv3d` is not affected; networks of other systems are.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()


def infers_in_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 makes a forward pass alone faster: also on CPUs with AVX512-BF16.

    There it was 1.2 times (demo) and 2.1 times (paper profile) as fast as float32.
    """
    avx512 = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return avx512 or has_fast_bfloat16(device)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context for a forward pass: bfloat16 autocast, or nothing.

    Args:
        precision: `auto` (bfloat16 where it is fast), `bf16` or `fp32`.

    Raises:
        ValueError: unknown precision.
    """
    if precision not in ("auto", "bf16", "fp32"):
        raise ValueError(f"unknown precision {precision!r}: choose auto, bf16 or fp32")
    if precision == "fp32" or (precision == "auto" and not has_fast_bfloat16(device)):
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Let this process keep the memory of freed tensors for the next ones; glibc only.

    By default glibc returns large blocks to the system. Each step of a training on a CPU then
    gets its activations as new pages, which the system fills with zeros: a third of the
    demo's step. The process keeps its peak size until it ends. Values do not change.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def channels_last(model: nn.Module) -> nn.Module:
    """The model with the weights of its convolutions in the layout that is fast for them."""
    for weight in model.parameters():
        if layout := _CHANNELS_LAST.get(weight.dim()):
            weight.data = weight.data.to(memory_format=layout)
    return model
