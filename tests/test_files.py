"""Files are whole or absent."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from actlumos.runtime.files import atomic_write, home, read_json, sha256, sweep, write_json
from actlumos.runtime.tensors import load_tensors, save_tensors


def test_an_error_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_json_round_trip_and_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.json"
    write_json(path, {"b": [1, 2], "a": "é"})
    assert read_json(path) == {"a": "é", "b": [1, 2]}
    path.write_text("{")
    with pytest.raises(ValueError, match=r"x\.json is not valid JSON"):
        read_json(path)


def test_sha256_is_the_files(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"dark")
    assert sha256(tmp_path / "f") == hashlib.sha256(b"dark").hexdigest()


def test_home_is_chosen_or_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path))
    assert home() == tmp_path.resolve()
    monkeypatch.delenv("ACTLUMOS_HOME")
    assert (home() / "actlumos" / "runtime" / "files.py").is_file()


def test_tensors_round_trip_and_damage_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "deep" / "a.pt"
    assert load_tensors(path) is None and not capsys.readouterr().out
    save_tensors(path, {"weights": torch.arange(9.0), "epoch": 3})
    assert load_tensors(path)["epoch"] == 3 and load_tensors(path)["weights"].sum() == 36
    whole = path.read_bytes()
    for damaged in (whole[:-10], whole[: len(whole) // 2], b"", b"no tensors"):
        path.write_bytes(damaged)
        assert load_tensors(path) is None
        assert "a.pt is damaged and made again (" in capsys.readouterr().out


WRITE_TWICE = """
import resource, sys, torch
from actlumos.runtime.tensors import save_tensors
path, limit = sys.argv[1], int(sys.argv[2])
save_tensors(path, torch.ones(1000))
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    save_tensors(path, torch.zeros(1_000_000))
except OSError as error:
    print(error)
"""


def write_twice(path: Path, limit: int) -> str:
    """Save a small file, then one of 4 MB over it, in a process; the output of the second save."""
    command = [sys.executable, "-c", WRITE_TWICE, str(path), str(limit)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def assert_old_file_is_whole(path: Path, message: str) -> None:
    assert f"{path} could not be written" in message and "the disk may be full" in message
    assert torch.equal(load_tensors(path), torch.ones(1000))
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_write_that_stops_half_way_keeps_the_old_file(tmp_path: Path) -> None:
    assert_old_file_is_whole(tmp_path / "a.pt", write_twice(tmp_path / "a.pt", 1_000_000))


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("cannot mount a small disk here")
    try:
        assert_old_file_is_whole(disk / "a.pt", write_twice(disk / "a.pt", 0))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=r"file/a\.pt could not be written .* folder read-only"):
        save_tensors(tmp_path / "file" / "a.pt", torch.ones(1))


def test_sweep_takes_what_killed_writes_left_of_one_file(tmp_path: Path) -> None:
    target = tmp_path / "last.pt"
    with pytest.raises(KeyboardInterrupt), atomic_write(target) as temporary:
        left = temporary.rename(temporary.with_name(temporary.name[:-5] + "xx.pt"))
        raise KeyboardInterrupt  # after a copy was put where a killed write leaves its file
    others = [target, tmp_path / "best.pt", tmp_path / ".last-1.pt", tmp_path / ".best-12345678.pt"]
    for path in others:
        path.write_text("")
    assert left.exists()
    sweep(target)
    assert not left.exists() and all(path.exists() for path in others)
