"""The commands: each reads its arguments, calls one room of the package and prints what it gave."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actlumos.arms import own_name
from actlumos.cli import baselines, cost, data
from actlumos.cli import predict as predict_command
from actlumos.cli import tables as tables_command
from actlumos.cli.runs import open_run_of, settings_of
from actlumos.config import Config, digest
from actlumos.data.manifest import Manifest
from actlumos.evaluation.engines import Engine, build, example_clips
from actlumos.evaluation.evaluate import predict as logits_of
from actlumos.evaluation.evaluate import restrict, score, test_views
from actlumos.report import tables
from actlumos.report.results import load_results
from actlumos.runtime import distributed
from actlumos.runtime.text import shown
from actlumos.stages import datasets, ensure, find, load_checkpoint
from actlumos.stages.recipe import Needed, Recipe
from actlumos.stages.runs import Run, open_run

CALIBRATION_CLIPS = 200
CELL_TIMEOUT = {"smoke": 900, "demo": 3600, "paper": 14 * 24 * 3600}
"""Seconds after which a cell counts as hung: far above what each profile's longest cell takes."""


def reproduce(arguments: Namespace) -> None:
    """Make the data, run the notebooks, and print results, places and times.

    `--split mean` does so for every official split in turn, and ends with the table over them.
    """
    if arguments.split != "mean":
        return _reproduce(arguments, None)
    if arguments.out:
        raise ValueError("--split mean makes one run per split: leave --out away")
    for split in datasets.splits_of(arguments.dataset):
        _reproduce(arguments, split)
    tables_command.print_tables(arguments.dataset, arguments.profile)


def _reproduce(arguments: Namespace, split: int | None) -> None:
    from actlumos import notebooks  # Jupyter takes a second or two to import

    run = open_run_of(arguments, split)
    chosen = [path.stem for path in notebooks.choose(arguments.only)]
    print(f"{len(chosen)} notebooks into {shown(run.directory)}, on {run.device}", flush=True)
    started = time.perf_counter()
    print(f"data: {run.dataset}", flush=True)
    print(f"data: {len(run.manifest)} clips of {len(run.manifest.classes)} classes", flush=True)
    steps = [notebooks.StepTime("data", time.perf_counter() - started)]
    timeout = arguments.cell_timeout or CELL_TIMEOUT[arguments.profile]
    steps += notebooks.run_all(
        run.directory,
        _parameters(arguments, run),
        only=arguments.only,
        timeout=timeout,
        echo=_echo,
    )
    _summary(run, steps)


def _parameters(arguments: Namespace, run: Run) -> dict[str, Any]:
    """The parameters of every notebook; paths are absolute, as it runs in another folder."""
    return {
        "profile": run.config.profile,
        "dataset": run.dataset,
        "data_root": str(run.data_root or ""),
        "out": str(run.directory),
        "seed": run.seed,
        "settings": json.loads(json.dumps(settings_of(arguments) | _split_of(run))),
    }


def _split_of(run: Run) -> dict[str, int]:
    """The split, where the data set has a choice: a notebook's first line stays short."""
    return {"split": run.split} if len(datasets.splits_of(run.dataset)) > 1 else {}


def _echo(line: str) -> None:
    print(shown(line), flush=True)


def _summary(run: Run, steps: Sequence[tuple[str, float]]) -> None:
    """Print the results, where everything is, and the seconds of each step as minutes."""
    if (run.directory / "results.json").exists():
        _results(run)
    print(f"\nexecuted notebooks, .ipynb and .html: {shown(run.directory / 'notebooks')}")
    print(f"figures and tables: {shown(run.figures)}")
    print(f"results: {shown(run.directory / 'results.json')}\n")
    for name, seconds in [*steps, ("together", sum(seconds for _, seconds in steps))]:
        print(f"{name:<28}{seconds / 60:6.1f} min")


def _results(run: Run) -> None:
    results = load_results(run.directory)
    print(f"\nResults of {run.directory.name}: Top-1 and Top-5 over test clips, with 95 % interval")
    print(tables.text(tables.results_table(results)))


def train(arguments: Namespace) -> None:
    """Train an arm, or say what it reached where it is trained already."""
    find(arguments.stage)
    trained = ensure(open_run_of(arguments), arguments.stage)
    if not distributed.is_main():
        return
    result = trained.result
    print(_headline(arguments.stage, result) if "top1" in result else f"{arguments.stage}: done")
    print(f"weights: {shown(trained.directory / 'checkpoint.pt')}")


def _headline(name: str, result: dict) -> str:
    low, high = result["interval"]
    return (
        f"{name}: Top-1 {result['top1']:.1f} % [{low:.1f}, {high:.1f}], "
        f"Top-5 {result['top5']:.1f} %, {result['n']} clips"
    )


