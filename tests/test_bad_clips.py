"""Clips that cannot be read: named in an error, or left out everywhere and counted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from actlumos import stages
from actlumos.config import profile
from actlumos.data.clips import ClipCache, Clips, build_cache, loader, schedule
from actlumos.data.manifest import Manifest
from actlumos.data.published.folder import folder
from actlumos.data.video import VideoError
from actlumos.evaluation.evaluate import predict, score
from actlumos.models import Teacher
from actlumos.stages.runs import Run

SIZE = (24, 30)
HOW = {"frames": 6, "stride": 2, "short_clips": "loop", "size": SIZE}
SETTINGS = {
    "epochs_supervised": 2,
    "epochs_teacher": 2,
}


@pytest.fixture
def damaged(tiny_videos: Path, tmp_path: Path) -> Manifest:
    """Twenty listed clips; since then the third is gone, the fifth cut short, the ninth a text."""
    shutil.copytree(tiny_videos, tmp_path / "videos")
    listed = folder(tmp_path / "videos")
    listed.path(2).unlink()
    listed.path(4).write_bytes(listed.path(4).read_bytes()[:300])
    listed.path(8).write_text("no video")
    return listed


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cached", [False, True])
def test_bad_clips_drop_out_of_their_batches_and_are_counted(
    damaged: Manifest, tmp_path: Path, workers: int, cached: bool
) -> None:
    cache = build_cache(damaged, SIZE, tmp_path / "c", on_bad_clip="skip") if cached else None
    clips = Clips(damaged, **HOW, cache=cache, on_bad_clip="skip")
    batches = schedule(20, 5, seed=0, epoch=0, shuffle=False)
    loaded = list(loader(clips, batches, workers))
    assert [batch.index.tolist() for batch in loaded[:2]] == [[0, 1, 3], [5, 6, 7, 9]]
    assert [batch.skipped.tolist() for batch in loaded] == [[2, 4], [8], [], []]
    assert loaded[0].clip.shape == (3, 1, 6, *SIZE, 3) and loaded[0].label.shape == (3,)
    assert torch.equal(loaded[0].clip[2], clips[3, (0.5,)]["clip"])
    assert clips.skipped == {2, 4, 8}
    assert clips.skipped_paths == [damaged.clips[index].path for index in (2, 4, 8)]


def test_a_batch_without_any_clip(damaged: Manifest) -> None:
    clips = Clips(damaged, **HOW, on_bad_clip="skip")
    (batch,) = loader(clips, [[(2, (0.5,)), (8, (0.5,))]])
    assert batch.clip.shape == (0,) and not len(batch.label) and batch.skipped.tolist() == [2, 8]


def test_a_bad_clip_is_named_with_what_to_do(damaged: Manifest, tmp_path: Path) -> None:
    for index in (2, 4, 8):
        with pytest.raises(VideoError, match=rf"{damaged.path(index).name}.*actlumos data verify"):
            Clips(damaged, **HOW)[index, (0.5,)]
    with pytest.raises(VideoError, match=r"\.mp4.*actlumos data verify.*on_bad_clip=skip"):
        build_cache(damaged, SIZE, tmp_path / "cache", workers=1)
    for workers in (0, 1):
        with pytest.raises(VideoError, match=rf"^{damaged.path(2)}: [^\n]*skip[^\n]*\)$"):
            list(loader(Clips(damaged, **HOW), [[(2, (0.5,))]], workers))
    with pytest.raises(ValueError, match="unknown on_bad_clip 'ignore'"):
        Clips(damaged, **HOW, on_bad_clip="ignore")


def test_the_cache_leaves_bad_clips_out(damaged: Manifest, tmp_path: Path) -> None:
    bare = replace(damaged, clips=tuple(replace(clip, sha256="") for clip in damaged.clips))
    for listed in (damaged, bare):  # without a digest a missing file has no name in the cache
        cache = build_cache(listed, SIZE, tmp_path / "cache", on_bad_clip="skip")
        held = [index for index in range(20) if cache.holds(listed, index)]
        assert held == [index for index in range(20) if index not in (2, 4, 8)]
        with pytest.raises(ValueError, match="3 clips are not in the cache"):
            Clips(listed, **HOW, cache=cache)


def test_damaged_frames_of_a_bad_clip_are_not_read(damaged: Manifest, tmp_path: Path) -> None:
    stale = ClipCache(tmp_path / "cache", SIZE).file(damaged, 4)
    stale.parent.mkdir(parents=True)
    np.save(stale, np.zeros((3, *SIZE, 3), np.uint8))
    cache = build_cache(damaged, SIZE, tmp_path / "cache", on_bad_clip="skip")
    assert Clips(damaged, **HOW, cache=cache, on_bad_clip="skip")[4, (0.5,)]["clip"] is None


def test_the_skipped_clips_are_kept_by_a_checkpoint(damaged: Manifest) -> None:
    first, second = (Clips(damaged, **HOW, on_bad_clip="skip") for _ in range(2))
    list(loader(first, [[(4, (0.5,)), (0, (0.5,))]]))
    second.load_state_dict(first.state_dict())
    assert second.skipped == {4}


class Brightness(torch.nn.Module):
    """Two logits per clip, its mean and minus its mean, which do not depend on the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        mean = self.scale * clip.mean((1, 2, 3, 4))
        return torch.stack((mean, -mean), dim=1)


