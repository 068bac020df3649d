"""The notebook runner refuses what papermill lets pass; each test makes the notebook it needs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from actlumos import notebooks
from actlumos.notebooks import NotebookError, choose, execute, parameter_names, run_all
from actlumos.pages import to_html

TAGGED = {"tags": ["parameters"]}
HEAD = new_code_cell("seed = 0  # of everything\nname: str = 'x'", metadata=TAGGED)
LOST = ['a = "x=y"', "a = b = 2", "c = 1; d = 2", "e = len('x')", "import os"]


def write(path: Path, *sources: str, head: object = HEAD) -> Path:
    """A notebook with the parameters cell (unless `head` is another) and these code cells."""
    cells = [new_markdown_cell("# A notebook")] + ([head] if head else [])
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells + [new_code_cell(text) for text in sources]), path)
    return path


def outcome(folder: Path, *sources: str, timeout: int = 60, **parameters: object) -> Path:
    notebook = write(folder / "a.ipynb", *sources)
    return execute(notebook, folder / "run" / "a.ipynb", parameters, timeout=timeout)


def test_a_good_notebook_runs_with_its_parameters_and_becomes_a_page(tmp_path: Path) -> None:
    notebook = write(tmp_path / "a.ipynb", "print('seed is', seed, name)", "", "seed + 1")
    lines: list[str] = []
    copy = execute(notebook, tmp_path / "run/a.ipynb", {"seed": 41}, timeout=60, echo=lines.append)
    assert [line.strip() for line in lines] == ["seed is 41 x"]
    cells = nbformat.read(copy, as_version=4).cells
    assert cells[-1].outputs[0].data["text/plain"] == "42"
    assert not any(cell.get("outputs") for cell in nbformat.read(notebook, as_version=4).cells)
    page = to_html(copy)
    assert page == tmp_path / "run/a.html" and "seed is 41 x" in page.read_text("utf-8")


def test_kernel_is_this_interpreter_in_the_copys_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "kernels" / "python3" / "kernel.json"
    foreign.parent.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "p", "language": "python"}
    foreign.write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    copy = outcome(tmp_path, "import os, sys\nprint(sys.executable)\nprint(os.getcwd())")
    printed = nbformat.read(copy, as_version=4).cells[-1].outputs[0].text.split()
    assert printed == [sys.executable, str((tmp_path / "run").resolve())]


def test_output_reaches_the_console_while_the_cell_runs(tmp_path: Path) -> None:
    notebook = write(
        tmp_path / "a.ipynb",
        "import time\nprint('epoch 1/2', flush=True)\ntime.sleep(1.5)\nprint('epoch 2/2')",
    )
    seen: list[tuple[float, str]] = []
    execute(
        notebook,
        tmp_path / "run/a.ipynb",
        {},
        timeout=60,
        echo=lambda line: seen.append((time.perf_counter(), line.strip())),
    )
    assert [line for _, line in seen] == ["epoch 1/2", "epoch 2/2"]
    assert seen[1][0] - seen[0][0] > 1


def test_unknown_parameter_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.ipynb has no parameter sead; it has .*'seed'"):
        outcome(tmp_path, "1", sead=3)
    assert not (tmp_path / "run").exists()


def test_missing_notebook_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.ipynb"):
        execute(tmp_path / "none.ipynb", tmp_path / "run/none.ipynb", {}, timeout=60)


def test_parameters_tag_must_be_on_exactly_one_code_cell(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 cells are tagged 'parameters'"):
        parameter_names(write(tmp_path / "none.ipynb", "seed = 1", head=None))
    twice = write(tmp_path / "two.ipynb")
    content = nbformat.read(twice, as_version=4)
    content.cells.append(new_code_cell("other = 1", metadata=TAGGED))
    nbformat.write(content, twice)
    with pytest.raises(ValueError, match="2 cells are tagged"):
        parameter_names(twice)
    prose = new_markdown_cell("seed = 1", metadata=TAGGED)
    with pytest.raises(ValueError, match="one code cell"):
        parameter_names(write(tmp_path / "prose.ipynb", head=prose))


@pytest.mark.parametrize("line", LOST)
def test_parameter_lines_that_papermill_loses_are_refused(tmp_path: Path, line: str) -> None:
    head = new_code_cell(f"seed = 0\n{line}", metadata=TAGGED)
    with pytest.raises(ValueError, match="one plain `name = literal` per line"):
        parameter_names(write(tmp_path / "a.ipynb", head=head))


def test_raising_cell_is_named_and_its_copy_kept(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match=r"a: cell 3 \(In \[2\]\) raised ValueError: too dark"):
        outcome(tmp_path, "raise ValueError('too dark')", "print('never')")
    copy = (tmp_path / "run" / "a.ipynb").read_text("utf-8")
    assert "too dark" in copy and nbformat.reads(copy, as_version=4)


@pytest.mark.parametrize("source", ["import sys; sys.exit()", "raise SystemExit(0)"])
def test_sys_exit_is_a_failure(tmp_path: Path, source: str) -> None:
    with pytest.raises(NotebookError, match=r"cell 3 .* raised SystemExit, so later cells never"):
        outcome(tmp_path, source, "print('never')")


def test_dying_kernel_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match=r"cell 3 .* ended the kernel"):
        outcome(tmp_path, "import os; os._exit(0)", "print('never')")


def test_hung_cell_is_a_failure_within_its_timeout(tmp_path: Path) -> None:
    started = time.perf_counter()
    with pytest.raises(NotebookError, match=r"cell 4 .* ran longer than 2 s; the copy .*a\.ipynb"):
        outcome(tmp_path, "1", "import time; time.sleep(600)", timeout=2)
    assert time.perf_counter() - started < 20
    assert (tmp_path / "run" / "a.ipynb").exists()


def test_skipped_cell_is_a_failure(tmp_path: Path) -> None:
    notebook = write(tmp_path / "a.ipynb", "1")
    content = nbformat.read(notebook, as_version=4)
    content.cells[-1].metadata["tags"] = ["skip-execution"]
    nbformat.write(content, notebook)
    with pytest.raises(NotebookError, match=r"cell 3 \(In \[ \]\) was never run"):
        execute(notebook, tmp_path / "run" / "a.ipynb", {}, timeout=60)


def test_choose_takes_numbers_and_names_in_order(tmp_path: Path) -> None:
    for name in ("03_c", "01_a", "02_b", "notes"):
        write(tmp_path / f"{name}.ipynb")
    assert [path.stem for path in choose((), tmp_path)] == ["01_a", "02_b", "03_c"]
    assert [path.stem for path in choose(["03", "01_a"], tmp_path)] == ["01_a", "03_c"]
    with pytest.raises(ValueError, match="no notebook '04'"):
        choose(["04"], tmp_path)
    with pytest.raises(FileNotFoundError, match="no notebooks in"):
        choose((), tmp_path / "empty")


def test_run_all_goes_in_order_and_stops_at_the_first_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "notebooks/01_a.ipynb", "print(seed)")
    write(tmp_path / "notebooks/02_b.ipynb", "1 / 0")
    write(tmp_path / "notebooks/03_c.ipynb", "1")
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path / "notebooks")
    lines: list[str] = []
    with pytest.raises(NotebookError, match="02_b: cell 4"):
        run_all(tmp_path / "run", {"seed": 7}, timeout=60, echo=lines.append)
    assert lines[:2] == ["[1/3] 01_a: started", "    7"] and lines[-1] == "[2/3] 02_b: started"
    made = sorted(path.name for path in (tmp_path / "run/notebooks").iterdir())
    assert made == ["01_a.html", "01_a.ipynb", "02_b.ipynb"]
    steps = run_all(tmp_path / "run", {}, only=["01"], timeout=60, echo=lines.append)
    assert [step.name for step in steps] == ["01_a"] and steps[0].seconds > 0


def test_widgets_with_output_do_not_hold_a_cell_back(tmp_path: Path) -> None:
    widget = (
        "from ipywidgets import IntSlider, interact\nfrom PIL import Image\n"
        "def look(a=0):\n    print(a)\n    return Image.effect_noise((720, 270), 50)\n"
        "interact(look, a=IntSlider(2, 0, 5));"
    )
    copy = outcome(tmp_path, *[widget] * 4, timeout=60)
    cells = nbformat.read(copy, as_version=4).cells
    assert max(cell.metadata.papermill.duration or 0 for cell in cells) < 30
