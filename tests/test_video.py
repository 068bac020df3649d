"""Decoding against PyAV, sampling against its definition, damaged files against a clear error."""

from __future__ import annotations

import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actlumos.video import (
    POLICIES,
    VideoError,
    probe,
    read_clip,
    resize_frames,
    sample_indices,
)


def decode_all(path: Path) -> np.ndarray:
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


@pytest.fixture(scope="module")
def video(tiny_videos: Path) -> Path:
    return tiny_videos / "left" / "left_3_1.mp4"


def test_probe_tells_length_rate_and_size(video: Path) -> None:
    assert probe(video) == (16, 30.0, 48, 64)


@pytest.mark.parametrize(
    "indices", [range(16), [15], [0, 5, 10], [9, 3, 3, 12, 0], [15, 14, 13], np.array([7, 7])]
)
def test_read_clip_gives_the_frames_that_pyav_gives(video: Path, indices: list[int]) -> None:
    got, whole = read_clip(video, indices), decode_all(video)
    assert got.dtype == np.uint8 and got.flags.c_contiguous
    np.testing.assert_allclose(got.astype(int), whole[list(indices)].astype(int), atol=2)


def test_real_clips_decode_as_pyav_decodes_them(real_root: Path) -> None:
    clips = sorted((real_root / "arid_mini" / "clips_v1").glob("*/*.mp4"))[::30]
    rng = np.random.default_rng(0)
    for path in clips:
        whole = decode_all(path)
        indices = rng.integers(0, len(whole), 9)
        assert probe(path).frames == len(whole)
        got = read_clip(path, indices)
        np.testing.assert_allclose(got.astype(int), whole[indices].astype(int), atol=2)


@pytest.mark.parametrize("indices", [[-1], [], [[0, 1]], [3, -2]])
def test_senseless_indices_are_refused(video: Path, indices: list) -> None:
    with pytest.raises(ValueError, match=r"left_3_1\.mp4: frame indices"):
        read_clip(video, indices)


def test_an_index_past_the_end_is_an_error_at_once(video: Path) -> None:
    started = time.perf_counter()
    with pytest.raises(VideoError, match=r"left_3_1\.mp4: frame 16 .* has 16 frames"):
        read_clip(video, [0, 16])
    assert time.perf_counter() - started < 2


def damaged(kind: str, good: bytes) -> bytes:
    return {
        "empty": b"",
        "text": b"not a video\n" * 50,
        "cut short": good[: len(good) * 6 // 10],
        "zeros inside": good[: len(good) // 4] + bytes(len(good) // 2) + good[len(good) * 3 // 4 :],
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "cut short", "zeros inside"])
def test_a_damaged_file_is_named_within_seconds(kind: str, video: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad clip.mp4"
    path.write_bytes(damaged(kind, video.read_bytes()))
    started = time.perf_counter()
    with pytest.raises(VideoError, match=r"bad clip\.mp4: .* replace it"):
        read_clip(path, range(16))
    assert time.perf_counter() - started < 5


def test_sound_without_picture_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        quiet.rate = 16000
        container.mux([*stream.encode(quiet), *stream.encode()])
    with pytest.raises(VideoError, match=r"sound\.mp4"):
        probe(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for call in (probe, lambda path: read_clip(path, [0])):
        with pytest.raises(VideoError, match="nowhere.mp4: no such file"):
            call(tmp_path / "nowhere.mp4")


def test_resize_averages_areas() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    small = resize_frames(frames, (24, 16))
    means = frames.reshape(3, 24, 2, 16, 4, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(small, means, atol=0.5001)
    assert resize_frames(frames, (48, 64)) is frames
    odd = resize_frames(frames, (31, 41))
    oracle = [cv2.resize(frame, (41, 31), interpolation=cv2.INTER_AREA) for frame in frames]
    np.testing.assert_array_equal(odd, np.stack(oracle))


SIZES = st.tuples(st.integers(1, 300), st.integers(1, 80), st.integers(1, 4))
PLACES = st.floats(0, 1)


@settings(deadline=None)
@given(SIZES, st.sampled_from(POLICIES), PLACES)
def test_samples_are_always_frames_of_the_video(
    sizes: tuple[int, int, int], policy: str, position: float
) -> None:
    frames, length, stride = sizes
    indices = sample_indices(frames, length, stride, policy, position)
    assert indices.dtype == np.int64 and indices.shape == (length,)
    assert indices.min() >= 0 and indices.max() < frames
    if frames >= (length - 1) * stride + 1:
        assert (np.diff(indices) == stride).all()
    elif policy == "loop":
        assert indices.tolist() == [step * stride % frames for step in range(length)]
    elif policy == "span":
        assert indices[0] == 0 and indices[-1] == frames - 1
        assert np.ptp(np.diff(indices)) <= 1
    else:
        assert indices.tolist() == [min(step * stride, frames - 1) for step in range(length)]


@settings(deadline=None)
@given(SIZES, PLACES, PLACES)
def test_a_later_position_never_starts_earlier(
    sizes: tuple[int, int, int], first: float, second: float
) -> None:
    starts = [sample_indices(*sizes, position=p)[0] for p in sorted((first, second))]
    assert starts[0] <= starts[1]


@settings(deadline=None)
@given(st.integers(64, 300))
def test_the_middle_is_the_lineages_middle(frames: int) -> None:
    """Its validation starts at int((N - 1 - 64 + 1) / 2), counted from 0."""
    assert sample_indices(frames, 64)[0] == (frames - 64) // 2


def test_uniform_positions_make_every_start_equally_likely() -> None:
    places = (np.arange(2100) + 0.5) / 2100
    starts = [sample_indices(29, 5, 2, position=place)[0] for place in places]
    assert np.bincount(starts).tolist() == [100] * 21
    assert sample_indices(29, 5, 2, position=0)[0] == 0
    assert sample_indices(29, 5, 2, position=1)[-1] == 28


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": 0, "length": 4}, "must be positive"),
        ({"frames": 9, "length": 0}, "must be positive"),
        ({"frames": 9, "length": 4, "stride": 0}, "must be positive"),
        ({"frames": 9, "length": 4, "policy": "mirror"}, "choose loop, span, pad"),
        ({"frames": 9, "length": 4, "position": 1.1}, r"0\.\.1"),
    ],
)
def test_sampling_refuses_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample_indices(**arguments)
