"""What an interrupted training goes on from: one file, `last.pt`, replaced as a whole.

It is written at the end of every epoch and, between two optimizer steps, every few minutes. All
randomness of a step comes from (seed, epoch, step), so there is no generator state to keep: a
training that goes on from here repeats an uninterrupted one bit by bit on the same CPU.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from actlumos.runtime import distributed
from actlumos.runtime.files import load_tensors, save_tensors


@dataclass
class State:
    """Where a training is, beside weights and optimizer.

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
        minutes: at least so much time lies between two saves inside an epoch; 0: each step.
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

    def save_if_due(self, state: State) -> None:
        """Save if the last time was long enough ago; only between two optimizer steps."""
        if time.monotonic() - self._saved >= 60 * self.minutes:
            self.save(state)

    def resume(self) -> State:
        """The saved state, with the parts restored; a fresh one where there is none of this key.

        A damaged file counts as none: nothing else is left to go on from.

        Raises:
            ValueError: another number of processes was in the middle of an epoch.
        """
        content = load_tensors(self.path)
        if content is None or content["key"] != self.key:
            return State(processes=distributed.world_size())
        state = State(**content["state"])
        if state.step and state.processes != distributed.world_size():
            raise ValueError(
                f"{self.path} was written in the middle of an epoch by {state.processes} "
                f"processes and cannot go on with {distributed.world_size()}: start as many "
                "again, or delete it to train this arm anew"
            )
        for name, part in self.parts.items():
            part.load_state_dict(content["parts"][name])
        state.processes = distributed.world_size()
        if distributed.is_main():
            inside = f", pass {state.step} of epoch {state.epoch + 1}" if state.step else ""
            print(f"{self.path.parent.name}: resumed after epoch {state.epoch}{inside}", flush=True)
        return state
