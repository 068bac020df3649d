"""The kill benchmark at its smallest, in a place that costs little."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def test_nothing_is_lost_to_two_kills(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import kill_resume

    videos = kill_resume.make_videos(tmp_path / "videos")
    outcome = kill_resume.try_place("caches", tmp_path, videos, 2, 0)
    assert outcome.kills and outcome.found == [] and outcome.remade == 0


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import kill_resume

    for home, content in (("whole", b"one"), ("killed", b"two")):
        (tmp_path / home / "data").mkdir(parents=True)
        (tmp_path / home / "data" / "clip.mp4").write_bytes(content)
    (tmp_path / "killed" / "data" / ".clip-12345678.mp4").touch()
    found = kill_resume.differences(tmp_path / "whole", tmp_path / "killed", ())
    assert found == ["data/clip.mp4 differs", "left behind: .clip-12345678.mp4"]
    before = kill_resume.finished_files(tmp_path / "killed")
    kill = kill_resume.Kill("any time", "writes", {**before, "data/clip.mp4": 1, "gone": 2})
    assert kill_resume.made_again(tmp_path / "killed", [kill]) == 1
