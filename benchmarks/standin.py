"""Stands for a trained arm where only its network matters."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from actlumos.runtime.device import channels_last
from actlumos.stages import find


class StandIn:
    """What a recipe asks of an arm that was trained before it.

    Args:
        name: of the arm.
        network: its network, trained or not.
        directory: where distillation would keep the teacher's logits.
    """

    def __init__(self, name: str, network: nn.Module, directory: Path) -> None:
        self.recipe, self.directory, self.result = find(name), directory, {"key": name}
        self._network = network

    def model(self, device: torch.device | None = None) -> nn.Module:
        """The network in evaluation mode."""
        return channels_last(self._network.to(device)).eval()
