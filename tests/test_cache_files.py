"""Files of a cache: damage is found when it is opened, and one job makes each file."""

from __future__ import annotations

import errno
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actlumos.data import cache as room
from actlumos.data.cache import ClipCache, build_cache, fill, is_whole
from actlumos.data.channels import ChannelCache
from actlumos.data.clips import Clips
from actlumos.data.manifest import Manifest
from actlumos.data.published.folder import folder
from actlumos.data.video import VideoError, read_clip
from actlumos.runtime.files import DiskFull

SIZE = (24, 30)
HOW = {"frames": 6, "stride": 2, "size": SIZE}


@pytest.fixture(scope="module")
def listed(tiny_videos: Path) -> Manifest:
    return folder(tiny_videos).select("test")


@pytest.fixture
def cache(listed: Manifest, tmp_path: Path) -> ClipCache:
    return build_cache(listed, SIZE, tmp_path / "cache")


def zeros(content: bytes) -> bytes:
    return bytes(len(content))


def zeros_inside(content: bytes) -> bytes:
    return content[:5000] + bytes(4096) + content[9096:]


def flipped_bit(content: bytes) -> bytes:
    return content[:7777] + bytes([content[7777] ^ 1]) + content[7778:]


def flipped_header(content: bytes) -> bytes:
    return content.replace(b"(16, 24,", b"(15, 24,")


def of_an_older_version(content: bytes) -> bytes:
    return content[: -len(room._seal(b""))]


@pytest.mark.parametrize(
    "damage", [zeros, zeros_inside, flipped_bit, flipped_header, of_an_older_version]
)
def test_a_damaged_file_is_found_and_made_again(
    listed: Manifest, cache: ClipCache, damage: Callable[[bytes], bytes]
) -> None:
    file = cache.file(listed, 1)
    whole = file.read_bytes()
    assert damage(whole) != whole
    file.write_bytes(damage(whole))
    assert [cache.holds(listed, index) for index in range(3)] == [True, False, True]
    with pytest.raises(ValueError, match="1 clips are not in the cache"):
        Clips(listed, **HOW, cache=cache)
    build_cache(listed, SIZE, cache.directory)
    assert file.read_bytes() == whole and cache.holds(listed, 1)


def test_a_damaged_file_of_flow_is_found_and_made_again(listed: Manifest, tmp_path: Path) -> None:
    derived = ChannelCache(tmp_path, SIZE, "first", 1, lambda frames: frames[..., :1])
    file = fill(derived, listed).file(listed, 0)
    whole = file.read_bytes()
    file.write_bytes(flipped_bit(whole))
    assert not derived.holds(listed, 0)
    assert fill(derived, listed).holds(listed, 0) and file.read_bytes() == whole


def test_what_is_kept_is_the_resized_clip_and_numpy_reads_it(
    listed: Manifest, cache: ClipCache
) -> None:
    kept = np.load(cache.file(listed, 0), mmap_mode="r")
    assert kept.shape == cache.shape(listed, 0) == (16, *SIZE, 3) and kept.dtype == np.uint8
    np.testing.assert_array_equal(kept, np.load(cache.file(listed, 0)))


def test_a_file_is_read_for_its_checksum_once(
    listed: Manifest, cache: ClipCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(cache.holds(listed, index) for index in range(len(listed)))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
        build_cache(listed, SIZE, cache.directory)
        Clips(listed, **HOW, cache=cache)
    file = cache.file(listed, 0)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert not is_whole(file) and not is_whole(file.with_name("absent.npy"))


def copies_of(listed: Manifest, number: int) -> Manifest:
    """Every clip several times under other paths."""
    clips = [replace(c, path=f"{n}/{c.path}") for c in listed.clips for n in range(number)]
    return replace(listed, clips=tuple(clips))


@pytest.mark.parametrize("kind", ["frames", "derived"])
def test_byte_identical_clips_are_one_job(
    listed: Manifest, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        shutil.copytree(listed.root, tmp_path / "videos" / str(number))
    many = replace(copies_of(listed, 3), root=tmp_path / "videos")
    cache = ClipCache(tmp_path / "cache", SIZE)
    if kind == "derived":
        cache = ChannelCache(tmp_path / "cache", SIZE, "same", 3, np.copy)
    added, add = Counter[Path](), type(cache).add

    def watched(self: ClipCache, manifest: Manifest, index: int) -> None:
        added[self.file(manifest, index)] += 1
        time.sleep(0.01)
        add(self, manifest, index)

    monkeypatch.setattr(type(cache), "add", watched)
    fill(cache, many, workers=8)
    assert set(added.values()) == {1} and len(added) == len(listed)
    assert all(cache.holds(many, index) for index in range(len(many)))


def test_a_copy_that_can_be_read_replaces_one_that_cannot(
    listed: Manifest, tmp_path: Path
) -> None:
    first = listed.clips[0]
    gone = replace(first, path="gone.mp4")
    both = replace(listed, clips=(gone, first))
    assert build_cache(both, SIZE, tmp_path / "a").holds(both, 0)
    none = replace(listed, clips=(gone, replace(gone, path="lost.mp4")))
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        build_cache(none, SIZE, tmp_path / "b")
    assert not build_cache(none, SIZE, tmp_path / "b", on_bad_clip="skip").holds(none, 0)


def test_clips_of_one_digest_may_be_listed_with_other_lengths(
    listed: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = listed.clips[0]
    both = replace(listed, clips=(replace(first, path="x.mp4", frames=9), first))
    cache = build_cache(both, SIZE, tmp_path)
    assert len(np.load(cache.file(both, 0))) == 16
    monkeypatch.setattr(ClipCache, "read", lambda *_: pytest.fail("decoded again"))
    build_cache(both, SIZE, tmp_path)


def test_a_full_disk_is_named_with_what_is_needed(
    listed: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    size = 16 * 24 * 30 * 3 * len(listed) / 1e6
    message = (
        rf"cache.*24x30.*\.npy could not be written, the disk is full .*: it needs 0\.0 MB, "
        rf"[\d,.]+ MB are free\. .* \(decode folder-.*: {size:.1f} MB in all\)"
    )
    with pytest.raises(DiskFull, match=message):
        build_cache(listed, SIZE, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.npy"))
    monkeypatch.undo()
    assert len(read_clip(listed.path(0), [0])) == 1
    build_cache(listed, SIZE, tmp_path / "cache")
