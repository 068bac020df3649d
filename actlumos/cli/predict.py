"""`actlumos predict`: name the action in videos, once per video or all along it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from actlumos.config import Config, InputError
from actlumos.data.clips import Clips
from actlumos.data.manifest import Clip, Manifest
from actlumos.data.video import VideoError, VideoInfo, playing, probe
from actlumos.evaluation.engines import Engine, build, example_clips
from actlumos.evaluation.evaluate import check_finite
from actlumos.evaluation.evaluate import predict as logits_of
from actlumos.evaluation.stream import Window, default_hop, every, stream
from actlumos.runtime.device import pick_device
from actlumos.runtime.files import write_json
from actlumos.runtime.text import shown
from actlumos.stages import load_checkpoint
from actlumos.views.streams import STORED


def predict(arguments: argparse.Namespace) -> None:
    """Print the most probable classes of each video, or of each window of it.

    Raises:
        FileNotFoundError, ValueError: no checkpoint that can name actions.
        InputError: videos that cannot be read, after all others.
    """
    engine, about = _opened(arguments)
    unread, rows = [], []
    for video in arguments.videos:
        try:
            for number, window in enumerate(_windows(video, engine, about, arguments)):
                check_finite(window.probabilities[None])
                if number == 0:
                    print(shown(video))
                _print(window, about["classes"], arguments)
                rows += [_row(video, window, about["classes"])] if arguments.json else []
        except VideoError as error:
            unread.append(str(error))
    if arguments.json:
        write_json(arguments.json, rows)
    if unread:
        raise InputError(*unread)


def _opened(arguments: argparse.Namespace) -> tuple[Engine, dict[str, Any]]:
    """The checkpoint's network, in the engine that is asked for."""
    model, about = load_checkpoint(arguments.checkpoint, pick_device())
    streams, config = about["recipe"].streams, about["config"]
    if not about["recipe"].classifies:
        raise ValueError(f"{arguments.checkpoint} is a pretraining: it has no classes to choose")
    if behind := set(streams) & set(STORED):
        raise ValueError(f"{arguments.checkpoint} needs {', '.join(behind)} besides the frames")
    example = example_clips(streams, config)
    return build(arguments.engine, model, example, precision=config.precision), about


def _windows(
    video: Path, engine: Engine, about: dict[str, Any], arguments: argparse.Namespace
) -> Iterator[Window]:
    """With `--stream` all windows of a video; else, and of a shorter video, its middle clip."""
    streams, config = about["recipe"].streams, about["config"]
    short = True
    if arguments.stream:
        hop = arguments.hop or default_hop(config)
        with playing(video, every(config, hop)) as (fps, frames):
            for window in stream(engine, frames, streams, config, fps=fps, hop=hop):
                short = False
                yield window
    if short:
        info = probe(video)
        logits, _ = logits_of(engine, _one_clip(video, info, config), streams, config)
        yield Window(0.0, info.frames / info.fps, logits.softmax(1)[0])


def _one_clip(video: Path, info: VideoInfo, config: Config) -> Clips:
    """A single file as the data set it is evaluated on, prepared like any other clip."""
    video = video.resolve()
    clip = Clip(video.name, -1, video.stem, "test", info.frames, info.fps)
    return Clips(
        Manifest(video.name, video.parent, (), (clip,)),
        frames=config.frames,
        stride=config.stride,
        short_clips=config.short_clips,
        size=config.frame_size,
        reader=config.reader,
        resize=config.resize,
    )


def _print(window: Window, classes: Sequence[str], arguments: argparse.Namespace) -> None:
    best = window.probabilities.topk(min(arguments.top, len(classes)))
    pairs = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    found = [f"{100 * probability:5.1f} %  {shown(classes[index])}" for probability, index in pairs]
    if arguments.stream:
        print(f"  {window.start:8.2f} to {window.end:8.2f} s  {'  '.join(found)}", flush=True)
    else:
        print("\n".join(f"  {line}" for line in found), flush=True)


def _row(video: Path, window: Window, classes: Sequence[str]) -> dict[str, Any]:
    probabilities = dict(zip(classes, window.probabilities.tolist(), strict=True))
    about = {"video": str(video), "start": window.start, "end": window.end}
    return about | {"probabilities": probabilities}
