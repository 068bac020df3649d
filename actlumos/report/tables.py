"""Tables: a run's arms, the paper's Tables 1 to 3, costs; as Markdown, CSV, LaTeX and text.

Published rows and our own are never mixed: every row of a paper table says in its `source`
column whether it is `reported` or `measured here`, and a data set that was not run says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from actlumos.files import atomic_write
from actlumos.report.arms import describe, in_order
from actlumos.report.paper import TABLES, reported
from actlumos.report.results import Results, entry

DATASETS = {1: "arid-v1.0", 2: "arid-v1.5", 3: "dark48"}
PAPER_ARMS = ("dark", "kd", "ssl-kd", "teacher")
DECIMALS = {"Top-1 (%)": 2, "Top-5 (%)": 2, "minutes": 1, "GMACs": 3,
            "params (M)": 3, "ms a clip": 1}
MISSING = "–"
LATEX = {"%": r"\%", "&": r"\&", "_": r"\_", "#": r"\#", "–": "--", "²": "$^2$", ">": "$>$"}


def _interval(record: Any) -> str | None:
    bounds = record.get("interval")
    return f"{bounds[0]:.1f}–{bounds[1]:.1f}" if bounds else None


def _scaled(value: float | None, factor: float) -> float:
    return float("nan") if value is None else value / factor


def results_table(results: Results) -> pd.DataFrame:
    """A run's arms in the order of the story, one row each.

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
    """Arms whose cost was measured: arm, params (M), GMACs, ms a clip, Top-1 (%), 95 % interval."""
    rows = []
    for arm in in_order(list(results["arms"])):
        record = results["arms"][arm]
        if record.get("gmacs") is None:
            continue
        rows.append({"arm": arm, "params (M)": _scaled(record.get("params"), 1e6),
                     "GMACs": record["gmacs"], "ms a clip": record.get("milliseconds"),
                     "Top-1 (%)": record.get("top1"), "95 % interval": _interval(record)})
    columns = ["arm", "params (M)", "GMACs", "ms a clip", "Top-1 (%)", "95 % interval"]
    return pd.DataFrame(rows, columns=columns)


def _reported_rows(number: int) -> list[dict]:
    rows = [reported(table=f"actlumos-{number}")]
    if number < 3:
        rows.append(reported(table=f"mdbert-{number}"))
    return [{"method": row.method, "venue": row.venue, "year": row.year, "Top-1 (%)": row.top1,
             "Top-5 (%)": row.top5, "params (M)": row.params_m, "source": "reported",
             "note": row.note} for row in pd.concat(rows).itertuples()]


def _measured_rows(number: int, results: Results | None) -> list[dict]:
    """Our rows of a paper table: only from a run on that very data set, else `not run`."""
    ran = results is not None and results.get("dataset") == DATASETS[number]
    rows = []
    for arm in PAPER_ARMS:
        record = entry(results, arm) if ran else None
        row = {"method": f"this kit: {describe(arm).label}"}
        if record is None:
            rows.append(row | {"source": "not run", "note": ""})
            continue
        rows.append(row | {
            "Top-1 (%)": record["top1"], "95 % interval": _interval(record),
            "Top-5 (%)": record.get("top5"), "n": record.get("n"),
            "params (M)": _scaled(record.get("params"), 1e6), "source": "measured here",
            "note": f"{results.get('profile')} profile, seed {results.get('seed')}"})
    return rows


def paper_table(number: int, results: Results | None = None) -> pd.DataFrame:
    """Table 1 (ARID V1.0), 2 (ARID V1.5) or 3 (Dark48): reported rows, then ours.

    Args:
        number: 1, 2 or 3.
        results: a run's results. Its rows enter only if its data set is the table's own
            (`arid-v1.0`, `arid-v1.5`, `dark48`); otherwise our rows read `not run`.

    Returns:
        Columns method, venue, year, Top-1 (%), 95 % interval, Top-5 (%), n, params (M),
        source ('reported', 'measured here', 'not run'), note.
    """
    if number not in TABLES:
        raise ValueError(f"the paper's tables are 1, 2 and 3, not {number!r}")
    columns = ["method", "venue", "year", "Top-1 (%)", "95 % interval", "Top-5 (%)", "n",
               "params (M)", "source", "note"]
    rows = _reported_rows(number) + _measured_rows(number, results)
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64", "year": "Int64"})


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


def export(table: pd.DataFrame, name: str, directory: str | Path) -> list[Path]:
    """Write `name`.md, `name`.csv and `name`.tex into `directory`, each atomically."""
    forms: dict[str, Callable[[pd.DataFrame], str]] = {
        "md": markdown, "csv": lambda rows: rows.to_csv(index=False, lineterminator="\n"),
        "tex": latex}
    paths = []
    for suffix, form in forms.items():
        path = Path(directory) / f"{name}.{suffix}"
        with atomic_write(path) as temporary:
            temporary.write_text(form(table), encoding="utf-8")
        paths.append(path)
    return paths
