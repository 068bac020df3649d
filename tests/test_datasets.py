"""Manifests: round trips, digests, leaks, clips left out; data sets by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actlumos.data import published
from actlumos.data.manifest import SPLITS, Clip, Manifest, check_groups, concat
from actlumos.runtime.text import nfc
from actlumos.stages import datasets

TEXT = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
NAMES = TEXT.filter(lambda text: not set(text) & set("/\\") and text not in ("..", "."))


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    one = {"unique_by": lambda name: nfc(name).casefold()}
    classes = tuple(draw(st.lists(TEXT, max_size=4, **one)))
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
                {"frames": 31}, {"fps": 24.0}, {"sha256": "0" * 64},
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


def test_left_out_clips_are_no_part_of_csv_digest_or_equality(tmp_path: Path) -> None:
    whole = manifest(clip("1"), clip("2", 1))
    short = replace(whole, left_out=("gone.mp4",))
    assert short == whole and short.digest == whole.digest
    short.write(tmp_path / "list.csv")
    assert Manifest.read(tmp_path / "list.csv", "root").left_out == ()
    assert short.select("train").left_out == short.unlabeled().left_out == ("gone.mp4",)
    bare = replace(short, root=tmp_path / "a", clips=(clip("1"),)).unlabeled()
    other = replace(bare, name="other", root=tmp_path / "b")
    assert concat(bare, other).left_out == ("a/gone.mp4", "b/gone.mp4")


def test_load_manifest_refuses_unknown_names_and_splits(tmp_path: Path) -> None:
    assert datasets.names()[:4] == ("darkroom", "darkroom-b", "folder", "csv")
    with pytest.raises(ValueError, match="unknown data set 'kinetics': choose one of darkroom"):
        datasets.load_manifest("kinetics", tmp_path)
    with pytest.raises(ValueError, match="unknown data set 'darkroom': choose one of folder"):
        published.load_manifest("darkroom", tmp_path)
    for name in ("folder", "darkroom", "darkroom-b"):
        with pytest.raises(ValueError, match=f"{name} has one split, not a split 2"):
            datasets.load_manifest(name, tmp_path, 2)
    for name in datasets.names()[2:]:
        with pytest.raises(ValueError, match="needs a root"):
            datasets.load_manifest(name)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.mp4").touch()
    with pytest.raises(ValueError, match="use error or skip"):
        datasets.load_manifest("folder", tmp_path, on_bad_clip="ignore")


@pytest.mark.parametrize("digest", ["../../../elsewhere/x", "ab", "g" * 64, "a" * 65, "../" * 21])
def test_only_a_digest_is_taken_for_one(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="which is not 64 hex digits"):
        manifest(replace(clip(), sha256=digest))
    path = tmp_path / "manifest.csv"
    path.write_text(HEADER + f"d,a.mp4,0,A,g,train,30,30,{digest}\n")
    for reader in (Manifest.read, lambda p, root: published.load_manifest("csv", root, csv=p)):
        with pytest.raises(ValueError, match=r"manifest\.csv, line 2: the sha256 .* 64 hex digits"):
            reader(path, tmp_path)
    path.write_text(HEADER + f"d,a.mp4,0,A,g,train,30,30,{'AB' * 32}\n")  # as PowerShell writes it
    assert Manifest.read(path, tmp_path).clips[0].sha256 == "ab" * 32


def test_a_manifest_refuses_classes_that_differ_in_case_only() -> None:
    for classes in (("Walk", "run", "walk"), ("walk", "walk"), ("Straße", "STRASSE")):
        with pytest.raises(ValueError) as raised:
            Manifest("demo", Path("root"), classes, ())
        assert f"the classes {classes[0]!r} and {classes[-1]!r} differ" in str(raised.value)


def test_every_data_set_has_the_splits_of_its_authors() -> None:
    assert datasets.names() == ("darkroom", "darkroom-b", *published.names())
    for name in published.names():
        assert datasets.splits_of(name) == published.splits_of(name)
    assert datasets.splits_of("darkroom") == datasets.splits_of("darkroom-b") == (1,)
    assert datasets.splits_of("arid-v1.5") == (0, 1)
    for check in (datasets.splits_of, lambda name: datasets.check_split(name, 1)):
        with pytest.raises(ValueError, match="unknown data set 'kinetics': choose one of darkroom"):
            check("kinetics")
    with pytest.raises(ValueError, match="dark48 has the splits 1, 2, 3"):
        datasets.check_split("dark48", 4)


def test_a_rendered_data_set_has_a_folder_of_its_own_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path))
    monkeypatch.setattr(datasets.rendered, "load", lambda *given: asked.append(given))
    datasets.load_manifest("darkroom-b")
    datasets.load_manifest("darkroom", tmp_path / "mine", counts={"train": 1})
    assert asked == [
        ("darkroom-b", tmp_path / "data" / "darkroom-b", None),
        ("darkroom", tmp_path / "mine", {"train": 1}),
    ]


def test_what_a_killed_write_of_a_manifest_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".manifest-abcd1234.csv").write_text("dataset,pa")
    manifest(clip()).write(tmp_path / "manifest.csv")
    assert [path.name for path in tmp_path.glob("*.csv")] == ["manifest.csv"]
    assert not list(tmp_path.glob(".manifest-*"))
