"""Leaks: counts known from the official lists, and pools that hold test clips."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from actlumos.data.manifest import Clip, Manifest, concat
from actlumos.data.published import read_listing
from actlumos.data.published.entries import Entry, Listing
from actlumos.data.published.leaks import Leak, check_pool, find_leaks, leave_out


def listing(name: str, train: str, test: str, split: int = 1) -> Listing:
    """Entries from `path:label` words; the group is the name without its last number."""
    rows = []
    for role, words in (("train", train), ("test", test)):
        for word in words.split():
            path, label = word.split(":")
            group = path.rpartition("/")[2].rpartition("_")[0]
            rows.append(Entry(path, int(label), role, group))
    return Listing(name, split, ("a", "b", "c"), tuple(rows), Path("nowhere"))


def counts(leaks: Iterable[Leak]) -> dict[tuple[str, str, str], int]:
    return {(leak.kind, leak.first, leak.second): leak.count for leak in leaks}


def test_a_clean_listing_leaks_nothing() -> None:
    assert find_leaks([listing("dark48", "a/x_1.mp4:0 b/y_1.mp4:1", "a/z_1.mp4:0")]) == []


def test_leaks_inside_a_listing_are_counted_by_kind() -> None:
    train = "a/x_1.mp4:0 b/y_1.mp4:1 b/w_4.mp4:1"
    test = "a/x_2.mp4:0 a/y_1.mp4:0 b/v_1.mp4:1"
    found = find_leaks([listing("dark48", train, test)])
    where = ("dark48 split 1 test", "dark48 split 1 train")
    assert counts(found) == {
        ("shared group", *where): 2,
        ("other label", *where): 1,
        ("two classes", "dark48 split 1", "dark48 split 1"): 1,
    }
    assert found[0].examples == ("a/x_2.mp4", "a/y_1.mp4")
    assert str(found[1]) == (
        "dark48 split 1 test: 1 clips that are in dark48 split 1 train under another label: "
        "a/y_1.mp4"
    )


def test_sets_of_the_arid_family_are_compared_by_name_and_take() -> None:
    old = listing("arid-v1.0", "Run/Run_9_1.avi:0", "Run/Run_1_1.avi:0 Run/Run_1_2.avi:0")
    new = listing("ug2-2021", "x/Run_1_2.mp4:0 x/Run_1_7.mp4:0 x/run_1_1.mp4:0", "test/0.mp4:0")
    assert counts(find_leaks([old, new])) == {
        ("same clip", "ug2-2021 split 1 train", "arid-v1.0 split 1 test"): 1,
        ("same take", "ug2-2021 split 1 train", "arid-v1.0 split 1 test"): 1,
    }
    assert find_leaks([replace(old, name="arid-layout"), new]) == []
    assert find_leaks([old, replace(old, split=2)]) == []


def literal_source(path: str) -> str:
    """A clip's source as it is spelled: the name without its times."""
    return re.sub(r"(_\d{6}_\d{6}|_\d+)$", "", Path(path).stem)


@pytest.mark.parametrize(
    ("split", "literal", "spelled", "other"),
    [(1, 138, 176, 14), (2, 137, 173, 11), (3, 127, 174, 17)],
)
def test_dark48_leaks_as_its_lists_say(
    split: int, literal: int, spelled: int, other: int, real_root: Path
) -> None:
    lists = read_listing("dark48", real_root / "lists" / "Dark48", split)
    found = {leak.kind: leak.count for leak in find_leaks([lists])}
    assert found == {"shared group": spelled, "other label": other, "two classes": 52}
    plain = [replace(entry, group=literal_source(entry.path)) for entry in lists.entries]
    again = find_leaks([replace(lists, entries=tuple(plain))])
    assert {leak.kind: leak.count for leak in again}["shared group"] == literal


