"""The user's folder: classes, groups, splits, measuring, errors."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actlumos.data import published
from actlumos.data.manifest import SPLITS, Manifest, check_groups
from actlumos.data.published.folder import SHARES, find_groups, find_videos, folder, split_groups
from actlumos.data.video import VideoError
from actlumos.runtime.files import sha256


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements of this test are stored in its folder."""
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path / "home"))


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), min_size=3, max_size=30), st.integers(0, 999))
def test_groups_stay_whole_and_no_split_is_empty(sizes: list[int], seed: int) -> None:
    groups = [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)]
    splits = split_groups(groups, "any", [seed, 0])
    assert len(set(zip(groups, splits, strict=True))) == len(sizes)
    assert set(splits) == set(SPLITS)
    assert splits == split_groups(groups, "any", [seed, 0])


@settings(deadline=None)
@given(st.integers(12, 60), st.integers(0, 99))
def test_shares_are_met_to_a_group(number: int, seed: int) -> None:
    splits = split_groups([f"g{i}" for i in range(number)], "any", [seed])
    for split, share in SHARES.items():
        assert abs(splits.count(split) - share * number) <= 1


def test_two_groups_train_on_the_larger_and_test_on_the_other() -> None:
    splits = split_groups(["s"] * 4 + ["l"] * 10, "any", [0])
    assert splits == ["test"] * 4 + ["train"] * 8 + ["val"] * 2
    for groups in (["a"] * 9, ["a", "b"]):
        with pytest.raises(ValueError, match="'any' has .* too few"):
            split_groups(groups, "any", [0])


