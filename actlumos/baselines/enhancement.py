"""How a learned enhancer is trained, and how a system takes a trained one.

The trained module wraps the enhancer: in training mode `forward` gives what its losses need, in
evaluation mode the enhanced clip `[B, 3, T, H, W]` in 0..1. No enhancer uses labels; only the
diffusion model uses clips in normal light.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from actlumos.config import Config
from actlumos.data.clips import Batch, Clips
from actlumos.runtime.distributed import gather_all
from actlumos.stages.recipe import Needed
from actlumos.stages.runs import Run
from actlumos.stages.supervised import Supervised
from actlumos.stages.task import Task, Terms
from actlumos.views.streams import whole_streams


@dataclass(frozen=True, kw_only=True)
class Enhancer(Supervised):
    """Trained on whole frames of training clips, without labels; the last epoch's weights stay."""

    stage: ClassVar[str] = "enhance"
    learns_from: ClassVar[str] = "clips without labels"
    classifies: ClassVar[bool] = False

    def epochs(self, config: Config) -> int:
        """`epochs_pretrain`."""
        return config.epochs_pretrain

    def clips(self, run: Run, needed: Needed) -> dict[str, Clips]:
        """The training clips; nothing is selected or tested."""
        return {"train": self.clips_of(run, self.select(run, "train").unlabeled(), needed)}

    def start(self, model: nn.Module, name: str, run: Run, needed: Needed) -> None:
        """Random weights: `config.weights` are those of a recogniser."""

    def task(self, model: nn.Module, clips: dict[str, Clips], run: Run, needed: Needed) -> Task:
        """The enhancer's own losses; `terms` gets no label."""
        config = run.config

        def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
            """The loss of the batch of all processes."""
            clip = batch.clip[:, 0].to(generator.device)
            output = gather_all(network(*whole_streams(clip, self.streams, config)))
            return self.terms(output, None, config)

        return Task(model, loss, clips["train"], self.epochs(config), self.batch_size(config))


def take_enhancer(model: Any, needed: Mapping[str, Any]) -> None:
    """Copy the trained enhancer, the only network of `needed`, into the frozen one of `model`."""
    (trained,) = needed.values()
    model.enhancer.net.load_state_dict(trained.enhancer.state_dict())
