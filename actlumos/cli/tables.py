"""`actlumos tables`: the paper's tables with our rows next to the reported ones, from runs on disk.

actlumos tables                        the paper's three data sets, and every other that was run
actlumos tables arid-v1.0              one data set, runs of the paper profile
actlumos tables darkroom --profile demo
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actlumos.cli.options import PROFILES, add_command, place
from actlumos.runtime.files import atomic_write, home

if TYPE_CHECKING:
    import pandas as pd

SHARED_CLIPS = {
    "arid-v1.0": "240 (splits 1 and 2), 144 (1 and 3) and 220 (2 and 3) clips; 1,996 distinct",
    "dark48": "356 (splits 1 and 2), 351 (1 and 3) and 361 (2 and 3) clips; 4,298 distinct",
}
"""What the official test lists share, counted in them."""


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = add_command(
        commands,
        "tables",
        "the paper's tables: reported rows, and ours from every split and seed that was run",
        "Prints each table with what must be known to read it, and writes it as Markdown, CSV and\n"
        "LaTeX. Nothing is trained.\n\n"
        "examples:\n  actlumos tables arid-v1.0\n  actlumos tables darkroom --profile demo",
    )
    parser.add_argument(
        "dataset",
        nargs="?",
        default="all",
        metavar="DATASET",
        help="a data set's name, or all: the paper's three and every other that was run",
    )
    parser.add_argument(
        "--profile", choices=PROFILES, default="paper", help="runs of this profile (default: paper)"
    )
    parser.add_argument(
        "--runs",
        action="append",
        default=[],
        type=place,
        metavar="DIR",
        help="a folder of runs, or one run; may be given several times (default: runs)",
    )
    parser.add_argument(
        "--out",
        default="",
        type=place,
        metavar="DIR",
        help="where to write (default: figures/tables)",
    )


def tables(arguments: argparse.Namespace) -> None:
    """The command: see `print_tables`."""
    print_tables(arguments.dataset, arguments.profile, arguments.runs, arguments.out)


def print_tables(
    dataset: str = "all", profile: str = "paper", runs: Sequence[str] = (), out: str = ""
) -> None:
    """Print and write the tables of one data set, or of the paper's three and all that were run.

    Args:
        dataset: a name, or `all`.
        profile: runs of this profile count.
        runs: folders of runs, or runs; none: `runs/` of the project.
        out: where to write; empty: `figures/tables/` of the project.

    Raises:
        FileNotFoundError: a folder of runs is not there, or a data set has neither a run nor a
            published row.
        ValueError: a result on disk is broken, or there twice.
    """
    from actlumos.report import collect
    from actlumos.report.tables import DATASETS

    published, wanted = list(DATASETS.values()), "" if dataset == "all" else dataset
    default = home() / "runs"
    places = [Path(place).expanduser() for place in runs] or [default] * default.is_dir()
    results = collect.frame(collect.find_runs(places, wanted, profile))
    ran = sorted(set(results["dataset"]) - set(published))
    if wanted not in ("", *published, *ran):
        raise FileNotFoundError(
            f"{wanted} has no {profile} run under {', '.join(map(str, places)) or default} and no "
            f"published row: `actlumos reproduce --profile {profile} --dataset {wanted}` makes one"
        )
    place = Path(out).expanduser() if out else home() / "figures" / "tables"
    for name in [wanted] if wanted else [*published, *ran]:
        _show(name, results[results["dataset"] == name], place, profile)


def _show(dataset: str, runs: pd.DataFrame, out: Path, profile: str) -> None:
    from actlumos.report import tables as forms
    from actlumos.report.paper import TABLES

    number = {name: number for number, name in forms.DATASETS.items()}.get(dataset)
    table = forms.paper_table(number, runs) if number else forms.measured_table(runs)
    remarks = notes(dataset, runs)
    heading = f"Table {number}. {TABLES[number]}" if number else dataset
    print(f"\n{heading}: {len(runs)} result(s) of ours, {profile} profile\n")
    print(forms.text(table.drop(columns="note")))
    print("\n".join(f"- {line}" for line in [*_row_notes(table), *remarks]))
    paths = forms.export(table, f"{dataset}-{profile}", out, remarks)
    if len(runs):
        paths.append(out / f"{dataset}-{profile}-runs.csv")
        with atomic_write(paths[-1]) as temporary:
            runs.drop(columns="right").to_csv(temporary, index=False, lineterminator="\n")
    print("written:", ", ".join(map(str, paths)))


def _row_notes(table: pd.DataFrame) -> list[str]:
    """The notes of our rows, which are too long for a terminal's columns; equal ones together."""
    ours = table[(table["source"] == "measured here") & (table["note"] != "")]
    grouped = ours.groupby(["method", "note"], sort=False)["split"].agg(", ".join)
    return [f"{method}, split {splits}: {note}" for (method, note), splits in grouped.items()]


def notes(dataset: str, runs: pd.DataFrame) -> list[str]:
    """What must be known to read a data set's table, one sentence or two each.

    Args:
        dataset: the table's data set.
        runs: `collect.frame`'s rows on it, or none.

    Returns:
        Which reported differences are within noise, how ours compare with the reported, what
        the interval means, that splits are not folds, and arms compared on the same clips.
    """
    from actlumos.report.claims import OFFICIAL_TESTS, noise_note

    lines = [noise_note(dataset)] if dataset in OFFICIAL_TESTS else []
    if not len(runs):
        return lines
    if dataset in OFFICIAL_TESTS:
        lines += _standings(dataset, runs)
    lines.append(
        "Interval: Wilson, 95 %, for the test clips drawn; in a mean of runs each distinct clip "
        "counts once (effective number of clips). It does not hold what another seed would "
        "change: that is sd, the spread over the seeds of a split."
    )
    if runs["split"].nunique() > 1:
        shared = SHARED_CLIPS.get(dataset)
        lines.append(
            "The test sets of the splits are not disjoint folds"
            + (f": they share {shared}." if shared else "; clips may be in several.")
        )
    return lines + _pairs(runs)


def _standings(dataset: str, runs: pd.DataFrame) -> list[str]:
    """How each arm's mean compares; rows selected on test are not compared with published ones."""
    from actlumos.arms import describe
    from actlumos.report import claims, collect

    means = collect.by_arm(runs[runs["selected_on"] != "test"])
    return [
        f"{describe(row.arm).label} ({row.profile} profile, split(s) "
        f"{', '.join(map(str, row.splits))}: {row.top1:.2f}) among the reported rows: "
        f"{claims.standing(row.top1, (row.low, row.high), dataset)}."
        for row in means.itertuples()
    ]


def _pairs(runs: pd.DataFrame) -> list[str]:
    """The pairs of arms that the paper's claims compare, pooled over splits and seeds."""
    from actlumos.arms import describe
    from actlumos.report import collect
    from actlumos.report.claims import CLAIMS

    lines = []
    for better, worse in dict.fromkeys(pair for claim in CLAIMS for pair in claim.pairs):
        for row in collect.compare(runs, better, worse).itertuples():
            optimism = "selected on test" if row.selected_on == "test" else ""
            kind = ", ".join(filter(None, (f"{row.runs} run(s)", row.settings, optimism)))
            lines.append(
                f"{describe(better).label} against {describe(worse).label}, same clips, {kind}: "
                f"{row.points:+.2f} points [{row.low:+.2f}, {row.high:+.2f}], "
                f"p = {row.p:.3f}: {row.verdict}."
            )
    return lines
