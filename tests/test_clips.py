"""The cache equals decoding; a clip depends on its request only; an epoch is a fixed list."""

from __future__ import annotations

import gc
import pickle
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from actlumos.data.cache import mapped
from actlumos.data.clips import ClipCache, Clips, build_cache, loader, schedule
from actlumos.data.manifest import Manifest
from actlumos.data.published.folder import folder
from actlumos.data.video import VideoError, read_clip

SIZE = (24, 30)
HOW = {"frames": 6, "stride": 2, "short_clips": "loop", "size": SIZE}


@pytest.fixture(scope="module")
def listed(tiny_videos: Path) -> Manifest:
    return folder(tiny_videos)


@pytest.fixture(scope="module")
def cache(listed: Manifest, tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    return build_cache(listed, SIZE, tmp_path_factory.mktemp("cache"))


def test_a_clip_is_its_frames_resized(listed: Manifest) -> None:
    item = Clips(listed, **HOW)[3, (0.0, 1.0)]
    assert item["clip"].shape == (2, 6, *SIZE, 3) and item["clip"].dtype == torch.uint8
    assert (item["label"], item["index"]) == (listed.clips[3].label, 3)
    for view, start in zip(item["clip"], (0, 5), strict=True):
        frames = read_clip(listed.path(3), range(start, start + 11, 2))
        oracle = [cv2.resize(frame, SIZE[::-1], interpolation=cv2.INTER_AREA) for frame in frames]
        np.testing.assert_array_equal(view.numpy(), np.stack(oracle))


@settings(deadline=None, max_examples=40)
@given(
    index=st.integers(0, 19),
    positions=st.lists(st.floats(0, 1), min_size=1, max_size=3),
    frames=st.integers(1, 20),
    stride=st.integers(1, 3),
    policy=st.sampled_from(["loop", "span", "pad"]),
)
def test_the_cache_equals_direct_decoding(
    listed: Manifest, cache: ClipCache, index: int, positions: list[float], frames: int,
    stride: int, policy: str,
) -> None:  # fmt: skip
    how = {"frames": frames, "stride": stride, "short_clips": policy, "size": SIZE}
    request = index, tuple(positions)
    kept, decoded = Clips(listed, **how, cache=cache)[request], Clips(listed, **how)[request]
    assert torch.equal(kept["clip"], decoded["clip"])


def test_real_clips_from_the_cache_equal_direct_decoding(real_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "clips"
    for name in ("Jump", "Turn"):
        files = sorted((real_root / "arid_mini" / "clips_v1" / name).glob("*.mp4"))
        (root / name).mkdir(parents=True)
        for number, file in enumerate(files[::9]):
            (root / name / f"{number}.mp4").symlink_to(file)
    real = folder(root)
    how = {"frames": 12, "stride": 4, "short_clips": "span", "size": (48, 64)}
    kept = Clips(real, **how, cache=build_cache(real, (48, 64), tmp_path / "cache"))
    for request in ((index, (0.3,)) for index in range(len(real))):
        assert torch.equal(kept[request]["clip"], Clips(real, **how)[request]["clip"])


def test_the_item_is_writable_and_the_cache_stays_as_it_was(
    listed: Manifest, cache: ClipCache
) -> None:
    clips = Clips(listed, **HOW, cache=cache)
    first = clips[0, (0.5,)]["clip"]
    before = first.clone()
    first.zero_()
    assert torch.equal(clips[0, (0.5,)]["clip"], before)


def test_what_is_kept_is_not_decoded_again(
    listed: Manifest, cache: ClipCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClipCache, "read", lambda *_: pytest.fail("decoded again"))
    for same in (listed, listed.select("test"), listed.unlabeled(), replace(listed, name="other")):
        assert build_cache(same, SIZE, cache.directory) == cache


def copied(cache: ClipCache, folder: Path) -> ClipCache:
    shutil.copytree(cache.directory, folder / "copy")
    return ClipCache(folder / "copy", SIZE)


def test_damaged_and_missing_files_are_made_again(
    listed: Manifest, cache: ClipCache, tmp_path: Path
) -> None:
    again = copied(cache, tmp_path)
    files = [again.file(listed, index) for index in range(5)]
    good = [file.read_bytes() for file in files]
    files[0].unlink()
    files[1].write_bytes(good[1][:-1])
    files[2].write_bytes(b"")
    files[3].write_bytes(b"nonsense")
    np.save(files[4], np.zeros((3, *SIZE, 3), np.uint8))
    assert [again.holds(listed, index) for index in range(6)] == [False] * 5 + [True]
    build_cache(listed, SIZE, again.directory)
    assert [file.read_bytes() for file in files] == good


def test_an_interrupted_build_leaves_whole_files_and_goes_on(
    listed: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def interrupted(_: ClipCache, path: Path, frames: int) -> np.ndarray:
        if len(done) == 7:
            raise KeyboardInterrupt
        done.append(path)
        return read_clip(path, range(frames))

    with monkeypatch.context() as patch:
        patch.setattr(ClipCache, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build_cache(listed, SIZE, tmp_path, workers=1)
    kept = ClipCache(tmp_path, SIZE)
    assert sum(kept.holds(listed, index) for index in range(20)) == 7
    assert len([path for path in tmp_path.rglob("*.npy") if path.is_file()]) == 7
    build_cache(listed, SIZE, tmp_path)
    assert all(kept.holds(listed, index) for index in range(20))


def test_a_changed_video_never_gets_old_frames(tiny_videos: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_videos, tmp_path / "videos")
    before = folder(tmp_path / "videos")
    bare = replace(before, clips=tuple(replace(clip, sha256="") for clip in before.clips))
    cache = ClipCache(tmp_path / "cache", SIZE)
    first = [cache.file(before, 0), cache.file(bare, 0)]
    shutil.copy(before.path(1), before.path(0))
    after = folder(tmp_path / "videos")
    assert cache.file(after, 0) != first[0] and cache.file(bare, 0) != first[1]


def test_a_clip_shorter_than_listed_is_named(listed: Manifest, tmp_path: Path) -> None:
    long = replace(listed, clips=tuple(replace(clip, frames=40) for clip in listed.clips))
    with pytest.raises(VideoError, match=r"left_\d_1\.mp4: frame 39 .* has 16 frames"):
        build_cache(long, SIZE, tmp_path)
    with pytest.raises(VideoError, match=r"has 16 frames"):
        Clips(long, **HOW)[0, (1.0,)]


def test_clips_refuse_a_cache_that_does_not_fit(
    listed: Manifest, cache: ClipCache, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="unknown short-clip policy"):
        Clips(listed, **HOW | {"short_clips": "mirror"})
    with pytest.raises(ValueError, match=r"frames of \(24, 30\), not \(48, 64\)"):
        Clips(listed, **HOW | {"size": (48, 64)}, cache=cache)
    with pytest.raises(ValueError, match="20 clips are not in the cache"):
        Clips(listed, **HOW, cache=ClipCache(tmp_path, SIZE))


@settings(deadline=None)
@given(
    n=st.integers(1, 200),
    batch=st.integers(1, 40),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 9),
    views=st.integers(1, 3),
    drop_last=st.booleans(),
)
def test_an_epoch_shows_every_clip_once(
    n: int, batch: int, seed: int, epoch: int, views: int, drop_last: bool
) -> None:
    how = {"seed": seed, "epoch": epoch, "shuffle": True, "views": views, "drop_last": drop_last}
    batches = schedule(n, batch, **how)
    assert batches == schedule(n, batch, **how)
    seen = [index for requests in batches for index, _ in requests]
    assert len(seen) == len(set(seen)) == (n - n % batch if drop_last else n)
    assert all(len(requests) == batch for requests in batches[:-1])
    assert all(isinstance(index, int) and 0 <= index < n for index in seen)
    places = [place for requests in batches for _, positions in requests for place in positions]
    assert len(places) == views * len(seen) and all(0 <= place < 1 for place in places)


def test_seeds_and_epochs_differ_and_evaluation_is_in_order() -> None:
    orders = [
        [i for batch in schedule(50, 8, seed=s, epoch=e, shuffle=True) for i, _ in batch]
        for s, e in ((0, 0), (0, 1), (1, 0))
    ]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    plain = schedule(5, 2, seed=3, epoch=9, shuffle=False, views=2)
    assert plain == [
        [(0, (0.5, 0.5)), (1, (0.5, 0.5))], [(2, (0.5, 0.5)), (3, (0.5, 0.5))], [(4, (0.5, 0.5))]
    ]  # fmt: skip
    with pytest.raises(ValueError, match="must be positive"):
        schedule(0, 2, seed=0, epoch=0, shuffle=True)


def test_places_are_uniform() -> None:
    batches = schedule(4000, 4000, seed=0, epoch=0, shuffle=True)
    counts = np.histogram([places[0] for _, places in batches[0]], bins=10, range=(0, 1))[0]
    assert np.abs(counts - 400).max() < 5 * 20


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_keeps_the_schedule_whatever_the_workers(
    listed: Manifest, cache: ClipCache, workers: int
) -> None:
    clips = Clips(listed, **HOW, cache=cache)
    batches = schedule(len(clips), 6, seed=1, epoch=2, shuffle=True, views=2)
    loaded = list(loader(clips, batches, workers))
    assert [batch.index.tolist() for batch in loaded] == [[i for i, _ in b] for b in batches]
    last = loaded[-1]
    assert last.clip.shape == (2, 2, 6, *SIZE, 3) and last.clip.dtype == torch.uint8
    assert last.label.dtype == last.index.dtype == torch.int64
    assert last.label.tolist() == [listed.clips[i].label for i, _ in batches[-1]]
    assert torch.equal(last.clip[1], clips[batches[-1][1]]["clip"])


def test_clips_travel_to_another_process_without_their_frames(
    listed: Manifest, cache: ClipCache
) -> None:
    clips = Clips(listed, **HOW, cache=cache)
    assert clips[0, (0.5,)]["clip"].numel() == 6 * 24 * 30 * 3
    sent = pickle.dumps(clips)
    assert len(sent) < 20_000
    assert torch.equal(pickle.loads(sent)[7, (0.2,)]["clip"], clips[7, (0.2,)]["clip"])


def test_threads_may_ask_and_read_at_once(listed: Manifest, cache: ClipCache) -> None:
    """A parser of Python 3.11 fails when garbage collection changes threads in the midst of it."""
    paths, thresholds = [cache.file(listed, i) for i in range(len(listed))], gc.get_threshold()

    def yields(*_: object) -> None:
        time.sleep(0)

    gc.callbacks.append(yields)
    gc.set_threshold(5)
    try:
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(cache.holds, listed, i % len(paths)) for i in range(400)]
            read = [pool.submit(mapped, path) for path in paths * 20]
            assert all(job.result() for job in asked)
            assert all(len(job.result()) for job in read)
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(yields)


def test_frames_from_elsewhere_can_be_kept_as_a_clip(listed: Manifest, tmp_path: Path) -> None:
    """A still picture replaces a video: no file of that name is opened."""
    still = replace(listed.clips[0], path="no/such.mp4", frames=1, sha256="5" * 64)
    alone, cache = replace(listed, clips=(still,)), ClipCache(tmp_path, SIZE)
    cache.keep(alone, 0, np.full((1, 120, 160, 3), 77, np.uint8))
    assert cache.holds(alone, 0)
    clip = Clips(alone, **HOW, cache=build_cache(alone, SIZE, tmp_path))[0, (0.5,)]["clip"]
    assert clip.shape == (1, 6, *SIZE, 3) and (clip == 77).all()


def test_leftovers_of_a_killed_build_are_removed(listed: Manifest, tmp_path: Path) -> None:
    target = ClipCache(tmp_path, SIZE).file(listed, 0)
    left = target.with_name(f".{target.stem}-abcd1234.npy")
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    build_cache(listed, SIZE, tmp_path)
    assert not left.exists() and target.exists()


def test_another_resize_method_has_a_cache_of_its_own(listed: Manifest, tmp_path: Path) -> None:
    how = {"frames": 6, "size": SIZE}
    kinds = {}
    for method in ("area", "bilinear"):
        cache = build_cache(listed, SIZE, tmp_path, resize=method)
        kept = Clips(listed, cache=cache, **how)[0, (0.5,)]["clip"]
        assert torch.equal(kept, Clips(listed, resize=method, **how)[0, (0.5,)]["clip"])
        kinds[method] = kept
    assert not torch.equal(*kinds.values())
