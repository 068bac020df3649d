"""What an interrupted training continues from: one file, `last.pt`, replaced as a whole.

It is written at the end of every epoch and, between two optimizer steps, every few minutes. All
randomness of a step comes from (seed, epoch, step), so there is no generator state to keep: a
training that continues from here repeats an uninterrupted one bit by bit on the same CPU.
"""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from actlumos.runtime import distributed
from actlumos.runtime.files import made_again
from actlumos.runtime.tensors import first_not_finite, load_tensors, save_tensors


@dataclass
class State:
    """The position of a training, without weights and optimizer.

    `epoch` and `step` (a forward pass of that epoch) are the next to do. `sums`, `passes` and
    `seconds` belong to the epoch that has begun; `best` are the weights of `best_loss`.
    `processes` did those passes: a step number means something else to another number of them.
    """

    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    passes: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] | None = None
    best_loss: float = math.inf
    processes: int = 1

    def begin_epoch(self, epoch: int) -> None:
        """Forget what belongs to the epoch before."""
        self.epoch, self.step, self.sums, self.passes, self.seconds = epoch, 0, {}, 0, 0.0


class Checkpoint:
    """Saves and restores a training.

    Args:
        path: of the file.
        key: identifies the settings; a file with another key is not used.
        parts: what is saved with the state, by name: things with `state_dict` and
            `load_state_dict`.
        minutes: shortest time between two saves inside an epoch; 0: each step.
    """

    def __init__(self, path: Path, key: str, parts: dict[str, Any], minutes: float) -> None:
        self.path, self.key, self.parts, self.minutes = path, key, parts, minutes
        self._saved = time.monotonic()

    def save(self, state: State) -> None:
        """Write everything, on the first process.

        Raises:
            OSError: see `save_tensors`; the file from before is whole.
        """
        if distributed.is_main():
            content = {name: part.state_dict() for name, part in self.parts.items()}
            save_tensors(self.path, {"key": self.key, "state": vars(state), "parts": content})
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Whether the last save was long enough ago for one inside an epoch."""
        return time.monotonic() - self._saved >= 60 * self.minutes

    def not_finite(self) -> str:
        """Name of the first tensor to be saved that holds NaN or infinity; empty if none does."""
        return first_not_finite({name: part.state_dict() for name, part in self.parts.items()})

    def resume(self) -> State:
        """The saved state, with the parts restored; a fresh one where there is none of this key.

        A damaged file counts as none.

        Raises:
            ValueError: another number of processes was in the middle of an epoch.
        """
        fresh = State(processes=distributed.world_size())
        content = load_tensors(self.path)
        if not isinstance(content, dict) or content.get("key") != self.key:
            return fresh
        state = self._restored(content)
        if state is None:
            return fresh
        if state.step and state.processes != distributed.world_size():
            raise ValueError(
                f"{self.path} was written in the middle of an epoch by {state.processes} "
                f"processes and cannot go on with {distributed.world_size()}: start as many "
                "again, or delete it to train this arm again"
            )
        state.processes = distributed.world_size()
        if distributed.is_main():
            inside = f", pass {state.step} of epoch {state.epoch + 1}" if state.step else ""
            print(f"{self.path.parent.name}: resumed after epoch {state.epoch}{inside}", flush=True)
        return state

    def _restored(self, content: dict[str, Any]) -> State | None:
        """The state, with the parts restored; None, and the parts as before, if it does not fit."""
        before = deepcopy({name: part.state_dict() for name, part in self.parts.items()})
        try:
            if broken := first_not_finite(content["parts"]):
                raise ValueError(f"{broken} is not finite")
            for name, part in self.parts.items():
                part.load_state_dict(content["parts"][name])
            return State(**content["state"])
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            for name, part in self.parts.items():
                part.load_state_dict(before[name])
            made_again(self.path, error)
            return None
