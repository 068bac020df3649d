"""One training step of a profile's student: float32 contiguous against bfloat16 channels-last.

    python benchmarks/training_step.py                   # the demo's student, CPU, GPU if any
    python benchmarks/training_step.py --threads 2 --repeats 20
    python benchmarks/training_step.py --profile paper --batch 1 --repeats 3

A step is forward, cross-entropy, backward and AdamW, on one random batch that is already there.
Prints the median milliseconds of each variant and how many times faster than float32 contiguous
it is. Layout and precision are also varied one at a time, because a CPU without matrix units for
bfloat16 gains from the layout alone. The variants take turns, so that a busy machine slows all.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from actlumos.config import Config, profile
from actlumos.runtime.device import autocast, channels_last, keep_freed_memory
from actlumos.stages import find

CLASSES = 11
VARIANTS = {
    "float32, contiguous": ("fp32", False),
    "float32, channels last": ("fp32", True),
    "bfloat16, contiguous": ("bf16", False),
    "bfloat16, channels last": ("bf16", True),
}


def make_step(
    config: Config, device: torch.device, precision: str, last: bool
) -> Callable[[], None]:
    """A fresh student with its optimizer and batch, as a function that trains it by one step."""
    torch.manual_seed(0)
    model = find("dark").network(CLASSES, config).to(device).train()
    clip = torch.rand(config.batch_size, 3, config.frames, *config.crop_size, device=device) / 4
    label = torch.arange(config.batch_size, device=device) % CLASSES
    if last:
        model, clip = channels_last(model), clip.to(memory_format=torch.channels_last_3d)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, fused=True)

    def step() -> None:
        with autocast(device, precision):
            loss = F.cross_entropy(model(clip).float(), label)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def measure(config: Config, device: torch.device, repeats: int) -> None:
    """Print median time and ratio of every variant on one device."""
    steps = {name: make_step(config, device, *how) for name, how in VARIANTS.items()}
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(repeats + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if turn >= 2:  # the first two warm up
                taken[name].append(1000 * (time.perf_counter() - start))
    times = {name: statistics.median(values) for name, values in taken.items()}
    slowest = times["float32, contiguous"]
    for name, ms in times.items():
        print(f"{device.type:5}{name:24}{ms:9.1f} ms per step {slowest / ms:6.2f} x")


def main() -> None:
    """Read the options and measure on the CPU, and on the GPU where there is one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo", choices=("smoke", "demo", "paper"))
    parser.add_argument("--batch", type=int, help="clips per batch (default: the profile's)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    config = profile(options.profile)
    if options.batch:
        config = config.with_(batch_size=options.batch)
    shape = [config.batch_size, 3, config.frames, *config.crop_size]
    print(
        f"{options.profile} student, batch {shape}, {options.threads} threads, "
        f"torch {torch.__version__}, CPU capability {torch.backends.cpu.get_cpu_capability()}"
    )
    for name in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        measure(config, torch.device(name), options.repeats)


if __name__ == "__main__":
    main()
