"""Damaged and unusual files: each gives a clear error or a defined recovery, at once.

The files are opened in a separate process, so that a decoder that hangs or crashes fails the
test instead of ending the suite.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

SECONDS = 5
OPENER = """
import json, sys, time
from actlumos.data.video import VideoError, inspect, read_clip

def outcome(call):
    started = time.perf_counter()
    try:
        answer = call()
    except VideoError as error:
        answer = str(error)
    return answer, time.perf_counter() - started

for path in sys.argv[1:]:
    found, first = outcome(lambda: inspect(path))
    frames = 10**6 if isinstance(found, str) else found.info.frames
    read, second = outcome(lambda: len(read_clip(path, [0, frames - 1])))  # all of it
    past, third = outcome(lambda: len(read_clip(path, [frames])))
    print(json.dumps([path, found, read, past, max(first, second, third)]), flush=True)
"""


def encode(path: Path, codec: str = "libx264", noise: int = 190, **options: str) -> bytes:
    """Forty noisy frames of 64 x 48, 30 per second, with a keyframe every 12."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=30, options={"g": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(40):
            picture = rng.integers(10, 10 + noise, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    return path.read_bytes()


def moov_lost(path: Path) -> None:
    content = encode(path)
    path.write_bytes(content[: len(content) * 6 // 10])


def mdat_cut(path: Path) -> None:
    content = encode(path, movflags="faststart")
    assert content.find(b"moov") < content.find(b"mdat")
    path.write_bytes(content[: len(content) * 6 // 10])


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("not a video\n" * 50)


def zero_frames(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


def sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        quiet.rate = 16000
        container.mux([*stream.encode(quiet), *stream.encode()])


def zeros_inside(path: Path) -> None:
    content = bytearray(encode(path))
    third, fifth = len(content) // 3, len(content) // 5
    content[third : third + fifth] = bytes(fifth)
    path.write_bytes(content)


def few_wrong_bytes(path: Path) -> None:
    """Decoders conceal such holes without an error, but they flag the frame."""
    content, rng = bytearray(encode(path, noise=20)), np.random.default_rng(0)
    for place in rng.integers(len(content) // 4, len(content) * 3 // 4, 12):
        content[place] ^= 255
    path.write_bytes(content)


def playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n")


def unknown_codec(path: Path) -> None:
    path.write_bytes(encode(path).replace(b"avc1", b"zzz1"))


def count_too_high(path: Path) -> None:
    """An AVI whose headers claim 70 frames (RIFF: avih and strh hold the numbers)."""
    content = bytearray(encode(path, "mpeg4"))
    for tag, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        place = content.find(tag) + offset
        assert struct.unpack_from("<I", content, place) == (40,)
        struct.pack_into("<I", content, place, 70)
    path.write_bytes(content)


def cut_without_index(path: Path) -> None:
    content = encode(path)
    path.write_bytes(content[: len(content) * 6 // 10])


def cut_avi(path: Path) -> None:
    """Half of the last frame is missing: the decoder conceals it and flags the frame."""
    content = encode(path, "mpeg4")
    path.write_bytes(content[: len(content) * 6 // 10])


def cut_webm(path: Path) -> None:
    content = encode(path, "libvpx")
    path.write_bytes(content[: len(content) * 6 // 10])


def no_first_keyframe(path: Path) -> None:
    """A copy that starts in the middle of a group of pictures: 35 packets, fewer frames."""
    whole = path.with_name("whole.mp4")
    encode(whole)
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [p for p in source.demux(video=0) if p.dts is not None]
        for packet in packets[5:]:
            packet.stream = stream
            target.mux(packet)


def missing(path: Path) -> None:
    assert not path.exists()


def no_pictures(path: Path) -> None:
    path.mkdir()
    (path / "readme.txt").write_text("frames to follow")


def pictures(path: Path) -> list[Path]:
    path.mkdir()
    for number in range(6):
        picture = np.random.default_rng(number).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(path / f"{number:05}.jpg"), picture)
    return sorted(path.iterdir())


def broken_picture(path: Path) -> None:
    file = pictures(path)[3]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty_picture(path: Path) -> None:
    pictures(path)[3].write_bytes(b"")


def mixed_pictures(path: Path) -> None:
    cv2.imwrite(str(pictures(path)[3]), np.zeros((24, 32, 3), np.uint8))


Kind = tuple[Callable[[Path], None], str, str]
DAMAGED: dict[str, Kind] = {
    "moov lost": (moov_lost, ".mp4", "Invalid data"),
    "mdat cut": (mdat_cut, ".mp4", r"after \d+ frames"),
    "empty": (empty, ".mp4", "Invalid data|End of file"),
    "text": (text, ".mp4", "Invalid data"),
    "zero frames": (zero_frames, ".mp4", "holds no frame|no video track|Invalid data"),
    "sound only": (sound_only, ".mp4", "no video track"),
    "zeros inside": (zeros_inside, ".mp4", r"after \d+ frames|frame \d+ is damaged"),
    "few wrong bytes": (few_wrong_bytes, ".mp4", r"frame \d+ is damaged|after \d+ frames"),
    "cut avi": (cut_avi, ".avi", r"frame \d+ is damaged"),
    "playlist": (playlist, ".mp4", "cannot be decoded"),
    "unknown codec": (unknown_codec, ".mp4", "no decoder"),
    "missing": (missing, ".mp4", "no such file"),
    "no pictures": (no_pictures, "", "a folder without pictures"),
    "broken picture": (broken_picture, "", r"00003\.jpg.*cut short or not a picture"),
    "empty picture": (empty_picture, "", r"00003\.jpg.*cut short or not a picture"),
    "mixed pictures": (mixed_pictures, "", r"00003\.jpg.*32x24 and 64x48"),
}
SHORT: dict[str, Kind] = {
    "count too high": (count_too_high, ".avi", "has 40 frames.* claims 70"),
    "cut mkv": (cut_without_index, ".mkv", r"has 2\d frames.* claims 40"),
    "cut webm": (cut_webm, ".webm", r"has 2\d frames.* claims 40"),
    "no first keyframe": (no_first_keyframe, ".mp4", r"has 2\d frames.* claims 35"),
}


def open_apart(paths: list[Path]) -> dict[str, list]:
    """What `inspect` and `read_clip` give for each path, by name, from another process."""
    command = [sys.executable, "-c", OPENER, *map(str, paths)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr[-2000:]
    rows = map(json.loads, answer.stdout.splitlines())
    return {Path(path).stem: rest for path, *rest in rows}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    root, paths = tmp_path_factory.mktemp("bad"), []
    for name, (build, ending, _) in (DAMAGED | SHORT).items():
        paths.append(root / f"{name}{ending}")
        build(paths[-1])
    return open_apart(paths)


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_an_error_that_says_what_to_do(
    name: str, opened: dict[str, list]
) -> None:
    found, _, past, seconds = opened[name]
    assert isinstance(found, str) and name in found and isinstance(past, str) and name in past
    assert re.search(DAMAGED[name][2], found), found
    assert re.search("replace it|check the data set|a clip is a video|resize them", found), found
    assert seconds < SECONDS


@pytest.mark.parametrize("name", SHORT)
def test_a_file_that_claims_too_much_is_read_as_far_as_it_goes(
    name: str, opened: dict[str, list]
) -> None:
    (info, claimed, short), read, past, seconds = opened[name]
    assert short and 20 <= info[0] < claimed and read == 2
    assert re.search(SHORT[name][2], past) and "actlumos data verify" in past, past
    assert seconds < SECONDS


def mutated(content: bytes, number: int) -> bytes:
    """Cut, overwritten, holed or spliced, by a number."""
    rng, found = np.random.default_rng(number), bytearray(content)
    start, length = rng.integers(0, len(found)), int(rng.integers(4, len(found) // 10))
    if number % 4 == 0:
        return bytes(found[:start])
    if number % 4 == 1:
        for place in rng.integers(0, len(found), 12):
            found[place] = rng.integers(256)
    elif number % 4 == 2:
        found[start : start + length] = bytes(len(found[start : start + length]))
    else:
        del found[start : start + length]
    return bytes(found)


def test_any_damage_to_a_file_gives_frames_or_an_error(tmp_path: Path) -> None:
    paths = []
    for ending, codec in ((".mp4", "libx264"), (".avi", "mpeg4"), (".mkv", "libx264")):
        content = encode(tmp_path / f"whole{ending}", codec)
        for number in range(24):
            paths.append(tmp_path / f"{codec}-{number}-{ending[1:]}{ending}")
            paths[-1].write_bytes(mutated(content, number))
    rows = open_apart(paths)
    assert len(rows) == len(paths)
    for found, read, past, seconds in rows.values():
        assert isinstance(past, str) and seconds < SECONDS
        assert read == 2 if isinstance(found, list) else isinstance(found, str)
    kinds = [isinstance(found, list) for found, *_ in rows.values()]
    assert 5 < sum(kinds) < len(kinds) - 5  # both outcomes occurred
