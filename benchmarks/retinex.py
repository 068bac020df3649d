"""Multi-scale Retinex: the batched tensor version against OpenCV frame by frame.

    python benchmarks/retinex.py                 # 64 frames of 112 x 112, all cores of torch
    python benchmarks/retinex.py --threads 2 --repeats 9

Prints the largest difference between the two (in 0..1), the median time of each, and how many
times faster the tensor version is, eager and compiled. The variants take turns, so that a busy
machine slows all of them. The last line is a training batch of small frames, as the demo enhances
on the fly. Compiling takes some ten seconds and needs a C++ compiler; --eager leaves it out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch

from actlumos.config import profile
from actlumos.views.enhance import SIGMAS, multi_scale_retinex


def msr_with_opencv(frames: np.ndarray, sigmas: Sequence[float] = SIGMAS) -> np.ndarray:
    """Multi-scale Retinex one frame after the other, as it is usually written.

    Args:
        frames: float32 [T, H, W, 3] in 0..1.
        sigmas: blur radii in pixels.

    Returns:
        [T, H, W, 3] in 0..1.
    """
    return np.stack([_msr_frame(frame, sigmas) for frame in frames])


def _msr_frame(frame: np.ndarray, sigmas: Sequence[float]) -> np.ndarray:
    light = 255 * frame + 1
    ratio = np.zeros_like(light)
    for sigma in sigmas:
        ratio += np.log10(light) - np.log10(cv2.GaussianBlur(light, (0, 0), sigma))
    ratio /= len(sigmas)
    low, high = np.percentile(ratio, [1, 99], axis=(0, 1))
    return np.clip((ratio - low) / (high - low), 0, 1)


def median_ms(contestants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each call, taking turns, after one call each to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for call in contestants.values():
        call()
    for _ in range(repeats):
        for name, call in contestants.items():
            start = time.perf_counter()
            call()
            taken[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in taken.items()}


def dark_clip(*shape: int) -> torch.Tensor:
    """Random 8-bit levels in the lower quarter, as floats in 0..1."""
    levels = torch.randint(0, 64, shape, generator=torch.Generator().manual_seed(0))
    return levels.float() / 255


def compare(frames: int, size: int, repeats: int, compiled: bool) -> None:
    """Print error, times and ratios for one clip."""
    clip = dark_clip(1, 3, frames, size, size)
    as_frames = np.ascontiguousarray(clip[0].permute(1, 2, 3, 0).numpy())
    contestants = {"OpenCV": lambda: msr_with_opencv(as_frames),
                   "eager": lambda: multi_scale_retinex(clip)}
    if compiled:
        fast = torch.compile(multi_scale_retinex, fullgraph=True)
        contestants["compiled"] = lambda: fast(clip)
    expected = torch.from_numpy(msr_with_opencv(as_frames)).permute(3, 0, 1, 2)
    for name in list(contestants)[1:]:
        error = (contestants[name]()[0] - expected).abs().max().item()
        print(f"largest difference from OpenCV, {name}: {error:.1e}")
    times = median_ms(contestants, repeats)
    for name, ms in times.items():
        print(f"{name:9}{ms:9.1f} ms per clip  {times['OpenCV'] / ms:6.1f} x OpenCV")


def training_batch(repeats: int) -> None:
    """Print the time of the demo's Retinex stream for one batch of small frames."""
    config = profile("demo")
    shape = (config.batch_size, 3, config.frames, *config.frame_size)
    clip = dark_clip(*shape)
    enhance = {"eager": lambda: multi_scale_retinex(clip, config.retinex_sigmas)}
    print(f"demo batch {list(shape)}: {median_ms(enhance, repeats)['eager']:.1f} ms eager")


def main() -> None:
    """Read the options and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--size", type=int, default=112, help="height and width in pixels")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--eager", action="store_true", help="leave out the compiled version")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    print(f"{options.frames} frames of {options.size} x {options.size}, sigmas {SIGMAS}, "
          f"{options.threads} threads, torch {torch.__version__}, OpenCV {cv2.__version__}")
    with torch.inference_mode():
        compare(options.frames, options.size, options.repeats, not options.eager)
        training_batch(options.repeats)


if __name__ == "__main__":
    main()
