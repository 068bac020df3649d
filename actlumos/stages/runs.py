"""Where a run's artefacts lie, what made them, and whether they are still good.

A run is one data set, one official split, one profile and one seed. It is a folder
`runs/<dataset>-<profile>-s<seed>/`, or `runs/<dataset>-split<k>-<profile>-s<seed>/` where a data
set has several splits, with one folder an arm:

    <run>/<arm>/checkpoint.pt   weights and the config that built them (loads with weights_only)
    <run>/<arm>/history.csv     a row an epoch
    <run>/<arm>/result.json     metrics, config, seed, revision, versions, device, data, seconds
    <run>/results.json          every arm's Top-1, Top-5, n and interval

`result.json` with the key of the present settings means: done. Everything else is made anew.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from actlumos.config import Config, profile
from actlumos.darkroom.build import backgrounds, render
from actlumos.data.channels import DerivedCache, StackedClips
from actlumos.data.clips import ClipCache, Clips, build_cache
from actlumos.data.manifest import Clip, Manifest, concat
from actlumos.data.published.leaks import check_pool
from actlumos.runtime.device import pick_device
from actlumos.runtime.files import home, read_json, sweep, write_json
from actlumos.stages.datasets import check_split, load_manifest, splits_of

_PACKAGES = ("torch", "numpy", "opencv-contrib-python-headless", "scikit-learn")


@dataclass(frozen=True)
class Run:
    """One data set and split, one profile, one seed, one folder.

    `second` and `second_root` are the other unlabelled domain of pretraining; `allow_leaks` lets
    a pool through that holds test clips.
    """

    directory: Path
    dataset: str
    data_root: Path | None
    config: Config
    seed: int
    device: torch.device
    split: int = 1
    second: str = "darkroom-b"
    second_root: Path | None = None
    allow_leaks: bool = False

    @property
    def figures(self) -> Path:
        """Where this run's figures go: `figures/<run>/`, or inside a run's own folder elsewhere."""
        inside = self.directory.parent == home() / "runs"
        return home() / "figures" / self.directory.name if inside else self.directory / "figures"

    @cached_property
    def manifest(self) -> Manifest:
        """Every labelled clip of the run's data set; renders `darkroom` where it is missing."""
        return _load(self.dataset, self.data_root, self.split, self.config, self.directory)

    @cached_property
    def second_domain(self) -> Manifest:
        """The training clips of the other unlabelled domain of the SSL-source experiment."""
        split = splits_of(self.second)[0]
        manifest = _load(self.second, self.second_root, split, self.config, self.directory)
        return manifest.select("train")

    def backgrounds(self, split: str) -> Clips:
        """One figure-free frame for each clip of a split, for the background-only control.

        Raises:
            ValueError: the data set has no such pictures.
        """
        if self.dataset != "darkroom":
            raise ValueError(f"{self.dataset} has no figure-free frames; only darkroom does")
        manifest = self.manifest.select(split)
        pictures = backgrounds(manifest.root)
        stills = tuple(_still(clip, pictures[clip.path]) for clip in manifest.clips)
        manifest = replace(manifest, name=f"{manifest.name}-background", clips=stills)
        cache = ClipCache(self.cache_directory, self.config.frame_size)
        for index, clip in enumerate(stills):
            if not cache.holds(manifest, index):
                cache.keep(manifest, index, pictures[clip.path][None])
        return self._clips(manifest, cache)

    def pool(self, source: str = "ab") -> Manifest:
        """Unlabelled training clips: `a` the run's own, `b` the second domain, `ab` both.

        Raises:
            ValueError: unknown source, or the pool holds test clips and `allow_leaks` is False.
        """
        if source not in ("a", "b", "ab"):
            raise ValueError(f"unknown pool {source!r}: choose a, b or ab")
        parts = {"a": lambda: self.manifest.select("train"), "b": lambda: self.second_domain}
        chosen = [parts[letter]() for letter in source]
        if not self.allow_leaks:
            for part in chosen:
                check_pool(part, self.manifest.select("test"))
        return concat(*(part.unlabeled() for part in chosen))

    def clips(self, manifest: Manifest, stored: Sequence[DerivedCache] = ()) -> Clips:
        """Clips of a manifest at this run's length and size, decoded once where config says so.

        Args:
            manifest: which clips.
            stored: filled caches whose channels stand behind the clips' colours.
        """
        cache = None
        if self.config.cache_frames:
            size, policy = self.config.frame_size, self.config.on_bad_clip
            cache = build_cache(manifest, size, self.cache_directory, on_bad_clip=policy)
        return self._clips(manifest, cache, stored)

    def _clips(
        self, manifest: Manifest, cache: ClipCache | None, stored: Sequence[DerivedCache] = ()
    ) -> Clips:
        how = {
            "frames": self.config.frames,
            "stride": self.config.stride,
            "short_clips": self.config.short_clips,
            "size": self.config.frame_size,
            "cache": cache,
            "on_bad_clip": self.config.on_bad_clip,
        }
        return StackedClips(manifest, derived=stored, **how) if stored else Clips(manifest, **how)

    def render_light(self) -> None:
        """Render the normal-light originals of the run's clips, where they are missing.

        Raises:
            ValueError: the data set has none.
        """
        if self.dataset != "darkroom":
            raise ValueError(
                f"{self.dataset} has no clips in normal light; only darkroom does, so systems "
                "that learn from them train there alone"
            )
        counts = _rendered_counts(self.config, "darkroom")
        render(self.manifest.root, counts=counts, normal_light=True)

    @property
    def cache_directory(self) -> Path:
        """Decoded clips, and what is computed from them; shared by all runs."""
        return home() / "data" / "cache"


