"""`make bench`: rows are found, measured, written one by one, and shown as they are in the file."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import bench
import machine
import pytest
from rows import enhance

from actlumos.runtime.files import read_json, write_json
from actlumos.views.enhance import METHODS

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

def made_up(monkeypatch: pytest.MonkeyPatch, *names: str, fails: str = "") -> None:
    """Rows that measure nothing, in place of the real ones."""

    def row(name: str, limits: object, quick: bool) -> Any:
        if name == fails:
            raise OSError("no such film")
        return bench.Row(name, 2.0, 6.0, 3.0, 1.0, "ms", (2.9, 3.1), "made up")

    rows = {name: partial(row, name) for name in names}
    monkeypatch.setattr(bench, "all_rows", lambda: rows)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the results, and limits that take no time to measure."""
    limits = bench.Machine(1, 1e11, 2e11, 1e10, None, 2e11, 500.0)
    monkeypatch.setattr(bench, "measure", lambda *args, **kwargs: limits)
    (tmp_path / "README.md").write_text(f"above\n{bench.MARKS[0]}old\n{bench.MARKS[1]}\nbelow\n")
    return tmp_path / "results.json"


def options(out: Path, **changes: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"only": (), "resume": False, "quick": False, "out": out} | changes)


def names_in(path: Path) -> list[str]:
    return [row["name"] for row in read_json(path)["rows"]]


ROWS = (
    "retinex_112", "retinex_240", "infer_torch", "infer_openvino", "infer_int8", "train_demo",
    "epoch_overhead", "render", "decode", "cache_epoch", "stream",
)  # fmt: skip


def test_the_rows_are_found() -> None:
    assert set(ROWS) <= set(bench.all_rows())


def test_a_failed_row_is_named_and_the_others_go_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    made_up(monkeypatch, "a", "b", "c", fails="b")
    failed = bench.run(options(place))
    assert failed == ["b failed: OSError: no such film"]
    assert names_in(place) == ["a", "c"] and failed[0] in capsys.readouterr().err


def test_a_stopped_run_is_resumed_on_the_same_machine_and_revision(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(monkeypatch, "a", "b", fails="b")
    bench.run(options(place))
    made_up(monkeypatch, "a", "b", fails="a")
    assert bench.run(options(place, resume=True)) == []
    assert names_in(place) == ["a", "b"]
    write_json(place, read_json(place) | {"revision": "another"})
    with pytest.raises(ValueError, match="of another machine or revision"):
        bench.run(options(place, resume=True))


def test_single_rows_are_printed_and_not_written(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    made_up(monkeypatch, "a", "b", "c", fails="c")
    assert bench.run(options(place, only=["b"])) == []
    printed = capsys.readouterr().out
    assert "| `b` | 2 ms | 6 ms | 3.00 | 2.90 to 3.10 | 1 ms | 50 % |" in printed
    assert "`a`" not in printed and not place.exists()
    with pytest.raises(ValueError, match="no row z: choose of a, b, c"):
        bench.run(options(place, only=["z"]))


def test_the_table_goes_into_the_readme(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(monkeypatch, "a")
    bench.run(options(place))
    text = place.with_name("README.md").read_text()
    assert text.startswith("above\n") and text.endswith("below\n") and "old" not in text
    assert bench.table(read_json(place)) in text and "int8" not in text.partition("(")[0]


def test_more_clips_per_second_are_better() -> None:
    row = {"ours": 30.0, "limit": 40.0, "unit": "clips/s"}
    assert bench._limit(row) == ("40 clips/s", "75 %")
    assert bench._limit({**row, "limit": None}) == ("–", "–")


def test_the_committed_readme_shows_the_committed_results() -> None:
    text = (BENCHMARKS / "README.md").read_text("utf-8")
    assert bench.into_readme(text, read_json(BENCHMARKS / "results.json")) == text


def test_enhancers_are_timed_after_their_results_were_compared(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    assert enhance.METHODS.keys() == METHODS.keys()
    limits = bench.Machine(1, 1e11, 2e11, 1e10)
    row = enhance.row("enhance_ssr", limits, quick=True)
    values = 2 * 3 * 112 * 112
    assert row.limit == pytest.approx(1e3 * 2 * values * 224 / 1e11) and row.ours > row.limit
    monkeypatch.setitem(METHODS, "gamma", METHODS["sci"])
    with pytest.raises(ArithmeticError, match="ours and the peer differ by"):
        enhance.row("enhance_gamma", limits, quick=True)


def test_the_machine_is_measured_and_named() -> None:
    found = machine.measure(64, 1)
    rates = found.gemm_fp32, found.gemm_bf16, found.bandwidth, found.conv_fp32, found.decode
    assert min(rates) > 1 and found.threads == 1
    assert machine.describe().keys() >= {"cpu", "cores", "threads", "torch", "capability"}
