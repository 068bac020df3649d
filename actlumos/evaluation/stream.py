"""Actions over time: a window that slides over a long video, or over a camera that never ends.

Each frame is decoded, resized, enhanced and cropped once, whatever the number of windows that it
is in; windows run through the network in batches. Nothing after that is shared, because it would
not be exact: the input norm standardises each clip as a whole, and each clip is padded in time at
its own ends, so a frame's features differ from window to window. Memory holds one batch of
windows, however long the video is. A camera is a source without end:

    camera = cv2.VideoCapture(0)
    frames = iter(lambda: cv2.cvtColor(camera.read()[1], cv2.COLOR_BGR2RGB), None)
    some = islice(frames, 0, None, every(config, hop))
    for window in stream(engine, some, ("dark",), config, fps=30, hop=hop, batch=1): ...
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count, islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from actlumos.config import Config
from actlumos.data.video import resize_frames
from actlumos.evaluation.engines import Engine
from actlumos.views.streams import test_streams

Views = list[tuple[Tensor, ...]]


class Window(NamedTuple):
    """`start` and `end` in seconds from the first frame; `probabilities` float32 `[K]`."""

    start: float
    end: float
    probabilities: Tensor


def default_hop(config: Config) -> int:
    """Half a window, in frames of the video, as a multiple of the stride."""
    return max(1, config.frames // 2) * max(1, config.stride)


def every(config: Config, hop: int) -> int:
    """Only every how many frames of a video are in any window: the others need no conversion."""
    return math.gcd(config.stride, hop)


@torch.inference_mode()
def stream(
    engine: Engine,
    frames: Iterable[np.ndarray],
    streams: tuple[str, ...],
    config: Config,
    *,
    fps: float,
    hop: int,
    batch: int = 8,
) -> Iterator[Window]:
    """The action in every window of T frames, `stride` apart, that starts `hop` frames later.

    A window's logits are those that `evaluation.evaluate.predict` would give for a clip of the
    same frames. A window that would reach past the end is left out, so the last `hop - 1` frames
    may be in none, and a video shorter than a window gives none at all.

    Args:
        engine: of a trained network, see `actlumos.evaluation.engines.build`.
        frames: uint8 `[H, W, 3]` RGB in order, all of one size, without end if need be: every
            `every(config, hop)`-th frame of the video.
        streams: names for `actlumos.views.streams.make_streams`; none that is stored.
        config: sizes, stride and number of test crops.
        fps: frames per second of the video, taken as constant.
        hop: frames of the video from one window to the next.
        batch: windows that run together; 1 gives each as soon as its last frame is there.

    Raises:
        ValueError: stride 0 (frames from the whole of a video), or a hop or batch below 1.
    """
    _check(config.stride, hop, batch)
    thinned = every(config, hop)
    stride, step, number = config.stride // thinned, hop // thinned, count()
    span = (config.frames - 1) * stride + 1
    prepare = partial(_prepared, streams=streams, config=config, device=engine.device)
    for views in _shared_views(frames, prepare, span, step, batch):
        outputs = [engine(*(_cut(view, span, stride, step) for view in crop)) for crop in views]
        for probabilities in torch.stack(outputs).mean(0).softmax(1).cpu():
            start = next(number) * hop
            end = start + (span - 1) * thinned + 1
            yield Window(start / fps, end / fps, probabilities)


def _check(stride: int, hop: int, batch: int) -> None:
    if min(stride, hop, batch) < 1:
        raise ValueError(
            f"stride {stride}, hop {hop}, batch {batch}: a sliding window needs 1 or more"
        )


def _shared_views(
    frames: Iterable[np.ndarray],
    prepare: Callable[[list[np.ndarray]], Views],
    span: int,
    step: int,
    batch: int,
) -> Iterator[Views]:
    """Prepared frames `[1, 3, N, h, w]` per crop and stream, N enough for one to `batch` windows.

    Neighbours share the last `span - step` frames, which are not prepared again.
    """
    source, shared = iter(frames), max(span - step, 0)
    views: Views = []
    while block := list(islice(source, batch * step + (0 if views else shared))):
        views = _joined(views, prepare(block)) if views else prepare(block)
        length = views[0][0].shape[2]
        if length < span:
            return
        yield views
        views = [tuple(view[:, :, length - shared :] for view in crop) for crop in views]


def _joined(old: Views, new: Views) -> Views:
    """The frames of both, one after the other."""
    return [
        tuple(torch.cat(parts, 2) for parts in zip(*crops, strict=True))
        for crops in zip(old, new, strict=True)
    ]


def _prepared(
    frames: list[np.ndarray], streams: tuple[str, ...], config: Config, device: torch.device
) -> Views:
    """Frames as `evaluate` prepares a clip: every step of it works on single frames."""
    clip = np.stack([resize_frames(f[None], config.frame_size, config.resize)[0] for f in frames])
    batch = torch.from_numpy(clip)[None].to(device)
    return test_streams(batch, streams, config, config.test_crops)


def _cut(view: Tensor, span: int, stride: int, step: int) -> Tensor:
    """`[1, 3, N, h, w]` to its windows `[B, 3, T, h, w]`."""
    return view[0].unfold(1, span, step)[..., ::stride].permute(1, 0, 4, 2, 3).contiguous()
