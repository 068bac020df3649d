"""A run: one data set, one official split, one profile, one seed; and the clips it works on.

It is a folder `runs/<dataset>-<profile>-s<seed>/`, or `runs/<dataset>-split<k>-<profile>-s<seed>/`
where a data set has several splits, with one folder per arm:

    <run>/<arm>/checkpoint.pt   weights and the config that built them (loads with weights_only)
    <run>/<arm>/history.csv     one row per epoch
    <run>/<arm>/result.json     metrics, config, seed, revision, versions, device, data, seconds
    <run>/results.json          every arm's Top-1, Top-5, n and interval

An arm is done if its `result.json` has the key of the present settings; else it is trained again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from actlumos.config import Config, check_seed, profile
from actlumos.darkroom.build import backgrounds, render
from actlumos.data.cache import ClipCache, build_cache, fill
from actlumos.data.channels import ChannelCache, StackedClips
from actlumos.data.clips import Clips
from actlumos.data.manifest import Clip, Manifest, concat
from actlumos.data.published.leaks import check_pool
from actlumos.runtime.device import pick_device
from actlumos.runtime.files import home, sha256
from actlumos.stages.channels import channel_cache
from actlumos.stages.datasets import check_split, load_manifest, splits_of
from actlumos.views.streams import STORED

_CHANGE_NO_RESULT = ("profile", "workers", "checkpoint_minutes", "checkpoint_activations")


@dataclass(frozen=True)
class Run:
    """One data set and split, one profile, one seed, one folder.

    `second` and `second_root` are the other unlabelled domain of pretraining; `allow_leaks` permits
    a pool that holds test clips; without `divide` all clips of a folder are test clips.
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
    divide: bool = True

    @property
    def figures(self) -> Path:
        """Where this run's figures go: `figures/<run>/`, or inside a run's own folder elsewhere."""
        inside = self.directory.parent == home() / "runs"
        return home() / "figures" / self.directory.name if inside else self.directory / "figures"

    @cached_property
    def manifest(self) -> Manifest:
        """Every labelled clip of the run's data set; renders `darkroom` where it is missing."""
        return _load(
            self.dataset, self.data_root, self.split, self.config, self.directory, self.divide
        )

    @cached_property
    def second_domain(self) -> Manifest:
        """The training clips of the other unlabelled domain of the SSL-source experiment."""
        split = splits_of(self.second)[0]
        manifest = _load(self.second, self.second_root, split, self.config, self.directory)
        return manifest.select("train")

    def backgrounds(self, split: str) -> Manifest:
        """One frame without the person per clip of a split, for the background-only control.

        The frames are put into the cache, so `clips` needs `cache_frames`.

        Raises:
            ValueError: the data set has no such pictures.
        """
        if self.dataset != "darkroom":
            raise ValueError(f"{self.dataset} has no frames without the person; only darkroom has")
        manifest = self.manifest.select(split)
        pictures = backgrounds(manifest.root)
        stills = tuple(_still(clip, pictures[clip.path]) for clip in manifest.clips)
        of_stills = replace(manifest, name=f"{manifest.name}-background", clips=stills)
        cache = ClipCache(
            self.cache_directory, self.config.frame_size, reader=self.config.reader,
            resize=self.config.resize,
        )  # fmt: skip
        for index, clip in enumerate(stills):
            if not cache.holds(of_stills, index):
                cache.keep(of_stills, index, pictures[clip.path][None])
        return of_stills

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

    def clips(
        self,
        manifest: Manifest,
        streams: Sequence[str] = ("dark",),
        enhancer: tuple[Any, str] | None = None,
    ) -> Clips:
        """Clips of a manifest at this run's length and size; the one way to get clips.

        Frames are decoded once where `cache_frames` says so.

        Args:
            manifest: which clips.
            streams: names. Those of `STORED` are computed here once and become further channels
                after the colours; the others are computed later, from the colours.
            enhancer: for the stream `enhanced`: the trained network, with a method
                `enhance_frames`, and the key of its training.

        Raises:
            ValueError: normal light was asked for of another data set than darkroom.
        """
        config = self.config
        cache = None
        if config.cache_frames:
            cache = build_cache(
                manifest, config.frame_size, self.cache_directory, on_bad_clip=config.on_bad_clip,
                reader=config.reader, resize=config.resize,
            )  # fmt: skip
        how: dict[str, Any] = {
            "frames": config.frames,
            "stride": config.stride,
            "short_clips": config.short_clips,
            "size": config.frame_size,
            "cache": cache,
            "on_bad_clip": config.on_bad_clip,
            "reader": config.reader,
            "resize": config.resize,
        }
        stored = [self._filled(name, manifest, enhancer) for name in streams if name in STORED]
        return StackedClips(manifest, caches=stored, **how) if stored else Clips(manifest, **how)

    def _filled(
        self, stream: str, manifest: Manifest, enhancer: tuple[Any, str] | None
    ) -> ChannelCache:
        """The cache of a stored stream, with every clip of the manifest in it."""
        if stream == "normal_light":
            self._render_normal_light()
        cache = channel_cache(stream, self.cache_directory, self.config, enhancer)
        return fill(cache, manifest, max(self.config.workers, 2), self.config.on_bad_clip)

    def _render_normal_light(self) -> None:
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
    """The one-frame clip in place of a clip; its digest is the picture's."""
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
    divide: bool = True,
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
        second, second_root: unlabelled data set for pretraining (its training clips), its folder.
        allow_leaks: pretrain even on a pool that holds test clips.
        divide: of the data set `folder`: False makes all its clips test clips.
        **changes: single settings of the profile with other values.

    Raises:
        ValueError: unknown profile, data set, split or setting, or a value outside its range.
    """
    check_seed(seed)
    split = splits_of(dataset)[0] if split is None else split
    check_split(dataset, split)
    check_split(second, splits_of(second)[0])
    config = profile(profile_name, **changes)
    directory = _place(out) or home() / "runs" / run_name(dataset, profile_name, split, seed)
    pool = second, _place(second_root), allow_leaks, divide
    return Run(directory, dataset, _place(data_root), config, seed, pick_device(), split, *pool)


def run_name(dataset: str, profile_name: str, split: int, seed: int) -> str:
    """Name of a run's folder; it names the split where the data set has several."""
    part = f"{dataset}-split{split}" if len(splits_of(dataset)) > 1 else dataset
    return f"{part}-{profile_name}-s{seed}"


