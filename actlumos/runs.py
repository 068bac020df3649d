"""Where a run's artefacts lie, what made them, and whether they are still good.

A run is a folder `runs/<dataset>-<profile>-s<seed>/` with one folder an arm:

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
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from actlumos.clips import ClipCache, Clips, build_cache
from actlumos.config import Config, profile
from actlumos.darkroom.build import backgrounds
from actlumos.datasets import load_manifest, names
from actlumos.datasets.manifest import Clip, Manifest, concat
from actlumos.device import pick_device
from actlumos.files import home, read_json, write_json

_PACKAGES = ("torch", "numpy", "opencv-python-headless", "scikit-learn")


@dataclass(frozen=True)
class Run:
    """One data set, one profile, one seed, one folder."""

    directory: Path
    dataset: str
    data_root: Path | None
    config: Config
    seed: int
    device: torch.device

    @property
    def figures(self) -> Path:
        """Where this run's figures go: `figures/<run>/`, or inside a run's own folder elsewhere."""
        inside = self.directory.parent == home() / "runs"
        return home() / "figures" / self.directory.name if inside else self.directory / "figures"

    @cached_property
    def manifest(self) -> Manifest:
        """Every labelled clip of the run's data set; renders `darkroom` where it is missing."""
        return _load(self.dataset, self.data_root, self.config, self.directory)

    @cached_property
    def second_domain(self) -> Manifest:
        """The other unlabelled domain of the SSL-source experiment: `darkroom-b`."""
        return _load("darkroom-b", None, self.config, self.directory)

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
        cache = ClipCache(self._cache_directory, self.config.frame_size)
        for index, clip in enumerate(stills):
            if not cache.holds(manifest, index):
                cache.keep(manifest, index, pictures[clip.path][None])
        return self._clips(manifest, cache)

    def pool(self, source: str = "ab") -> Manifest:
        """Unlabelled training clips: `a` the run's own, `b` the second domain, `ab` both.

        Test and validation clips are never in it.

        Raises:
            ValueError: unknown source.
        """
        if source not in ("a", "b", "ab"):
            raise ValueError(f"unknown pool {source!r}: choose a, b or ab")
        parts = {"a": lambda: self.manifest.select("train"), "b": lambda: self.second_domain}
        return concat(*(parts[letter]().unlabeled() for letter in source))

    def clips(self, manifest: Manifest) -> Clips:
        """Clips of a manifest at this run's length and size, decoded once where config says so."""
        if not self.config.cache_frames:
            return self._clips(manifest, None)
        return self._clips(
            manifest, build_cache(manifest, self.config.frame_size, self._cache_directory)
        )

    def _clips(self, manifest: Manifest, cache: ClipCache | None) -> Clips:
        return Clips(
            manifest,
            frames=self.config.frames,
            stride=self.config.stride,
            short_clips=self.config.short_clips,
            size=self.config.frame_size,
            cache=cache,
        )

    @property
    def _cache_directory(self) -> Path:
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
    **changes: Any,
) -> Run:
    """Open (or begin) a run; nothing is rendered, decoded or trained yet.

    Args:
        profile_name: `smoke`, `demo` or `paper`.
        dataset: a name of `actlumos.datasets.names()`.
        data_root: the data set's folder; not needed for `darkroom`.
        out: the run's folder; empty: `runs/<dataset>-<profile>-s<seed>` of the project.
        seed: of weights, order, augmentation. The rendered clips do not depend on it.
        **changes: single settings of the profile with other values.

    Raises:
        ValueError: unknown profile, data set or setting, or a negative seed.
    """
    if dataset not in names():
        raise ValueError(f"unknown data set {dataset!r}: choose one of {', '.join(names())}")
    if seed < 0:
        raise ValueError(f"seed {seed} is negative: use 0 or more")
    name = f"{dataset}-{profile_name}-s{seed}"
    directory = Path(out).expanduser().resolve() if str(out) else home() / "runs" / name
    root = Path(data_root).expanduser().resolve() if str(data_root) else None
    return Run(directory, dataset, root, profile(profile_name, **changes), seed, pick_device())


def provenance(run: Run) -> dict[str, Any]:
    """What a result needs to be believed: versions, revision, machine, data."""
    return {
        "versions": {"python": platform.python_version()} | {p: version(p) for p in _PACKAGES},
        "revision": _revision(),
        "device": str(run.device),
        "processor": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
        "dataset": run.dataset,
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
    """Enter an arm's headline figures into the run's `results.json`."""
    path = run.directory / "results.json"
    kept = ("title", "stage", "params", "gmacs", "milliseconds", "seconds", "key")
    kept += ("top1", "top5", "n", "interval")
    summary = read_json(path) if path.exists() else {"arms": {}}
    summary |= {
        "run": run.directory.name,
        "dataset": run.dataset,
        "profile": run.config.profile,
        "seed": run.seed,
    }
    summary["arms"][arm] = {name: result[name] for name in kept if name in result}
    write_json(path, summary)


def _load(name: str, root: Path | None, config: Config, directory: Path) -> Manifest:
    """A data set's manifest; the profile says how many clips of a rendered one."""
    if name == "folder":
        return load_manifest(name, root, csv=directory / "manifest.csv")
    own = {"train": config.darkroom_train, "val": config.darkroom_val, "test": config.darkroom_test}
    counts = {"train": config.darkroom_b} if name == "darkroom-b" else own
    folder = home() / "data" / f"{name}-{config.profile}"
    return load_manifest(name, root or folder, counts=counts)
