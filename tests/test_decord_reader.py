"""decord gives PyAV's frames, or refuses a file that it would misread."""

from __future__ import annotations

import builtins
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from film_files import copied, turned, two_tracks, write
from hypothesis import given, settings
from hypothesis import strategies as st
from test_video import decode_all

from actlumos.config import profile
from actlumos.data.cache import ClipCache
from actlumos.data.clips import Clips, build_cache
from actlumos.data.published.folder import folder
from actlumos.data.readers import reader
from actlumos.data.video import VideoError, probe, read_clip
from actlumos.stages.runs import Run

decord = pytest.importorskip("decord")

FRAMES = 90
FILES = {
    "h264.mp4": ("libx264", {"g": "30", "bf": "3"}),
    "h264.mkv": ("libx264", {"g": "30", "bf": "3"}),
    "mpeg4.avi": ("mpeg4", {"g": "30"}),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "30"}),
    "mjpeg.mov": ("mjpeg", {}),
}
SIZE = (24, 30)
HOW = {"frames": 6, "stride": 2, "short_clips": "loop", "size": SIZE}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("films")
    made = {}
    for name, (codec, options) in FILES.items():
        pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        made[name] = write(root / name, range(FRAMES), codec, pix_fmt, **options)
    return made


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([*FILES]), st.lists(st.integers(0, FRAMES - 1), min_size=1, max_size=9))
def test_both_readers_give_the_same_frames(
    films: dict[str, Path], name: str, indices: list[int]
) -> None:
    theirs = reader("decord")(films[name], indices, FRAMES).astype(int)
    np.testing.assert_allclose(read_clip(films[name], indices).astype(int), theirs, atol=2)


def test_real_clips_decode_as_opencv_decodes_them(real_root: Path) -> None:
    """Both use FFmpeg's fast converter; test_video.py compares PyAV with the same frames."""
    for path in sorted((real_root / "arid_mini" / "clips_v1").glob("*/*.mp4"))[::50]:
        frames = probe(path).frames
        theirs = reader("decord")(path, [2, frames - 1], frames).astype(int)
        np.testing.assert_allclose(theirs, decode_all(path)[[2, -1]].astype(int), atol=2)


def hidden(root: Path, plain: Path) -> Path:
    return copied(plain, root / "hidden.mp4", shift=5)


def headless(root: Path, plain: Path) -> Path:
    return copied(plain, root / "headless.mp4", first=5)


def rotated(root: Path, plain: Path) -> Path:
    return turned(plain, root / "rotated.mp4", (0, 1, -1, 0))


def mirrored(root: Path, plain: Path) -> Path:
    return turned(plain, root / "mirrored.mkv", (-1, 0, 0, 1))


def double(root: Path, plain: Path) -> Path:
    return two_tracks(root / "double.mp4")


def stream(root: Path, plain: Path) -> Path:
    return copied(plain, root / "stream.ts")


def pictures(root: Path, plain: Path) -> Path:
    (root / "pictures").mkdir()
    return root / "pictures"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (hidden, "an edit list hides frames"),
        (headless, "does not begin with a keyframe"),
        (rotated, "turned or mirrored"),
        (mirrored, "turned or mirrored"),
        (double, "more than one video track"),
        (stream, "a transport stream"),
        (pictures, "a folder of pictures"),
    ],
)
def test_files_that_decord_misreads_are_refused(
    make: Callable[[Path, Path], Path], reason: str, films: dict[str, Path], tmp_path: Path
) -> None:
    path = make(tmp_path, films["h264.mp4"])
    with pytest.raises(VideoError, match=rf"{path.name}: decord .*{reason}.*use reader=pyav"):
        reader("decord")(path, [0], None)


def test_other_errors_of_decord_are_clear(films: dict[str, Path], tmp_path: Path) -> None:
    read, path = reader("decord"), films["h264.mp4"]
    with pytest.raises(VideoError, match="it counts 90 frames, 89 were measured"):
        read(path, [0], 89)
    with pytest.raises(VideoError, match="frame 90 was asked for, but the file has 90 frames"):
        read(path, [90], FRAMES)
    with pytest.raises(ValueError, match="frame indices"):
        read(path, [-1], FRAMES)
    with pytest.raises(VideoError, match="no such file"):
        read(tmp_path / "gone.mp4", [0], FRAMES)


def test_the_reader_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert profile("paper").reader == profile("smoke").reader == "pyav"
    assert reader("pyav") is read_clip
    with pytest.raises(ValueError, match="unknown reader 'opencv': choose pyav, decord"):
        reader("opencv")
    assert pickle.loads(pickle.dumps(reader("decord"))) is reader("decord")

    def without(name: str, *rest: object) -> object:
        if name == "decord":
            raise ImportError("No module named 'decord'")
        return found(name, *rest)

    found = builtins.__import__
    monkeypatch.delitem(sys.modules, "actlumos.data.decord_reader", raising=False)
    monkeypatch.delattr("actlumos.data.decord_reader", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match="needs the package decord .*use reader=pyav"):
        reader("decord")


def test_decord_is_imported_only_when_chosen() -> None:
    code = "import sys, actlumos.data.cache; print('decord' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "False", answer.stderr


def test_clips_and_caches_are_read_by_the_chosen_reader(tiny_videos: Path, tmp_path: Path) -> None:
    listed = folder(tiny_videos)
    cache = build_cache(listed, SIZE, tmp_path, reader="decord")
    assert cache == ClipCache(tmp_path, SIZE, reader="decord") != ClipCache(tmp_path, SIZE)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["24x30-decord"]
    kept = Clips(listed, **HOW, cache=cache)[3, (0.5,)]["clip"]
    assert torch.equal(kept, Clips(listed, **HOW, reader="decord")[3, (0.5,)]["clip"])
    assert not torch.equal(kept, Clips(listed, **HOW)[3, (0.5,)]["clip"])
    with pytest.raises(ValueError, match="unknown reader"):
        Clips(listed, **HOW, reader="opencv")
    with pytest.raises(ValueError, match="unknown reader"):
        build_cache(listed, SIZE, tmp_path, reader="opencv")


@pytest.mark.parametrize("cached", [True, False])
def test_a_run_reads_with_the_reader_of_its_settings(
    cached: bool, open_tiny: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_tiny(reader="decord", cache_frames=cached)
    asked, video = [], decord.VideoReader
    monkeypatch.setattr(decord, "VideoReader", lambda *a, **k: asked.append(a) or video(*a, **k))
    clips = run.clips(run.manifest.select("test"))
    assert clips[0, (0.5,)]["clip"] is not None and asked
