"""Tables of the compared systems: their sizes, reported results and our measured results.

A system comes as `actlumos.arms.Card`, of which only plain data are read here. Reported and
measured figures never share a column, and a system's status is in every table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import pandas as pd

from actlumos.arms import Card, arm_of
from actlumos.report.claims import compare
from actlumos.report.paper import TABLES, reported
from actlumos.report.results import Results, entry
from actlumos.report.tables import MISSING

FLOOR, STUDENT = "one-frame", "ssl-kd"
FLOOR_ROW = "one frame of R(2+1)D (the floor)"
AGAINST_FLOOR = {"better": "above", "within noise": "within noise", "worse": "below"}
MARK = "*"
"""Behind printed parameters that differ from the counted ones."""


def reported_of(system: Card) -> pd.DataFrame:
    """The published rows of a system, as `paper.reported` gives them: none, one or several."""
    rows = reported()
    return rows[rows["method"].isin(system.reported) & rows["dataset"].isin(TABLES.values())]


def _published(system: Card) -> dict[str, str]:
    """Reported Top-1 by data set, with the printed decimals."""
    found = {row.dataset: f"{row.top1:.2f}" for row in reported_of(system).itertuples()}
    return {name: found.get(name, MISSING) for name in TABLES.values()}


def printed_params(system: Card) -> str:
    """Every parameter count that was printed, in millions, marked where the counted differs."""
    values = reported_of(system)["params_m"].dropna().unique()
    mark = f" {MARK}" if system.mismatch else ""
    return ", ".join(f"{value:g}" for value in values) + mark if len(values) else MISSING


def streams_of(system: Card) -> str:
    """The network's inputs at test time, one word per stream."""
    return " + ".join(system.streams)


def size_table(systems: Sequence[Card], sizes: Mapping[str, tuple[int, float]]) -> pd.DataFrame:
    """One row per system: what it is, how large it is at its published size, what was reported.

    Args:
        systems: in the order of the rows.
        sizes: parameters and GMACs by name, as `actlumos.baselines.size.published_size` gives.

    Returns:
        Columns name, year, streams, status, counted (M) parameters, printed (M) with `MARK` where
        these differ, GMACs of one clip, and the reported Top-1 (%) on ARID V1.0, ARID V1.5 and
        Dark48. Nothing in it was measured here.
    """
    rows = []
    for system in systems:
        params, gmacs = sizes[system.name]
        about: dict[str, Any] = {"name": system.name, "year": system.year or MISSING}
        about |= {"streams": streams_of(system), "status": system.status}
        about |= {"counted (M)": f"{params / 1e6:6.2f}"}
        about |= {"printed (M)": printed_params(system), "GMACs per clip": f"{gmacs:6.1f}"}
        rows.append(about | _published(system))
    return pd.DataFrame(rows)


def reported_table(systems: Sequence[Card], dataset: str) -> pd.DataFrame:
    """The published rows of these systems on one data set, as printed.

    Args:
        systems: in the order of the rows; those without a row there are left out.
        dataset: 'ARID V1.0', 'ARID V1.5' or 'Dark48'.

    Returns:
        Columns method (as printed), year, Top-1 (%), Top-5 (%), printed params (M), status of
        the system here, and remark: what is doubtful about the row.
    """
    rows = []
    for system in systems:
        for row in reported_of(system).itertuples():
            if row.dataset == dataset:
                rows.append({
                    "method": row.method, "year": row.year, "Top-1 (%)": row.top1,
                    "Top-5 (%)": row.top5, "printed (M)": _plain(row.params_m),
                    "status here": system.status, "remark": row.note})
    columns = ["method", "year", "Top-1 (%)", "Top-5 (%)", "printed (M)", "status here", "remark"]
    return pd.DataFrame(rows, columns=columns)


def _plain(value: float) -> str:
    return MISSING if isnan(value) else f"{value:g}"


def measured_table(
    systems: Sequence[Card], results: Results, before: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """What this kit's build of each system reached in a run, and the floor in the first row.

    Args:
        systems: in the order of the rows; those that were not run are left out.
        results: of one run, so of one data set, size and seed.
        before: by arm, every arm that is trained before it (`actlumos.stages.before`).

    Returns:
        Columns system, status, input, Top-1 (%), 95 % interval, n (test clips), params (M), GMACs,
        minutes (of its own training), with needs (with what it needs trained before: an
        enhancer, a teacher, a pretraining), against one frame ('above', 'within noise' or
        'below' the floor on the same clips, 95 %).
    """
    rows = []
    floor = entry(results, FLOOR)
    if floor:
        rows.append({"system": FLOOR_ROW, "status": "control", "input": "one dark frame"}
                    | _measured(floor) | {"against one frame": MISSING})
    for system in systems:
        arm = arm_of(system.name)
        if not (record := entry(results, arm)):
            continue
        found = compare(results, arm, FLOOR)
        seconds = [results["arms"].get(need, {}).get("seconds", 0.0)
                   for need in (before or {}).get(arm, ())]
        row = {"system": system.title, "status": system.status, "input": streams_of(system)}
        row |= _measured(record, sum(seconds))
        rows.append(row | {"against one frame": AGAINST_FLOOR[found.verdict] if found else MISSING})
    columns = ["system", "status", "input", "Top-1 (%)", "95 % interval", "n", "params (M)",
               "GMACs", "minutes", "with needs", "against one frame"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})


def _measured(record: Mapping[str, Any], before: float = 0.0) -> dict[str, Any]:
    low, high = record["interval"]
    return {"Top-1 (%)": record["top1"], "95 % interval": f"{low:.1f}–{high:.1f}",
            "n": record["n"], "params (M)": record["params"] / 1e6,
            "GMACs": record.get("gmacs"), "minutes": record["seconds"] / 60,
            "with needs": f"{(record['seconds'] + before) / 60:.1f}"}


def differences(
    systems: Sequence[Card], results: Results, reference: str = STUDENT
) -> pd.DataFrame:
    """Each system that was run against one arm, pairwise on the same clips.

    Returns:
        Columns system, status, difference, low, high (points of Top-1, system minus reference,
        95 %), p (McNemar, exact), verdict ('better', 'worse' or 'within noise'); the largest
        difference first. No correction is made for the number of rows.
    """
    rows = []
    for system in systems:
        arm = arm_of(system.name)
        found = None if arm == reference else compare(results, arm, reference)
        if found:
            rows.append({"system": system.title, "status": system.status,
                         "difference": found.points, "low": found.low, "high": found.high,
                         "p": found.p, "verdict": found.verdict})
    columns = ["system", "status", "difference", "low", "high", "p", "verdict"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("difference", ascending=False, ignore_index=True)


def beside_table(systems: Sequence[Card], results: Results) -> pd.DataFrame:
    """Reported and measured figures of every system, in separate columns.

    The two are of different data, sizes and protocols; only their orders can be compared, and
    that with the intervals in mind.

    Returns:
        Columns system, status, three of reported Top-1 (%), and two measured here: Top-1 (%) with
        the run's data set and profile in its name, and its 95 % interval.
    """
    rows = []
    where = f"measured here: {results['dataset']}, {results['profile']}"
    for system in systems:
        record = entry(results, arm_of(system.name))
        low, high = record["interval"] if record else (0, 0)
        rows.append({"system": system.title, "status": system.status}
                    | {f"reported: {name}": value for name, value in _published(system).items()}
                    | {where: f"{record['top1']:.1f}" if record else "not run",
                       "95 % interval": f"{low:.1f}–{high:.1f}" if record else MISSING})
    return pd.DataFrame(rows)
