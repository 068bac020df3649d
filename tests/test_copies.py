"""Byte-identical clips: named, and in one split where this kit draws the splits."""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roots import put

from actlumos.data.manifest import Clip, Manifest, check_groups
from actlumos.data.published import load_manifest
from actlumos.data.published.copies import find_copies, join_groups, warnings
from actlumos.data.published.folder import folder


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path / "home"))


@pytest.fixture
def videos(tiny_videos: Path, tmp_path: Path) -> Path:
    """Eight clips per class under names that show no groups."""
    root = tmp_path / "videos"
    for name in ("left", "right"):
        (root / name).mkdir(parents=True)
        for number in range(8):
            source = tiny_videos / name / f"{name}_{number}_1.mp4"
            shutil.copy(source, root / name / f"clip{number}.mp4")
    return root


def splits_of_bytes(manifest: Manifest) -> dict[str, set[str]]:
    found = defaultdict(set)
    for index, clip in enumerate(manifest.clips):
        found[manifest.path(index).read_bytes()].add(clip.split)
    return found


def test_copies_stay_in_one_split_and_are_named(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {seed: folder(videos, seed=seed) for seed in range(4)}
    assert "copies" not in capsys.readouterr().out
    for path in sorted((videos / "left").iterdir()):
        for ending in (" (1)", " - Copy"):
            shutil.copy(path, path.with_stem(path.stem + ending))
    for seed, old in before.items():
        listed = folder(videos, seed=seed)
        assert len(listed) == 32 and {len(s) for s in splits_of_bytes(listed).values()} == {1}
        check_groups(listed)
        now = {clip.path: clip.split for clip in listed.clips}
        assert {clip.path: clip.split for clip in old.clips}.items() <= now.items()
    said = capsys.readouterr().out
    assert "16 clips are byte-identical copies of others: left/clip0 (1).mp4 = " in said
    assert "left/clip0 - Copy.mp4 = left/clip0.mp4" in said and "and 3 more" in said


def test_one_file_under_two_classes_stays_in_one_split_and_is_named(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        shutil.copy(videos / "left" / f"clip{number}.mp4", videos / "right" / f"x{number}.mp4")
    for seed in range(6):
        listed = folder(videos, seed=seed)
        assert {len(found) for found in splits_of_bytes(listed).values()} == {1}
    said = capsys.readouterr().out
    assert "3 of them are under two classes; one label is wrong: left/clip0.mp4 = right/x0" in said


def test_groups_that_share_a_copy_stay_together(tiny_videos: Path, tmp_path: Path) -> None:
    root, source = tmp_path / "named", sorted((tiny_videos / "left").iterdir())
    for number in range(10):
        (root / "go").mkdir(parents=True, exist_ok=True)
        shutil.copy(source[number], root / "go" / f"go_{number // 2}_{number % 2}.mp4")
    shutil.copy(root / "go" / "go_0_0.mp4", root / "go" / "go_4_7.mp4")
    for seed in range(6):
        listed = folder(root, seed=seed)
        split = {clip.path[3:7]: clip.split for clip in listed.clips}
        assert split["go_0"] == split["go_4"]
        assert {c.group for c in listed.clips} == {"go_0", "go_1", "go_2", "go_3"}


def test_a_class_of_copies_only_has_too_few_clips(videos: Path) -> None:
    for number in range(4):
        put(videos, videos / "left" / "clip0.mp4", f"same/{number}.mp4")
    with pytest.raises(ValueError, match=r"class 'same' has 0 different clip\(s\) in 0 group"):
        folder(videos)


def test_a_list_with_copies_in_two_splits_is_kept_with_a_warning(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(videos / "left" / "clip0.mp4", videos / "left" / "again.mp4")
    rows = ["path,class,split", *(f"left/clip{n}.mp4,left,train" for n in range(4))]
    (videos / "manifest.csv").write_text("\n".join([*rows, "left/again.mp4,left,test"]))
    assert len(load_manifest("csv", videos)) == 5
    said = capsys.readouterr().out
    assert "1 clips are byte-identical copies" in said and "1 of them are in two splits" in said


def test_warnings_of_a_manifest() -> None:
    clip = Clip("a\x1b.mp4", 0, "a", "train", 9, 30.0, "ab" * 32)
    others = replace(clip, path="b.mp4", label=1), replace(clip, path="c.mp4", sha256="")
    listed = Manifest("mine", Path("root"), ("x", "y"), (clip, *others))
    assert warnings(listed) == [
        r"mine: 1 clips are byte-identical copies of others: a\x1b.mp4 = b.mp4",
        r"1 of them are under two classes; one label is wrong: a\x1b.mp4 = b.mp4",
    ]
    assert warnings(replace(listed, clips=(clip, others[1]))) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_joined_groups_are_the_connected_ones(pairs: list[tuple[int, int]]) -> None:
    """Against a slow way: a matrix of connections, multiplied until nothing changes."""
    groups = {index: f"g{group}" for index, (group, _) in enumerate(pairs)}
    digests = {index: f"d{digest}" for index, (_, digest) in enumerate(pairs)}
    joined = join_groups(groups, find_copies(digests))
    near = [[i == j or groups[i] == groups[j] or digests[i] == digests[j] for j in groups]
            for i in groups]  # fmt: skip
    for _ in groups:
        near = [[any(near[i][k] and near[k][j] for k in groups) for j in groups] for i in groups]
    assert [[joined[i] == joined[j] for j in groups] for i in groups] == near
    assert set(joined.values()) <= set(groups.values())
