"""The reader against decord: time for a clip's frames, and whether both give the same ones.

    python benchmarks/decoding.py data/darkroom-demo --clips 40

Both decode the same 64 (or fewer) consecutive frames of each clip, at a random start, one thread,
opened again for each clip, in turns. Reported: the median time of each, the median of the ratios
per clip, and the number of clips whose frames differ by more than 2 levels anywhere.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import decord
import numpy as np

from actlumos.data.video import probe, read_clip

FRAMES = 64


def with_decord(path: Path, indices: np.ndarray) -> np.ndarray:
    """uint8 `[T, H, W, 3]`, as a loader built on decord reads them."""
    return decord.VideoReader(str(path), num_threads=1).get_batch(indices).asnumpy()


def timed(read: object, path: Path, indices: np.ndarray) -> tuple[float, np.ndarray]:
    """Milliseconds and frames."""
    started = time.perf_counter()
    frames = read(path, indices)
    return 1000 * (time.perf_counter() - started), frames


def differ(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether two readings of the same frames are not the same pictures."""
    return ours.shape != theirs.shape or bool(np.abs(ours.astype(int) - theirs).max() > 2)


def compare(paths: list[Path], seed: int) -> None:
    """Read every clip with both and print the figures."""
    random = np.random.default_rng(seed)
    ours, theirs, unlike = [], [], []
    for path in paths:
        frames = probe(path).frames
        start = int(random.integers(0, max(frames - FRAMES, 0) + 1))
        indices = np.arange(start, min(start + FRAMES, frames))
        milliseconds, a = timed(read_clip, path, indices)
        ours.append(milliseconds)
        milliseconds, b = timed(with_decord, path, indices)
        theirs.append(milliseconds)
        if differ(a, b):
            unlike.append(path.name)
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    print(f"{len(paths)} clips, up to {FRAMES} frames each, one thread")
    print(f"actlumos.data.video.read_clip  {median(ours):7.1f} ms")
    print(f"decord                    {median(theirs):7.1f} ms")
    print(f"ratio (median of the clips') {ratio:.2f}; frames differ in {len(unlike)} {unlike[:5]}")


def main() -> None:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("videos", type=Path, help="folder with .mp4 files, at any depth")
    parser.add_argument("--clips", type=int, default=40, help="how many (default: 40)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and the starts")
    arguments = parser.parse_args()
    found = sorted(arguments.videos.rglob("*.mp4"))
    if not found:
        parser.error(f"{arguments.videos} holds no .mp4 file")
    chosen = np.random.default_rng(arguments.seed).permutation(len(found))[: arguments.clips]
    compare([found[index] for index in chosen], arguments.seed)


if __name__ == "__main__":
    main()