def evaluate(arguments: Namespace) -> None:
    """Test a trained arm's weights and print Top-1, Top-5 and each class's share."""
    find(arguments.stage)
    run, name = open_run_of(arguments), own_name(arguments.stage)
    path = run.directory / name / "checkpoint.pt"
    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint at {path}: train it first (`actlumos train {name}` with these options)"
        )
    model, about = load_checkpoint(path, run.device)
    recipe = about["recipe"]
    if not about["classes"] or not recipe.classifies:
        raise ValueError(f"{name} is a pretraining or an enhancer: it has no classes to test")
    run = replace(run, config=about["config"])
    if not recipe.sees_clips:
        raise ValueError(f"{name} has no test clips; its result.json has its figures")
    manifest = _shared(_clips_to_test(run, arguments), about["classes"])
    supported = {need: ensure(run, need) for need in recipe.support}
    clips = recipe.clips_of(run, manifest, supported)
    logits, labels = logits_of(model, clips, recipe.streams, run.config)
    if arguments.engine:
        calibration = _calibration(run, recipe, supported)
        engine = _engine(arguments.engine, model, about, calibration)
        plain, (logits, _) = logits, logits_of(engine, clips, recipe.streams, run.config)
        same = int((plain.argmax(1) == logits.argmax(1)).sum())
        print(f"{engine.name}: the same class as the network itself for {same} of {len(plain)}")
    result = score(restrict(logits, about["classes"], manifest.classes), labels)
    print(_headline(f"{name} on {manifest.name}, {arguments.clips}", result))
    for name, row in zip(manifest.classes, np.asarray(result["confusion"]), strict=True):
        hits = row[manifest.classes.index(name)]
        print(f"  {shown(name):<20}{hits:>5} of {row.sum()}")


def _engine(
    name: str, model: Any, about: dict[str, Any], calibration: Iterator[tuple[Tensor, ...]]
) -> Engine:
    config: Config = about["config"]
    example = example_clips(about["recipe"].streams, config)
    return build(name, model, example, precision=config.precision, calibration=calibration)


def _calibration(run: Run, recipe: Recipe, needed: Needed) -> Iterator[tuple[Tensor, ...]]:
    """Clips from all over the run's training set, one at a time, as the network sees them."""
    training = run.manifest.select("train")
    step = max(1, len(training) // CALIBRATION_CLIPS)
    some = replace(training, clips=training.clips[::step][:CALIBRATION_CLIPS])
    clips = recipe.clips_of(run, some, needed)
    for views, _ in test_views(clips, recipe.streams, run.config, torch.device("cpu")):
        yield from zip(*(stream.split(1) for stream in views[0]), strict=True)


def _clips_to_test(run: Run, arguments: Namespace) -> Manifest:
    if arguments.on:
        divide = arguments.clips != "all"
        place = run.directory / "on" / f"{arguments.on}-{digest(arguments.on_root, divide)}"
        other = arguments.on, arguments.on_root, place
        run = open_run(run.config.profile, *other, divide=divide)
    manifest = run.manifest
    return manifest if arguments.clips == "all" else manifest.select(arguments.clips)


def _shared(manifest: Manifest, known: Sequence[str]) -> Manifest:
    """The clips of classes that the model has too, by name ignoring case.

    Raises:
        ValueError: there is no such clip.
    """
    lower = {name.lower() for name in known}
    kept = [i for i, name in enumerate(manifest.classes) if name.lower() in lower]
    number = {old: new for new, old in enumerate(kept)}
    clips = tuple(
        replace(clip, label=number[clip.label]) for clip in manifest.clips if clip.label in number
    )
    if not clips:
        raise ValueError(
            f"{manifest.name} has no clip of a class of the model: {', '.join(known)}"
        )
    return replace(manifest, classes=tuple(manifest.classes[i] for i in kept), clips=clips)


def figures(arguments: Namespace) -> None:
    """Run the notebooks over a run that has results: what is trained is only read."""
    from actlumos import notebooks

    run = open_run_of(arguments)
    if not (run.directory / "results.json").exists():
        raise FileNotFoundError(
            f"{run.directory} holds no results.json; `actlumos reproduce` makes it"
        )
    told, timeout = _parameters(arguments, run), CELL_TIMEOUT[arguments.profile]
    _summary(run, notebooks.run_all(run.directory, told, timeout=timeout, echo=_echo))


COMMANDS: dict[str, Callable[[Namespace], None]] = {
    "reproduce": reproduce,
    "data": data.data,
    "train": train,
    "evaluate": evaluate,
    "predict": predict_command.predict,
    "figures": figures,
    "cost": cost.cost,
    "tables": tables_command.tables,
    "baselines": baselines.baselines,
}
