"""The last notebooks on a folder with hardly any clips, and beside leftovers of a failed run."""

from __future__ import annotations

from pathlib import Path

from reproducing import reproduce


def test_three_clips_per_class_run_and_leftovers_of_a_failed_run_are_listed(
    tiny_videos: Path, tmp_path: Path
) -> None:
    """t-SNE and silhouette are undefined there; one class is called like a formula."""
    for name, source in (("$^$", "left"), ("right", "right")):
        (tmp_path / "clips" / name).mkdir(parents=True)
        for clip in sorted((tiny_videos / source).glob("*.mp4"))[:3]:
            (tmp_path / "clips" / name / clip.name).symlink_to(clip)
    run = tmp_path / "runs" / "folder-smoke-s0"
    for place, text in (
        ("figures/folder-smoke-s0/03_pie_chart.pdf", "half a figure"),
        ("runs/folder-smoke-s0/notebooks/06_ablations.ipynb", '{"cells": ['),
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text, encoding="utf-8")
    data = ("--dataset", "folder", "--data-root", str(tmp_path / "clips"))
    printed = reproduce(tmp_path, *data, "--only", "07,08")
    assert "2 test clips: t-SNE needs at least 4, so there are no maps" in printed
    assert "silhouette by class +nan" in printed
    assert "06_ablations                 not readable" in printed
    assert "made by another version" in (run / "notebooks/08_results_and_figures.html").read_text(
        encoding="utf-8"
    )
