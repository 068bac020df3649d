"""The readers: time for a clip's frames, and whether PyAV and decord give the same.

    python benchmarks/decoding.py data/darkroom-demo --clips 40

Short clips: all read the same 64 (or fewer) consecutive frames of each clip, at a random start, one
thread, opened again for each clip, in turns. Reported: the median processor time, the median of the
ratios per clip, and the number of clips where a frame of decord's is closer (by half a level) to
a neighbour of the frame that was asked for than to that frame. `decord alone` is a loader that
calls decord without the checks of `actlumos.data.decord_reader`.

Long clip: 64 frames that begin in the last minute of a clip that is made for it, 320x240 at 25
frames per second, with a keyframe every 250 frames.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import av
import decord
import numpy as np

from actlumos.data.readers import reader
from actlumos.data.video import probe, read_clip

FRAMES = 64
RATE = 25

Read = Callable[[Path, np.ndarray, int], np.ndarray]


def decord_alone(path: Path, indices: np.ndarray, frames: int) -> np.ndarray:
    """uint8 `[T, H, W, 3]`, as a loader built on decord reads them."""
    return decord.VideoReader(str(path), num_threads=1).get_batch(indices).asnumpy()


def from_the_first(path: Path, indices: np.ndarray, frames: int) -> np.ndarray:
    """uint8 `[T, H, W, 3]`; without a length nothing is sought."""
    return read_clip(path, indices)


def timed(read: Read, path: Path, indices: np.ndarray, frames: int) -> tuple[float, np.ndarray]:
    """Milliseconds of the processor, which other programs do not disturb, and frames."""
    started = time.process_time()
    found = read(path, indices, frames)
    return 1000 * (time.process_time() - started), found


def differ(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether a frame of `theirs` is closer to a neighbour of the right frame than to it."""
    if ours.shape != theirs.shape:
        return True
    ours, theirs = ours.astype(np.int16), theirs.astype(np.int16)
    own = np.abs(ours - theirs).mean(axis=(1, 2, 3))
    later = np.abs(ours[1:] - theirs[:-1]).mean(axis=(1, 2, 3))
    earlier = np.abs(ours[:-1] - theirs[1:]).mean(axis=(1, 2, 3))
    return bool((own[:-1] > later + 0.5).any() or (own[1:] > earlier + 0.5).any())


def compare(paths: list[Path], seed: int) -> None:
    """Read every short clip with each and print the figures."""
    readers = {"pyav": reader("pyav"), "decord": reader("decord"), "decord alone": decord_alone}
    random, unlike, darker = np.random.default_rng(seed), [], []
    spent: dict[str, list[float]] = {name: [] for name in readers}
    for path in paths:
        frames, got = probe(path).frames, {}
        start = int(random.integers(0, max(frames - FRAMES, 0) + 1))
        indices = np.arange(start, min(start + FRAMES, frames))
        for name, read in readers.items():
            milliseconds, got[name] = timed(read, path, indices, frames)
            spent[name].append(milliseconds)
        if differ(got["pyav"], got["decord"]):
            unlike.append(path.name)
        darker.append(got["pyav"].mean() - got["decord"].mean())
    ratio = median(a / b for a, b in zip(spent["pyav"], spent["decord alone"], strict=True))
    print(f"{len(paths)} clips, up to {FRAMES} frames each, one thread")
    for name, milliseconds in spent.items():
        print(f"{name:24} {median(milliseconds):7.1f} ms")
    print(f"decord's pictures are darker by {np.mean(darker):.2f} of 255 levels")
    print(f"ratio (median of pyav / decord alone) {ratio:.2f}; "
          f"frames differ in {len(unlike)} {unlike[:5]}")  # fmt: skip


def write_long(path: Path, minutes: float) -> int:
    """A moving pattern; returns its number of frames."""
    frames, random = round(minutes * 60 * RATE), np.random.default_rng(0)
    picture = random.integers(10, 90, (15, 20), np.uint8).repeat(16, 0).repeat(16, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 3 * number, 1), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return frames


def compare_late(minutes: float) -> None:
    """Read a late window of a long clip with each and print the figures."""
    readers = {"pyav, from the first frame": from_the_first, "pyav": reader("pyav")}
    readers |= {"decord": reader("decord"), "decord alone": decord_alone}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        frames = write_long(path, minutes)
        start = max(frames - 30 * RATE, frames // 2)
        indices = np.arange(start, min(start + FRAMES, frames))
        print(f"{minutes:g} minutes, {len(indices)} frames from {start} of {frames} on")
        for name, read in readers.items():
            milliseconds = median(timed(read, path, indices, frames)[0] for _ in range(3))
            print(f"{name:24} {milliseconds:7.1f} ms")


def main() -> None:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("videos", type=Path, help="folder with .mp4 files, at any depth")
    parser.add_argument("--clips", type=int, default=40, help="how many (default: 40)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and the starts")
    parser.add_argument("--minutes", type=float, default=20, help="the long clip (default: 20)")
    arguments = parser.parse_args()
    found = sorted(arguments.videos.rglob("*.mp4"))
    if not found:
        parser.error(f"{arguments.videos} holds no .mp4 file")
    chosen = np.random.default_rng(arguments.seed).permutation(len(found))[: arguments.clips]
    compare([found[index] for index in chosen], arguments.seed)
    compare_late(arguments.minutes)


if __name__ == "__main__":
    main()
