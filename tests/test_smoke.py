"""Every notebook, executed with the smallest profile as `actlumos reproduce` does it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from actlumos.report.figures import FIGURES, producer_of
from actlumos.runtime.files import read_json

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def reproduce(home: Path, *options: str) -> str:
    """Run the command in a separate process, one thread, everything under `home`."""
    command = [sys.executable, "-m", "actlumos", "reproduce", "--profile", "smoke", *options]
    threads = {"OMP_NUM_THREADS": "1", "ACTLUMOS_HOME": str(home)}
    done = subprocess.run(
        command, env=os.environ | threads, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The home folder of a finished smoke run, and what it printed."""
    home = tmp_path_factory.mktemp("home")
    return home, reproduce(home)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_ran_to_its_end(smoke: tuple[Path, str], notebook: Path) -> None:
    folder = smoke[0] / "runs" / "darkroom-smoke-s0" / "notebooks"
    executed = nbformat.read(folder / notebook.name, as_version=4)
    code = [cell for cell in executed.cells if cell.cell_type == "code" and cell.source.strip()]
    assert all(cell.execution_count and cell.outputs for cell in code if _shows(cell))
    streams = [out for cell in code for out in cell.outputs if out.get("name") == "stderr"]
    assert not [out.text for out in streams if "Warning" in out.text]
    page = (folder / notebook.with_suffix(".html").name).read_text(encoding="utf-8")
    assert "<html" in page and len(page) > 20_000


def _shows(cell: nbformat.NotebookNode) -> bool:
    """Parameter cells show nothing."""
    return not {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", []))


def test_every_figure_has_its_producer_and_both_formats(smoke: tuple[Path, str]) -> None:
    folder = smoke[0] / "figures" / "darkroom-smoke-s0"
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) >= 13
    for picture in pictures:
        assert picture.with_suffix(".pdf").is_file()
        assert producer_of(picture.name) in FIGURES


def test_results_hold_every_arm_with_its_interval(smoke: tuple[Path, str]) -> None:
    home, printed = smoke
    arms = read_json(home / "runs" / "darkroom-smoke-s0" / "results.json")["arms"]
    tested = {name: arm for name, arm in arms.items() if "top1" in arm}
    wanted = {"dark", "retinex", "dff", "teacher", "kd", "ssl-kd", "ssl-a-kd", "ssl-b-kd"}
    assert wanted | {"one-frame", "background"} <= set(tested)
    for arm in tested.values():
        assert arm["interval"][0] <= arm["top1"] <= arm["interval"][1]
        assert arm["n"] == 22
    assert "Top-1" in printed and "executed notebooks" in printed


def test_a_second_run_trains_nothing(smoke: tuple[Path, str]) -> None:
    printed = reproduce(smoke[0], "--only", "03,05")
    assert not re.search(r"epoch \d+/\d+  loss", printed)  # the line that each trained epoch prints


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