def test_clips_that_cannot_be_read_are_absent_from_logits_and_labels(tiny_videos: Path) -> None:
    config = profile("smoke", frames=4, frame_size=(24, 32), crop_size=(20, 28), batch_size=2)
    how = {"frames": 4, "stride": 4, "short_clips": "span", "size": (24, 32)}
    listed = folder(tiny_videos)
    gone = {0, 1, 2, 3, 9}  # the whole first batch of four, and one more
    clips = [replace(c, path=f"gone/{i}") if i in gone else c for i, c in enumerate(listed.clips)]
    damaged = Clips(replace(listed, clips=tuple(clips)), **how, on_bad_clip="skip")
    whole, labels = predict(Brightness(), Clips(listed, **how), ("dark",), config)
    logits, kept = predict(Brightness(), damaged, ("dark",), config)
    readable = [index for index in range(len(listed)) if index not in gone]
    assert torch.equal(logits, whole[readable]) and torch.equal(kept, labels[readable])
    assert damaged.skipped == gone
    assert score(logits, kept)["n"] == len(listed) - len(gone)
    none = Clips(replace(listed, clips=(clips[0],)), **how, on_bad_clip="skip")
    with pytest.raises(ValueError, match="none of the 1 clips of .* can be read"):
        predict(Brightness(), none, ("dark",), config)


@pytest.fixture
def make_run(open_tiny: Callable[..., Run]) -> Callable[..., Run]:
    return lambda *place, **changes: open_tiny(*place, **SETTINGS | changes)


def with_missing(run: Run, **missing: int) -> Run:
    """The run with the first clips of each split listed where there is no file."""
    clips = list(run.manifest.clips)
    for split, count in missing.items():
        places = [i for i, clip in enumerate(clips) if clip.split == split]
        for index in places[:count]:
            clips[index] = replace(clips[index], path=f"gone/{index}.mp4")
    run.__dict__["manifest"] = replace(run.manifest, clips=tuple(clips))
    return run


@pytest.mark.parametrize("cache_frames", [False, True])
def test_skipped_clips_are_absent_and_counted(
    make_run: Callable[..., Run], cache_frames: bool
) -> None:
    changes = {"on_bad_clip": "skip", "cache_frames": cache_frames}
    run = with_missing(make_run(**changes), train=2, val=1, test=1)
    result = stages.ensure(run, "dark").result
    assert {role: len(paths) for role, paths in result["skipped"].items()} == {
        "train": 2, "val": 1, "test": 1
    }  # fmt: skip
    assert all(p.startswith("gone/") for paths in result["skipped"].values() for p in paths)
    seen = [clip.path for clip in run.manifest.select("test").clips if clip.path[:4] != "gone"]
    assert result["n"] == len(seen) == np.sum(result["confusion"])
    assert result["per_clip"]["paths"] == seen


def test_a_batch_of_one_readable_clip_is_skipped(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of two, and five clips are gone: DFF could not train on a single clip."""
    sizes, forward = [], Teacher.forward

    def watched(model: Teacher, *streams: torch.Tensor) -> object:
        sizes.extend([len(streams[0])] if model.training else [])
        return forward(model, *streams)

    monkeypatch.setattr(Teacher, "forward", watched)
    how = {"on_bad_clip": "skip", "cache_frames": False, "batch_size": 2, "accumulate": 3}
    trained = stages.ensure(with_missing(make_run(**how), train=5), "teacher")
    assert set(sizes) == {2} and 0 < len(sizes) < 12
    assert len(trained.result["skipped"]["train"]) == 5
    assert trained.history["train_loss"].between(0, 10).all()
    with pytest.raises(ValueError, match="no batch of epoch 1 had two clips that can be read"):
        stages.ensure(with_missing(make_run("none", **how), train=11), "teacher")


def test_a_bad_clip_ends_the_training_with_its_name(make_run: Callable[..., Run]) -> None:
    for cache_frames in (False, True):
        run = with_missing(make_run(cache_frames=cache_frames), train=1)
        with pytest.raises(ValueError, match=r"gone/\d+\.mp4.*actlumos data verify"):
            stages.ensure(run, "dark")
