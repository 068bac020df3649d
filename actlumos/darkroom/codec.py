"""Write and read H.264 files with PyAV; the real data set has the same kind of file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from actlumos.runtime.files import atomic_write

FPS = 30


def encode(path: Path, frames: np.ndarray, crf: int) -> None:
    """Write `frames` (uint8 `[T, H, W, 3]` RGB, even sizes) as an `.mp4`, atomically.

    libx264, yuv420p, 30 frames per second, tuned to keep noise, as the real files do. One thread
    and no macroblock tree, because with it equal frames did not give equal bytes. `crf` is x264's
    constant rate factor: 0 (lossless) to 51; above 22, dark detail is lost.

    Raises:
        ValueError: `frames` is not such an array, or `crf` is out of range.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"expected uint8 [T, H, W, 3], got {frames.dtype} {frames.shape}")
    if not 0 <= crf <= 51:
        raise ValueError(f"crf is {crf}: choose 0 to 51")
    with atomic_write(path) as temporary, av.open(str(temporary), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, FPS)
        stream.options = {"crf": str(crf), "preset": "superfast", "tune": "grain"}
        stream.options |= {"x264-params": "threads=1:lookahead-threads=1:mbtree=0"}
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            out.mux(stream.encode(picture))
        out.mux(stream.encode())


def decode(path: Path) -> np.ndarray:
    """All frames of a video, uint8 `[T, H, W, 3]` RGB."""
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])
