"""A sliding window: the logits of `predict` for each window, and memory that does not grow."""

from __future__ import annotations

import itertools
import json
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from actlumos.cli import main
from actlumos.config import Config, profile
from actlumos.data.video import playing, read_clip, resize_frames
from actlumos.evaluation.engines import build, example_clips
from actlumos.evaluation.stream import default_hop, every, stream
from actlumos.models import Teacher
from actlumos.stages import ensure
from actlumos.stages.runs import Run
from actlumos.views.streams import test_streams as views_of

STREAMS = ("dark", "retinex")


def small(**changes: object) -> Config:
    sizes = {"frames": 3, "stride": 2, "frame_size": (18, 20), "crop_size": (16, 16)}
    return profile("smoke", bert_heads=2, widths=(16, 16, 16, 16), **(sizes | changes))


def film(length: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 60, (length, 24, 32, 3), dtype=np.uint8)


def engine_of(config: Config):  # noqa: ANN201
    torch.manual_seed(0)
    model = Teacher(4, config, streams=STREAMS).eval()
    return build("torch", model, example_clips(STREAMS, config), precision="fp32")


def naive(frames: np.ndarray, config: Config, hop: int) -> list[tuple[int, torch.Tensor]]:
    """Each window cut out, prepared and run by itself."""
    engine, found = engine_of(config), []
    steps = np.arange(config.frames) * config.stride
    for start in range(0, len(frames) - int(steps[-1]), hop):
        clip = resize_frames(frames[start + steps], config.frame_size, config.resize)
        views = views_of(torch.from_numpy(clip)[None], STREAMS, config, config.test_crops)
        logits = torch.stack([engine(*view) for view in views]).mean(0)
        found.append((start, logits.softmax(1)[0]))
    return found


@pytest.mark.parametrize(
    ("stride", "hop", "batch", "crops"),
    [(2, 2, 2, 1), (2, 4, 1, 1), (2, 3, 3, 1), (1, 1, 4, 10), (2, 9, 2, 1), (3, 2, 2, 1)],
)
def test_a_window_is_what_predict_gives_for_its_frames(
    stride: int, hop: int, batch: int, crops: int
) -> None:
    config, frames = small(stride=stride, test_crops=crops), film(23)
    thinned = frames[:: every(config, hop)]
    windows = list(
        stream(engine_of(config), thinned, STREAMS, config, fps=10, hop=hop, batch=batch)
    )
    expected = naive(frames, config, hop)
    assert len(windows) == len(expected) > 1
    for window, (start, probabilities) in zip(windows, expected, strict=True):
        assert window.start == pytest.approx(start / 10)
        assert window.end <= len(frames) / 10 + 1e-9
        torch.testing.assert_close(window.probabilities, probabilities, rtol=0, atol=1e-6)


def test_a_video_shorter_than_a_window_has_none() -> None:
    config = small()
    for length in (0, 1, 4):
        frames = film(length)[:: every(config, 2)]
        assert not list(stream(engine_of(config), frames, STREAMS, config, fps=10, hop=2))


def test_a_source_without_end_holds_a_bounded_number_of_frames() -> None:
    config, given = small(stride=1), list[weakref.ref]()

    class Frame(np.ndarray):
        """A plain array cannot be referred to weakly."""

    def camera() -> Iterator[np.ndarray]:
        for _ in itertools.count():
            frame = film(1)[0].view(Frame)
            given.append(weakref.ref(frame))
            yield frame

    held = []
    windows = stream(engine_of(config), camera(), STREAMS, config, fps=30, hop=2, batch=4)
    for _ in itertools.islice(windows, 12):
        held.append(sum(frame() is not None for frame in given))
    assert max(held) <= config.frames + 4 * 2


def test_a_stride_or_hop_that_cannot_slide_is_refused() -> None:
    for config, hop in ((small(stride=0), 2), (small(), 0)):
        with pytest.raises(ValueError, match="a sliding window needs 1 or more"):
            next(stream(engine_of(small()), film(9), STREAMS, config, fps=10, hop=hop))


def test_the_default_hop_is_half_a_window_of_whole_strides() -> None:
    assert default_hop(profile("demo")) == 24 and default_hop(profile("paper")) == 32


def test_playing_gives_every_nth_frame(tiny_videos: Path) -> None:
    path = tiny_videos / "left" / "left_0_1.mp4"
    with playing(path, 3) as (fps, frames):
        got = np.stack(list(frames))
    assert fps == 30 and np.array_equal(got, read_clip(path, range(0, 16, 3)))


def write_film(path: Path, length: int) -> None:
    with av.open(str(path), "w") as container:
        encoder = container.add_stream("libx264", rate=10)
        encoder.width, encoder.height, encoder.pix_fmt = 32, 24, "yuv420p"
        for frame in film(length):
            container.mux(encoder.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(encoder.encode())


def test_predict_streams_a_video(
    open_tiny: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = open_tiny()
    weights = ensure(run, "dark").directory / "checkpoint.pt"
    window = (run.config.frames - 1) * run.config.stride + 1
    long, short, rows = tmp_path / "long.mp4", tmp_path / "short.mp4", tmp_path / "rows.json"
    write_film(long, window + 5)
    write_film(short, window - 1)
    capsys.readouterr()
    command = ["predict", str(long), str(short), "--checkpoint", str(weights), "--stream"]
    assert main([*command, "--hop", "2", "--json", str(rows), "--top", "1"]) == 0
    written = json.loads(rows.read_text("utf-8"))
    assert [row["start"] for row in written] == pytest.approx([0, 0.2, 0.4, 0])
    assert written[-1]["video"] == str(short)  # one row, for all of it
    assert written[-1]["end"] == pytest.approx((window - 1) / 10)
    for row in written:
        assert list(row["probabilities"]) == ["left", "right"]
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 + 4 and " to " in printed[1] and printed[0] == str(long)
