"""What a stage hands to the training loop: a network, a loss, clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from actlumos.data.clips import Batch, Clips

Terms = dict[str, Tensor]


@dataclass
class Task:
    """What the training loop gets.

    Args:
        model: the trainable part; the loop optimises its parameters that require a gradient, and
            the loss has to reach all of those (freeze the others).
        loss: terms of one batch from the network to call (`model`, or its wrapper where several
            processes train), the batch and the step's generator. `loss` is minimised, the others
            (scalars) go to the history.
        clips: training clips.
        epochs, batch_size: passes over the clips, clips per forward pass.
        views: temporal positions drawn per clip.
        validate: returns `val_loss` and `val_top1`; without it the last weights are kept.
        parts: what else a checkpoint has to hold, by name: things with `state_dict` and
            `load_state_dict`.
        after_step: called after each optimizer step.
    """

    model: nn.Module
    loss: Callable[[nn.Module, Batch, torch.Generator], Terms]
    clips: Clips
    epochs: int
    batch_size: int
    views: int = 1
    validate: Callable[[], dict[str, float]] | None = None
    parts: dict[str, Any] = field(default_factory=dict)
    after_step: Callable[[], None] | None = None
