"""Manifests: round trips, digests, leaks. The user's folder: classes, groups, splits, errors."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actlumos import datasets
from actlumos.datasets.folder import SHARES, find_groups, find_videos, folder, split_groups
from actlumos.datasets.manifest import SPLITS, Clip, Manifest, check_groups, concat
from actlumos.files import sha256
from actlumos.video import VideoError, VideoInfo, probe

TEXT = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
NAMES = TEXT.filter(lambda text: not set(text) & set("/\\") and text not in ("..", "."))


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    classes = tuple(draw(st.lists(TEXT, max_size=4, unique=True)))
    paths = draw(st.lists(NAMES, min_size=0 if classes else 1, max_size=6, unique=True))
    clips = tuple(
        Clip(
            path,
            draw(st.integers(-1, len(classes) - 1)),
            draw(TEXT),
            draw(st.sampled_from(SPLITS)),
            draw(st.integers(1, 9999)),
            draw(st.floats(0.01, 240)),
            draw(st.sampled_from(("", "ab" * 32))),
        )
        for path in paths
    )
    return Manifest(draw(TEXT), Path("root"), classes, clips)


def clip(path: str = "a/a.mp4", label: int = 0, group: str = "g", split: str = "train") -> Clip:
    return Clip(path, label, group, split, 30, 25.0, "")


def manifest(*clips: Clip, name: str = "demo", root: str = "root") -> Manifest:
    return Manifest(name, Path(root), ("a", "b"), clips)


@settings(deadline=None, max_examples=60)
@given(manifests())
def test_csv_round_trip_keeps_everything(
    tmp_path_factory: pytest.TempPathFactory, listed: Manifest
) -> None:
    path = tmp_path_factory.mktemp("csv") / "manifest.csv"
    listed.write(path)
    assert Manifest.read(path, listed.root) == listed
    assert Manifest.read(path, "elsewhere").digest == listed.digest


@settings(deadline=None)
@given(manifests())
def test_splits_are_a_partition_and_counts_add_up(listed: Manifest) -> None:
    parts = [listed.select(split) for split in SPLITS]
    assert Counter(c for part in parts for c in part.clips) == Counter(listed.clips)
    assert all(part.classes == listed.classes for part in parts)
    counts = listed.counts()
    assert list(counts) == list(listed.classes)
    assert sum(counts.values()) == (listed.labels >= 0).sum()
    bare = listed.unlabeled()
    assert len(bare) == len(listed) and (bare.labels == -1).all() and bare.classes == ()


def test_digest_changes_with_everything_but_the_root() -> None:
    base = manifest(clip(), clip("b", 1))
    assert replace(base, root=Path("other")).digest == base.digest
    first = base.clips[0]
    others = [
        replace(base, name="x"),
        replace(base, classes=("a", "c")),
        replace(base, clips=base.clips[::-1]),
        *(
            replace(base, clips=(replace(first, **change), base.clips[1]))
            for change in (
                {"path": "z"}, {"label": 1}, {"group": "h"}, {"split": "val"},
                {"frames": 31}, {"fps": 24.0}, {"sha256": "00"},
            )
        ),
    ]  # fmt: skip
    assert len({base.digest, *(other.digest for other in others)}) == len(others) + 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (clip("/etc/a.mp4"), "below the root"),
        (clip("../a.mp4"), "below the root"),
        (clip("a\\b.mp4"), "forward slashes"),
        (clip(label=2), "label 2, but there are 2 classes"),
        (clip(split="dev"), "use one of train, val, test"),
        (replace(clip(), frames=0), "has 0 frames"),
    ],
)
def test_a_manifest_refuses_bad_clips(bad: Clip, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        manifest(bad)


def test_a_manifest_refuses_a_path_listed_twice_and_an_unknown_split() -> None:
    with pytest.raises(ValueError, match="listed twice"):
        manifest(clip(), clip())
    with pytest.raises(ValueError, match="choose one of train, val, test"):
        manifest(clip()).select("dev")


HEADER = "dataset,path,label,class,group,split,frames,fps,sha256\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na,0\n", "lacks the column"),
        (HEADER, "lists no clip"),
        (HEADER + "d,a,zero,A,g,train,30,30,\n", "line 2"),
        (HEADER + "d,a,0,A,g,train,30,30,\nd,b,0,B,g,train,30,30,\n", "both 'A' and 'B'"),
        (HEADER + "d,a,5,A,g,train,30,30,\n", "no row names class 0"),
    ],
)
def test_a_broken_csv_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"list.csv.*{message}"):
        Manifest.read(path, tmp_path)


def test_a_shared_group_is_a_leak() -> None:
    check_groups(manifest(clip("1"), clip("2"), clip("3", group="h", split="test")))
    leaky = manifest(clip("1"), clip("2", split="val"), clip("3", group="h", split="test"))
    check_groups(leaky, apart=("train", "test"))
    with pytest.raises(ValueError, match=r"group 'g' is in train and val \(1 such"):
        check_groups(leaky)


def test_concat_joins_pools_under_their_common_parent(tmp_path: Path) -> None:
    first = manifest(clip("x.mp4"), root=str(tmp_path / "one"), name="one").unlabeled()
    second = manifest(clip("x.mp4"), root=str(tmp_path / "two" / "deep"), name="two").unlabeled()
    joined = concat(first, second)
    assert joined.name == "one+two" and joined.root == tmp_path.resolve()
    assert [joined.path(0), joined.path(1)] == [
        tmp_path.resolve() / "one" / "x.mp4", tmp_path.resolve() / "two" / "deep" / "x.mp4"
    ]  # fmt: skip
    assert [c.group for c in joined.clips] == ["one/g", "two/g"]
    assert concat(first).path(0) == first.path(0).resolve()


def test_concat_refuses_labels_and_nothing() -> None:
    with pytest.raises(ValueError, match="unlabeled"):
        concat(manifest(clip()))
    with pytest.raises(ValueError, match="at least one"):
        concat()


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


def test_folder_keeps_its_measurements(
    tiny_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, csv = tmp_path / "videos", tmp_path / "kept" / "manifest.csv"
    shutil.copytree(tiny_videos, root)
    before = folder(root, csv=csv)
    opened = []

    def watched(path: Path) -> VideoInfo:
        opened.append(path.name)
        return probe(path)

    monkeypatch.setattr("actlumos.datasets.folder.probe", watched)
    assert folder(root, csv=csv).digest == before.digest and opened == []
    later = csv.stat().st_mtime + 10
    os.utime(root / "left" / "left_4_1.mp4", (later, later))
    shutil.copy(root / "left" / "left_0_1.mp4", root / "right" / "right_11_1.mp4")
    os.utime(root / "right" / "right_11_1.mp4", (later, later))
    assert len(folder(root, csv=csv)) == 21
    assert sorted(opened) == ["left_4_1.mp4", "right_11_1.mp4"]
    assert sorted(path.name for path in root.iterdir()) == ["left", "right"]


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
    root = real_root / "arid_mini" / "clips_v1"
    listed = datasets.load_manifest("folder", root, csv=tmp_path / "manifest.csv")
    assert listed.counts() == dict.fromkeys(("Jump", "Run", "Sit", "Stand", "Turn", "Walk"), 25)
    assert all(min(listed.select(split).counts().values()) > 0 for split in SPLITS)
    assert {c.group for c in listed.clips if c.path == "Jump/Jump_11_10.mp4"} == {"Jump_11"}
    groups = {split: {c.group for c in listed.select(split).clips} for split in SPLITS}
    assert not groups["test"] & (groups["train"] | groups["val"])
    assert 33 <= min(c.frames for c in listed.clips) <= max(c.frames for c in listed.clips) <= 105


def test_load_manifest_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    assert datasets.names() == ("darkroom", "darkroom-b", "folder")
    with pytest.raises(ValueError, match="unknown data set 'kinetics': choose one of darkroom"):
        datasets.load_manifest("kinetics", tmp_path)
    with pytest.raises(ValueError, match="has one split"):
        datasets.load_manifest("folder", tmp_path, 2)
    with pytest.raises(ValueError, match="needs a root"):
        datasets.load_manifest("folder")
