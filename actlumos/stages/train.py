"""Train one arm from its task to its files: model, clips, training, test, result."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from actlumos.config import Config
from actlumos.data.clips import Clips
from actlumos.evaluation import cost
from actlumos.evaluation.evaluate import predict, score
from actlumos.runtime import distributed
from actlumos.runtime.files import atomic_write, write_json
from actlumos.runtime.tensors import save_tensors
from actlumos.stages.loop import fit
from actlumos.stages.recipe import Needed, Recipe, title
from actlumos.stages.results import provenance
from actlumos.stages.runs import Run
from actlumos.stages.task import Task


def train_arm(
    run: Run, name: str, recipe: Recipe, config: Config, key: str, needed: Needed
) -> dict[str, Any]:
    """Train, test, and write checkpoint, history and result; the result goes last.

    Args:
        config: the run's settings with the arm's own.
        key: identifies all that decides the weights.

    Raises:
        ValueError: fewer training clips than the smallest batch that this arm can learn from.
        FloatingPointError: see `fit`; nothing is written then.
    """
    directory = run.directory / name
    here = replace(run, config=config) if config != run.config else run
    with distributed.main_first():
        clips = recipe.clips(here, needed)
        task = begin(here, name, recipe, clips, needed)
    _check_clips(name, len(task.clips), recipe.smallest_batch)
    task.parts |= {f"{role} clips": theirs for role, theirs in clips.items()}
    started = time.perf_counter()
    history = fit(task, config, seed=run.seed, device=run.device, directory=directory, key=key)
    result = {
        "arm": name,
        "title": title(name),
        "stage": recipe.stage,
        "key": key,
        "config": config.to_dict(),
        "seed": run.seed,
        "classes": list(run.manifest.classes),
        "processes": distributed.world_size(),
        "seconds": float(history["seconds"].sum()),
        **provenance(run),
        **_test(here, recipe, task.model, clips),
        "skipped": {role: theirs.skipped_paths for role, theirs in clips.items()},
        "left_out": list(run.manifest.left_out),
    }
    result["seconds_with_validation_and_test"] = time.perf_counter() - started
    return distributed.from_main(lambda: _write(directory, task.model, history, result))


def _check_clips(name: str, found: int, smallest: int) -> None:
    if found < smallest:
        raise ValueError(f"{name} has {found} training clip(s), and learns from {smallest} or more")


def begin(
    run: Run, name: str, recipe: Recipe, clips: dict[str, Clips], needed: Needed
) -> Task:
    """The arm's task, with a network that starts from the run's seed or from given weights."""
    torch.manual_seed(run.seed)
    model = recipe.network(len(run.manifest.classes), run.config)
    recipe.start(model, name, run, needed)
    return recipe.task(model, clips, run, needed)


def _test(
    run: Run, recipe: Recipe, model: nn.Module, clips: dict[str, Clips]
) -> dict[str, Any]:
    """Cost and test figures of the selected weights; a pretraining has neither."""
    if "test" not in clips:
        return {"params": sum(p.numel() for p in model.parameters())}
    test = clips["test"]
    figures = score(*predict(model, test, recipe.streams, run.config))
    seen = [clip for i, clip in enumerate(test.manifest.clips) if i not in test.skipped]
    figures["per_clip"]["paths"] = [clip.path for clip in seen]
    measured = distributed.from_main(lambda: cost.measure(model, recipe.streams, run.config))
    return {"selected_on": run.config.select_on, **figures, **measured._asdict()}


def _write(
    directory: Path, model: nn.Module, history: pd.DataFrame, result: dict[str, Any]
) -> dict[str, Any]:
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    about = {name: result[name] for name in ("arm", "config", "classes")}
    save_tensors(directory / "checkpoint.pt", {"weights": weights, **about})
    with atomic_write(directory / "history.csv") as temporary:
        history.to_csv(temporary, index=False)
    write_json(directory / "result.json", result)
    (directory / "last.pt").unlink(missing_ok=True)
    return result
