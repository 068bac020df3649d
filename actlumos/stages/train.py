"""Train one arm from its task to its files: model, clips, training, test, result."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from actlumos.config import Config, digest
from actlumos.data.clips import Clips
from actlumos.evaluation import cost
from actlumos.evaluation.evaluate import predict, score
from actlumos.runtime import distributed
from actlumos.runtime.files import atomic_write, save_tensors, sha256, write_json
from actlumos.stages import distill, pretrain, supervised, teacher, zoo
from actlumos.stages.arms import Arm
from actlumos.stages.build import build, load_weights
from actlumos.stages.loop import Task, fit
from actlumos.stages.runs import Run, provenance
from actlumos.stages.trained import Trained

_CHANGE_NO_RESULT = ("profile", "workers", "checkpoint_minutes", "checkpoint_activations")


def settings(config: Config) -> dict[str, Any]:
    """The settings that can change a result; pre-trained weights by their content, not place.

    Raises:
        FileNotFoundError: the weights' file is not there.
    """
    chosen = {k: v for k, v in config.to_dict().items() if k not in _CHANGE_NO_RESULT}
    if config.weights:
        path = Path(config.weights).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"no weights at {path}: correct `weights`, or leave it empty")
        chosen["weights"] = sha256(path)
    return chosen


def train_arm(
    run: Run, name: str, arm: Arm, config: Config, key: str, needed: dict[str, Trained]
) -> dict[str, Any]:
    """Train, test, and write checkpoint, history and result; the result goes last."""
    directory = run.directory / name
    here = replace(run, config=config) if arm.changes else run  # a new run loads its data anew
    with distributed.main_first():
        clips = load_clips(here, arm, needed)
        task = make_task(here, arm, needed, clips)
    task.parts |= {f"{role} clips": theirs for role, theirs in clips.items()}
    started = time.perf_counter()
    history = fit(task, config, seed=run.seed, device=run.device, directory=directory, key=key)
    result = {
        "arm": name,
        "title": arm.title,
        "stage": arm.stage,
        "key": key,
        "config": config.to_dict(),
        "seed": run.seed,
        "classes": list(run.manifest.classes),
        "processes": distributed.world_size(),
        "seconds": float(history["seconds"].sum()),
        **provenance(run),
        **_test(here, arm, task.model, clips),
        "skipped": {role: theirs.skipped_paths for role, theirs in clips.items()},
        "left_out": list(run.manifest.left_out),
    }
    result["seconds_with_validation_and_test"] = time.perf_counter() - started
    return distributed.from_main(lambda: _write(directory, arm, task.model, history, result))


def load_clips(run: Run, arm: Arm, needed: dict[str, Trained]) -> dict[str, Clips]:
    """What an arm trains, selects (`val`, whichever clips these are) and tests on.

    Raises:
        ValueError: the data set has no clip for one of these.
    """
    if arm.system:
        return zoo.load_clips(run, arm, needed)
    if arm.stage == "pretrain":
        return {"train": run.clips(run.pool(arm.pool))}
    splits = {"train": "train", "val": run.config.select_on, "test": "test"}
    return {role: _split(run, arm, split) for role, split in splits.items()}


def _split(run: Run, arm: Arm, split: str) -> Clips:
    manifest = run.manifest.select(split)
    if not len(manifest):
        raise ValueError(f"{manifest.name} has no {split} clips, and {arm.stage} needs some")
    return run.backgrounds(split) if arm.clips == "background" else run.clips(manifest)


def make_task(run: Run, arm: Arm, needed: dict[str, Trained], clips: dict[str, Clips]) -> Task:
    """The stage's task with a model built from the run's seed.

    It starts from random weights, from `config.weights`, or from the pretraining that the arm
    names, whatever that one started from.
    """
    config = run.config
    torch.manual_seed(run.seed)
    model = build(arm, config, len(run.manifest.classes))
    if arm.system:
        return zoo.task(run, arm, model, needed, clips, _answers(needed, arm, config))
    if arm.init:
        model.backbone.load_state_dict(needed[arm.init].model().student.backbone.state_dict())
    else:
        load_weights(model, config)
    if arm.stage == "pretrain":
        return pretrain.task(model, clips["train"], arm.views, config)
    both = clips["train"], clips["val"]
    if arm.stage == "supervised":
        return supervised.task(model, arm.streams, *both, config)
    if arm.stage == "teacher":
        return teacher.task(model, *both, config)
    adviser = needed[arm.teacher].model(run.device)
    return distill.task(model, adviser, *both, config, _answers(needed, arm, config))


def _answers(needed: dict[str, Trained], arm: Arm, config: Config) -> distill.Answers | None:
    """What the arm's teacher has said to other students; nothing is kept of several processes,
    each of which shows the teacher pixels that no other run sees."""
    if not arm.teacher or distributed.world_size() > 1:
        return None
    adviser = needed[arm.teacher]
    key = digest(adviser.result["key"], settings(config))
    return distill.Answers(adviser.directory / "answers.pt", key)


def _test(run: Run, arm: Arm, model: nn.Module, clips: dict[str, Clips]) -> dict[str, Any]:
    """Cost and test figures of the selected weights; a pretraining has neither."""
    if "test" not in clips:
        return {"params": sum(p.numel() for p in model.parameters())}
    test = clips["test"]
    figures = score(*predict(model, test, arm.streams, run.config))
    seen = [clip for i, clip in enumerate(test.manifest.clips) if i not in test.skipped]
    figures["per_clip"]["paths"] = [clip.path for clip in seen]
    measured = distributed.from_main(lambda: cost.measure(model, arm.streams, run.config))
    return {"selected_on": run.config.select_on, **figures, **measured._asdict()}


def _write(
    directory: Path, arm: Arm, model: nn.Module, history: pd.DataFrame, result: dict[str, Any]
) -> dict[str, Any]:
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    about = {"arm": arm.to_dict(), "config": result["config"], "classes": result["classes"]}
    save_tensors(directory / "checkpoint.pt", {"weights": weights, **about})
    with atomic_write(directory / "history.csv") as temporary:
        history.to_csv(temporary, index=False)
    write_json(directory / "result.json", result)
    (directory / "last.pt").unlink(missing_ok=True)
    return result
