"""A recipe says how one arm is trained: network, clips, loss, and what is trained before it.

The method's own arms have their recipes in `teacher.py`, `pretrain.py`, `distill.py` and
`supervised.py`, those of the published systems are in `actlumos/baselines/`, one file each.
`find` gives the recipe of a name, `ensure.py` trains it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import torch
from torch import Tensor, nn

from actlumos import arms
from actlumos.config import Config, InputError
from actlumos.data.clips import Clips
from actlumos.data.manifest import Manifest
from actlumos.models.pretrained import load_pretrained
from actlumos.models.r2plus1d import R2Plus1D
from actlumos.runtime.device import channels_last
from actlumos.runtime.distributed import is_main
from actlumos.runtime.tensors import first_not_finite, read_tensors
from actlumos.runtime.text import shown
from actlumos.stages.runs import Run
from actlumos.stages.task import Task

Needed = Mapping[str, "Trained"]


def load_backbone(network: nn.Module, name: str, path: str) -> object:
    """Copy public R(2+1)D weights into a network's backbone.

    Args:
        network: has one R(2+1)D somewhere.
        name: of the arm; not used, other loaders name it in their messages.
        path: of the file.

    Raises:
        FileNotFoundError, ValueError: as `load_pretrained`.
    """
    (backbone,) = (part for part in network.modules() if isinstance(part, R2Plus1D))
    return load_pretrained(backbone, path)


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """How one arm is trained; a subclass per stage says with which clips and which loss.

    Args:
        network: number of classes and settings to an untrained network. It takes one float
            `[B, C, T, h, w]` per stream and gives logits `[B, K]` or something with `.logits`.
        streams: what the network sees at test time, see `actlumos.views.streams`.
        support: arms that are trained first, by name.
        begin: hands the trained networks of `needs`, by name, to an untrained network.
        stored_enhancer: which of `needs` makes the stream `enhanced`, by its `enhance_frames`.
        changes: settings that differ from those of every profile.
        paper, demo: settings that differ from those of one profile; smoke takes the demo's.
        load: copies public weights (network, name of the arm, path of the file).
    """

    stage: ClassVar[str]
    learns_from: ClassVar[str]
    classifies: ClassVar[bool] = True
    sees_clips: ClassVar[bool] = True
    views_per_clip: ClassVar[int] = 1
    smallest_batch: ClassVar[int] = 1

    network: Callable[[int, Config], nn.Module]
    streams: tuple[str, ...] = ("dark",)
    support: tuple[str, ...] = ()
    begin: Callable[[nn.Module, Mapping[str, nn.Module]], None] | None = None
    stored_enhancer: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    paper: Mapping[str, Any] = field(default_factory=dict)
    demo: Mapping[str, Any] = field(default_factory=dict)
    load: Callable[[nn.Module, str, str], object] = load_backbone

    @property
    def needs(self) -> tuple[str, ...]:
        """Arms that must be trained before this one."""
        return self.support

    @property
    def needs_normal_light(self) -> bool:
        """Whether it learns from clips in normal light, which only rendered sets have."""
        return "normal_light" in self.streams

    @property
    def frozen(self) -> tuple[str, ...]:
        """Those of `needs` whose network runs at every training step, with the one trained."""
        return ()

    def differing(self, profile_name: str) -> dict[str, Any]:
        """Settings that differ from a profile's."""
        own = self.paper if profile_name == "paper" else self.demo
        return {**self.changes, **own}

    def settings(self, config: Config) -> Config:
        """The run's settings with this arm's own."""
        return config.with_(**self.differing(config.profile))

    def description(self) -> dict[str, Any]:
        """All that the recipe says, as values that JSON can hold; a part of the arm's key."""
        values = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return {"stage": self.stage, **values}

    @abstractmethod
    def epochs(self, config: Config) -> int:
        """Passes over the training clips."""

    def batch_size(self, config: Config) -> int:
        """Clips per forward pass."""
        return config.batch_size

    @abstractmethod
    def clips(self, run: Run, needed: Needed) -> dict[str, Clips]:
        """What the arm trains on, selects its epoch on (`val`) and is tested on, by role.

        Raises:
            ValueError: the data set has no clips for one of these.
        """

    def clips_of(self, run: Run, manifest: Manifest, needed: Needed) -> Clips:
        """Any clips of a data set, with the channels that the trained network uses."""
        enhancer = needed[self.stored_enhancer] if self.stored_enhancer else None
        made_by = (enhancer.model(run.device), enhancer.result["key"]) if enhancer else None
        return run.clips(manifest, self.streams, made_by)

    def data_digest(self, run: Run) -> str:
        """Identifies clips that decide the weights and are not in the run's own manifest."""
        return ""

    def start(self, model: Any, name: str, run: Run, needed: Needed) -> None:
        """Give an untrained network its first weights, where they are not random.

        Raises:
            FileNotFoundError, ValueError: `config.weights` is not there or fits another network.
        """
        if self.begin:
            self.begin(model, {need: t.model(run.device) for need, t in needed.items()})
        if run.config.weights:
            loaded = self.load(model, name.removeprefix(arms.BASELINES), run.config.weights)
            if is_main():
                print(f"{name}: {loaded}", flush=True)

    @abstractmethod
    def task(self, model: Any, clips: dict[str, Clips], run: Run, needed: Needed) -> Task:
        """What the loop trains: `model`, on `clips` (see there), with this arm's loss."""


