"""A frame that is sought is the frame that decoding from the start gives, or it is not sought."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from film_files import RATE, copied, write
from hypothesis import given, settings
from hypothesis import strategies as st

from actlumos.data import video
from actlumos.data.film import Film, opened
from actlumos.data.seeking import far, sought, stamps, timetable, unnumbered
from actlumos.data.video import read_clip

FRAMES = 120
LONG = {"g": "50", "bf": "3"}
FAST = {"deadline": "realtime", "cpu-used": "8", "g": "30"}
REACHED = {
    "h264.mp4": ("libx264", LONG),
    "h264 open groups.mp4": ("libx264", {"x264-params": "open-gop=1:keyint=40:bframes=4"}),
    "h264.mkv": ("libx264", LONG),
    "h264.ts": ("libx264", LONG),
    "h264 no B.avi": ("libx264", {"g": "50", "bf": "0"}),
    "h265.mkv": ("libx265", {"x265-params": "keyint=40:log-level=none", "preset": "ultrafast"}),
    "mpeg4.mp4": ("mpeg4", {"g": "40", "bf": "2"}),
    "mpeg4.avi": ("mpeg4", {"g": "40", "bf": "2"}),
    "mpeg2.ts": ("mpeg2video", {"g": "15", "bf": "2"}),
    "vp8.webm": ("libvpx", FAST),
    "vp9.webm": ("libvpx-vp9", FAST),
    "vp9 hidden frames.webm": ("libvpx-vp9", {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "50",
                                              "cpu-used": "8"}),
    "mjpeg.avi": ("mjpeg", {}),
    "mjpeg.mov": ("mjpeg", {}),
}  # fmt: skip
SOMETIMES = {"h264.avi": ("libx264", LONG)}  # its index knows the order of decoding only
DECODED = {
    "h264 refresh.mp4": ("libx264", {"x264-params": "intra-refresh=1:keyint=40"}),
    "mpeg2.mpg": ("mpeg2video", {"g": "15", "bf": "2"}),
    "png.mov": ("png", {}),
}
Clip = tuple[Path, np.ndarray]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Clip]:
    """Each file with all its frames, made when first asked for."""
    root, made = tmp_path_factory.mktemp("films"), {}

    def make(name: str) -> Clip:
        if name not in made:
            codec, options = (REACHED | SOMETIMES | DECODED)[name]
            pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p")
            path = write(root / name, range(FRAMES), codec, pix_fmt, **options)
            made[name] = path, read_clip(path, range(FRAMES))
        return made[name]

    return make


@settings(deadline=None, max_examples=120)
@given(
    st.sampled_from([*REACHED, *SOMETIMES, *DECODED]),
    st.integers(0, FRAMES - 1),
    st.integers(1, 12),
    st.integers(1, 9),
    st.lists(st.integers(0, FRAMES - 1), max_size=3),
)
def test_sought_frames_are_the_decoded_frames(
    clip: Callable[[str], Clip], name: str, start: int, length: int, stride: int, more: list[int]
) -> None:
    path, whole = clip(name)
    window = range(start, min(start + length * stride, FRAMES), stride)
    needed = sorted({*window, *more})
    with opened(path) as film:
        got = sought(film, needed, FRAMES)
    if name in REACHED:
        assert got is not None
    if got is not None:
        assert list(got) == needed
        np.testing.assert_array_equal(np.stack(list(got.values())), whole[needed])


@pytest.mark.parametrize("name", REACHED)
def test_few_frames_are_decoded_for_a_late_one(
    name: str, clip: Callable[[str], Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = clip(name)
    decoded, decode = [], Film.decode

    def counting(film: Film, packets: Iterable[av.Packet]) -> Iterator[av.VideoFrame]:
        for frame in decode(film, packets):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(Film, "decode", counting)
    with opened(path) as film:
        (frame,) = sought(film, [FRAMES - 5], FRAMES).values()
    np.testing.assert_array_equal(frame, whole[FRAMES - 5])
    assert len(decoded) <= 51


@pytest.mark.parametrize("name", DECODED)
def test_what_cannot_be_sought_is_decoded(name: str, clip: Callable[[str], Clip]) -> None:
    path, whole = clip(name)
    with opened(path) as film:
        assert sought(film, [FRAMES - 5, FRAMES - 4], FRAMES) is None
    np.testing.assert_array_equal(read_clip(path, [115, 116], FRAMES), whole[[115, 116]])


def test_a_variable_rate_is_no_obstacle(tmp_path: Path) -> None:
    times = [*range(25), *range(25, 300, 5)]
    path = write(tmp_path / "variable.mkv", times, g="20")
    whole = read_clip(path, range(len(times)))
    with opened(path) as film:
        got = sought(film, [70, 71, 79], len(times))
    np.testing.assert_array_equal(np.stack(list(got.values())), whole[[70, 71, 79]])


def refused(path: Path, frames: int) -> str:
    with opened(path) as film:
        assert sought(film, [frames - 2], frames) is None
    with opened(path) as film:
        assert timetable(film, frames) is None
    with opened(path) as film:
        return unnumbered(stamps(film))


def test_files_whose_times_do_not_number_their_frames_are_not_sought(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.mp4", range(60), g="20", bf="3")
    assert not unnumbered_of(plain)
    hidden = copied(plain, tmp_path / "hidden.mp4", shift=7)
    assert "edit list" in refused(hidden, video.probe(hidden).frames)
    headless = copied(plain, tmp_path / "headless.mkv", first=5)
    assert "keyframe" in refused(headless, video.probe(headless).frames)
    assert refused(plain, 59) == ""  # a count that is not the number of packets
    double = tmp_path / "double.mkv"
    with av.open(str(plain)) as old, av.open(str(double), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(p for p in old.demux(video=0) if p.size):
            packet.stream = stream
            if number == 59:
                packet.pts = packet.pts - round(1 / RATE / packet.time_base)
            new.mux(packet)
    assert "share a time stamp" in refused(double, 60)


def unnumbered_of(path: Path) -> str:
    with opened(path) as film:
        return unnumbered(stamps(film))


def test_damage_in_what_has_to_be_decoded_is_an_error_either_way(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", range(400), g="100", bf="2")
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    begin, size = places[330]
    content[begin : begin + size] = bytes(size)
    path.write_bytes(content)
    for frames in (None, 400):
        with pytest.raises(video.VideoError, match="cannot be decoded"):
            read_clip(path, [340, 341], frames)


def test_late_windows_of_long_clips_are_sought_and_early_ones_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "long.mp4", range(320), g="50", bf="2")
    calls = []

    def watched(film: Film, needed: list[int], frames: int) -> dict[int, np.ndarray] | None:
        calls.append(needed)
        return sought(film, needed, frames)

    monkeypatch.setattr(video, "sought", watched)
    late, early = [265, 259, 265], [0, 255]
    np.testing.assert_array_equal(read_clip(path, late, 320), read_clip(path, late))
    assert len(calls) == 1
    np.testing.assert_array_equal(read_clip(path, early, 320), read_clip(path, early))
    assert len(calls) == 1
    with pytest.raises(video.VideoError, match="has 320 frames"):
        read_clip(path, [320], 320)
    np.testing.assert_array_equal(read_clip(path, late, 321), read_clip(path, late))


def test_the_longer_a_clip_the_later_a_window_that_is_sought() -> None:
    assert not far([0, 60], 64) and not far([255, 256], 300) and far([256, 257], 300)
    assert far([0, 1, 299], 300)  # a gap inside is left out as well
    assert not far([900], 30_000) and far([940], 30_000)
