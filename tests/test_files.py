"""Files are whole or absent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from actlumos.files import atomic_write, home, read_json, sha256, write_json


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
    assert (home() / "actlumos" / "files.py").is_file()
