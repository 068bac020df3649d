"""Decoding against OpenCV and against what was written, sampling against its definition.

Damaged files have a file of their own, test_bad_files.py.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_picture import exact

from actlumos.data.video import (
    POLICIES,
    VideoError,
    inspect,
    probe,
    read_clip,
    resize_frames,
    sample_indices,
)


def decode_all(path: Path) -> np.ndarray:
    """Every frame, RGB, by OpenCV's own copy of FFmpeg."""
    video, frames = cv2.VideoCapture(str(path)), []
    while (got := video.read())[0]:
        frames.append(cv2.cvtColor(got[1], cv2.COLOR_BGR2RGB))
    return np.stack(frames)


def write_lossless(path: Path, frames: np.ndarray, rate: int = 25) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=rate)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "rgb24"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def video(tiny_videos: Path) -> Path:
    return tiny_videos / "left" / "left_3_1.mp4"


def test_probe_tells_length_rate_and_size(video: Path) -> None:
    assert probe(video) == (16, 30.0, 48, 64)


@pytest.mark.parametrize(
    "indices", [range(16), [15], [0, 5, 10], [9, 3, 3, 12, 0], [15, 14, 13], np.array([7, 7])]
)
def test_read_clip_gives_the_frames_that_opencv_gives(video: Path, indices: list[int]) -> None:
    got, whole = read_clip(video, indices), decode_all(video)
    assert got.dtype == np.uint8 and got.flags.c_contiguous
    np.testing.assert_allclose(got.astype(int), whole[list(indices)].astype(int), atol=2)


def test_decord_gives_the_same_frames_of_an_ordinary_clip(video: Path) -> None:
    reader = pytest.importorskip("decord").VideoReader(str(video), num_threads=1)
    indices = [9, 3, 3, 12, 0]
    theirs = reader.get_batch(indices).asnumpy().astype(int)
    np.testing.assert_allclose(read_clip(video, indices).astype(int), theirs, atol=2)


def luma_of_all(path: Path) -> np.ndarray:
    """The decoded Y of every frame, uint8 `[T, H, W]`, by OpenCV's own copy of FFmpeg."""
    video, frames = cv2.VideoCapture(str(path)), []
    video.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    while (got := video.read())[0]:
        frames.append(got[1])
    return np.stack(frames)


def test_real_clips_decode_as_opencv_decodes_them(real_root: Path) -> None:
    """OpenCV's own colours are up to 2 levels too dark, so its luma is the measure."""
    clips = sorted((real_root / "arid_mini" / "clips_v1").glob("*/*.mp4"))[::30]
    rng = np.random.default_rng(0)
    for path in clips:  # H.264 with a sound track
        whole = luma_of_all(path)
        indices = rng.integers(0, len(whole), 9)
        assert probe(path).frames == len(whole)
        got = read_clip(path, indices)
        inside = (got.min(-1) > 0) & (got.max(-1) < 255)  # nothing was clipped
        wanted = (whole[indices].astype(float) - 16) * 255 / 219
        luma = got @ np.array([0.299, 0.587, 0.114])
        assert inside.mean() > 0.3
        np.testing.assert_allclose(luma[inside], wanted[inside], rtol=0, atol=0.6)


def test_real_clips_have_the_colours_of_exact_arithmetic(real_root: Path) -> None:
    for path in sorted((real_root / "arid_mini" / "clips_v1").glob("*/*.mp4"))[::50]:
        with av.open(str(path)) as container:
            frames = list(container.decode(video=0))
        wanted = np.stack([exact(frames[index], left=True) for index in (2, 9)])
        np.testing.assert_allclose(read_clip(path, [2, 9]), wanted, rtol=0, atol=0.51)


@pytest.mark.parametrize("indices", [[-1], [], [[0, 1]], [3, -2]])
def test_senseless_indices_are_refused(video: Path, indices: list) -> None:
    with pytest.raises(ValueError, match=r"left_3_1\.mp4: frame indices"):
        read_clip(video, indices)


def test_an_index_past_the_end_is_an_error_at_once(video: Path) -> None:
    started = time.perf_counter()
    with pytest.raises(VideoError, match=r"left_3_1\.mp4: frame 16 .* has 16 frames"):
        read_clip(video, [0, 16])
    assert time.perf_counter() - started < 2


def test_lossless_frames_come_back_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, (height, width, rate) in enumerate([(36, 52, 25), (31, 17, 12), (8, 64, 60)]):
        path = tmp_path / f"clip: {number} ü.mov"  # FFmpeg must not read a protocol in this name
        frames = rng.integers(0, 256, (20, height, width, 3), dtype=np.uint8)
        write_lossless(tmp_path / "clip.mov", frames, rate)
        (tmp_path / "clip.mov").rename(path)
        assert probe(path) == (20, rate, height, width)
        np.testing.assert_array_equal(read_clip(path, [19, 3, 3, 0]), frames[[19, 3, 3, 0]])


