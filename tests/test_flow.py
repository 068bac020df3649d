"""Flow finds a known shift, and what is kept, stacked and cropped is that flow."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torchvision.models.optical_flow import raft_small

from actlumos.darkroom import worker
from actlumos.darkroom.plan import plan
from actlumos.data.cache import fill
from actlumos.data.channels import ChannelCache, NormalLightCache, StackedClips
from actlumos.data.clips import ClipCache, Clips, build_cache, collate
from actlumos.data.manifest import Clip, Manifest
from actlumos.data.published.folder import folder
from actlumos.data.video import VideoError
from actlumos.views import augment, enhance
from actlumos.views.flow import (
    FlowSettings,
    apply_flow_crop,
    flip_flow,
    flow,
    from_levels,
    scale_flow,
    to_levels,
)
from actlumos.views.frames import enhance_frames

SIZE = (24, 30)
SETTINGS = FlowSettings("farneback", "gamma", step=2, bound=4.0, options={"gamma": 2.0})


def flow_cache(frames: ClipCache) -> ChannelCache:
    """The frames' flow with `SETTINGS`, next to them."""
    return ChannelCache(frames.directory, frames.size, SETTINGS.name, 2, SETTINGS.levels)


def moving_texture(frames: int, size: tuple[int, int], shift: tuple[float, float]) -> np.ndarray:
    """A sum of waves that moves by exactly `shift` (x, y) pixels per frame: no resampling."""
    rng = np.random.default_rng(1)
    frequency = rng.uniform(0.1, 1.0, (40, 1, 1, 1))
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 40, 1, 1, 1))
    time, y, x = np.mgrid[:frames, : size[0], : size[1]]
    along = np.cos(angle) * (x - shift[0] * time) + np.sin(angle) * (y - shift[1] * time)
    waves = (np.cos(frequency * along + phase) / frequency).sum(0)
    grey = np.clip(128 + 110 * waves / np.abs(waves).max(), 0, 255).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


@pytest.mark.parametrize("shift", [(1.5, -0.75), (-2.0, 2.5)])
@pytest.mark.parametrize("method", ["tvl1", "dis", "farneback"])
def test_flow_of_a_shifted_picture_is_the_shift(method: str, shift: tuple[float, float]) -> None:
    found = flow(moving_texture(3, (48, 64), shift), method)
    assert found.shape == (3, 2, 48, 64) and found.dtype == np.float32
    np.testing.assert_array_equal(found[2], found[1])
    error = np.abs(found - np.reshape(shift, (1, 2, 1, 1)))[..., 6:-6, 6:-6]
    assert error.mean() < 0.05 and np.quantile(error, 0.95) < 0.2


@pytest.mark.parametrize("method", ["tvl1", "dis", "farneback"])
def test_a_still_picture_has_no_flow(method: str) -> None:
    assert np.abs(flow(moving_texture(2, (32, 40), (0, 0)), method)).max() < 0.05


def test_a_longer_step_adds_the_shifts_up_and_short_clips_stand_still() -> None:
    frames = moving_texture(5, (48, 64), (0.8, 0.4))
    found = flow(frames, "dis", step=3)
    assert found[..., 6:-6, 6:-6].mean((0, 2, 3)) == pytest.approx([2.4, 1.2], abs=0.05)
    for late in (2, 3, 4):
        np.testing.assert_array_equal(found[late], found[1])
    np.testing.assert_array_equal(found[:1], flow(frames[[0, 3]], "dis")[:1])
    assert not flow(frames[:3], "dis", step=3).any()


def test_frames_are_enhanced_before_the_flow() -> None:
    dark = moving_texture(3, (48, 64), (1.0, 0.0)) // 16
    clip = torch.from_numpy(dark).permute(3, 0, 1, 2)[None].float() / 255
    bright = enhance.gamma(clip, 3.0)[0].permute(1, 2, 3, 0).numpy()
    by_hand = flow(np.rint(bright * 255).astype(np.uint8), "dis")
    np.testing.assert_array_equal(flow(dark, "dis", "gamma", options={"gamma": 3.0}), by_hand)
    assert not np.array_equal(by_hand, flow(dark, "dis"))


