"""Every notebook, executed with the smallest profile as `actlumos reproduce` does it."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from reproducing import reproduce

from actlumos.report.figures import FIGURES, producer_of
from actlumos.runtime.files import read_json

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))


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
    assert "No description" not in page, "a figure's cell has no mystnb.image.alt in its metadata"


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