def test_a_folder_of_pictures_is_a_clip(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (12, 20, 30, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):  # 2.png comes before 10.png
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame[..., ::-1])
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".hidden.png").write_text("not a frame")
    assert probe(tmp_path) == (12, 30.0, 20, 30)
    np.testing.assert_array_equal(read_clip(tmp_path, range(12)), frames)
    np.testing.assert_array_equal(read_clip(tmp_path, [11, 2]), frames[[11, 2]])


def with_matrix(source: Path, target: Path, matrix: tuple[int, ...]) -> None:
    """A copy of an mp4 whose track header turns the picture (ISO 14496-12, 8.3.2)."""
    content = bytearray(source.read_bytes())
    place = content.find(b"tkhd") + 4 + 4 + 5 * 4 + 16
    turned = struct.pack(">9i", *(65536 * number for number in matrix), 1 << 30)
    content[place : place + 36] = turned
    target.write_bytes(content)


@pytest.mark.parametrize(
    ("matrix", "quarters"), [((0, 1, 0, -1, 0, 0, 0, 0), -1), ((-1, 0, 0, 0, -1, 0, 0, 0), 2)]
)
def test_a_telephones_rotation_is_applied(
    matrix: tuple[int, ...], quarters: int, video: Path, tmp_path: Path
) -> None:
    path = tmp_path / "turned.mp4"
    with_matrix(video, path, matrix)
    upright = np.rot90(read_clip(video, [0, 7]), quarters, axes=(1, 2))
    np.testing.assert_array_equal(read_clip(path, [0, 7]), upright)
    assert probe(path)[2:] == upright.shape[1:3]


def test_frames_that_an_edit_list_hides_are_not_counted(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "trimmed.mp4"
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        track = source.streams.video[0]
        copy = target.add_stream_from_template(track)
        for packet in source.demux(track):
            if packet.dts is not None:
                shift = round(5 / 30 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
                target.mux(packet)
        assert track.frames == 16
    assert inspect(path).info.frames == 11 and not inspect(path).short
    np.testing.assert_array_equal(read_clip(path, range(11)), read_clip(video, range(5, 16)))


def test_resize_averages_areas() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    small = resize_frames(frames, (24, 16))
    means = frames.reshape(3, 24, 2, 16, 4, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(small, means, atol=0.5001)
    assert resize_frames(frames, (48, 64)) is frames
    odd = resize_frames(frames, (31, 41))
    oracle = [cv2.resize(frame, (41, 31), interpolation=cv2.INTER_AREA) for frame in frames]
    np.testing.assert_array_equal(odd, np.stack(oracle))


def test_bilinear_resizing_is_opencv_s() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    oracle = np.stack([cv2.resize(frame, (41, 31)) for frame in frames])
    np.testing.assert_array_equal(resize_frames(frames, (31, 41), "bilinear"), oracle)
    assert (oracle != resize_frames(frames, (31, 41))).any()
    with pytest.raises(ValueError, match="unknown resize method 'cubic': choose area, bilinear"):
        resize_frames(frames, (31, 41), "cubic")


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
@given(st.integers(1, 300), st.integers(1, 64), st.sampled_from(POLICIES), st.floats(0, 1))
def test_stride_zero_spans_every_video(
    frames: int, length: int, policy: str, position: float
) -> None:
    indices = sample_indices(frames, length, 0, policy, position)
    ideal = [step * (frames - 1) / max(length - 1, 1) for step in range(length)]
    assert len(indices) == length and np.abs(indices - ideal).max() <= 0.5


@settings(deadline=None)
@given(SIZES, PLACES, PLACES)
def test_a_later_position_never_starts_earlier(
    sizes: tuple[int, int, int], first: float, second: float
) -> None:
    starts = [sample_indices(*sizes, position=p)[0] for p in sorted((first, second))]
    assert starts[0] <= starts[1]


@settings(deadline=None)
@given(st.integers(64, 300))
def test_the_middle_is_that_of_prior_code(frames: int) -> None:
    """Prior code's validation starts at int((N - 1 - 64 + 1) / 2), counted from 0."""
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
        ({"frames": 0, "length": 4}, "from 1, stride from 0"),
        ({"frames": 9, "length": 0}, "from 1, stride from 0"),
        ({"frames": 9, "length": 4, "stride": -1}, "from 1, stride from 0"),
        ({"frames": 9, "length": 4, "policy": "mirror"}, "choose loop, span, pad"),
        ({"frames": 9, "length": 4, "position": 1.1}, r"0\.\.1"),
    ],
)
def test_sampling_refuses_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample_indices(**arguments)
