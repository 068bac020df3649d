"""What is written with a result: versions, revision, machine, data; and the run's summary."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from actlumos.runtime.files import load_json, read_json, sweep, write_json
from actlumos.stages.runs import Run

_PACKAGES = ("torch", "numpy", "opencv-contrib-python-headless", "scikit-learn")


def provenance(run: Run) -> dict[str, Any]:
    """What is recorded with a result: versions, revision, machine, data."""
    return {
        "versions": {"python": platform.python_version()} | {p: version(p) for p in _PACKAGES},
        "revision": revision(),
        "device": str(run.device),
        "processor": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
        "dataset": run.dataset,
        "split": run.split,
        "second": run.second,
        "manifest": run.manifest.digest,
    }


def revision() -> str:
    """Git revision of the checkout, with `+` where files differ from it; `unknown` outside one."""
    here = Path(__file__).resolve().parent
    git = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"]
    try:
        answer = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()


_KEPT = (
    "title", "stage", "params", "gmacs", "milliseconds", "seconds", "key",
    "top1", "top5", "n", "interval",
)  # fmt: skip


def record(run: Run, arm: str, result: dict[str, Any]) -> None:
    """Write an arm's main figures into the run's `results.json`.

    Jobs that train several arms of one run at a time take turns here. A damaged file is made again
    from the arms' own results.
    """
    path = run.directory / "results.json"
    run.directory.mkdir(parents=True, exist_ok=True)
    with FileLock(run.directory / ".results.lock"):
        summary = load_json(path) or {}
        if not _has_arms(summary):
            summary = {"arms": _found(run.directory)}
        summary |= _about(run)
        summary["arms"][arm] = _headline(result)
        sweep(path)
        write_json(path, summary)


def check_place(run: Run) -> None:
    """Refuse a folder that holds another run: its arms would be mixed with this one's.

    Raises:
        ValueError: the folder's results are of another data set, split, profile or seed.
    """
    path = run.directory / "results.json"
    try:
        there = read_json(path) if path.exists() else {}
    except ValueError:
        return  # `record` makes it again, and says so
    for name, wanted in _about(run).items() if isinstance(there, dict) else ():
        if name != "run" and there.get(name, wanted) != wanted:
            raise ValueError(
                f"{run.directory} holds results with {name} {there[name]}, and this run has {name} "
                f"{wanted}: choose another folder (--out), or use it without --out"
            )


def _about(run: Run) -> dict[str, Any]:
    return {
        "run": run.directory.name,
        "dataset": run.dataset,
        "split": run.split,
        "profile": run.config.profile,
        "seed": run.seed,
    }


def _headline(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in _KEPT if name in result}


def _has_arms(summary: dict[str, Any]) -> bool:
    arms = summary.get("arms")
    return isinstance(arms, dict) and all(isinstance(arm, dict) for arm in arms.values())


def _found(directory: Path) -> dict[str, Any]:
    """The main figures of every arm whose result is in a run's folder."""
    results = [load_json(path) or {} for path in sorted(directory.rglob("result.json"))]
    named = [result for result in results if isinstance(result.get("arm"), str)]
    return {result["arm"]: _headline(result) for result in named}
