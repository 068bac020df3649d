"""What one clip costs: parameters, multiply-adds, and measured time from frames to logits."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from actlumos.config import Config
from actlumos.runtime.device import autocast, device_of
from actlumos.views.streams import channels, test_streams


class Cost(NamedTuple):
    """`params` is a count; `gmacs` are 1e9 multiply-adds; `milliseconds` is a median."""

    params: int
    gmacs: float
    milliseconds: float


def count_gmacs(model: nn.Module, *streams: Tensor) -> float:
    """Multiply-adds of one forward pass in units of 1e9; PyTorch counts two operations for each."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*streams)
    return counter.get_total_flops() / 2e9


def measure(
    model: nn.Module, streams: tuple[str, ...], config: Config, *, repeats: int = 7
) -> Cost:
    """Cost of one clip, one centre crop, in evaluation mode.

    The time runs from decoded frames to logits: it includes making the streams (Retinex too) and
    leaves out decoding. Multiply-adds are those of the network.

    Args:
        model: takes one float `[1, 3, T, h, w]` per stream.
        streams: names for `actlumos.views.streams.make_streams`.
        repeats: timed passes, after one that warms up; their median is kept.
    """
    model.eval()
    device = device_of(model)
    size = (1, config.frames, *config.frame_size, channels(streams))
    clip = torch.randint(0, 64, size, generator=torch.Generator().manual_seed(0)).byte().to(device)

    def forward() -> None:
        (views,) = test_streams(clip, streams, config)
        with torch.no_grad(), autocast(device, config.precision):
            model(*views)

    (views,) = test_streams(clip, streams, config)
    params = sum(p.numel() for p in model.parameters())
    return Cost(params, count_gmacs(model, *views), _median_ms(forward, device, repeats))


def _median_ms(work: Callable[[], None], device: torch.device, repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(1000 * (time.perf_counter() - started))
    return median(times[1:])
