"""A full disk: the message has the path and what is needed, and no partial file stays."""

from __future__ import annotations

import errno
import io
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from actlumos.data import cache
from actlumos.data.cache import build_cache
from actlumos.data.manifest import Clip, Manifest
from actlumos.data.published.archive import opened
from actlumos.data.published.folder import folder
from actlumos.runtime.files import DiskFull, atomic_write, write_json


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("cannot mount a small disk here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def files_on(disk: Path) -> list[str]:
    return [path.name for path in disk.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_cache_that_does_not_fit_is_not_begun(tiny_videos: Path, disk: Path) -> None:
    listed = folder(tiny_videos)
    with pytest.raises(DiskFull, match=r"decode .*: it needs 4\.9 MB, 1\.0 MB are free"):
        build_cache(listed, (64, 80), disk)
    assert list(disk.rglob("*.npy")) == []


def test_a_cache_says_what_it_needs(
    tiny_videos: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_room_for", lambda *_: None)  # another program fills the disk
    listed = folder(tiny_videos)
    message = r"disk/64x80/\w+\.npy could not be written.*it needs 0\.2 MB.*decode .*: 4\.9 MB in"
    with pytest.raises(DiskFull, match=message):
        build_cache(listed, (64, 80), disk)
    kept = [path for path in disk.rglob("*.npy")]
    assert 1 <= len(kept) <= 4 and all(np.load(path).shape == (16, 64, 80, 3) for path in kept)
    assert not [path for path in kept if path.name[0] == "."]


def test_a_manifest_and_json_say_what_they_need(disk: Path) -> None:
    clips = tuple(Clip(f"{n:0100}.mp4", 0, "g", "train", 9, 30.0) for n in range(20_000))
    with pytest.raises(DiskFull, match=r"disk/list\.csv could not be written.*it needs 2\.\d MB"):
        Manifest("mine", disk, ("a",), clips).write(disk / "list.csv")
    with pytest.raises(DiskFull, match=r"disk/x\.json could not be written.*it needs 2\.0 MB"):
        write_json(disk / "x.json", "x" * 2_000_000)
    assert files_on(disk) == []


def test_an_archive_of_many_small_files_says_what_it_needs(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTLUMOS_HOME", str(disk))
    with zipfile.ZipFile(tmp_path / "small.zip", "w") as out:
        for number in range(900):
            out.writestr(f"{number}.txt", b"a block each")
    with pytest.raises(DiskFull, match=r"data/small could not be written.*it needs 0\.0 MB, 0\.0"):
        opened(tmp_path / "small.zip")
    assert files_on(disk) == []


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    for number in (errno.ENOENT, errno.EACCES):
        with pytest.raises(OSError) as raised, atomic_write(tmp_path / "a"):
            raise OSError(number, "of another kind")
        assert raised.value.errno == number and not isinstance(raised.value, DiskFull)
    with pytest.raises(io.UnsupportedOperation), atomic_write(tmp_path / "a"):
        raise io.UnsupportedOperation("read")
