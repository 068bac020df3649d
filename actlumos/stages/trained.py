"""A finished arm, and its network rebuilt from the checkpoint."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from actlumos.config import Config
from actlumos.runtime.device import channels_last
from actlumos.stages.arms import Arm
from actlumos.stages.build import build


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
