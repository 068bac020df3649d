"""Tables: a run's arms, the paper's Tables 1 to 3, costs; as Markdown, CSV, LaTeX and text.

Published rows and our own are never mixed: every row of a paper table says in its `source`
column whether it is `reported` or `measured here`, and what was not run is marked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from actlumos.arms import describe, in_order
from actlumos.report.claims import OFFICIAL_TESTS, reported_rows
from actlumos.report.collect import by_arm, by_split, frame
from actlumos.report.paper import TABLES
from actlumos.report.results import Results
from actlumos.runtime.files import atomic_write

DATASETS = dict(zip(TABLES, OFFICIAL_TESTS, strict=True))
PAPER_ARMS = ("dark", "kd", "ssl-kd", "teacher")
OPTIMISTIC = "selected on test (as prior code does): optimistic"
DECIMALS = {"Top-1 (%)": 2, "Top-5 (%)": 2, "sd (seeds)": 2, "minutes": 1, "GMACs": 3,
            "params (M)": 3, "ms per clip": 1}
OURS = ["split", "seeds", "Top-1 (%)", "95 % interval", "sd (seeds)", "Top-5 (%)", "n",
        "params (M)"]
MISSING = "–"
LATEX = {"%": r"\%", "&": r"\&", "_": r"\_", "#": r"\#", "–": "--", "²": "$^2$", ">": "$>$"}


def _interval(record: Any) -> str | None:
    bounds = record.get("interval")
    return f"{bounds[0]:.1f}–{bounds[1]:.1f}" if bounds else None


def _scaled(value: float | None, factor: float) -> float:
    return float("nan") if value is None else value / factor


def results_table(results: Results) -> pd.DataFrame:
    """A run's arms in the order of `arms.ARMS`, one row each.

    Columns: arm, what it is (its title), Top-1 (%), 95 % interval, Top-5 (%), n (test clips),
    params (M), minutes (of this arm's own training). Arms that only pretrain have no accuracy.
    """
    rows = []
    for arm in in_order(list(results["arms"])):
        record = results["arms"][arm]
        rows.append({
            "arm": arm, "what it is": record.get("title", describe(arm).label),
            "Top-1 (%)": record.get("top1"), "95 % interval": _interval(record),
            "Top-5 (%)": record.get("top5"), "n": record.get("n"),
            "params (M)": _scaled(record.get("params"), 1e6),
            "minutes": _scaled(record.get("seconds"), 60)})
    columns = ["arm", "what it is", "Top-1 (%)", "95 % interval", "Top-5 (%)", "n", "params (M)",
               "minutes"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})


def cost_table(results: Results) -> pd.DataFrame:
    """Arms with measured cost: arm, params (M), GMACs, ms per clip, Top-1 (%), 95 % interval."""
    rows = []
    for arm in in_order(list(results["arms"])):
        record = results["arms"][arm]
        if record.get("gmacs") is None:
            continue
        rows.append({"arm": arm, "params (M)": _scaled(record.get("params"), 1e6),
                     "GMACs": record["gmacs"], "ms per clip": record.get("milliseconds"),
                     "Top-1 (%)": record.get("top1"), "95 % interval": _interval(record)})
    columns = ["arm", "params (M)", "GMACs", "ms per clip", "Top-1 (%)", "95 % interval"]
    return pd.DataFrame(rows, columns=columns)


def _reported_rows(dataset: str) -> list[dict]:
    return [{"method": row.method, "venue": row.venue, "year": row.year, "Top-1 (%)": row.top1,
             "Top-5 (%)": row.top5, "params (M)": row.params_m, "source": "reported",
             "note": row.note} for row in reported_rows(dataset).itertuples()]


def _measured_rows(
    runs: pd.DataFrame, arm: str, official: Mapping[int, int | None]
) -> list[dict]:
    """An arm's rows: the mean of its splits where it has several, then each split.

    A split of `official` (split: size of its test list) that was not run has a row that says so.
    Runs that may not be averaged (see `collect.SAME`) have rows of their own.
    """
    rows = []
    runs = runs[runs["arm"] == arm]
    splits = by_split(runs)
    for mean in by_arm(runs).itertuples():
        same = splits[(splits["profile"] == mean.profile) & (splits["settings"] == mean.settings)
                      & (splits["selected_on"] == mean.selected_on)]
        if len(mean.splits) > 1:
            rows.append(_measured_row(mean, _mean_label(mean.splits, official)))
        found = {row.splits[0]: row for row in same.itertuples()}
        rows += [_measured_row(found[split], str(split), official.get(split)) if split in found
                 else _not_run(mean, str(split)) for split in sorted({*official, *found})]
    return rows or [{"method": f"this kit: {describe(arm).label}", "source": "not run", "note": ""}]


def _mean_label(splits: Sequence[int], official: Mapping[int, int | None]) -> str:
    part = len(splits) if set(splits) >= set(official) else f"{len(splits)} of {len(official)}"
    return f"mean of {part}"


def _method(row: Any) -> str:
    marks = [] if row.profile == "paper" else [f"{row.profile} profile"]
    marks += ["selected on test"] if row.selected_on == "test" else []
    return f"this kit: {describe(row.arm).label}" + (f" ({', '.join(marks)})" if marks else "")


def _not_run(row: Any, split: str) -> dict:
    return {"method": _method(row), "split": split, "source": "not run", "note": ""}


def _measured_row(row: Any, split: str, size: int | None = None) -> dict:
    """`row` is one of `by_arm` or `by_split`; `size` that of the split's official test list."""
    remarks = _remarks(row)
    if size and not pd.isna(row.clips) and row.clips != size:
        remarks.append(f"{row.clips} of the official {size} test clips")
    return {"method": _method(row), "split": split, "seeds": ", ".join(map(str, row.seeds)),
            "Top-1 (%)": row.top1, "95 % interval": f"{row.low:.1f}–{row.high:.1f}",
            "sd (seeds)": row.sd, "Top-5 (%)": row.top5, "n": row.clips,
            "params (M)": _scaled(row.params, 1e6), "source": "measured here",
            "note": "; ".join(remarks)}


def _remarks(row: Any) -> list[str]:
    """What a reader must know of a measured row before comparing it with another."""
    optimism = {"test": [OPTIMISTIC], "": ["what selected the epoch is not recorded"]}
    remarks = [*([row.settings] if row.settings else []), *optimism.get(row.selected_on, [])]
    most = "" if row.runs == 1 else "up to "
    if row.left_out:
        remarks.append(f"{most}{row.left_out} listed clip(s) left out as unreadable")
    skipped = {part: getattr(row, f"skipped_{part}") for part in ("train", "val", "test")}
    if any(skipped.values()):
        counts = ", ".join(f"{number} {part}" for part, number in skipped.items() if number)
        remarks.append(f"{most}{counts} clip(s) skipped as unreadable")
    if row.lists > 1:
        remarks.append("runs of one split had different lists of clips")
    if row.runs > 1 and pd.isna(row.clips):
        remarks.append("clip paths were not kept: interval as if all runs tested the same clips")
    return remarks


def _tidy(runs: Results | pd.DataFrame | None) -> pd.DataFrame:
    if isinstance(runs, pd.DataFrame):
        return runs
    return frame([] if runs is None else [runs])


def paper_table(number: int, runs: Results | pd.DataFrame | None = None) -> pd.DataFrame:
    """Table 1 (ARID V1.0), 2 (ARID V1.5) or 3 (Dark48): reported rows, then ours.

    Args:
        number: 1, 2 or 3.
        runs: a run's results, or many runs as `collect.frame` gives them. Rows enter only if
            their data set is the table's own (`arid-v1.0`, `arid-v1.5`, `dark48`); otherwise
            ours read `not run`.

    Returns:
        Columns method, venue, year, split (official number, or the mean of several), seeds,
        Top-1 (%), 95 % interval, sd (seeds), Top-5 (%), n (distinct test clips), params (M),
        source ('reported', 'measured here', 'not run'), note.
    """
    if number not in TABLES:
        raise ValueError(f"the paper's tables are 1, 2 and 3, not {number!r}")
    runs, rows = _tidy(runs), _reported_rows(DATASETS[number])
    runs = runs[runs["dataset"] == DATASETS[number]]
    for arm in PAPER_ARMS:
        rows += _measured_rows(runs, arm, OFFICIAL_TESTS[DATASETS[number]])
    columns = ["method", "venue", "year", *OURS, "source", "note"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64", "year": "Int64"})


def measured_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Our rows alone, for a data set without published ones: every arm that was run.

    Args:
        runs: as `collect.frame` gives them, of one data set.

    Returns:
        Columns of `paper_table` without venue and year.
    """
    arms = in_order(list(runs["arm"].unique()))
    rows = [row for arm in arms for row in _measured_rows(runs, arm, {})]
    columns = ["method", *OURS, "source", "note"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})


def cells(table: pd.DataFrame) -> list[list[str]]:
    """Header and rows as strings, numbers with fixed decimals, gaps as a dash."""
    def cell(column: str, value: Any) -> str:
        if value is None or pd.isna(value):
            return MISSING
        if column == "params (M)":
            return f"{value:.2f}".rstrip("0").rstrip(".")  # published as 67, not as 67.00
        places = DECIMALS.get(column)
        return str(value) if places is None else f"{value:.{places}f}"

    body = [[cell(column, value) for column, value in zip(table.columns, row, strict=True)]
            for row in table.itertuples(index=False, name=None)]
    return [[str(column) for column in table.columns], *body]


def text(table: pd.DataFrame) -> str:
    """Plain text with aligned columns, for a terminal; numbers to the right."""
    rows = cells(table)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
    lines = ["  ".join(value.rjust(width) if flush else value.ljust(width)
                       for value, width, flush in zip(row, widths, right, strict=True)).rstrip()
             for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def markdown(table: pd.DataFrame) -> str:
    """A GitHub table; numbers to the right."""
    rows = cells(table)
    rule = ["--:" if pd.api.types.is_numeric_dtype(kind) else ":--" for kind in table.dtypes]
    safe = [[value.replace("|", r"\|") for value in row] for row in (rows[0], rule, *rows[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in safe) + "\n"


def latex(table: pd.DataFrame) -> str:
    """A booktabs `tabular`."""
    def escape(value: str) -> str:
        return "".join(LATEX.get(letter, letter) for letter in value)

    rows = [" & ".join(map(escape, row)) + r" \\" for row in cells(table)]
    spec = "".join("r" if pd.api.types.is_numeric_dtype(kind) else "l" for kind in table.dtypes)
    return "\n".join([rf"\begin{{tabular}}{{{spec}}}", r"\toprule", rows[0], r"\midrule",
                      *rows[1:], r"\bottomrule", r"\end{tabular}"]) + "\n"


def export(
    table: pd.DataFrame, name: str, directory: str | Path, notes: Sequence[str] = ()
) -> list[Path]:
    """Write `name`.md, `name`.csv and `name`.tex into `directory`, each atomically.

    `notes` are written below the Markdown table as a list and above the LaTeX table as comments.
    """
    below = "".join(f"\n- {note}" for note in notes) + ("\n" if notes else "")
    above = "".join(f"% {note}\n" for note in notes)
    forms: dict[str, Callable[[pd.DataFrame], str]] = {
        "md": lambda rows: markdown(rows) + below,
        "csv": lambda rows: rows.to_csv(index=False, lineterminator="\n"),
        "tex": lambda rows: above + latex(rows)}
    paths = []
    for suffix, form in forms.items():
        path = Path(directory) / f"{name}.{suffix}"
        with atomic_write(path) as temporary:
            temporary.write_text(form(table), encoding="utf-8")
        paths.append(path)
    return paths