def make(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_classes_sort_without_case_and_files_naturally(tmp_path: Path) -> None:
    names = "wave/b10.mp4", "wave/b9.MKV", "Run/x.avi", "apple/y.mov", ".hidden/z.mp4"
    make(tmp_path, *names, "wave/notes.txt", "wave/._b9.mp4", "readme.txt")
    found = find_videos(tmp_path)
    assert list(found) == ["apple", "Run", "wave"]
    assert [path.name for path in found["wave"]] == ["b9.MKV", "b10.mp4"]


def test_groups_are_read_from_names_only_where_all_show_them(tmp_path: Path) -> None:
    make(tmp_path, "Run/Run_1_1.mp4", "Run/run_1_2.avi", "Run/Run_2_1.mp4", "Sit/Sit_a_b_3.mp4")
    groups = find_groups(find_videos(tmp_path))
    assert sorted(groups.values()) == ["Run_1", "Run_1", "Run_2", "Sit_a_b"]
    make(tmp_path, "Sit/holiday.mp4")
    alone = find_groups(find_videos(tmp_path))
    assert sorted(alone.values())[0] == "Run/Run_1_1" and len(set(alone.values())) == 5


def test_folder_measures_and_splits(tiny_videos: Path) -> None:
    listed = folder(tiny_videos)
    assert listed.classes == ("left", "right") and len(listed) == 20
    assert listed.counts() == {"left": 10, "right": 10}
    for split, number in (("train", 6), ("val", 2), ("test", 2)):
        assert abs(len(listed.select(split)) / 2 - number) <= 1
    check_groups(listed)
    first = listed.clips[0]
    assert (first.path, first.frames, first.fps) == ("left/left_0_1.mp4", 16, 30.0)
    assert first.sha256 == sha256(listed.path(0))
    assert listed.digest == folder(tiny_videos).digest
    assert listed.digest != folder(tiny_videos, seed=1).digest


def test_folder_keeps_its_manifest_and_writes_nothing_into_the_folder(
    tiny_videos: Path, tmp_path: Path
) -> None:
    root, csv = tmp_path / "videos", tmp_path / "kept" / "manifest.csv"
    shutil.copytree(tiny_videos, root)
    before = folder(root, csv=csv)
    assert Manifest.read(csv, root) == before
    shutil.copy(root / "left" / "left_0_1.mp4", root / "right" / "right_11_1.mp4")
    assert len(folder(root, csv=csv)) == 21
    assert len(Manifest.read(csv, root)) == 21
    assert sorted(path.name for path in root.iterdir()) == ["left", "right"]


def test_folder_leaves_out_what_it_cannot_read(tiny_videos: Path, tmp_path: Path) -> None:
    root = tmp_path / "videos"
    shutil.copytree(tiny_videos, root)
    (root / "right" / "right_5_1.mp4").write_text("not a video")
    listed = folder(root, on_bad_clip="skip")
    assert listed.left_out == ("right/right_5_1.mp4",)
    assert listed.counts() == {"left": 10, "right": 9}


def test_folder_names_what_is_wrong(tiny_videos: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        folder(tmp_path / "nowhere")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="no class folders"):
        folder(tmp_path / "none")
    with pytest.raises(ValueError, match="Sit holds no video"):
        folder(make(tmp_path / "hollow", "Run/a.mp4", "Sit/notes.txt"))
    shutil.copytree(tiny_videos, tmp_path / "bad")
    (tmp_path / "bad" / "right" / "right_5_1.mp4").write_text("not a video")
    with pytest.raises(VideoError, match=r"right_5_1\.mp4"):
        folder(tmp_path / "bad")


def test_real_clips_split_without_sharing_groups_with_test(real_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "clips"
    for place in (real_root / "arid_mini" / "clips_v1").iterdir():
        (root / place.name).mkdir(parents=True)
        for path in sorted(place.iterdir())[1::4]:
            (root / place.name / path.name).symlink_to(path)
    listed = published.load_manifest("folder", root, csv=tmp_path / "manifest.csv")
    assert listed.classes == ("Jump", "Run", "Sit", "Stand", "Turn", "Walk")
    assert all(min(listed.select(split).counts().values()) > 0 for split in SPLITS)
    assert {c.group for c in listed.clips if c.path == "Jump/Jump_11_10.mp4"} == {"Jump_11"}
    groups = {split: {c.group for c in listed.select(split).clips} for split in SPLITS}
    assert not groups["test"] & (groups["train"] | groups["val"])
    assert 33 <= min(c.frames for c in listed.clips) <= max(c.frames for c in listed.clips) <= 105


def test_every_kind_of_video_is_read_whatever_the_case(tmp_path: Path) -> None:
    names = ["a.m4v", "b.3gp", "c.MPG", "d.wmv", "e.ts", "f.mpeg", "g.FLV", "h.m2ts"]
    assert [p.name for p in find_videos(make(tmp_path, *(f"x/{n}" for n in names)))["x"]] == names


def test_the_decoder_reads_what_the_endings_promise(tmp_path: Path) -> None:
    for ending, codec in (("m4v", "mpeg4"), ("3gp", "mpeg4"), ("MPG", "mpeg1video"),
                          ("wmv", "wmv2"), ("ts", "mpeg2video"), ("flv", "flv")):  # fmt: skip
        (tmp_path / "x").mkdir(exist_ok=True)
        with av.open(str(tmp_path / "x" / f"{codec}.{ending}"), "w") as out:
            stream = out.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for shade in range(0, 120, 10):
                picture = np.full((48, 64, 3), shade, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            out.mux(stream.encode())
    assert [clip.frames for clip in folder(tmp_path, divide=False).clips] == [12] * 6


def test_what_is_not_used_is_named(
    tiny_videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "videos"
    shutil.copytree(tiny_videos, root)
    folder(root)
    assert not capsys.readouterr().out
    make(root, "left/a.rm", "left/x\x1b.rm", "left/day2/b.mp4", "left/.c.rm", "left/Thumbs.db")
    make(root, "loose.mp4", "readme.txt", "left/._d.mp4")
    folder(root)
    said = capsys.readouterr().out
    kinds, names = "2 .rm, 1 folder, 1 .mp4", r"left/a.rm, left/day2, left/x\x1b.rm, loose.mp4"
    assert said == f"{root}: not used: {kinds}: {names}\n"
    make(tmp_path / "hollow", "Run/a.mp4", "Sit/notes.txt", "Sit/b.rm", "Sit/c.rm")
    with pytest.raises(ValueError, match=r"Sit holds no video \(.*\); it holds 2 \.rm, 1 \.txt"):
        folder(tmp_path / "hollow")


def test_classes_that_differ_in_case_or_accents_only_are_refused(tmp_path: Path) -> None:
    for number, pair in enumerate((("Walk", "walk"), ("\xe9t\xe9", "e\u0301te\u0301"))):
        root = make(tmp_path / str(number), *(f"{name}/a.mp4" for name in pair))
        if len(list(root.iterdir())) < 2:
            pytest.skip("this file system has one name for both")
        with pytest.raises(ValueError) as raised:
            folder(root)
        assert all(repr(name) in str(raised.value) for name in pair)


def test_class_names_are_composed_wherever_they_come_from(
    tiny_videos: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_videos / "left", tmp_path / "videos" / "e\u0301te\u0301")
    listed = folder(tmp_path / "videos", csv=tmp_path / "list.csv")
    assert listed.classes == ("\xe9t\xe9",) and all(listed.path(i).is_file() for i in range(10))
    assert Manifest.read(tmp_path / "list.csv", listed.root) == listed


def test_undivided_clips_are_all_test(tiny_videos: Path, tmp_path: Path) -> None:
    root = make(tmp_path / "few", "left/none")
    for name, number in (("left", 2), ("right", 1)):
        for path in sorted((tiny_videos / name).iterdir())[:number]:
            (root / name).mkdir(exist_ok=True)
            shutil.copy(path, root / name)
    with pytest.raises(ValueError, match=r"class 'left' .* too few for train, val and test"):
        published.load_manifest("folder", root)
    listed = published.load_manifest("folder", root, divide=False, csv=tmp_path / "list.csv")
    assert listed.counts() == {"left": 2, "right": 1}
    assert {clip.split for clip in listed.clips} == {"test"}
    whole = folder(tiny_videos)
    undivided = folder(tiny_videos, divide=False)
    assert [c.path for c in undivided.clips] == [c.path for c in whole.clips]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names there are always Unicode")
def test_a_name_that_is_not_utf8_is_one_bad_clip(tiny_videos: Path, tmp_path: Path) -> None:
    root = tmp_path / "videos"
    shutil.copytree(tiny_videos, root)
    bad = root / "left" / os.fsdecode(b"caf\xe9.mp4")
    shutil.copy(root / "left" / "left_0_1.mp4", bad)
    with pytest.raises(VideoError, match=r"left/caf\\xe9\.mp4: its name .* is not UTF-8: rename"):
        folder(root)
    listed = folder(root, on_bad_clip="skip", csv=tmp_path / "list.csv")
    assert listed.left_out == (r"left/caf\xe9.mp4",) and len(listed) == 20
    assert Manifest.read(tmp_path / "list.csv", root) == listed
    (root / os.fsdecode(b"jum\xff")).mkdir()
    with pytest.raises(ValueError, match=r"jum\\xff: the name of this class is not UTF-8"):
        folder(root)
