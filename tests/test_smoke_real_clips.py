"""Notebooks on a folder of real clips."""

from __future__ import annotations

from pathlib import Path

from reproducing import reproduce


def test_real_clips_run_end_to_end(real_root: Path, tmp_path: Path) -> None:
    source = real_root / "arid_mini" / "clips_v1"
    for folder in sorted(source.iterdir())[:2]:
        groups: dict[str, list[Path]] = {}
        for clip in sorted(folder.glob("*.mp4")):
            groups.setdefault(clip.stem.split("_")[1], []).append(clip)
        (tmp_path / "clips" / folder.name).mkdir(parents=True)
        for clip in [path for paths in groups.values() for path in paths[:3]]:
            (tmp_path / "clips" / folder.name / clip.name).symlink_to(clip)
    data = ("--dataset", "folder", "--data-root", str(tmp_path / "clips"))
    reproduce(tmp_path, *data, "--only", "01,02,05,08")
    pages = tmp_path / "runs" / "folder-smoke-s0" / "notebooks"
    assert (pages / "08_results_and_figures.html").is_file()