def test_raft_is_torchvisions_at_a_size_it_can_take(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = raft_small().eval()
    torch.save(network.state_dict(), tmp_path / "raft.pth")
    frames = moving_texture(3, (128, 136), (1.0, 0.5))
    clip = torch.from_numpy(frames).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        oracle = network(clip[:2], clip[1:])[-1].numpy()
    found = flow(frames, "raft", weights=tmp_path / "raft.pth")
    np.testing.assert_allclose(found[:2], oracle, atol=1e-3)
    assert flow(frames[:2, :32, :48], "raft", weights=tmp_path / "raft.pth").shape == (2, 2, 32, 48)


def test_levels_are_symmetric_and_within_half_a_step() -> None:
    pixels = np.random.default_rng(0).normal(0, 3, (4, 2, 5, 6)).astype(np.float32)
    pixels[0, 0, 0, :3] = 0, 99, -99
    levels = to_levels(pixels, 6.0)
    assert levels.dtype == np.uint8 and levels.shape == (4, 5, 6, 2)
    assert levels[0, 0, :3, 0].tolist() == [128, 255, 1]
    np.testing.assert_array_equal(to_levels(-pixels, 6.0).astype(int), 256 - levels.astype(int))
    back = from_levels(torch.from_numpy(levels)[None])[0].numpy()
    scaled = scale_flow(pixels, 6.0)
    assert scaled.min() == -1 and scaled.max() == 1
    np.testing.assert_allclose(back.transpose(1, 0, 2, 3), scaled, atol=0.5 / 127 + 1e-6)


def test_the_flow_of_a_mirrored_clip_is_the_mirrored_flow() -> None:
    frames = moving_texture(3, (48, 64), (1.5, -0.75))
    of_mirrored = flow(np.ascontiguousarray(frames[:, :, ::-1]), "farneback")
    mirrored = flip_flow(torch.from_numpy(flow(frames, "farneback")).transpose(0, 1))
    inner = (..., slice(6, -6), slice(6, -6))
    np.testing.assert_allclose(
        mirrored.transpose(0, 1)[inner].numpy(), of_mirrored[inner], atol=0.02
    )


def test_a_crop_negates_x_in_flipped_clips_only() -> None:
    moved = torch.randn(3, 2, 4, 20, 24)
    box = torch.tensor([[0, 0, 20, 24], [2, 3, 10, 12], [4, 6, 8, 9]])
    crop = augment.Crop(box, torch.tensor([True, False, True]))
    result = apply_flow_crop(moved, crop, (10, 12))
    plain = augment.apply_crop(moved, crop, (10, 12))
    np.testing.assert_array_equal(result[:, 1], plain[:, 1])
    np.testing.assert_array_equal(
        result[:, 0], plain[:, 0] * torch.tensor([-1, 1, -1]).view(3, 1, 1, 1)
    )


@pytest.fixture(scope="module")
def listed(tiny_videos: Path) -> Manifest:
    return folder(tiny_videos)


@pytest.fixture(scope="module")
def frames(listed: Manifest, tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    return build_cache(listed, SIZE, tmp_path_factory.mktemp("cache"))


def test_stacked_clips_carry_the_flow_of_their_frames(listed: Manifest, frames: ClipCache) -> None:
    cache = fill(flow_cache(frames), listed)
    how = {"frames": 6, "stride": 2, "size": SIZE, "cache": frames}
    plain, stacked = Clips(listed, **how), StackedClips(listed, caches=[cache], **how)
    request = (7, (0.0, 1.0))
    batch = collate([stacked[request], stacked[2, (0.3, 0.6)]])
    assert batch.clip.shape == (2, 2, 6, *SIZE, 5) and batch.label.tolist()[0] == 0
    assert torch.equal(batch.clip[0, ..., :3], plain[request]["clip"])
    whole = np.load(frames.file(listed, 7))
    kept = to_levels(flow(whole, "farneback", "gamma", step=2, options={"gamma": 2.0}), 4.0)
    for view, start in enumerate((0, 5)):
        expected = kept[start : start + 11 : 2]
        np.testing.assert_array_equal(batch.clip[0, view, ..., 3:].numpy(), expected)
    assert expected.std() > 1


def test_the_cache_needs_no_kept_frames_and_goes_on_where_it_stopped(
    listed: Manifest, frames: ClipCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = fill(flow_cache(ClipCache(tmp_path, SIZE)), listed)
    files = [cache.file(listed, index) for index in range(len(listed))]
    assert len(set(files)) == len(listed) and all(file.parent == files[0].parent for file in files)
    same = fill(flow_cache(frames), listed)
    before = [file.read_bytes() for file in files]
    assert before == [same.file(listed, index).read_bytes() for index in range(len(listed))]
    files[3].write_bytes(before[3][:-1])
    files[5].unlink()
    made: list[int] = []
    add = ChannelCache.add
    monkeypatch.setattr(ChannelCache, "add", lambda *a: (made.append(a[2]), add(*a)))
    fill(cache, listed, workers=1)
    assert sorted(made) == [3, 5] and before == [file.read_bytes() for file in files]


def test_a_slow_enhancers_frames_replace_the_frames(
    listed: Manifest, frames: ClipCache
) -> None:
    many = np.random.default_rng(0).integers(0, 256, (70, 4, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(enhance_frames(many, lambda clip: 1 - clip), 255 - many)
    place = frames.directory, frames.size, "negative", 3
    negate = partial(enhance_frames, enhancer=lambda clip: 1 - clip)
    cache = fill(ChannelCache(*place, negate), listed)
    how = {"frames": 6, "stride": 2, "size": SIZE}
    request = (7, (0.2,))
    negative = Clips(listed, cache=cache, **how)[request]["clip"]
    assert torch.equal(negative, 255 - Clips(listed, cache=frames, **how)[request]["clip"])
    both = StackedClips(listed, caches=[cache], cache=frames, **how)[request]["clip"]
    assert torch.equal(both[..., 3:], negative)


def test_normal_light_is_read_where_the_renderer_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bright = moving_texture(6, (32, 40), (1.0, 0.0))
    monkeypatch.setattr(worker, "render_normal_light", lambda spec: bright)
    spec = plan("darkroom-b", {"train": 1}, 0)[0]
    worker.write_normal_light(spec, root=tmp_path)
    clip = Clip(spec.path, -1, "", "train", len(bright), 30.0, "ab" * 32)
    listed = Manifest("rendered", tmp_path, (), (clip,))
    cache = NormalLightCache(tmp_path / "cache", (32, 40), "normal-light", 3, np.copy)
    kept = np.load(fill(cache, listed).file(listed, 0))
    assert np.abs(kept.astype(int) - bright).mean() < 4 < bright.std()


def test_an_unreadable_clip_ends_the_filling_or_is_skipped(
    tiny_videos: Path, tmp_path: Path
) -> None:
    root = tmp_path / "videos"
    shutil.copytree(tiny_videos, root)
    listed = folder(root)
    listed.path(4).write_bytes(b"no video")
    cache = flow_cache(ClipCache(tmp_path / "cache", SIZE))
    with pytest.raises(VideoError, match=listed.path(4).name):
        fill(cache, listed)
    fill(cache, listed, on_bad_clip="skip")
    kept = [cache.holds(listed, index) for index in range(len(listed))]
    assert [index for index, there in enumerate(kept) if not there] == [4]
    skipping = StackedClips(listed, caches=[cache], frames=6, size=SIZE, on_bad_clip="skip")
    batch = collate([skipping[4, (0.5,)], skipping[5, (0.5,)]])
    assert batch.index.tolist() == [5] and batch.skipped.tolist() == [4]


def test_other_settings_have_other_folders(tmp_path: Path) -> None:
    weights = [tmp_path / name for name in ("a.pth", "b.pth", "c.pth")]
    for path, content in zip(weights, ("one", "one", "other"), strict=True):
        path.write_text(content)
    raft = [replace(SETTINGS, method="raft", weights=str(path)).name for path in weights]
    assert raft[0] == raft[1] != raft[2]
    changes = {"method": "dis", "enhancement": "sci", "step": 1, "bound": 5.0, "options": {}}
    names = {replace(SETTINGS, **{key: value}).name for key, value in changes.items()}
    assert len(names | {SETTINGS.name, *raft}) == 8 and SETTINGS.name == replace(SETTINGS).name


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"method": "lucas"}, "no flow method"),
        ({"enhancement": "lamp"}, "no enhancement"),
        ({"step": 0}, "step"),
        ({"bound": 0.0}, "bound"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        FlowSettings(**wrong)


def test_wrong_frames_and_caches_are_refused(
    listed: Manifest, frames: ClipCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[T, H, W, 3\]"):
        flow(np.zeros((3, 32, 32), np.uint8), "dis")
    with pytest.raises(ValueError, match="16 pixels"):
        flow(np.zeros((3, 12, 32, 3), np.uint8), "dis")
    with pytest.raises(FileNotFoundError, match="raft_small"):
        flow(moving_texture(2, (32, 32), (0, 0)), "raft", weights=tmp_path / "absent.pth")
    with pytest.raises(ValueError, match="uint8"):
        from_levels(torch.zeros(1, 2, 4, 4, 2))
    how = {"frames": 6, "size": SIZE, "cache": frames}
    for size, why in ((SIZE, "lacks 20 clips: call fill"), ((20, 20), "kept at")):
        with pytest.raises(ValueError, match=why):
            StackedClips(listed, caches=[flow_cache(ClipCache(tmp_path, size))], **how)
    monkeypatch.delattr(cv2, "optflow", raising=False)
    with pytest.raises(RuntimeError, match="opencv-contrib-python-headless"):
        flow(moving_texture(2, (32, 32), (0, 0)), "tvl1")
