"""The project keeps its own rules: versions agree, notebooks are clean, code stays small."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import yaml

from actlumos.notebooks import parameter_names

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "actlumos").rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
    "nbconvert": "nbconvert-core",
}
IMPORT_NAMES = {
    "PIL": "pillow",
    "cv2": "opencv-contrib-python-headless",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    """Name to version of requirement lines, each of which must be exact."""
    found = {}
    for line in lines:
        match = re.fullmatch(r"([\w.-]+)==?([\w.+!]+)(?:\s*;.*)?", line.strip())
        assert match, f"not an exact version: {line!r}"
        found[canonical(match[1])] = match[2]
    return found


@pytest.fixture(scope="module")
def chosen() -> dict[str, str]:
    """Versions that pyproject.toml chooses, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    return pins(project["dependencies"] + extras["test"] + extras["workflow"])


def test_constraints_hold_the_chosen_versions(chosen: dict[str, str]) -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    locked = pins([line for line in lines if line and not line.startswith("#")])
    elsewhere = {"decord", "decord2"}  # which of the two is installed depends on the platform
    assert {k: v for k, v in chosen.items() if k not in elsewhere}.items() <= locked.items()
    assert elsewhere & set(locked)


def test_conda_environment_agrees(chosen: dict[str, str]) -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    by_pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    assert "-e ." in by_pip and "python>=3.11,<3.14" in listed
    plain = [x for x in listed if isinstance(x, str) and x != "pip" and x[:7] != "python>"]
    found = pins(plain) | pins([line for line in by_pip if line != "-e ."])
    assert found == {CONDA_NAMES.get(name, name): version for name, version in chosen.items()}


def modules_of(path: Path) -> Iterator[str]:
    """Top-level names that a Python file or notebook imports."""
    if path.suffix == ".ipynb":
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        source = "\n".join(re.sub(r"(?m)^\s*[%!].*$", "", cell.source) for cell in cells)
    else:
        source = path.read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_every_import_is_a_declared_dependency(chosen: dict[str, str]) -> None:
    scripts = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    ours = {"actlumos", "tests", "rows"} | {path.stem for path in scripts}
    files = [*SOURCES, *scripts, *NOTEBOOKS]
    used = {(name, path.name) for path in files for name in modules_of(path)}
    foreign = {(n, f) for n, f in used if n not in ours and n not in sys.stdlib_module_names}
    missing = {(n, f) for n, f in foreign if canonical(IMPORT_NAMES.get(n, n)) not in chosen}
    assert not missing


def test_every_make_target_is_documented_with_its_plain_command() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = re.search(r"(?m)^\.PHONY: (.*)$", text)
    assert targets
    for target in targets[1].split():
        assert re.search(rf"(?m)^{target}:.*## .+\(.+\)$", text), target
    help_text = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[1] for line in help_text.splitlines()] == targets[1].split()


def test_old_python_is_refused_with_a_reason(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 9, 2); '
        'sys.version = \'3.9.2 \'; exec(sys.argv[1])" "$2"\n'
    )
    old.chmod(0o755)
    command = ["make", "venv", f"PYTHON={old}", f"VENV={tmp_path}/venv"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0 and "Python 3.11 or newer is needed" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_continuous_integration_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    text = script.read_text("utf-8")
    assert os.access(script, os.X_OK) and "set -euo pipefail" in text
    assert re.search(r"(?m)^make test\b", text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.get("id") for cell in notebook.cells]
    assert all(ids) and len(set(ids)) == len(ids)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, cell.source[:80]
    assert parameter_names(path) >= {"profile", "dataset", "data_root", "out", "seed"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_readable(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    lengths = [len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code"]
    assert statistics.median(lengths) <= 8 and max(lengths) <= 25
    kinds = "".join(cell.cell_type[0] for cell in cells)
    assert "ccc" not in kinds, "three code cells in a row without prose"


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, docstring included."""
    return (function.end_lineno or 0) - function.lineno + 1


def test_files_and_functions_are_short() -> None:
    assert not {p.name for p in SOURCES if len(p.read_text("utf-8").splitlines()) >= 300}
    lengths = {(p.name, f.name): length(f) for p in SOURCES for f in functions_of(p)}
    assert not {name for name, lines in lengths.items() if lines > 40}
    assert statistics.median(lengths.values()) <= 10


def is_public(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Top-level public functions and classes, and the public methods of those classes."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    for node in ast.parse(path.read_text("utf-8")).body:
        if not isinstance(node, kinds) or node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            members = (m for m in node.body if isinstance(m, kinds))
            yield from (m for m in members if not m.name.startswith("_"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "actlumos")))
def test_public_names_have_docstrings_and_types(path: Path) -> None:
    assert path.stat().st_size == 0 or ast.get_docstring(ast.parse(path.read_text("utf-8")))
    for node in is_public(path):
        assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"
    for function in functions_of(path):
        if not function.name.startswith("_"):
            given = function.args
            plain = [a for a in given.posonlyargs + given.args + given.kwonlyargs]
            untyped = [a.arg for a in plain if not a.annotation and a.arg not in ("self", "cls")]
            assert not untyped and function.returns, f"{path.name}: {function.name} {untyped}"


def test_nothing_unfinished_or_machine_bound_is_committed() -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True)
    if names.returncode:
        pytest.skip("not a git checkout")
    unfinished = re.compile(r"\b(TODO|FIXME|XXX)\b|/root/|/home/\w|/tmp/\w")
    allowed = {"tests/test_project.py"}
    for name in names.stdout.split("\n"):
        path = ROOT / name
        if path.suffix in (".py", ".ipynb", ".md", ".toml", ".csv") and name not in allowed:
            found = unfinished.search(path.read_text("utf-8")) if path.exists() else None
            assert not found, f"{name}: {found}"
