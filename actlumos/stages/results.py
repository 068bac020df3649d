"""What is written with a result: versions, revision, machine, data; and the run's summary."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from actlumos.runtime.files import read_json, sweep, write_json
from actlumos.stages.runs import Run

_PACKAGES = ("torch", "numpy", "opencv-contrib-python-headless", "scikit-learn")


def provenance(run: Run) -> dict[str, Any]:
    """What is recorded with a result: versions, revision, machine, data."""
    return {
        "versions": {"python": platform.python_version()} | {p: version(p) for p in _PACKAGES},
        "revision": _revision(),
        "device": str(run.device),
        "processor": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
        "dataset": run.dataset,
        "split": run.split,
        "second": run.second,
        "manifest": run.manifest.digest,
    }


def _revision() -> str:
    """Git revision of the checkout, with `+` where files differ from it; `unknown` outside one."""
    here = Path(__file__).resolve().parent
    git = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"]
    try:
        answer = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()


def record(run: Run, arm: str, result: dict[str, Any]) -> None:
    """Write an arm's main figures into the run's `results.json`.

    Jobs that train several arms of one run at a time take turns here.
    """
    path = run.directory / "results.json"
    kept = ["title", "stage", "params", "gmacs", "milliseconds", "seconds", "key"]
    kept += ["top1", "top5", "n", "interval"]
    run.directory.mkdir(parents=True, exist_ok=True)
    with FileLock(run.directory / ".results.lock"):
        summary = read_json(path) if path.exists() else {"arms": {}}
        summary |= {
            "run": run.directory.name,
            "dataset": run.dataset,
            "split": run.split,
            "profile": run.config.profile,
            "seed": run.seed,
        }
        summary["arms"][arm] = {name: result[name] for name in kept if name in result}
        sweep(path)
        write_json(path, summary)
