"""Train a published system: its network and its loss terms, in the loop that trains everything.

    supervised   loss terms of the network's output and the labels
    distill      cross-entropy and the logits of a teacher, as ActLumos' own students
    adapt        labels of clips in normal light; dark clips without labels, drawn on their own
    enhance      no label at all: an enhancer that a system needs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from actlumos import baselines
from actlumos.baselines.public_weights import load_public
from actlumos.baselines.system import System
from actlumos.config import Config
from actlumos.data.clips import Batch, Clips, collate
from actlumos.data.manifest import Manifest
from actlumos.runtime.distributed import gather, gather_all, is_main
from actlumos.stages import distill, stored, supervised
from actlumos.stages.arms import BASELINES, Arm
from actlumos.stages.loop import Task, Terms
from actlumos.stages.runs import Run
from actlumos.stages.trained import Trained
from actlumos.views.streams import train_streams, whole_streams


def load_clips(run: Run, arm: Arm, needed: Mapping[str, Trained]) -> dict[str, Clips]:
    """What a system trains, selects and tests on; `target` are dark clips without their labels.

    Raises:
        ValueError: the data set has no clips in normal light, and the system needs them.
    """
    system = baselines.find(arm.system)
    lit = _enhancer(run, system, needed)
    train = run.manifest.select("train")
    if system.enhances:
        return {"train": stored.clips(run, train.unlabeled(), system.streams, lit)}
    val, test = run.manifest.select(run.config.select_on), run.manifest.select("test")
    if system.stage == "adapt":
        return {
            "train": stored.clips(run, train, ("light",)),
            "val": stored.clips(run, val, ("light",)),
            "test": stored.clips(run, test, system.streams),
            "target": run.clips(train.unlabeled()),
        }
    parts = {"train": train, "val": val, "test": test}
    return {role: stored.clips(run, part, system.streams, lit) for role, part in parts.items()}


def clips_of(run: Run, arm: Arm, manifest: Manifest, needed: Mapping[str, Trained]) -> Clips:
    """Any clips of the run's data set, as a trained system looks at them."""
    system = baselines.find(arm.system)
    return stored.clips(run, manifest, system.streams, _enhancer(run, system, needed))


def _enhancer(
    run: Run, system: System, needed: Mapping[str, Trained]
) -> tuple[nn.Module, str] | None:
    """The trained network that makes the stream `lit`, and the key of its training."""
    if not system.lit_by:
        return None
    trained = needed[BASELINES + system.lit_by]
    return trained.model(run.device), trained.result["key"]


def task(
    run: Run, arm: Arm, model: nn.Module, needed: Mapping[str, Trained], clips: dict[str, Clips],
    answers: distill.Answers | None,
) -> Task:  # fmt: skip
    """The task of a system; `model` is untrained, and starts from `config.weights` if that is set.

    Raises:
        FileNotFoundError, ValueError: the weights are not there or of another network.
    """
    system, config = baselines.find(arm.system), run.config
    if system.begin:
        networks = {
            name.removeprefix(BASELINES): trained.model(run.device) for name, trained in needed.items()
        }
        system.begin(model, networks)
    if config.weights and not system.enhances:
        loaded = load_public(model, system.name, config.weights)  # of two towers, the RGB one
        if is_main():
            print(f"{system.name}: {loaded}", flush=True)
    if system.enhances:
        epochs = config.epochs_pretrain
        return Task(model, _enhance_loss(system, config), clips["train"], epochs, config.batch_size)
    if system.stage == "distill":
        teacher = needed[BASELINES + system.needs[0]]
        both = clips["train"], clips["val"]
        network = teacher.model(run.device)
        return distill.task(model, network, *both, config, answers, teacher.arm.streams)
    if system.stage == "adapt":
        return _adapt(system, model, clips, config)
    train, val = clips["train"], clips["val"]

    def terms(output: Any, label: Tensor) -> Terms:
        return system.terms(output, label, config)

    return supervised.task(model, system.streams, train, val, config, terms)


def _adapt(system: System, model: nn.Module, clips: dict[str, Clips], config: Config) -> Task:
    """Labelled light clips beside as many dark ones, which have no label and are other clips."""

    def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
        clip = batch.clip[:, 0].to(generator.device)
        (light,) = train_streams(clip, ("light",), config, generator)
        drawn = _draw(clips["target"], len(clip), generator)
        (dark,) = train_streams(drawn, ("dark",), config, generator)
        output = gather_all(network(light, dark))
        return system.terms(output, gather(batch.label.to(clip.device)), config)

    return Task(
        model=model,
        loss=loss,
        clips=clips["train"],
        epochs=config.epochs_supervised,
        batch_size=config.batch_size,
        validate=lambda: supervised.validation(model, clips["val"], ("light",), config),
    )


def _enhance_loss(system: System, config: Config) -> Any:
    def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
        clip = batch.clip[:, 0].to(generator.device)
        output = gather_all(network(*whole_streams(clip, system.streams, config)))
        return system.terms(output, None, config)

    return loss


def _draw(target: Clips, count: int, generator: torch.Generator) -> Tensor:
    """So many random clips at random moments, uint8 `[B, T, H, W, 3]` on the generator's device."""
    device = generator.device
    which = torch.randint(len(target), (count,), generator=generator, device=device).tolist()
    moments = torch.rand(count, generator=generator, device=device).tolist()
    items = [target[index, (moment,)] for index, moment in zip(which, moments, strict=True)]
    return collate(items).clip[:, 0].to(device)
