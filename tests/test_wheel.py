"""The built wheel: its data files are in it, and its commands work outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READ = """
from actlumos import cli, config
from actlumos.darkroom import statistics
cli.main(["tables"])
print("=====", len(config.ledger()), sorted(statistics.recorded()), config.__file__, sep="\\n")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds, built from a copy of the sources."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "actlumos", source / "actlumos", ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    build += ["--no-deps", "--no-build-isolation", "--wheel-dir", str(target), str(source)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = target.glob("actlumos-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target / "packages")
    return target / "packages"


def run(installed: Path, *arguments: str) -> str:
    """What Python prints, started outside the checkout with the wheel's files in front."""
    place = {"PYTHONPATH": str(installed), "ACTLUMOS_HOME": str(installed.parent / "home")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=installed.parent,
        env=os.environ | place,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_of_the_package_is_in_the_wheel(installed: Path) -> None:
    """By name and content, data files (CSV, JSON, the body and its notice) and all."""
    ours = {p.relative_to(ROOT) for p in (ROOT / "actlumos").rglob("*") if p.is_file()}
    ours = {path for path in ours if "__pycache__" not in path.parts}
    assert {path.suffix for path in ours} == {".py", ".csv", ".json", ".npz", ".md"}
    theirs = {p.relative_to(installed) for p in (installed / "actlumos").rglob("*") if p.is_file()}
    assert ours == theirs
    assert all((ROOT / path).read_bytes() == (installed / path).read_bytes() for path in ours)
    others = {path.name.partition("-")[0] for path in installed.iterdir()}
    assert others == {"actlumos"}, "tests, docs or notebooks would become top-level packages"


def test_it_works_outside_the_checkout(installed: Path) -> None:
    tables, _, read = run(installed, "-c", READ).partition("=====")
    assert "Table 1. ARID V1.0" in tables and "96.92" in tables
    size, names, where = read.strip().split("\n")
    assert int(size) > 50 and "luma" in names
    assert where == str(installed / "actlumos" / "config.py")
    assert run(installed, "-m", "actlumos", "--version") == "actlumos 0.1.0\n"
    entry = next(installed.glob("actlumos-*.dist-info")) / "entry_points.txt"
    assert "actlumos = actlumos.cli:main" in entry.read_text("utf-8")