def _plain(value: Any) -> Any:
    """A value for JSON: functions by their full name, a `partial` with its arguments."""
    if isinstance(value, partial):
        keywords = {name: _plain(given) for name, given in value.keywords.items()}
        return [_plain(value.func), *map(_plain, value.args), keywords]
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    return dict(value) if isinstance(value, Mapping) else value


@dataclass(frozen=True)
class Trained:
    """A finished arm on disk."""

    name: str
    recipe: Recipe
    directory: Path
    result: dict[str, Any]

    @property
    def history(self) -> pd.DataFrame:
        """One row per epoch."""
        return pd.read_csv(self.directory / "history.csv")

    @property
    def config(self) -> Config:
        """The settings it was trained with."""
        return Config.from_dict(self.result["config"])

    def model(self, device: torch.device | None = None) -> Any:
        """The network with its selected weights, in evaluation mode."""
        return load_checkpoint(self.directory / "checkpoint.pt", device)[0]


def find(name: str) -> Recipe:
    """The recipe of an arm: a name of `actlumos.arms.ARMS`, or `baselines/NAME`.

    Raises:
        ValueError: there is none; the message lists them.
    """
    name = arms.own_name(name)
    module = import_module(arms.module_of(name))
    return module.RECIPES[name] if name in arms.ARMS else module.RECIPE


def title(name: str) -> str:
    """What tables call an arm.

    Raises:
        ValueError: unknown arm.
    """
    own = arms.ARMS.get(arms.own_name(name))
    return own.title if own else import_module(arms.module_of(name)).CARD.title


def before(name: str) -> tuple[str, ...]:
    """Every arm that is trained before an arm, in the order of training.

    Raises:
        ValueError: unknown arm.
    """
    found: dict[str, None] = {}
    for need in find(name).needs:
        found |= dict.fromkeys((*before(need), need))
    return tuple(found)


def load_checkpoint(
    path: str | Path, device: torch.device | None = None
) -> tuple[Any, dict[str, Any]]:
    """Rebuild a network from a checkpoint.

    Returns:
        The network in evaluation mode, and the checkpoint's description: `arm` (its name),
        `recipe`, `config` (a `Config`) and `classes` (names, also after a pretraining, which reads
        no label).

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint of this kit, a damaged one, or weights that are not finite.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}: `actlumos train` makes one of an arm")
    try:
        model, about = _rebuilt(read_tensors(path))
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = _reason(error).removeprefix(f"{shown(path)} is ")
        raise ValueError(f"{shown(path)} is not a checkpoint of this kit: {reason}") from None
    return channels_last(model.to(device or "cpu")).eval(), about


def _rebuilt(content: Any) -> tuple[nn.Module, dict[str, Any]]:
    """The network that a checkpoint describes, if its tensors are the ones of that network."""
    parts = {"arm": str, "config": dict, "classes": list | tuple, "weights": dict}
    known = content if isinstance(content, dict) else {}
    if lacking := [name for name, kind in parts.items() if not isinstance(known.get(name), kind)]:
        raise ValueError(f"it does not say its {', '.join(lacking)}")
    config, classes = Config.from_dict(content["config"]), tuple(map(str, content["classes"]))
    recipe = find(content["arm"])
    with torch.device("meta"):  # shapes only: nothing is allocated yet
        shapes = {k: v.shape for k, v in recipe.network(len(classes), config).state_dict().items()}
    _check_weights(content["weights"], shapes)
    model = recipe.network(len(classes), config)
    model.load_state_dict(content["weights"])
    return model, {"arm": content["arm"], "recipe": recipe, "config": config, "classes": classes}


def _check_weights(weights: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> None:
    """Names, shapes, whole memory behind each tensor, and finite numbers."""
    wrong = [name for name in shapes if name not in weights or weights[name].shape != shapes[name]]
    wrong += [name for name in weights if name not in shapes or not weights[name].is_contiguous()]
    if wrong:
        raise ValueError(f"{len(wrong)} tensors are not those of its network, first {wrong[0]!r}")
    if name := first_not_finite(weights):
        raise ValueError(f"{name} holds numbers that are not finite (NaN or infinity)")


def _reason(error: Exception) -> str:
    """What was wrong, in one line and without the file's own words where they say nothing."""
    if type(error) in (ValueError, InputError):
        return " ".join(str(error).split())
    return "its settings or weights are of another kind"
