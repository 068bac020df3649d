"""What this machine can do at most: the limits that rows of `make bench` stand beside."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from actlumos.darkroom.codec import encode


@dataclass(frozen=True)
class Machine:
    """Measured limits.

    Each is the best of several tries, because it is an upper bound.

    Args:
        threads: of torch.
        gemm_fp32, gemm_bf16: floating-point operations per second of a large matrix product (a
            multiply-add counts as two).
        bandwidth: bytes per second that a copy of a large array reads and writes.
        gemm_int8: integer operations per second of PyTorch's int8 product; None: it has none here.
        conv_fp32: as `gemm_fp32`, of a 3 x 3 convolution that stays in the cache. Another library
            computes it: on an AMD processor it was twice as fast. None: not measured.
        decode: frames of 320 x 240 per second that FFmpeg decodes in one thread (H.264 with
            noise); None: not measured.
    """

    threads: int
    gemm_fp32: float
    gemm_bf16: float
    bandwidth: float
    gemm_int8: float | None = None
    conv_fp32: float | None = None
    decode: float | None = None


def clock(device: torch.device) -> Callable[[], float]:
    """A clock in seconds that first waits for the device's work."""
    if device.type != "cuda":
        return time.perf_counter

    def waiting() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return waiting


def measure(size: int = 512, repeats: int = 15, device: torch.device | None = None) -> Machine:
    """The limits of a device, the CPU with torch's present number of threads if none is given."""
    device = device or torch.device("cpu")
    return Machine(
        torch.get_num_threads(),
        _gemm(size, torch.float32, repeats, device),
        _gemm(size, torch.bfloat16, repeats, device),
        _copy(64 * size * size, repeats, device),
        _gemm_int8(size, repeats, device),
        _conv(repeats, device),
        _decode(max(2, size // 8), repeats),
    )


def describe() -> dict[str, Any]:
    """Processor, cores, threads, memory and versions, for the head of a result file."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": gpu,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _cpu() -> str:
    """The processor's name and those of its extensions that matter for matrix products."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    found = {name.strip(): value.strip() for name, value in fields.items()}
    matrix = ("avx2", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    has = [name for name in matrix if name in found.get("flags", "").split()]
    return " ".join([found.get("model name", platform.machine()), *has])


def _gemm(size: int, dtype: torch.dtype, repeats: int, device: torch.device) -> float:
    left, right = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / _seconds(lambda: left @ right, repeats, device)


def _gemm_int8(size: int, repeats: int, device: torch.device) -> float | None:
    left, right = (
        torch.randint(-9, 9, (size, size), dtype=torch.int8, device=device) for _ in range(2)
    )
    try:
        seconds = _seconds(lambda: torch._int_mm(left, right), repeats, device)
    except RuntimeError:  # not every build and size has it
        return None
    return 2 * size**3 / seconds


def _conv(repeats: int, device: torch.device) -> float:
    layer = torch.nn.Conv2d(64, 64, 3, padding=1, bias=False, device=device)
    picture = torch.rand(8, 64, 32, 32, device=device).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = _seconds(lambda: layer(picture), repeats, device)
    return 2 * picture.numel() * 64 * 9 / seconds


def _copy(numbers: int, repeats: int, device: torch.device) -> float:
    source = torch.rand(numbers, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _seconds(lambda: target.copy_(source), repeats, device)


def _decode(frames: int, repeats: int) -> float:
    """Frames per second, one thread, not converted to RGB."""
    noise = np.random.default_rng(0).integers(0, 40, (frames, 240, 320, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "noise.mp4"
        encode(path, noise, 23)
        seconds = _seconds(lambda: _decoded(path), repeats, torch.device("cpu"))
    return frames / seconds


def _decoded(path: Path) -> int:
    with av.open(str(path)) as film:
        film.streams.video[0].thread_count = 1
        return sum(1 for _ in film.decode(video=0))


def _seconds(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    """The least time of a call, after one to warm up."""
    now, taken = clock(device), []
    call()
    for _ in range(repeats):
        started = now()
        call()
        taken.append(now() - started)
    return min(taken)
