"""Many runs as one table: one row per arm, split and seed; then the mean of each arm.

A mean is over the seeds of a split first, then over splits, so that every split counts once. Its
interval is Wilson's on the effective number of test clips (`stats` says why): the official test
sets of a data set overlap, so its splits are not folds and their clips must not be added up.
Runs are averaged only if they had the same profile, settings and rule for choosing the epoch.

    runs = collect.frame(collect.find_runs("runs", "arid-v1.0", "paper"))
    collect.by_split(runs), collect.by_arm(runs)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from actlumos.arms import in_order
from actlumos.config import PROFILES, profile
from actlumos.evaluation.stats import effective_clips, pooled_difference, wilson
from actlumos.report.results import Results, entry, load_results
from actlumos.runtime.files import read_json

SAME = ["profile", "arm", "selected_on", "settings"]
"""What runs must share to be averaged."""

_NO_EFFECT = {  # settings that change no result, or that have their own column
    "profile", "workers", "cache_frames", "checkpoint_minutes", "checkpoint_activations",
    "on_bad_clip", "select_on", "weights",
}  # fmt: skip
_COLUMNS = (
    "directory", "dataset", "profile", "split", "seed", "arm", "title", "top1", "top5", "n", "low",
    "high", "params", "selected_on", "settings", "short_clips", "skipped_train", "skipped_val",
    "skipped_test", "left_out", "key", "manifest", "right",
)  # fmt: skip


def find_runs(
    where: str | Path | Sequence[str | Path], dataset: str = "", profile: str = ""
) -> list[dict[str, Any]]:
    """Load the runs in one or more folders.

    Args:
        where: folders of runs, or runs (folders with a results.json) themselves.
        dataset, profile: keep the runs on this data set or of this profile; empty: all.
            Decided by results.json, not by the folder's name.

    Returns:
        `load_results` of each, with its folder as `directory`, in the order of the folders' names.

    Raises:
        FileNotFoundError: a folder is not there.
        ValueError: a results.json is broken.
    """
    found: dict[Path, dict[str, Any]] = {}
    for folder in [where] if isinstance(where, str | Path) else where:
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"no folder {folder}: `actlumos train` makes runs in runs/")
        paths = [Path(folder) / "results.json", *sorted(Path(folder).glob("*/results.json"))]
        for path in (path.resolve() for path in paths if path.is_file()):
            about = read_json(path)
            wanted = (dataset or about.get("dataset"), profile or about.get("profile"))
            if (about.get("dataset"), about.get("profile")) == wanted:
                found[path] = load_results(path.parent) | {"directory": str(path.parent)}
    return list(found.values())


def frame(runs: Sequence[Results]) -> pd.DataFrame:
    """One row per arm, split and seed, for the arms that classify clips.

    Returns:
        Columns directory, dataset, profile, split, seed, arm, title, top1, top5 (percent), n (test
        clips), low, high (Wilson's 95 %), params, selected_on ('val', 'test', '' = not recorded),
        settings (in words, where they differ from the profile's), short_clips, skipped_train,
        skipped_val, skipped_test, left_out (numbers of clips), key, manifest (what decided the
        weights, and the list of clips), right (bool by clip path, or None where paths were not
        kept). An arm that two runs share, with the same key, is there once.

    Raises:
        ValueError: an arm is there twice with the same split, seed and settings, or its per-clip
            answers do not fit together.
    """
    rows = [
        _row(run, arm, record)
        for run in runs
        for arm in in_order(list(run["arms"]))
        if (record := entry(run, arm)) is not None
    ]
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    same = ["dataset", *SAME, "split", "seed"]
    shared = table.duplicated([*same, "key"]) & (table["key"] != "")
    table = table[~shared].reset_index(drop=True)
    twice = table[table.duplicated(same, keep=False)]
    if len(twice):
        first = twice.iloc[0]
        places = ", ".join(sorted(set(twice.loc[twice["arm"] == first.arm, "directory"])))
        raise ValueError(
            f"arm {first.arm!r}, split {first.split}, seed {first.seed} is there more than once, "
            f"with the same settings: keep one of {places}"
        )
    return table


def _row(run: Results, arm: str, record: Mapping[str, Any]) -> dict[str, Any]:
    config, skipped = record.get("config", {}), record.get("skipped", {})
    low, high = wilson(record["top1"], record["n"])
    directory = run.get("directory", run.get("run", ""))
    return {
        "directory": directory,
        **{name: run.get(name, "") for name in ("dataset", "profile")},
        "split": run.get("split", 1),
        "seed": run.get("seed", 0),
        "arm": arm,
        "title": record.get("title", arm),
        **{name: record.get(name) for name in ("top1", "top5", "n", "params")},
        "low": low,
        "high": high,
        "selected_on": record.get("selected_on", config.get("select_on", "")),
        "settings": "; ".join(_settings(config, run.get("profile", "")) + _pool(arm, record)),
        "short_clips": config.get("short_clips", ""),
        **{f"skipped_{part}": len(skipped.get(part, ())) for part in ("train", "val", "test")},
        "left_out": len(record.get("left_out", ())),
        **{name: record.get(name, "") for name in ("key", "manifest")},
        "right": _right(record, f"{directory}, arm {arm}"),
    }


def _settings(config: Mapping[str, Any], name: str) -> list[str]:
    """In words: the pretrained weights, and what differs from the profile's own settings."""
    if not config:
        return []
    own = profile(name).to_dict() if name in PROFILES else {}
    weights = config.get("weights", "")
    parts = [f"weights {Path(weights).name}"] if weights else []
    if name == "paper" and not weights:
        parts = ["no pretrained weights"]
    differ = [key for key in own if key in config and config[key] != own[key]]
    return parts + [
        f"{key} {config[key]} (profile: {own[key]})" for key in differ if key not in _NO_EFFECT
    ]


def _pool(arm: str, record: Mapping[str, Any]) -> list[str]:
    """In words: the second data set that an arm was pretrained on, if it was."""
    pretrained = arm.startswith("ssl") and not arm.startswith("ssl-a")  # ssl-a: own clips alone
    return [f"pretraining with {record['second']}"] if pretrained and record.get("second") else []


def _right(record: Mapping[str, Any], where: str) -> pd.Series | None:
    """bool by clip path: which test clips were right; None where paths were not kept."""
    clips = record.get("per_clip", {})
    if "paths" not in clips:
        return None
    lengths = {len(clips[name]) for name in ("paths", "labels", "predictions")}
    if lengths != {record["n"]} or len(set(clips["paths"])) != record["n"]:
        raise ValueError(
            f"{where}: per_clip does not list {record['n']} different clips; test again"
        )
    hits = np.asarray(clips["predictions"]) == np.asarray(clips["labels"])
    return pd.Series(hits, index=pd.Index(clips["paths"], dtype=object))


def by_split(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per arm and split: the mean over its seeds. Columns as `by_arm`."""
    return _summaries(runs, [*SAME, "split"])


def by_arm(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per arm: the mean of its splits, each the mean over its seeds.

    Args:
        runs: as `frame` gives, of one data set.

    Returns:
        Columns profile, arm, selected_on, settings, splits, seeds (tuples), runs (number of), top1,
        top5 (percent), low, high (95 %), sd (over the seeds of a split, pooled over splits; NaN
        where no split has two), clips (distinct test clips, NA where that is not known),
        effective (number of clips that the interval rests on), params, lists (the most different
        lists of clips that one split's runs had), left_out, skipped_train, skipped_val,
        skipped_test (the most that any run had).

    Raises:
        ValueError: the runs are on several data sets.
    """
    return _summaries(runs, SAME)


def _summaries(runs: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    if runs["dataset"].nunique() > 1:
        raise ValueError(f"runs on {', '.join(runs['dataset'].unique())}: average one at a time")
    groups = runs.groupby(key, sort=False)
    rows = [{name: group[name].iloc[0] for name in SAME} | _summary(group) for _, group in groups]
    columns = [*SAME, "splits", "seeds", "runs", "top1", "top5", "low", "high", "sd", "clips",
               "effective", "params", "lists", "left_out", "skipped_train",
               "skipped_val", "skipped_test"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype({"clips": "Int64"})


def _summary(group: pd.DataFrame) -> dict[str, Any]:
    share = shares(group)
    top1 = float(np.clip((share * group["top1"]).sum(), 0, 100))  # rounding may pass 100
    clips, effective = _clips(group, share)
    low, high = wilson(top1, effective)
    counted = ("left_out", "skipped_train", "skipped_val", "skipped_test")
    return {
        "splits": tuple(sorted(group["split"].unique().tolist())),
        "seeds": tuple(sorted(group["seed"].unique().tolist())),
        "runs": len(group),
        "top1": top1,
        "top5": (share * group["top5"].astype(float)).sum(skipna=False),
        "low": low,
        "high": high,
        "sd": _spread(group),
        "clips": clips,
        "effective": effective,
        "params": group["params"].iloc[0],
        "lists": int(group.groupby("split")["manifest"].nunique().max()),
        **{name: int(group[name].max()) for name in counted},
    }


def shares(group: pd.DataFrame) -> pd.Series:
    """Each run's weight in the mean: splits count equally, and so do the seeds of a split."""
    return 1 / (group["split"].nunique() * group.groupby("split")["seed"].transform("size"))


def _clips(group: pd.DataFrame, share: pd.Series) -> tuple[int | None, float]:
    """Distinct test clips, and their effective number.

    Where a run did not keep its clips' paths, all are taken to have tested the same clips: the
    widest interval that can be right.
    """
    if group["right"].isna().any():
        known = group["split"].nunique() == 1 and group["n"].nunique() == 1
        return (int(group["n"].iloc[0]) if known else None), float(group["n"].min())
    weights = pd.concat(
        [
            pd.Series(weight / len(right), index=right.index)
            for weight, right in zip(share, group["right"], strict=True)
        ]
    )
    weights = weights.groupby(level=0).sum()
    return len(weights), effective_clips(weights.to_numpy())


def _spread(group: pd.DataFrame) -> float:
    """Standard deviation of Top-1 over the seeds of a split, pooled over splits; NaN if none."""
    splits = group.groupby("split")["top1"]
    freedom = splits.size() - 1
    if not freedom.sum():
        return float("nan")
    return float(np.sqrt((splits.var().fillna(0) * freedom).sum() / freedom.sum()))


def compare(runs: pd.DataFrame, better: str, worse: str) -> pd.DataFrame:
    """Two arms on the same clips, pooled over the runs that trained both.

    Args:
        runs: as `frame` gives, of one data set; runs without clip paths are left out.
        better, worse: names of arms.

    Returns:
        A row for each set of runs that may be averaged: profile, selected_on and settings (of
        `better`), splits, seeds (tuples), runs (number of), points (difference in Top-1), low,
        high (95 %), p, verdict ('better', 'worse', 'within noise').
    """
    known = runs[runs["right"].notna()]
    first, second = known[known["arm"] == better], known[known["arm"] == worse]
    same = ["directory", "dataset", "profile", "split", "seed"]
    pairs = first.merge(second, on=same, suffixes=("", "_other"))
    kinds = ["profile", "selected_on", "settings"]
    rows = []
    for key, group in pairs.groupby([*kinds, "selected_on_other", "settings_other"], sort=False):
        found = pooled_difference(_gains(group).to_numpy())
        numbers = {f"{name}s": tuple(sorted(set(group[name]))) for name in ("split", "seed")}
        row = dict(zip(kinds, key[:3], strict=True)) | numbers | {"runs": len(group)}
        rows.append(row | found._asdict() | {"verdict": found.verdict})
    columns = [*kinds, "splits", "seeds", "runs", "points", "low", "high", "p", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _gains(pairs: pd.DataFrame) -> pd.Series:
    """What each clip adds to the difference of two means (see `stats.pooled_difference`)."""
    parts = []
    for weight, first, second in zip(
        shares(pairs), pairs["right"], pairs["right_other"], strict=True
    ):
        both = first.index.intersection(second.index)  # without clips that one arm skipped
        if len(both):
            parts.append(weight * (first[both].astype(float) - second[both]) / len(both))
    return pd.concat(parts).groupby(level=0).sum() if parts else pd.Series(dtype=float)
