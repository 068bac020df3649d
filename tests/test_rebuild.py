"""Dark48 linked together from source folders as people have them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from actlumos.data.published import read_listing
from actlumos.data.published.dark48 import CLASSES
from actlumos.data.published.listing import locate
from actlumos.data.published.rebuild import KINETICS_CLASSES, Rebuilt, key_of, rebuild_dark48

CLIPS = {
    "karaoke/-ab_cd_000003_000013.mp4": "k700/train/karaoke/-ab_cd_3_13.mkv",
    "spinning_poi/xyz_000000_000010.mp4": "k700/val/spinning poi/xyz_000000_000010.mp4",
    "spelunking/gone_000001_000011.mp4": "",
    "adult_female_singing/yt-1_2.mp4": "mit/training/adult+female+singing/yt-1_2.mp4",
    "singing/yt-1_2.mp4": "mit/training/singing/yt-1_2.mp4",
    "bouncing/-q $(x)'_7.mp4": "mit/validation/bouncing/-q $(x)'_7.mp4",
    "burning/a.b.c_1.mp4": "mit/validation/other/a.b.c_1.mp4",
    "turning/none_4.mp4": "",
}


def make_sources(root: Path) -> Path:
    """Lists and two source trees; every video holds its own path as text."""
    (root / "lists").mkdir()
    ids = {path: CLASSES.index(path.partition("/")[0]) for path in CLIPS}
    rows = [f"{path} {label}" for path, label in ids.items()]
    for split in (1, 2, 3):
        (root / "lists" / f"train_split{split}.txt").write_text("\n".join(rows[:6]))
        (root / "lists" / f"test_split{split}.txt").write_text("\n".join(rows[6:]))
    for place in filter(None, CLIPS.values()):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(place)
    return root


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    return make_sources(tmp_path)


def build(place: Path, kinetics: str | None = "k700", mit: str | None = "mit") -> Rebuilt:
    trees = [place / name if name else None for name in (kinetics, mit)]
    return rebuild_dark48(place / "lists", *trees, place / "out")


def test_clips_are_linked_by_name_under_their_class(sources: Path) -> None:
    found = build(sources)
    assert set(found.linked) == {path for path, source in CLIPS.items() if source}
    assert set(found.missing) == {path for path, source in CLIPS.items() if not source}
    for path in found.linked:
        made = (sources / "out" / path).with_suffix(Path(CLIPS[path]).suffix)
        assert made.is_symlink() and made.read_text() == CLIPS[path]
    assert found.found["kinetics"] == (2, 3) and found.found["mit"] == (4, 5)
    assert found.found["singing"] == (1, 1) and found.found["turning"] == (0, 1)
    assert "6 of 8 clips of Dark48" in str(found) and found.copied == 0


def test_the_result_loads_as_dark48(sources: Path) -> None:
    build(sources)
    located = locate(read_listing("dark48", sources / "out", 2))
    assert set(located.found) == {path for path, source in CLIPS.items() if source}
    assert not located.surplus


def test_one_source_does_its_part_and_the_other_later_the_rest(sources: Path) -> None:
    assert set(build(sources, mit=None).linked) == set(list(CLIPS)[:2])
    (sources / "mit/validation/other/a.b.c_1.mp4").rename(sources / "mit/a.b.c_1.webm")
    found = build(sources, kinetics=None)
    assert len(found.linked) == 6 and (sources / "out/burning/a.b.c_1.webm").is_symlink()
    before = {path: path.lstat().st_mtime_ns for path in (sources / "out").rglob("*.mp4")}
    assert build(sources) == found
    assert before == {path: path.lstat().st_mtime_ns for path in (sources / "out").rglob("*.mp4")}


def test_a_broken_link_is_made_again(sources: Path) -> None:
    build(sources)
    shutil.move(sources / "k700", sources / "elsewhere")
    assert not (sources / "out/spinning_poi/xyz_000000_000010.mp4").exists()
    assert build(sources, kinetics="elsewhere").found["kinetics"] == (2, 3)


def test_where_links_are_refused_files_are_copied(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "symlink", refuse)
    found = build(sources)
    assert found.copied == 6 and "6 were copied" in str(found)
    made = sources / "out/singing/yt-1_2.mp4"
    assert not made.is_symlink() and made.read_text() == CLIPS["singing/yt-1_2.mp4"]
    assert build(sources).copied == 6


def test_folders_that_link_in_a_circle_are_walked_once(sources: Path) -> None:
    (sources / "mit" / "again").symlink_to(sources / "mit", target_is_directory=True)
    assert build(sources).found["mit"] == (4, 5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kinetics": None, "mit": None}, ValueError, "at least one source"),
        ({"mit": "nowhere"}, FileNotFoundError, "nowhere: no such folder"),
        ({"mit": "."}, ValueError, "is in the source folder"),
    ],
)
def test_bad_places_are_refused(
    arguments: dict, error: type[Exception], message: str, sources: Path
) -> None:
    with pytest.raises(error, match=message):
        build(sources, **arguments)


def test_seconds_are_compared_as_numbers() -> None:
    assert key_of("a_b_000010_000020", "kinetics") == key_of("a_b_10_20", "kinetics") == "a_b_10_20"
    assert key_of("yt-a_000010_000020", "mit") == "yt-a_000010_000020"
    assert key_of("a", "kinetics") == "a"


def test_the_official_lists_say_which_source_a_clip_has(real_root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    lists = real_root / "lists" / "Dark48"
    found = rebuild_dark48(lists, None, tmp_path / "empty", tmp_path / "out")
    assert found.linked == () and len(found.missing) == 8815
    assert found.found["kinetics"] == (0, 1978) and found.found["mit"] == (0, 6837)
    kinetics = [p for p in found.missing if p.partition("/")[0] in KINETICS_CLASSES]
    assert all(key_of(Path(p).stem, "kinetics") != Path(p).stem for p in kinetics)
    assert len(list((tmp_path / "out" / "annotations").iterdir())) == 7
