"""Train an arm, or load it where it is already trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from actlumos.baselines import find as find_system
from actlumos.config import Config, digest
from actlumos.data.clips import Clips
from actlumos.data.manifest import Manifest
from actlumos.runtime import distributed
from actlumos.runtime.files import read_json, sweep
from actlumos.stages import zoo
from actlumos.stages.arms import ARMS, OWN, STUDIES, Arm, find
from actlumos.stages.build import build
from actlumos.stages.runs import Run, record
from actlumos.stages.train import settings, train_arm
from actlumos.stages.trained import Trained, load_checkpoint

__all__ = [
    "ARMS", "STUDIES", "Arm", "Trained", "build", "classifies", "clips_of", "ensure", "find",
    "load_checkpoint",
]  # fmt: skip

_WRITTEN = ("last.pt", "checkpoint.pt", "history.csv", "result.json")


def ensure(run: Run, name: str) -> Trained:
    """The trained arm: from disk where its key fits, else trained now (what it needs first).

    Under torchrun its processes train together and each gets the result. A second program that
    asks for the same arm meanwhile waits for the first.

    Args:
        run: the run it belongs to.
        name: a name of `ARMS`, or `baselines/NAME` of a system.

    Raises:
        ValueError: unknown arm, or one that the run's data set cannot have.
    """
    distributed.start()
    name = OWN.get(name, name)
    arm = find(name, run.config.profile)
    needed = {need: ensure(run, need) for need in arm.needs}
    config = run.config.with_(**arm.changes)
    with distributed.main_first():
        key = _key(run, arm, config, needed)
    directory = run.directory / name
    result = _finished(directory, key)
    if result is None:
        with _alone(directory) if distributed.is_main() else nullcontext():
            result = _finished(directory, key) or train_arm(run, name, arm, config, key, needed)
    if distributed.is_main():
        record(run, name, result)
    return Trained(name, arm, directory, result)


def clips_of(run: Run, arm: Arm, manifest: Manifest) -> Clips:
    """Clips as a trained arm looks at them: a system's may need its flow, or its enhancer."""
    if not arm.system:
        return run.clips(manifest)
    needed = {need: ensure(run, need) for need in arm.support}
    return zoo.clips_of(run, arm, manifest, needed)


def classifies(arm: Arm) -> bool:
    """Whether an arm names actions: a pretraining and an enhancer do not."""
    return arm.stage != "pretrain" and not (arm.system and find_system(arm.system).enhances)


def _finished(directory: Path, key: str) -> dict[str, Any] | None:
    """The result with this key, if there is one; the first process decides for all."""

    def read() -> dict[str, Any] | None:
        path = directory / "result.json"
        result = read_json(path) if path.exists() else {}
        return result if result.get("key") == key else None

    return distributed.from_main(read)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the arm's folder, cleared of what killed writes have left there."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{directory.name}: another program trains it, waiting", flush=True)
        lock.acquire()
    try:
        for name in _WRITTEN:
            sweep(directory / name)
        yield
    finally:
        lock.release()


def _key(run: Run, arm: Arm, config: Config, needed: dict[str, Trained]) -> str:
    """Hash of all that decides an arm's weights, the arms it needs included."""
    before = {name: trained.result["key"] for name, trained in needed.items()}
    pool = run.pool(arm.pool).digest if arm.pool else ""
    return digest(arm.to_dict(), settings(config), run.manifest.digest, pool, run.seed, before)
