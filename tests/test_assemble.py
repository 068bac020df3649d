"""From lists to manifests: which clips become val, what is refused, what is left out."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roots import put

from actlumos.data.manifest import Manifest
from actlumos.data.published import arid, load_manifest, read_listing, roles
from actlumos.data.published import measure as room
from actlumos.data.published.entries import ALL, Entry
from actlumos.data.video import VideoError
from actlumos.runtime.files import sha256

Place = Callable[..., Path]
NAMES = ("Drink", "Jump")
ROLES = ("train", "val", "test")
CSV = "dataset,path,label,class,group,split,frames,fps,sha256\n"


@pytest.fixture
def place(tmp_path: Path, tiny_videos: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path / "home"))
    return partial(put, tmp_path / "root", tiny_videos / "left" / "left_0_1.mp4")


def clips(groups: Iterable[int], size: int = 4, names: Iterable[str] = NAMES) -> list[str]:
    return [f"{name}/{name}_{g}_{n}" for name in names for g in groups for n in range(1, size + 1)]


def arid_root(place: Place, **lists: list[str]) -> Path:
    """V1.0's layout with a file for every listed clip."""
    for role, listed in lists.items():
        rows = [
            f"{number}\t{arid.CLASSES.index(clip.split('/')[0])}\t{clip}.avi"
            for number, clip in enumerate(listed)
        ]
        root = place(f"list_cvt/ARID_split1_{role}.txt", text="\n".join(rows))
        place(*(f"clips_v1/{clip}.mp4" for clip in listed))
    return root


def groups_of(manifest: Manifest, split: str) -> set[str]:
    return {clip.group for clip in manifest.select(split).clips}


def sizes(manifest: Manifest) -> tuple[int, ...]:
    return tuple(len(manifest.select(split)) for split in ROLES)


@st.composite
def listings(draw: st.DrawFn) -> list[Entry]:
    """Two classes; each group is in train or test, and some of its clips in `other`."""
    entries = []
    for label in range(2):
        for group in range(draw(st.integers(1, 7))):
            role = draw(st.sampled_from(["train", "train", "train", "test"])) if group else "train"
            for clip in range(draw(st.integers(1, 9))):
                here = "other" if clip and draw(st.integers(0, 5)) == 0 else role
                name = f"c{label}_g{group}"
                entries.append(Entry(f"{label}/{name}_{clip}.avi", label, here, name))
    return entries


@settings(deadline=None, max_examples=150)
@given(listings(), st.integers(0, 99))
def test_val_never_touches_test_and_is_cut_from_whole_groups(
    entries: list[Entry], seed: int
) -> None:
    splits = roles.assign(entries, seed)
    assert splits == roles.assign(entries, seed)
    groups = {role: {e.group for e in entries if splits.get(e.path) == role} for role in ROLES}
    assert not groups["test"] & (groups["train"] | groups["val"])
    assert all(splits[e.path] == "test" for e in entries if e.role == "test")
    for label in range(2):
        own = [e for e in entries if e.label == label]
        train = [e for e in own if e.role == "train"]
        from_other = [e for e in own if e.role == "other" and e.path in splits]
        assert {e.group for e in from_other} <= {e.group for e in train}
        cut = [e for e in train if splits[e.path] == "val"]
        assert len(cut) < len(train)
        if from_other or len(train) < 2:
            assert not cut
            continue
        assert cut
        kept = {e.group for e in train if splits[e.path] == "train"}
        if len({e.group for e in train}) > 1:
            assert not {e.group for e in cut} & kept


@settings(deadline=None, max_examples=40)
@given(st.integers(14, 40), st.integers(0, 99))
def test_the_slice_is_about_15_percent(number: int, seed: int) -> None:
    entries = [Entry(f"g{g}_{n}", 0, "train", f"g{g}") for g in range(number) for n in range(3)]
    cut = Counter(roles.assign(entries, seed).values())["val"]
    assert abs(cut - 0.15 * 3 * number) <= 1.5


def test_the_seed_chooses_the_groups() -> None:
    entries = [Entry(f"g{g}_{n}", 0, "train", f"g{g}") for g in range(20) for n in range(3)]
    assert len({tuple(roles.assign(entries, seed).values()) for seed in range(5)}) > 1


def test_one_training_group_gives_its_last_clips() -> None:
    entries = [Entry(f"d/d_1_{n}.avi", 0, "train", "d_1") for n in range(20, 0, -1)]
    cut = [path for path, split in roles.assign(entries).items() if split == "val"]
    assert sorted(cut) == ["d/d_1_18.avi", "d/d_1_19.avi", "d/d_1_20.avi"]
    assert roles.assign(entries[:1]) == {"d/d_1_20.avi": "train"}


def test_groups_that_others_share_stay_in_train() -> None:
    entries = [Entry(f"0/{g}_{n}", 0, "train", g) for g in "abcdef" for n in range(3)]
    entries += [Entry(f"1/{g}_{n}", 1, "train", g) for g in "abxyz" for n in range(3)]
    entries += [Entry("0/c_9", 0, "test", "c"), Entry("1/x_9", 1, "test", "x")]
    for seed in range(20):
        splits = roles.assign(entries, seed)
        cut = {e.group for e in entries if splits[e.path] == "val"}
        assert cut and cut <= set("defyz")


