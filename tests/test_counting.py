"""Whole files are called whole at any rate, with sound and edit lists; cut files are not."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from film_files import copied, two_tracks, write

from actlumos.data.published.filecheck import check_file
from actlumos.data.video import inspect, read_clip

VARIABLE = [*range(25), *range(25, 100, 5)]
CODECS = {".webm": "libvpx-vp9", ".avi": "mpeg4"}
FAST = {"libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}


def written(path: Path, times: list[int], sound: float = 0) -> Path:
    codec = CODECS.get(path.suffix, "libx264")
    return write(path, times, codec, sound=sound, **FAST.get(codec, {}))


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def assert_whole(path: Path, frames: int) -> None:
    info, claimed, short = inspect(path)
    assert (info.frames, claimed, short) == (frames, frames, False)
    assert frames_of(path) == frames == len(read_clip(path, range(frames)))
    assert check_file(path).problem == ""


@pytest.mark.parametrize("ending", [".mkv", ".webm", ".avi", ".mp4", ".ts", ".flv"])
def test_a_variable_frame_rate_is_whole(ending: str, tmp_path: Path) -> None:
    assert_whole(written(tmp_path / f"variable{ending}", VARIABLE), 40)


@pytest.mark.parametrize("ending", [".mkv", ".webm", ".mp4", ".ts", ".flv"])
def test_sound_longer_than_the_picture_is_whole(ending: str, tmp_path: Path) -> None:
    assert_whole(written(tmp_path / f"sound{ending}", list(range(50)), sound=3), 50)


def without_track_lengths(path: Path) -> Path:
    """Some muxers write no length of single tracks: then the container's is all there is."""
    content = path.read_bytes()
    assert b"DURATION" in content
    path.write_bytes(content.replace(b"DURATION", b"SOMETHIN"))
    return path


@pytest.mark.parametrize("ending", [".mkv", ".webm"])
def test_sound_is_whole_without_lengths_of_single_tracks(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"sound{ending}", list(range(50)), sound=3)
    assert_whole(without_track_lengths(path), 50)


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize("sound", [0, 3])
@pytest.mark.parametrize("times", [list(range(100)), VARIABLE], ids=["constant", "variable"])
@pytest.mark.parametrize("ending", [".mkv", ".webm"])
def test_a_cut_file_is_short(
    ending: str, times: list[int], sound: float, tagged: bool, tmp_path: Path
) -> None:
    path = written(tmp_path / f"whole{ending}", times, sound=sound)
    if not tagged:
        without_track_lengths(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 4 // 10])
    info, claimed, short = inspect(path)
    assert short and info.frames < len(times) and claimed > info.frames
    assert f"holds {info.frames} frames, its container claims {claimed}" == check_file(path).problem


@pytest.mark.parametrize(("first", "stop", "shift"), [(60, 125, 95), (0, 69, 18), (120, 163, 138)])
@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_a_stream_copy_that_is_cut_at_both_ends_is_whole(
    ending: str, first: int, stop: int, shift: int, tmp_path: Path
) -> None:
    """Frames before the wanted start are hidden; at the end, frames in between are missing."""
    options = {"g": "60", "bf": "3", "x264-params": "b-pyramid=normal:b-adapt=0:scenecut=0"}
    long = write(tmp_path / "long.mp4", range(200), **options)
    shift = first if ending == ".mkv" else shift  # Matroska has no edit list
    path = copied(long, tmp_path / f"cut{ending}", first, stop, shift)
    frames = frames_of(path)
    assert 15 < frames <= stop - first
    assert_whole(path, frames)


def test_one_frame_that_is_missing_at_the_end_is_noticed(tmp_path: Path) -> None:
    """An mp4 that ends exactly between two packets: reading it gives no error."""
    whole = write(tmp_path / "whole.mp4", range(30), bf="0")
    path = copied(whole, tmp_path / "first.mp4", movflags="faststart")
    with av.open(str(path)) as container:
        last = [packet.pos for packet in container.demux(video=0) if packet.size][-1]
    path.write_bytes(path.read_bytes()[:last])
    info, claimed, short = inspect(path)
    assert (info.frames, claimed, short) == (29, 30, True)


@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".mov"])
def test_the_default_track_is_read(ending: str, tmp_path: Path) -> None:
    path = two_tracks(tmp_path / f"two{ending}")
    assert_whole_default(path)


def assert_whole_default(path: Path) -> None:
    info, _, short = inspect(path)
    assert (info.frames, info.fps, short) == (50, 25.0, False)
    assert np.abs(read_clip(path, [0, 49]).astype(int) - 150).max() <= 2


@pytest.mark.parametrize("ending", [".avi", ".ts"])
def test_without_a_default_track_the_faster_of_two_equal_ones_is_read(
    ending: str, tmp_path: Path
) -> None:
    assert_whole_default(two_tracks(tmp_path / f"two{ending}"))