def test_ug2_trains_on_what_arid_tests(real_root: Path) -> None:
    lists = real_root / "lists"
    old = [read_listing("arid-v1.0", lists / "ARID_v1", split) for split in (1, 2, 3)]
    new = read_listing("ug2-2021", lists / "UG2_2021", 1)
    assert find_leaks(old) == []
    found = [leak for leak in find_leaks([*old, new]) if leak.kind == "same clip"]
    assert [(leak.second, leak.count) for leak in found] == [
        ("arid-v1.0 split 1 test", 263),
        ("arid-v1.0 split 2 test", 241),
        ("arid-v1.0 split 3 test", 241),
    ]
    assert {leak.first for leak in found} == {"ug2-2021 split 1 train"}


def manifest(
    name: str, paths: str, split: str = "train", root: str = "data", sha: str = ""
) -> Manifest:
    """Clips `Run/Run_1_2.mp4` from words like `Run_1_2`."""
    clips = []
    for word in paths.split():
        group = word.rpartition("_")[0]
        clips.append(Clip(f"{word.partition('_')[0]}/{word}.mp4", 0, group, split, 9, 30.0, sha))
    return Manifest(name, Path(root) / name, ("a",), tuple(clips))


TEST = manifest("arid-v1.0-split1", "Run_1_1 Run_1_2 Wave_3_1", "test")


@pytest.mark.parametrize("name", ["ug2-2021", "arid-v1.5-split0", "ee6222", "arid-v1.0-split1"])
def test_a_pool_with_test_clips_is_refused(name: str) -> None:
    pool = manifest(name, "Run_1_2 Run_1_5 Run_2_1")
    with pytest.raises(
        ValueError, match="1 test clips .*Run_1_2.* 1 clips of takes .*Run_1_5"
    ) as e:
        check_pool(pool, TEST)
    assert "--allow-leaks" in str(e.value) and name in str(e.value)
    kept = leave_out(pool, TEST)
    assert [clip.path for clip in kept.clips] == ["Run/Run_2_1.mp4"]
    check_pool(kept, TEST)
    with pytest.raises(ValueError, match="every clip of"):
        leave_out(manifest(name, "Run_1_1"), TEST)


def test_names_count_in_the_family_only_and_with_case() -> None:
    check_pool(manifest("ug2-2021", "run_1_1 Run_11_1 Run_1"), TEST)
    check_pool(manifest("folder-mine", "Run_1_1"), TEST)
    check_pool(manifest("arid-layout-split1", "Run_1_1"), TEST)
    own = replace(TEST, name="arid-layout-split1")
    check_pool(replace(manifest("arid-layout-split1", "Run_1_1"), root=Path("other")), own)
    with pytest.raises(ValueError, match="1 clips of takes"):
        check_pool(replace(own, clips=manifest("x", "Run_1_9").clips), own)


def test_equal_bytes_count_everywhere() -> None:
    test = manifest("folder-mine", "Run_1_1", "test", sha="ab" * 32)
    with pytest.raises(ValueError, match=r"1 test clips of folder-mine \(Jump/Jump_4_1\.mp4\)"):
        check_pool(manifest("darkroom-b", "Jump_4_1", sha="ab" * 32), test)
    check_pool(manifest("darkroom-b", "Jump_4_1", sha="cd" * 32), test)
    check_pool(manifest("darkroom-b", "Jump_4_1"), replace(test, clips=(TEST.clips[0],)))


def test_a_joint_pool_is_known_by_its_parts() -> None:
    ours = manifest("arid-v1.0-split1", "Run_2_1 Run_2_2").unlabeled()
    leaking = manifest("ug2-2021", "Run_1_1 Run_7_1").unlabeled()
    clean = manifest("folder-mine", "Run_1_1").unlabeled()
    check_pool(concat(ours, clean), TEST)
    with pytest.raises(ValueError, match=r"1 test clips .*ug2-2021/Run/Run_1_1\.mp4"):
        check_pool(concat(ours, clean, leaking), TEST)
    layout = manifest("arid-layout-split1", "Run_2_1")
    own = replace(layout, clips=manifest("x", "Run_5_1", "test").clips)
    check_pool(concat(layout.unlabeled(), clean), own)
    with pytest.raises(ValueError, match="1 test clips"):
        check_pool(concat(replace(own, clips=own.clips).unlabeled(), clean), own)


def test_an_empty_test_leaks_nothing() -> None:
    check_pool(manifest("ug2-2021", "Run_1_1"), replace(TEST, clips=()))
