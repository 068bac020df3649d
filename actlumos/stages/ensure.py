"""Train an arm, or load it where it is already trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from actlumos import arms
from actlumos.config import Config, digest
from actlumos.runtime import distributed
from actlumos.runtime.files import load_json, sweep
from actlumos.stages.recipe import Recipe, Trained, before, find
from actlumos.stages.results import check_place, record
from actlumos.stages.runs import Run, result_settings
from actlumos.stages.train import train_arm

_WRITTEN = ("last.pt", "checkpoint.pt", "history.csv", "result.json")


def ensure(run: Run, name: str) -> Trained:
    """The trained arm: from disk where its key fits, else trained now (what it needs first).

    Under torchrun its processes train together and each gets the result. A second program that
    needs the same arm meanwhile waits for the first.

    Args:
        run: the run it belongs to.
        name: a name of `actlumos.arms.ARMS`, or `baselines/NAME` of a system.

    Raises:
        ValueError: unknown arm, one that the run's data set cannot have, a batch too small for it
            or an arm that it needs, or a folder that holds another run.
        FloatingPointError: the training got a number that is not finite.
    """
    distributed.start()
    name = arms.own_name(name)
    recipe = find(name)
    check_place(run)
    for each in (*before(name), name):
        _check_batch(run, each)
    needed = {need: ensure(run, need) for need in recipe.needs}
    config = recipe.settings(run.config)
    with distributed.main_first():
        key = _key(run, name, recipe, config, needed)
    directory = run.directory / name
    result = _finished(directory, key)
    if result is None:
        with _alone(directory) if distributed.is_main() else nullcontext():
            result = _finished(directory, key) or train_arm(run, name, recipe, config, key, needed)
    if distributed.is_main():
        record(run, name, result)
    return Trained(name, recipe, directory, result)


def _check_batch(run: Run, name: str) -> None:
    """Refuse what would train on nothing, before anything else is trained."""
    recipe = find(name)
    size, smallest = recipe.batch_size(recipe.settings(run.config)), recipe.smallest_batch
    if size < smallest:
        raise ValueError(f"{name} needs {smallest} clips per batch or more: batches are {size}")


def _finished(directory: Path, key: str) -> dict[str, Any] | None:
    """The result with this key, if there is one; the first process decides for all."""

    def read() -> dict[str, Any] | None:
        result = load_json(directory / "result.json") or {}
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


def _key(
    run: Run, name: str, recipe: Recipe, config: Config, needed: Mapping[str, Trained]
) -> str:
    """Hash of all that decides an arm's weights, the arms it needs included."""
    keys = {need: trained.result["key"] for need, trained in needed.items()}
    clips = run.manifest.digest, recipe.data_digest(run)
    return digest(name, recipe.description(), result_settings(config), *clips, run.seed, keys)
