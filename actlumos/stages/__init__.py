"""Train an arm, or load it where it is already trained."""

from __future__ import annotations

import pickle
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from actlumos import cost
from actlumos.clips import Clips
from actlumos.config import Config, digest
from actlumos.device import channels_last
from actlumos.evaluate import predict, score
from actlumos.files import atomic_write, read_json, write_json
from actlumos.models import Pretrainer
from actlumos.runs import Run, provenance, record
from actlumos.stages import distill, pretrain, supervised, teacher
from actlumos.stages.arms import ARMS, STUDIES, Arm, find
from actlumos.stages.build import build
from actlumos.stages.loop import Task, fit

__all__ = ["ARMS", "STUDIES", "Arm", "Trained", "ensure", "find", "load_checkpoint"]


@dataclass(frozen=True)
class Trained:
    """A finished arm on disk."""

    name: str
    arm: Arm
    directory: Path
    result: dict[str, Any]

    @property
    def history(self) -> pd.DataFrame:
        """A row an epoch."""
        return pd.read_csv(self.directory / "history.csv")

    @property
    def config(self) -> Config:
        """The settings it was trained with."""
        return Config.from_dict(self.result["config"])

    def model(self, device: torch.device | None = None) -> nn.Module:
        """The network with its selected weights, in evaluation mode."""
        return load_checkpoint(self.directory / "checkpoint.pt", device)[0]


def ensure(run: Run, name: str) -> Trained:
    """The trained arm: from disk where its key fits, else trained now (what it needs first).

    Args:
        run: the run it belongs to.
        name: a name of `ARMS`.

    Raises:
        ValueError: unknown arm, or one that the run's data set cannot have.
    """
    arm = find(name)
    needed = {need: ensure(run, need) for need in arm.needs}
    config = run.config.with_(**arm.changes)
    key = _key(run, arm, config, needed)
    directory = run.directory / name
    finished = directory / "result.json"
    if not finished.exists() or (result := read_json(finished))["key"] != key:
        result = _train(run, name, arm, config, key, needed)
    record(run, name, result)
    return Trained(name, arm, directory, result)


def load_checkpoint(
    path: str | Path, device: torch.device | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """Rebuild a network from a checkpoint.

    Returns:
        The network in evaluation mode, and what the checkpoint says of itself: `arm` (an `Arm`),
        `config` (a `Config`) and `classes` (names, also after a pretraining, which reads no label).

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint of this package.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}; `actlumos train teacher` makes one")
    try:
        content = torch.load(path, map_location=device or "cpu", weights_only=True)
        about = {
            "arm": Arm(**content["arm"]),
            "config": Config.from_dict(content["config"]),
            "classes": tuple(content["classes"]),
        }
        model = build(about["arm"], about["config"], len(about["classes"]))
        model.load_state_dict(content["weights"])
    except (KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is not a checkpoint of this version: {error}") from None
    return channels_last(model.to(device or "cpu")).eval(), about


def _key(run: Run, arm: Arm, config: Config, needed: dict[str, Trained]) -> str:
    """Hash of all that decides an arm's weights, the arms it needs included."""
    before = {name: trained.result["key"] for name, trained in needed.items()}
    pool = run.pool(arm.pool).digest if arm.pool else ""
    return digest(arm.to_dict(), _settings(config), run.manifest.digest, pool, run.seed, before)


def _settings(config: Config) -> dict[str, Any]:
    """The settings that can change a result."""
    return {k: v for k, v in config.to_dict().items() if k not in ("profile", "workers")}


def _train(
    run: Run, name: str, arm: Arm, config: Config, key: str, needed: dict[str, Trained]
) -> dict[str, Any]:
    """Train, test, and write checkpoint, history and result; the result goes last."""
    directory = run.directory / name
    directory.mkdir(parents=True, exist_ok=True)
    here = replace(run, config=config) if arm.changes else run  # a new run loads its data anew
    task = _task(here, arm, needed)
    started = time.perf_counter()
    history = fit(
        task, config, seed=run.seed, device=run.device, directory=directory, key=key
    )
    result = {
        "arm": name,
        "title": arm.title,
        "stage": arm.stage,
        "key": key,
        "config": config.to_dict(),
        "seed": run.seed,
        "classes": list(run.manifest.classes),
        "seconds": float(history["seconds"].sum()),
        **provenance(run),
        **_test(here, arm, task.model),
    }
    result["seconds_with_validation_and_test"] = time.perf_counter() - started
    _write(directory, arm, task.model, history, result)
    return result


def _task(run: Run, arm: Arm, needed: dict[str, Trained]) -> Task:
    """The stage's task with a model built from the run's seed."""
    config = run.config
    torch.manual_seed(run.seed)
    model = build(arm, config, len(run.manifest.classes))
    if arm.stage == "pretrain":
        return pretrain.task(model, run.clips(run.pool(arm.pool)), arm.views, config)
    if arm.init:
        model.backbone.load_state_dict(needed[arm.init].model().student.backbone.state_dict())
    train, val = _split(run, arm, "train"), _split(run, arm, "val")
    if arm.stage == "supervised":
        return supervised.task(model, arm.streams, train, val, config)
    if arm.stage == "teacher":
        return teacher.task(model, train, val, config)
    adviser = needed[arm.teacher]
    settings = digest(adviser.result["key"], _settings(config))
    answers = distill.Answers(adviser.directory / "answers.pt", settings)
    return distill.task(model, adviser.model(run.device), train, val, config, answers)


def _split(run: Run, arm: Arm, split: str) -> Clips:
    if arm.clips == "background":
        return run.backgrounds(split)
    return run.clips(run.manifest.select(split))


def _test(run: Run, arm: Arm, model: nn.Module) -> dict[str, Any]:
    """Cost and test figures of the selected weights; a pretraining has neither."""
    if isinstance(model, Pretrainer):
        return {"params": sum(p.numel() for p in model.parameters())}
    figures = score(*predict(model, _split(run, arm, "test"), arm.streams, run.config))
    return figures | cost.measure(model, arm.streams, run.config)._asdict()


def _write(
    directory: Path, arm: Arm, model: nn.Module, history: pd.DataFrame, result: dict[str, Any]
) -> None:
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    about = {"arm": arm.to_dict(), "config": result["config"], "classes": result["classes"]}
    with atomic_write(directory / "checkpoint.pt") as temporary:
        torch.save({"weights": weights, **about}, temporary)
    with atomic_write(directory / "history.csv") as temporary:
        history.to_csv(temporary, index=False)
    write_json(directory / "result.json", result)
    (directory / "last.pt").unlink(missing_ok=True)
