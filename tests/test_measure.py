"""Measuring, against another way of counting; stored results, resuming, skipping."""

from __future__ import annotations

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from actlumos.data.published import measure as room
from actlumos.data.published.measure import Measured, measure
from actlumos.data.video import VideoError, VideoInfo, probe
from actlumos.runtime.files import home


@pytest.fixture
def videos(tiny_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Six videos of this test, and a folder for the store."""
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path / "home"))
    shutil.copytree(tiny_videos / "left", tmp_path / "left")
    return sorted((tmp_path / "left").iterdir())[:6]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the videos that are opened."""
    names: list[str] = []

    def watched(path: Path) -> VideoInfo:
        names.append(path.name)
        return probe(path)

    monkeypatch.setattr(room, "probe", watched)
    return names


def test_numbers_agree_with_another_way_of_counting(videos: list[Path]) -> None:
    for path, found in measure(videos).items():
        with av.open(str(path)) as container:
            frames = sum(1 for _ in container.decode(video=0))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert found == Measured(frames, 30.0, digest)


def test_a_second_call_opens_only_what_changed(videos: list[Path], opened: list[str]) -> None:
    first = measure(videos)
    assert list(first) == videos and len(opened) == 6
    opened.clear()
    assert measure(videos[::-1] + videos) == first and not opened
    stat = videos[2].stat()
    os.utime(videos[2], ns=(stat.st_atime_ns, stat.st_mtime_ns - 10**9))  # older, not newer
    shutil.copy(videos[5], videos[4])
    again = measure(videos)
    assert sorted(opened) == sorted([videos[2].name, videos[4].name])
    assert again[videos[4]].sha256 == first[videos[5]].sha256


def test_the_store_is_the_projects_or_the_one_named(videos: list[Path], tmp_path: Path) -> None:
    measure(videos[:1])
    assert (home() / "data" / "measured.csv").is_file()
    measure(videos[1:2], store=tmp_path / "mine" / "store.csv")
    lines = (tmp_path / "mine" / "store.csv").read_text().splitlines()
    assert lines[0] == "path,size,mtime_ns,frames,fps,sha256" and len(lines) == 2
    assert lines[1].startswith(f"{videos[1]},{videos[1].stat().st_size},")


def test_an_interrupted_call_goes_on_where_it_stopped(
    videos: list[Path], opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = room.probe

    def stops(path: Path) -> VideoInfo:
        if path == videos[3]:
            raise KeyboardInterrupt
        return watched(path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(room, "probe", stops)
        measure(videos, workers=1)
    opened.clear()
    assert len(measure(videos, workers=1)) == 6
    assert opened == [path.name for path in videos[3:]]


def test_a_long_call_saves_before_its_end(
    videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, rows = tmp_path / "store.csv", []
    monkeypatch.setattr(room, "_SECONDS_BETWEEN_SAVES", 0)
    save = room._save
    monkeypatch.setattr(
        room, "_save", lambda *a: (save(*a), rows.append(store.read_text().count("\n") - 1))
    )
    measure(videos, store=store)
    assert rows == [1, 2, 3, 4, 5, 6, 6]


def test_calls_at_the_same_time_lose_nothing(videos: list[Path], tmp_path: Path) -> None:
    store = tmp_path / "store.csv"
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda path: measure([path], store=store), videos))
    lines = store.read_text().splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == {str(path) for path in videos}


def test_rows_of_others_and_torn_rows_do_no_harm(videos: list[Path], tmp_path: Path) -> None:
    store = tmp_path / "store.csv"
    measure(videos[:1], store=store)
    with open(store, "a", encoding="utf-8") as out:
        out.write(f"/elsewhere,1,2,3,30.0,{'a' * 64}\n{videos[1]},12,x,,\n{videos[2]},7")
    assert len(measure(videos[:3], store=store)) == 3
    text = store.read_text()
    assert "/elsewhere,1,2,3,30.0," in text and text.count("\n") == 5


def test_a_bad_clip_ends_the_call_or_is_skipped(videos: list[Path], tmp_path: Path) -> None:
    videos[3].write_bytes(b"no video at all")
    gone = tmp_path / "gone.mp4"
    with pytest.raises(VideoError, match=videos[3].name):
        measure(videos)
    found = measure([*videos, gone], on_bad_clip="skip")
    assert list(found) == [path for path in videos if path != videos[3]]
    with pytest.raises(VideoError, match="gone.mp4"):
        measure([gone])
    with pytest.raises(ValueError, match="use error or skip"):
        measure(videos, on_bad_clip="warn")


def test_a_frame_folder_is_measured_and_a_changed_picture_seen(
    videos: list[Path], tmp_path: Path, opened: list[str]
) -> None:
    folder = tmp_path / "frames" / "clip"
    folder.mkdir(parents=True)
    for number in range(5):
        picture = np.full((8, 8, 3), number * 9, np.uint8)
        cv2.imwrite(str(folder / f"{number:05}.png"), picture)
    first = measure([folder])[folder]
    assert first.frames == 5 and len(first.sha256) == 64
    (folder / "notes.txt").write_text("no picture")
    assert measure([folder], store=tmp_path / "fresh.csv")[folder] == first
    cv2.imwrite(str(folder / "00003.png"), np.full((8, 8, 3), 200, np.uint8))
    assert measure([folder])[folder].sha256 != first.sha256
    assert opened == ["clip"] * 3


def damages(store: Path) -> dict[str, bytes]:
    row = store.read_bytes().splitlines()[1]
    header = b"path,size,mtime_ns,frames,fps,sha256\n"
    return {
        "text": b"no list\n" * 9,
        "random bytes": np.random.default_rng(0).bytes(500),
        "zeros": bytes(500),
        "JSON": b'{"path": [1, 2]}',
        "GBK": header + "走路".encode("gbk"),
        "words for numbers": header + row.replace(b",16,", b",many,"),
        "no digest": header + row.rpartition(b",")[0] + b"," + b"../" * 21 + b"x",
        "no rate": header + row.replace(b",30.0,", b",nan,"),
        "further fields": header + row + b",1,2",
    }


def test_a_damaged_store_is_made_again_and_reported_once(
    videos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], opened: list[str]
) -> None:
    store = tmp_path / "store.csv"
    first = measure(videos[:1], store=store)
    whole = store.read_bytes()
    capsys.readouterr()
    for name, content in damages(store).items():
        store.write_bytes(content)
        opened.clear()
        assert measure(videos[:1], store=store) == first, name
        said = capsys.readouterr().out
        assert said.count("\n") == 1 and said.endswith("store.csv is made again\n"), name
        assert store.read_bytes() == whole and len(opened) == 1, name
    store.write_bytes(whole + b"torn,1,2\n")  # the row of another video
    assert measure(videos[:1], store=store) == first and store.read_bytes() == whole
    assert "1 row(s) of" in capsys.readouterr().out
    assert measure(videos[:1], store=store) == first and not capsys.readouterr().out


def test_a_folder_in_the_stores_place_is_named(videos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "store.csv").mkdir()
    with pytest.raises(ValueError, match=r"store\.csv is a folder where a file is kept"):
        measure(videos[:1], store=tmp_path / "store.csv")