def test_other_clips_of_a_group_in_train_and_test_are_not_val() -> None:
    rows = [("train", "a"), ("train", "b"), ("test", "b"), ("other", "a"), ("other", "b")]
    entries = [Entry(f"{n}.avi", 0, role, group) for n, (role, group) in enumerate(rows)]
    assert roles.assign(entries) == {"0.avi": "train", "1.avi": "train", "2.avi": "test",
                                     "3.avi": "val"}  # fmt: skip
    assert "1 test clips have their group in train too" in roles.notes(entries)[-1]


def test_a_path_listed_twice_is_refused() -> None:
    entries = [Entry("a", 0, "train", "a"), Entry("a", 0, "test", "a")]
    with pytest.raises(ValueError, match="'a' is listed twice"):
        roles.assign(entries)


def test_of_other_only_training_groups_are_val(place: Place) -> None:
    other = ["Drink/Drink_1_9", "Drink/Drink_3_9", "Jump/Jump_2_9", "Jump/Jump_3_8"]
    root = arid_root(place, train=clips((1, 2)), test=clips((3,)), other=other)
    listed = load_manifest("arid-layout", root)
    val = {clip.path: clip.group for clip in listed.select("val").clips}
    assert val == {"Drink/Drink_1_9.mp4": "Drink_1", "Jump/Jump_2_9.mp4": "Jump_2"}
    assert sizes(listed) == (16, 2, 8) and listed.left_out == ()
    notes = read_listing("arid-layout", root).notes
    assert notes[0].startswith("2 of the 4 clips of `other`, of training groups, are val; 2 are")
    assert listed.name == "arid-layout-split1" and listed.classes == ("Drink", "Jump")
    clip = listed.clips[0]
    assert (clip.path, clip.label, clip.frames, clip.fps) == ("Drink/Drink_1_1.mp4", 0, 16, 30)
    assert clip.sha256 == sha256(listed.path(0))


def test_without_other_val_is_a_slice_of_train(place: Place) -> None:
    root = arid_root(place, train=clips(range(1, 8)), test=clips((8,)), other=[])
    listed = load_manifest("arid-layout", root)
    assert sizes(listed) == (48, 8, 8)
    assert not groups_of(listed, "val") & (groups_of(listed, "train") | groups_of(listed, "test"))
    chosen = {frozenset(groups_of(load_manifest("arid-layout", root, seed=s), "val"))
              for s in range(6)}  # fmt: skip
    assert len(chosen) > 1


def test_real_lists_leave_val_clean(real_root: Path) -> None:
    listing = read_listing("arid-layout", real_root / "arid_mini")
    splits = roles.assign(listing.entries)
    count = Counter(splits.values())
    assert count["train"] + count["val"] == 93 and count["test"] == 57
    groups = {role: {e.group for e in listing.entries if splits[e.path] == role} for role in count}
    assert not groups["test"] & (groups["train"] | groups["val"])
    trained = Counter(group.split("_")[0] for group in groups["train"] | groups["val"])
    shared = {group.split("_")[0] for group in groups["val"] & groups["train"]}
    assert shared == {name for name, number in trained.items() if number == 1}
    assert listing.classes == ("Jump", "Run", "Sit", "Stand", "Turn", "Walk")
    assert {e.label for e in listing.entries if splits[e.path] == "val"} == set(range(6))
    assert all(e.path.startswith(listing.classes[e.label] + "/") for e in listing.entries)
    for split, kept in ((1, 468), (2, 434), (3, 469)):
        entries = read_listing("arid-v1.0", real_root / "lists" / "ARID_v1", split).entries
        splits = roles.assign(entries)
        tested = {e.group for e in entries if e.role == "test"}
        val = [e for e in entries if splits.get(e.path) == "val"]
        assert len(val) == kept and not tested & {e.group for e in val}
        assert {e.label for e in val} == set(range(11))


def test_dark48_leaks_and_loads_but_val_is_clean_of_test(real_root: Path) -> None:
    entries = read_listing("dark48", real_root / "lists" / "Dark48", 1).entries
    splits = roles.assign(entries)
    groups = {role: {e.group for e in entries if splits[e.path] == role} for role in ROLES}
    assert groups["train"] & groups["test"]
    assert not groups["val"] & (groups["train"] | groups["test"])
    assert {e.label for e in entries if splits[e.path] == "val"} == set(range(48))
    assert 0.14 < Counter(splits.values())["val"] / 7052 < 0.16


def test_lists_of_another_size_are_not_v1(place: Place) -> None:
    root = arid_root(place, train=clips((1, 2)), test=clips((3,)), other=[])
    with pytest.raises(ValueError, match=r"arid-v1.0, split 1, are not the published.*arid-layout"):
        load_manifest("arid-v1.0", root)


