"""A copy of a data set: what is right is accepted, and what is wrong is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from test_bad_files import count_too_high

from actlumos.data.published import filecheck
from actlumos.data.published.verify import verify

CLIPS = {"train": ("Run_1_1", "Run_1_2", "Wave_1_1"), "test": ("Run_2_1", "Wave_2_1")}
NUMBERS = {"Run": 5, "Wave": 10}


def make_copy(root: Path, clips: Path) -> Path:
    """Five clips of two classes in ARID's layout, lists as distributed (they say .avi)."""
    videos = sorted(clips.glob("*/*.mp4"))
    (root / "list_cvt").mkdir(parents=True)
    for role, names in CLIPS.items():
        rows = []
        for number, name in enumerate(names):
            kind = name.partition("_")[0]
            target = root / "clips_v1" / kind / f"{name}.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(videos.pop(), target)
            rows.append(f"{number}\t{NUMBERS[kind]}\t{kind}/{name}.avi\n")
        (root / "list_cvt" / f"ARID_split1_{role}.txt").write_text("".join(rows))
    return root


@pytest.fixture
def copy(tmp_path: Path, tiny_videos: Path) -> Path:
    return make_copy(tmp_path / "ARID", tiny_videos)


def test_a_whole_copy_is_whole(copy: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    found = verify("arid-layout", copy, report=report)
    assert found.ok and not found.problems and "whole" in found.summary()
    assert found.splits[1].counts["train"]["Run"] == (2, None, 2)
    assert found.splits[1].counts["all"]["all"] == (5, None, 5)
    assert {(f.frames, f.width, f.height, f.fps) for f in found.files.values()} == {
        (16, 64, 48, 30.0)
    }
    assert "5 whole, 16 to 16 frames (5 under 32, 5 under 64); 64x48 (5); 30 fps (5)" in (
        found.summary()
    )
    kept = json.loads(report.read_text("utf-8"))
    assert kept["ok"] is True and len(kept["files"]) == 5
    assert kept["splits"]["1"]["counts"]["test"]["Wave"] == [1, None, 1]


def test_every_defect_is_named(copy: Path) -> None:
    clips = copy / "clips_v1"
    (clips / "Run" / "Run_1_2.mp4").unlink()
    (clips / "Wave" / "Wave_1_1.mp4").write_text("not a video")
    shutil.copy(clips / "Run" / "Run_1_1.mp4", clips / "Run" / "Run_9_9.mp4")
    found = verify("arid-layout", copy)
    assert not found.ok and len(found.problems) == 2
    missing, damaged = found.problems
    assert missing == ("split 1: 1 listed clips are not on disk (Run 1): Run/Run_1_2.avi")
    assert damaged.startswith("1 of 4 videos are damaged or cut short: Wave_1_1.mp4 (cannot be")
    assert found.splits[1].missing == ("Run/Run_1_2.avi",)
    assert found.splits[1].surplus == ("Run/Run_9_9.mp4",)
    assert "1 videos on no list: Run/Run_9_9.mp4" in found.summary()


def test_a_count_too_high_is_a_defect(copy: Path) -> None:
    (copy / "clips_v1" / "Run" / "Run_1_2.mp4").unlink()
    count_too_high(copy / "clips_v1" / "Run" / "Run_1_2.avi")
    (problem,) = verify("arid-layout", copy).problems
    assert "Run_1_2.avi (holds 40 frames, its container claims 70)" in problem


def test_published_counts_are_compared(copy: Path) -> None:
    found = verify("arid-v1.0", copy, [1])
    text = found.summary()
    assert not found.ok
    assert (
        "the train list has 3 clips, 2288 were published, 2285 are missing: Drink 0 of 201" in text
    )
    assert "the other list has 0 clips, 673 were published" in text
    assert "together have 5 clips, 3784 were published, 3779 are missing: Drink 0 of 338" in text
    with pytest.raises(FileNotFoundError, match="ARID_split2_train.txt"):
        verify("arid-v1.0", copy, [1, 2])
    assert sum("ARID_split" in problem for problem in verify("arid-v1.0", copy).problems) == 2
    with pytest.raises(FileNotFoundError, match="no list"):
        verify("dark48", copy)


def test_many_names_are_cut_short_in_the_summary_only(copy: Path) -> None:
    shutil.rmtree(copy / "clips_v1" / "Run")
    rows = "".join(f"{n}\t5\tRun/Run_3_{n}.avi\n" for n in range(20))
    (copy / "list_cvt" / "ARID_split1_other.txt").write_text(rows)
    found = verify("arid-layout", copy)
    assert "23 listed clips are not on disk (Run 23)" in found.summary()
    assert "and 18 more: see the report" in found.summary()
    assert len(found.as_json()["splits"][1]["missing"]) == 23


def test_nothing_unchanged_is_decoded_twice(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, report = [], tmp_path / "report.json"
    whole = filecheck.check_file

    def check(path: Path) -> filecheck.FileReport:
        seen.append(path.name)
        return whole(path)

    monkeypatch.setattr(filecheck, "check_file", check)
    first = verify("arid-layout", copy, report=report)
    assert len(seen) == 5
    assert verify("arid-layout", copy, report=report) == first and len(seen) == 5
    changed = copy / "clips_v1" / "Run" / "Run_2_1.mp4"
    changed.write_bytes(changed.read_bytes()[:500])
    assert not verify("arid-layout", copy, report=report).ok
    assert seen[5:] == ["Run_2_1.mp4"]
    verify("arid-layout", copy, report=report)
    assert seen[6:] == ["Run_2_1.mp4"]  # a damaged file is decoded again


def test_an_interrupted_check_keeps_what_it_did(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, whole, done = tmp_path / "report.json", filecheck.check_file, []

    def check(path: Path) -> filecheck.FileReport:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(path)
        return whole(path)

    monkeypatch.setattr(filecheck, "check_file", check)
    with pytest.raises(KeyboardInterrupt):
        verify("arid-layout", copy, report=report, workers=1)
    assert len(json.loads(report.read_text("utf-8"))["files"]) == 3
    monkeypatch.setattr(filecheck, "check_file", lambda path: done.append(path) or whole(path))
    assert verify("arid-layout", copy, report=report, workers=1).ok
    assert len(done) == 5


def test_a_foreign_file_is_not_taken_for_a_report(copy: Path, tmp_path: Path) -> None:
    report = tmp_path / "other.json"
    report.write_text('{"files": {"a": {"size": 1}}}')
    with pytest.raises(ValueError, match=r"other\.json is not a report"):
        verify("arid-layout", copy, report=report)


def test_the_real_clips_are_a_layout_and_not_arid(real_root: Path, tmp_path: Path) -> None:
    root, report = real_root / "arid_mini", tmp_path / "report.json"
    found = verify("arid-layout", root, report=report)
    assert found.ok and len(found.files) == 150
    frames = [file.frames for file in found.files.values()]
    assert (min(frames), max(frames)) == (33, 105)  # as its README says
    refused = verify("arid-v1.0", root, report=report)
    assert not refused.ok and refused.files == found.files
    text = refused.summary()
    assert "train list has 93 clips, 2288 were published, 2195 are missing: Drink 0 of 201" in text
    assert "150 clips, 3784 were published, 3634 are missing" in text
