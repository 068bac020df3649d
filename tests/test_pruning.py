"""A cache is limited in size: what was not used for the longest time goes first."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from actlumos.cli import main
from actlumos.data import cache as room
from actlumos.data.cache import ClipCache, build_cache
from actlumos.data.clips import Clips
from actlumos.data.manifest import Manifest
from actlumos.data.pruning import kept, prune
from actlumos.data.published.folder import folder

HOUR = 3600


@pytest.fixture
def listed(tiny_videos: Path) -> Manifest:
    return folder(tiny_videos).select("test")


@pytest.fixture
def filled(listed: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClipCache:
    """Clips at two sizes in the home of the test, all last used in 2020."""
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path))
    place = tmp_path / "data" / "cache"
    build_cache(listed, (12, 16), place)
    whole = build_cache(listed, (24, 32), place)
    for number, file in enumerate(sorted(place.glob("*/*.npy"))):
        os.utime(file, (1577836800 + number * HOUR, 1577836800))
    room._whole.clear()  # as in a new process
    return whole


def test_sizes_are_those_of_the_files(filled: ClipCache, listed: Manifest) -> None:
    small, large = kept(filled.directory)
    assert (small.name, large.name) == ("12x16", "24x32")
    assert small.files == large.files == len(listed)
    assert large.bytes == sum(file.stat().st_size for file in filled.directory.glob("24x32/*.npy"))
    assert large.used == 1577836800 + (2 * len(listed) - 1) * HOUR
    assert kept(filled.directory / "none") == []


def test_what_was_used_last_stays(filled: ClipCache, listed: Manifest) -> None:
    used = Clips(listed, frames=4, size=(24, 32), cache=filled)._kept[0]
    mean = kept(filled.directory)[1].bytes / len(listed)
    for file in filled.directory.glob("24x32/*.npy"):
        if file != used:
            os.utime(file, (1577836800, 1577836800))
    removed = prune(filled.directory, 1.5 * mean)
    left = list(filled.directory.glob("*/*.npy"))
    assert used in left and 0 < sum(file.stat().st_size for file in left) <= 1.5 * mean
    assert removed > 0 and np.load(used).shape == (16, 24, 32, 3)


def test_a_removed_clip_is_made_again(filled: ClipCache, listed: Manifest) -> None:
    file = filled.file(listed, 0)
    before = file.read_bytes()
    assert prune(filled.directory, 0) > 0 and kept(filled.directory) == []
    assert build_cache(listed, (24, 32), filled.directory).file(listed, 0).read_bytes() == before


def test_the_command_shows_and_removes(filled: ClipCache, capsys: pytest.CaptureFixture) -> None:
    main(["data", "cache"])
    printed = capsys.readouterr().out
    assert "12x16" in printed and "24x32" in printed and "2020-01-01" in printed
    main(["data", "cache", "--keep", "0"])
    assert "removed: 0.000 GB" in capsys.readouterr().out and kept(filled.directory) == []
    with pytest.raises(SystemExit):
        main(["data", "cache", "--keep", "-1"])
