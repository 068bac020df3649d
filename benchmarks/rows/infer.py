"""Rows of inference: engines against the plain network, and a sliding window over a video.

The peer of the engines is the same student as one would write it: `nn.Conv3d` throughout, float32,
contiguous, eager. The weights are random, which changes no time. The peer of the stream cuts every
window out of the video by itself: seek, decode, resize, run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path

import av
import numpy as np
import torch
from machine import Machine
from pairs import Row, compare
from torch import Tensor, nn

from actlumos.config import Config, profile
from actlumos.data.video import playing, read_clip, resize_frames
from actlumos.evaluation.cost import count_gmacs
from actlumos.evaluation.engines import Engine, build, example_clips, missing
from actlumos.evaluation.stream import default_hop, every, stream
from actlumos.models import Student
from actlumos.views.streams import test_streams

_DARK = ("dark",)
_FPS = 30


def engine_row(row: str, name: str, machine: Machine, quick: bool) -> Row | None:
    """An engine at R(2+1)D-34's size with 16 frames."""
    if lacking := missing(name):
        print(f"{row} is left out: {', '.join(lacking)} not installed", flush=True)
        return None
    config = profile("smoke") if quick else profile("paper", frames=16)
    return _compared(row, name, student(config), example_clips(_DARK, config), machine, quick)


def stream_row(machine: Machine, quick: bool) -> Row:
    """The demo's student over a video."""
    return _streamed(profile("smoke" if quick else "demo"), 4 if quick else 60)


def student(config: Config) -> Student:
    """An untrained student in evaluation mode."""
    torch.manual_seed(0)
    return Student(11, config).eval()


def as_written(model: nn.Module) -> Callable[..., Tensor]:
    """The network with plain 3-D convolutions, contiguous."""
    plain = deepcopy(model)
    for part in plain.modules():
        if isinstance(part, nn.Conv3d):
            part.__class__ = nn.Conv3d
    return torch.inference_mode()(plain)


def _compared(
    row: str,
    name: str,
    model: nn.Module,
    example: tuple[Tensor, ...],
    machine: Machine,
    quick: bool,
) -> Row:
    engine, plain = build(name, model, example, calibration=[example] * 3), as_written(model)
    flops, int8 = 2e9 * count_gmacs(model, *example), name == "openvino-int8"
    rate = machine.gemm_int8 if int8 and machine.gemm_int8 else machine.gemm_bf16
    size = " x ".join(map(str, example[0].shape))
    note = (
        f"student, clip of {size}: engine {name} against float32 eager; limit: its multiply-adds "
        f"at the rate of a matrix product in {'int8' if int8 else 'bfloat16'}"
    )
    return compare(
        row, lambda: engine(*example), lambda: plain(*example), repeats=1 if quick else 7,
        note=note, limit=1000 * flops / rate,
    )  # fmt: skip


def _streamed(config: Config, seconds: int) -> Row:
    hop = default_hop(config)
    engine = build("torch", student(config), example_clips(_DARK, config))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        write_film(path, seconds * _FPS)
        return compare(
            "stream",
            lambda: streamed(path, engine, config, hop),
            lambda: one_by_one(path, seconds * _FPS, engine, config, hop),
            repeats=1 if seconds < 60 else 5,
            unit="s",
            note=f"{seconds} s of 160 x 120 at {_FPS} fps, student, engine torch, a window every "
            f"{hop} frames, against every window decoded and prepared by itself",
        )


def streamed(path: Path, engine: Engine, config: Config, hop: int) -> list[Tensor]:
    """Probabilities of every window, each frame decoded once."""
    with playing(path, every(config, hop)) as (fps, frames):
        windows = stream(engine, frames, _DARK, config, fps=fps, hop=hop)
        return [window.probabilities for window in windows]


def one_by_one(path: Path, length: int, engine: Engine, config: Config, hop: int) -> list[Tensor]:
    """The same, every window on its own."""
    steps, found = np.arange(config.frames) * config.stride, []
    for start in range(0, length - int(steps[-1]), hop):
        frames = read_clip(path, start + steps, length)
        clip = resize_frames(frames, config.frame_size, config.resize)
        (views,) = test_streams(torch.from_numpy(clip)[None], _DARK, config)
        found.append(engine(*views).softmax(1)[0])
    return found


def write_film(path: Path, length: int) -> None:
    """A dark film of `length` frames, with a brighter square that moves."""
    noise = np.random.default_rng(0).integers(0, 40, (16, 120, 160, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        encoder = container.add_stream("libx264", rate=_FPS)
        encoder.width, encoder.height, encoder.pix_fmt = 160, 120, "yuv420p"
        for number in range(length):
            frame = noise[number % 16].copy()
            frame[40:80, number % 120 : number % 120 + 20] += 60
            container.mux(encoder.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(encoder.encode())


ROWS: dict[str, Callable[[Machine, bool], Row | None]] = {
    "infer_torch": partial(engine_row, "infer_torch", "torch"),
    "infer_openvino": partial(engine_row, "infer_openvino", "openvino"),
    "infer_int8": partial(engine_row, "infer_int8", "openvino-int8"),
    "stream": stream_row,
}