def test_v1_with_its_own_counts_loads(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    root = arid_root(place, train=clips((1, 2)), test=clips((3,)))
    both = dict.fromkeys(arid.CLASSES, 0)
    table = {role: both | {"Drink": n, "Jump": n, ALL: 2 * n} for role, n in
             (("train", 8), ("test", 4), ("other", 99))}  # fmt: skip
    monkeypatch.setitem(arid.PUBLISHED, ("arid-v1.0", 1), table)
    assert sizes(load_manifest("arid-v1.0", root)) == (8, 8, 8)  # an absent list is not counted


def test_a_shared_take_is_refused_in_arid(place: Place) -> None:
    root = arid_root(place, train=clips((1, 2)), test=["Drink/Drink_1_9", *clips((3,))])
    with pytest.raises(ValueError, match="group 'Drink_1' is in test and train"):
        load_manifest("arid-layout", root)


def test_missing_clips_are_counted_named_and_never_skipped_silently(place: Place) -> None:
    root = arid_root(place, train=clips((1, 2, 4)), test=clips((3,)), other=["Jump/Jump_3_9"])
    for gone in ("Drink_3_1", "Drink_3_2"):
        (root / "clips_v1" / "Drink" / f"{gone}.mp4").unlink()
    (root / "clips_v1" / "Jump" / "Jump_3_9.mp4").unlink()  # a clip that is not used
    message = r"2 of the 32 clips .*: Drink/Drink_3_1.avi, Drink/Drink_3_2.avi\. .*"
    with pytest.raises(FileNotFoundError, match=message) as raised:
        load_manifest("arid-layout", root)
    assert f"actlumos data verify arid-layout --root {root} --split 1" in str(raised.value)
    bad = root / "clips_v1" / "Jump" / "Jump_1_1.mp4"
    bad.unlink()
    bad.write_text("no video")
    bare = root.parent / "bare"
    shutil.copytree(root / "list_cvt", bare / "list_cvt")
    with pytest.raises(
        FileNotFoundError, match="32 of the 32 clips .*looked in clips_v1, clips_v1"
    ):
        load_manifest("arid-layout", bare)
    listed = load_manifest("arid-layout", root, on_bad_clip="skip")
    assert listed.left_out == ("Jump/Jump_1_1.avi", "Drink/Drink_3_1.avi", "Drink/Drink_3_2.avi")
    assert len(listed) == 29


def test_a_bad_clip_ends_the_call_by_default(place: Place) -> None:
    root = arid_root(place, train=clips((1, 2)), test=clips((3,)))
    bad = root / "clips_v1" / "Jump" / "Jump_2_1.mp4"
    bad.unlink()
    bad.write_text("no video")
    with pytest.raises(VideoError, match="Jump_2_1"):
        load_manifest("arid-layout", root)
    with pytest.raises(ValueError, match="not one of the 2 clips"):
        place("none/manifest.csv", text=CSV + ",a,0,x,,train,,,\n,b,0,x,,test,,,\n")
        load_manifest("csv", root / "none", on_bad_clip="skip")


def test_own_csv_loads_and_measures_only_what_is_empty(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = f"16,30,{'ab' * 32}"
    rows = [f"mine,w/a{n}.mp4,0,walk,p{n},train,{known}" for n in range(4)]
    rows += [",w/b.mp4,0,walk,,test,,,", ",u.avi,-1,,,train,,,"]
    root = place("manifest.csv", text=CSV + "\n".join(rows))
    place(*(f"w/a{n}.mp4" for n in range(4)), "w/b.mp4", "u.mp4")
    opened, probe = [], room.probe
    monkeypatch.setattr(room, "probe", lambda path: opened.append(path.name) or probe(path))
    listed = load_manifest("csv", root)
    assert sorted(opened) == ["b.mp4", "u.mp4"] and listed.name == "csv"
    assert sizes(listed) == (4, 1, 1)  # one of four labelled is val; the unlabelled one is not
    assert {clip.sha256 for clip in listed.clips if clip.group[0] == "p"} == {"ab" * 32}
    listed.write(root / "manifest.csv")
    again = load_manifest("csv", root)
    assert again.digest == replace(listed, name="csv").digest
    place(
        "leak.csv", text=CSV + f",w/a1.mp4,0,walk,p,train,{known}\n,w/a2.mp4,0,walk,p,test,{known}"
    )
    with pytest.raises(ValueError, match="group 'p' is in test and train"):
        load_manifest("csv", root, csv=root / "leak.csv")


def test_ellar_keeps_its_val_list(place: Place) -> None:
    rows = {role: [f"c{label}/{role}{n}.mp4 {label}" for label in range(12) for n in range(2)]
            for role in ("train", "val", "test")}  # fmt: skip
    for role, lines in rows.items():
        root = place(f"ELLAR_label_{role}.txt", text="\n".join(lines))
        place(*(f"videos/{line.split()[0]}" for line in lines))
    listed = load_manifest("ellar", root)
    assert sizes(listed) == (24, 24, 24) and listed.name == "ellar"
    assert all(clip.path.split("/")[1].startswith(clip.split) for clip in listed.clips)
