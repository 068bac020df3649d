"""`actlumos baselines`: list, describe, train and compare the published systems."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from textwrap import fill
from typing import Any

import pandas as pd

from actlumos import baselines
from actlumos.arms import BASELINES, STATUS, Card, arm_of
from actlumos.baselines.size import published_size
from actlumos.cli.runs import open_run_of
from actlumos.config import profile
from actlumos.report import baselines as forms
from actlumos.report import tables
from actlumos.report.results import load_results
from actlumos.runtime import distributed
from actlumos.stages import before, ensure, find
from actlumos.stages.runs import Run
from actlumos.stages.supervised import Supervised, cross_entropy

LIST_NOTES = (
    "counted (M): parameters of the published size with 11 classes. printed (M): those in the "
    f"ActLumos tables; {forms.MARK} the two differ, and `baselines describe NAME` gives the "
    "reason where it is known.",
    "GMACs: 1e9 multiply-adds of the network for one clip of the published size, without the "
    "computation of optical flow or of the enhanced clip of mfdl.",
    "ARID V1.0, ARID V1.5, Dark48: Top-1 (%) as reported in those tables. Nothing in this list "
    "was measured here, and several rows are copied from a web page (`baselines describe NAME`).",
)
COMPARE_NOTES = (
    "Interval: Wilson, 95 %, over test clips. One run is one seed; with another seed every Top-1 "
    "differs by more than the last digit.",
    "with needs: minutes with every arm trained before it, which several systems share.",
    "against one frame: paired, on the same clips, 95 %, for the arm with a single frame.",
    "A reconstruction is not the authors' model; its accuracy is not a measure of their model's.",
)


def _say(label: str, text: str) -> None:
    """Print a paragraph with its label in the margin; "Zero-DCE" stays on one line."""
    margins: dict[str, Any] = {"initial_indent": f"{label:<11}", "subsequent_indent": " " * 11}
    print(fill(text, 100, break_on_hyphens=False, **margins))


def print_list(arguments: Namespace) -> None:
    """Print one row per system."""
    systems = [baselines.card(name) for name in baselines.names()]
    sizes = {system.name: published_size(system.name) for system in systems}
    print(tables.text(forms.size_table(systems, sizes)), end="\n\n")
    for status, meaning in STATUS.items():
        _say("", f"{status}: {meaning}.")
    for note in LIST_NOTES:
        _say("", note)


def describe(arguments: Namespace) -> None:
    """Print the sheet of a system, or of an enhancer or teacher that one needs.

    Raises:
        ValueError: there is no such system.
    """
    system = baselines.card(arguments.name)
    when = f", {system.venue} {system.year}" if system.year and system.venue else ""
    print(f"{system.title}{when} ({system.name})\n")
    _say("idea", system.idea)
    _say("status", f"{system.status}: {STATUS[system.status]}.")
    _say("source", f"{system.source}.")
    for number, row in enumerate(system.diagram):
        print(f"{'' if number else 'network':<11}{row}")
    _say("training", f"{_training(system)}: actlumos train baselines/{system.name}")
    for label in ("known", "unknown", "ours"):
        _say(label, getattr(system, label))
    needs = tuple(need.removeprefix(BASELINES) for need in find(arm_of(system.name)).needs)
    for label, names in (("grew from", system.grew_from), ("needs", needs)):
        if names:
            _say(label, ", ".join(names))
    _print_size(system)
    print("\nchoices of its own\n" + _table(system.choices, ["name", "value", "origin", "source"]))
    print("\nsettings that differ from the profile's (value there -> here)")
    print("\n".join(_changes(system)) or "  none")
    _print_reported(system)


def _training(system: Card) -> str:
    """What it learns from, and its loss where that is its own."""
    arm = arm_of(system.name)
    if not arm.startswith(BASELINES):
        return f"as the arm {arm}"
    recipe = find(arm)
    if not isinstance(recipe, Supervised) or recipe.terms is cross_entropy:
        return recipe.learns_from
    loss = (recipe.terms.__doc__ or "its own").partition("\n")[0].rstrip(".")
    return f"{recipe.learns_from}, loss: {loss}"


def _print_size(system: Card) -> None:
    size = published_size(system.name)
    printed = forms.printed_params(system)
    beside = "none printed" if printed == tables.MISSING else f"printed (M): {printed}"
    _say(
        "size",
        f"{size.params:,} parameters counted, {beside}; {size.gmacs:.1f} GMACs per clip "
        "(published size, 11 classes)",
    )
    if system.mismatch:
        _say("", f"{forms.MARK} {system.mismatch}")


def _table(rows: tuple, columns: list[str]) -> str:
    return tables.text(pd.DataFrame(rows, columns=columns)) if rows else "  none"


def _changes(system: Card) -> Iterator[str]:
    recipe = find(arm_of(system.name))
    for name in ("paper", "demo"):
        usual, here = profile(name).to_dict(), recipe.settings(profile(name)).to_dict()
        for setting in recipe.differing(name):
            if usual[setting] != here[setting]:
                yield f"  {name}: {setting} {usual[setting]} -> {here[setting]}"


def _print_reported(system: Card) -> None:
    rows = forms.reported_of(system)
    print("\nreported, as printed; nothing of it was measured here")
    if rows.empty:
        print("  in none of the tables")
    for row in rows.itertuples():
        top5 = "" if pd.isna(row.top5) else f", Top-5 {row.top5:g}"
        size = "" if pd.isna(row.params_m) else f", {row.params_m:g} M"
        print(f"  {row.dataset}: {row.method}, Top-1 {row.top1:.2f}{top5}{size}")
    for note, noted in rows[rows["note"] != ""].groupby("note", sort=False):
        named = f"  {', '.join(noted['dataset'])}: "
        print(fill(named + note, 100, subsequent_indent="    "))


def train(arguments: Namespace) -> None:
    """Train the floor, ActLumos and the systems in order, each once, and print the comparison.

    Raises:
        ValueError: unknown system.
    """
    run = open_run_of(arguments)
    systems, without = baselines.choose(arguments.only, run.dataset)
    arms = dict.fromkeys((forms.FLOOR, forms.STUDENT, *(arm_of(s.name) for s in systems)))
    for number, arm in enumerate(arms, 1):
        if distributed.is_main():
            print(f"[{number}/{len(arms)}] {arm}", flush=True)
        ensure(run, arm)
    if distributed.is_main():
        _compare(run)
        for system in without:
            print(
                f"left out: {system.name}, which learns from clips in normal light; "
                f"{run.dataset} has none"
            )


def compare(arguments: Namespace) -> None:
    """Print and write the comparison of what a run has.

    Raises:
        FileNotFoundError: the run has no system yet.
    """
    run = open_run_of(arguments)
    arms = load_results(run.directory)["arms"]
    if not any(arm_of(name) in arms for name in baselines.names()):
        raise FileNotFoundError(
            f"{run.directory} has no system yet: `actlumos baselines train` makes it"
        )
    _compare(run)


def _compare(run: Run) -> None:
    """The three tables of a run's systems, on the terminal and as Markdown, CSV and LaTeX."""
    systems = [baselines.card(name) for name in baselines.names()]
    results, size = load_results(run.directory), run.config.profile
    needs = {arm_of(s.name): before(arm_of(s.name)) for s in systems}
    made = {
        "measured": forms.measured_table(systems, results, needs),
        "differences": forms.differences(systems, results),
        "beside": forms.beside_table(systems, results),
    }
    titles = {
        "measured": f"Measured here on {run.dataset}, {size} profile, seed {run.seed}",
        "differences": "Against the ActLumos student, on the same clips (points of Top-1)",
        "beside": "Reported and measured, in separate columns: they are not comparable",
    }
    for name, table in made.items():
        shown = tables.text(table.round(3)) if len(table) else "not run"
        print(f"\n{titles[name]}\n{shown}")
    print()
    for note in COMPARE_NOTES:
        _say("", note)
    paths = [
        path
        for name, table in made.items()
        for path in tables.export(table, f"baselines-{name}", run.figures, COMPARE_NOTES)
    ]
    print(
        "written:",
        ", ".join(str(path) for path in paths if path.suffix == ".md"),
        "(and .csv, .tex)",
    )


ACTIONS: dict[str, Callable[[Namespace], None]] = {
    "list": print_list,
    "describe": describe,
    "train": train,
    "compare": compare,
}