def result_settings(config: Config) -> dict[str, Any]:
    """The settings that can change a result; pretrained weights by their content, not place.

    Raises:
        FileNotFoundError: the weights' file is not there.
    """
    chosen = {k: v for k, v in config.to_dict().items() if k not in _CHANGE_NO_RESULT}
    if config.weights:
        path = Path(config.weights).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"no weights at {path}: correct `weights`, or leave it empty")
        chosen["weights"] = sha256(path)
    return chosen


def _place(path: str | Path) -> Path | None:
    return Path(path).expanduser().resolve() if str(path) else None


def _load(
    name: str, root: Path | None, split: int, config: Config, directory: Path, divide: bool = True
) -> Manifest:
    """A data set's manifest; the profile says how many clips of a rendered one."""
    if name == "folder":
        csv, policy = directory / "manifest.csv", config.on_bad_clip
        return load_manifest(name, root, csv=csv, on_bad_clip=policy, divide=divide)
    if not name.startswith("darkroom"):
        return load_manifest(name, root, split, on_bad_clip=config.on_bad_clip)
    folder = home() / "data" / f"{name}-{config.profile}"
    return load_manifest(name, root or folder, counts=_rendered_counts(config, name))


def _rendered_counts(config: Config, name: str) -> dict[str, int]:
    if name == "darkroom-b":
        return {"train": config.darkroom_b}
    names = ("train", "val", "test")
    return {split: getattr(config, f"darkroom_{split}") for split in names}