def _still(clip: Clip, picture: np.ndarray) -> Clip:
    """The clip's one-frame stand-in; its digest is the picture's."""
    return replace(clip, frames=1, sha256=hashlib.sha256(picture.tobytes()).hexdigest())


def open_run(
    profile_name: str = "demo",
    dataset: str = "darkroom",
    data_root: str | Path = "",
    out: str | Path = "",
    seed: int = 0,
    *,
    split: int | None = None,
    second: str = "darkroom-b",
    second_root: str | Path = "",
    allow_leaks: bool = False,
    **changes: Any,
) -> Run:
    """Open (or begin) a run; nothing is rendered, decoded or trained yet.

    Args:
        profile_name: `smoke`, `demo` or `paper`.
        dataset: a name of `actlumos.stages.datasets.names()`.
        data_root: the data set's folder; not needed for `darkroom`.
        out: the run's folder; empty: see the top of this file.
        seed: of weights, order, augmentation. The rendered clips do not depend on it.
        split: number of the official split; None takes the first.
        second: the other unlabelled data set of pretraining; its training clips are used.
        second_root: that data set's folder.
        allow_leaks: pretrain even on a pool that holds test clips.
        **changes: single settings of the profile with other values.

    Raises:
        ValueError: unknown profile, data set, split or setting, or a negative seed.
    """
    if seed < 0:
        raise ValueError(f"seed {seed} is negative: use 0 or more")
    split = splits_of(dataset)[0] if split is None else split
    check_split(dataset, split)
    check_split(second, splits_of(second)[0])
    config = profile(profile_name, **changes)
    directory = _place(out) or home() / "runs" / run_name(dataset, profile_name, split, seed)
    pool = second, _place(second_root), allow_leaks
    return Run(directory, dataset, _place(data_root), config, seed, pick_device(), split, *pool)


def run_name(dataset: str, profile_name: str, split: int, seed: int) -> str:
    """Name of a run's folder; the split stands in it where the data set has several."""
    part = f"{dataset}-split{split}" if len(splits_of(dataset)) > 1 else dataset
    return f"{part}-{profile_name}-s{seed}"


def _place(path: str | Path) -> Path | None:
    return Path(path).expanduser().resolve() if str(path) else None


def provenance(run: Run) -> dict[str, Any]:
    """What a result needs to be believed: versions, revision, machine, data."""
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
    """Enter an arm's headline figures into the run's `results.json`.

    Jobs that train several arms of one run at a time take turns here.
    """
    path = run.directory / "results.json"
    kept = ("title", "stage", "params", "gmacs", "milliseconds", "seconds", "key")
    kept += ("top1", "top5", "n", "interval")
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


def _load(name: str, root: Path | None, split: int, config: Config, directory: Path) -> Manifest:
    """A data set's manifest; the profile says how many clips of a rendered one."""
    if name == "folder":
        csv = directory / "manifest.csv"
        return load_manifest(name, root, csv=csv, on_bad_clip=config.on_bad_clip)
    if not name.startswith("darkroom"):
        return load_manifest(name, root, split, on_bad_clip=config.on_bad_clip)
    folder = home() / "data" / f"{name}-{config.profile}"
    return load_manifest(name, root or folder, counts=_rendered_counts(config, name))


def _rendered_counts(config: Config, name: str) -> dict[str, int]:
    if name == "darkroom-b":
        return {"train": config.darkroom_b}
    names = ("train", "val", "test")
    return {split: getattr(config, f"darkroom_{split}") for split in names}
