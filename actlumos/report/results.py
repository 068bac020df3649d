"""Read a run's results from disk. The rest of this package takes the dictionary returned here.

`results.json` of a run is

    {"run": str, "dataset": str, "split": int, "profile": str, "seed": int,
     "arms": {arm: {"title": str, "top1": percent, "top5": percent, "n": clips,
                    "interval": [low, high], "params": count, "seconds": float, "stage": str}}}

and an arm may also have `gmacs` and `milliseconds` (a clip, forward). From `<arm>/result.json`
come `confusion` (list of lists), `per_clip` ({"labels": [...], "predictions": [...], "paths":
[...]}: the test clips in one order, `paths` below the data set's root), `config`, `selected_on`
(`val` or `test`: what chose the epoch), `skipped` ({"train": [...], "val": [...], "test": [...]}:
clips that could not be read), `left_out` (listed clips that never entered the manifest), `second`
(the other data set of pretraining) and `manifest` (digest of the list of clips).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actlumos.arms import BASELINES
from actlumos.runtime.files import read_json

Results = Mapping[str, Any]
DETAILS = (
    "per_clip", "confusion", "classes", "gmacs", "milliseconds",
    "config", "selected_on", "skipped", "left_out", "second", "manifest",
)


def load_results(directory: str | Path) -> dict[str, Any]:
    """`results.json` of a run, with every arm's per-clip predictions and confusion merged in.

    Raises:
        FileNotFoundError: the folder holds no results.json.
        ValueError: a file is broken, or results.json has no arms.
    """
    directory = Path(directory)
    path = directory / "results.json"
    if not path.is_file():
        raise FileNotFoundError(f"no results at {path}: train something there first")
    results = read_json(path)
    if not isinstance(results.get("arms"), dict):
        raise ValueError(f"{path} holds no 'arms': delete it and run the stages again")
    for arm, entry in results["arms"].items():
        detail_path = directory / arm / "result.json"
        if detail_path.is_file():
            detail = read_json(detail_path)
            entry.update({key: detail[key] for key in DETAILS if key in detail})
    return results


def of_the_method(results: Results) -> dict[str, Any]:
    """The results without the compared systems, which have tables and figures of their own."""
    arms = {name: arm for name, arm in results["arms"].items() if not name.startswith(BASELINES)}
    return {**results, "arms": arms}


def entry(results: Results, arm: str) -> Mapping[str, Any] | None:
    """An arm's record if it was run and classifies clips (has a Top-1), else None."""
    found = results["arms"].get(arm)
    return found if found and found.get("top1") is not None else None


def correct(record: Mapping[str, Any]) -> np.ndarray | None:
    """bool [n], which clips an arm got right, or None where predictions were not kept."""
    clips = record.get("per_clip")
    if not clips:
        return None
    return np.asarray(clips["predictions"]) == np.asarray(clips["labels"])
