"""`actlumos tables`: what it prints and writes, and its facts about the official lists."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from test_collect import TESTS, load, some, write

from actlumos.cli import tables as tables_command
from actlumos.data.published.listing import splits_of
from actlumos.report import claims


def run(*words: str) -> None:
    parser = argparse.ArgumentParser()
    tables_command.add(parser.add_subparsers())
    tables_command.tables(parser.parse_args(["tables", *words]))


def test_command_without_any_run(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path))
    run()
    text = capsys.readouterr().out
    for heading in ("Table 1. ARID V1.0: 0 result(s)", "Table 2. ARID V1.5", "Table 3. Dark48"):
        assert heading in text
    assert text.count("not run") == 12 and "MFDL by 0.21 points" in text
    written = sorted(path.name for path in (tmp_path / "figures" / "tables").iterdir())
    assert written == [f"{name}-paper.{end}" for name in ("arid-v1.0", "arid-v1.5", "dark48")
                       for end in ("csv", "md", "tex")]
    with pytest.raises(FileNotFoundError, match="ellar has no demo run"):
        run("ellar", "--profile", "demo")


def test_command_with_runs(tmp_path: Path, capsys) -> None:
    for split in TESTS:
        write(tmp_path / "runs", {"ssl-kd": some(1, 0.97), "kd": some(2, 0.6)}, split=split)
    write(tmp_path / "runs", {"kd": some(0)}, dataset="arid-layout")
    run("all", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"))
    text = capsys.readouterr().out
    assert "mean of 3" in text and "arid-layout: 1 result(s)" in text
    assert "they share 240 (splits 1 and 2)" in text
    assert "SSL + KD against KD, same clips, 3 run(s)" in text and ": better." in text
    assert "SSL + KD (paper profile, split(s) 1, 2, 3: " in text
    tidy = pd.read_csv(tmp_path / "out" / "arid-v1.0-paper-runs.csv")
    assert tidy.groupby("arm")["split"].apply(list).to_dict() == {
        "kd": [1, 2, 3], "ssl-kd": [1, 2, 3]}
    assert (tmp_path / "out" / "arid-v1.0-paper.md").read_text("utf-8").count("\n- ") >= 5


def test_rows_selected_on_test_are_not_compared_with_published_ones(tmp_path: Path) -> None:
    write(tmp_path, {"kd": some(1)}, selected_on="test")
    assert not any("among the reported rows" in line
                   for line in tables_command.notes("arid-v1.0", load(tmp_path)))


def test_the_command_needs_no_torch(tmp_path: Path) -> None:
    code = ("import sys, argparse; from actlumos.cli import tables as tables_command; "
            "p = argparse.ArgumentParser(); tables_command.add(p.add_subparsers()); "
            "assert 'pandas' not in sys.modules; "
            "tables_command.tables(p.parse_args(['tables', 'dark48'])); "
            "sys.exit('torch' in sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True,
                   env={**os.environ, "ACTLUMOS_HOME": str(tmp_path)})


@pytest.mark.parametrize(("dataset", "pattern"), [
    ("arid-v1.0", "ARID_v1/ARID_split{}_test.txt"), ("dark48", "Dark48/test_split{}.txt")])
def test_sizes_and_overlaps_are_those_of_the_official_lists(
    real_root: Path, dataset: str, pattern: str
) -> None:
    def clips(split: int) -> set[str]:
        lines = (real_root / "lists" / pattern.format(split)).read_text("utf-8").splitlines()
        return {next(word for word in line.split() if "/" in word) for line in lines if line}

    tests = {split: clips(split) for split in (1, 2, 3)}
    assert {split: len(test) for split, test in tests.items()} == claims.OFFICIAL_TESTS[dataset]
    words = tables_command.SHARED_CLIPS[dataset].replace(",", "")
    shared = [len(tests[a] & tests[b]) for a, b in ((1, 2), (1, 3), (2, 3))]
    assert [int(word) for word in words.split() if word.isdecimal() and len(word) > 2] == [
        *shared, len(tests[1] | tests[2] | tests[3])]


def test_the_tables_have_the_same_splits_as_the_lists() -> None:
    for dataset, tests in claims.OFFICIAL_TESTS.items():
        assert tuple(tests) == splits_of(dataset)
