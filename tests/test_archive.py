"""Archives: unpacked once, whole or not at all, and never outside their folder."""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actlumos.data.published import archive, read_listing
from actlumos.data.published.archive import opened
from actlumos.data.published.listing import locate

GOOD = {"set/a.txt": b"one", "set/deep/b.txt": b"two" * 1000, "-dash.txt": b""}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked to."""
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "data"


def zipped(path: Path, files: dict[str, bytes], **about: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = about.get("mode", stat.S_IFREG | 0o644) << 16
            out.writestr(info, content)
    return path


def tarred(path: Path, files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
            out.addfile(info, io.BytesIO(content))
    return path


def inside(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", ["My set.zip", "MY.ZIP", "my.tar", "my.tar.gz", "my.v2.tgz"])
def test_an_archive_is_unpacked_once(data: Path, tmp_path: Path, name: str) -> None:
    path = (zipped if name.lower().endswith("zip") else tarred)(tmp_path / name, GOOD)
    folder = opened(path)
    stem = {"My set.zip": "My set", "MY.ZIP": "MY", "my.v2.tgz": "my.v2"}.get(name, "my")
    assert folder == data / stem and inside(folder) == GOOD
    (folder / "-dash.txt").write_text("still here")
    assert opened(str(path)) == folder and inside(folder)["-dash.txt"] == b"still here"
    assert [each.name for each in data.iterdir()] == [stem]


def test_a_folder_is_itself_and_other_things_are_refused(data: Path, tmp_path: Path) -> None:
    assert opened(tmp_path) == tmp_path.resolve()
    with pytest.raises(FileNotFoundError, match="no such folder"):
        opened(tmp_path / "nowhere.zip")
    (tmp_path / "notes.rar").write_text("x")
    with pytest.raises(ValueError, match=r"neither a folder nor an archive \(.zip"):
        opened(tmp_path / "notes.rar")


def test_a_folder_in_the_way_is_left_alone(data: Path, tmp_path: Path) -> None:
    (data / "my").mkdir(parents=True)
    (data / "my" / "precious.txt").write_text("mine")
    path = zipped(tmp_path / "my.zip", GOOD)
    with pytest.raises(ValueError, match="exists and was not unpacked from"):
        opened(path)
    assert inside(data / "my") == {"precious.txt": b"mine"}
    other = zipped(tmp_path / "your.zip", GOOD)
    opened(other)
    zipped(other, {"new.txt": b"new"})
    with pytest.raises(ValueError, match="as it is now: move or delete that folder"):
        opened(other)


BAD_NAMES = [
    "/etc/x", "../x", "a/../../x", "..\\x", "C:/x", "C:\\x", "\\x", "a/..", "nul", "a/COM1.txt"
]  # fmt: skip


def refused(path: Path, data: Path, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        opened(path)
    assert not list(data.iterdir())
    assert not (data.parent / "x").exists() and not (data / "x").exists()


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_outside_the_folder_are_refused(data: Path, tmp_path: Path, name: str) -> None:
    for path in (
        zipped(tmp_path / "a.zip", {"fine.txt": b"1", name: b"2"}),
        tarred(tmp_path / "a.tar", {"fine.txt": b"1", name: b"2"}),
    ):
        refused(path, data, "nothing was unpacked")


def test_links_and_devices_are_refused(data: Path, tmp_path: Path) -> None:
    for number, kind in enumerate((stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO)):
        path = zipped(tmp_path / f"{number}.zip", {"link": b"/etc/passwd"}, mode=kind | 0o777)
        refused(path, data, "is a link or a device")
    for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE)):
        path = tarred(tmp_path / f"{number}.tar", {"link": b""}, kind)
        refused(path, data, "is a link or a device")


def test_an_archive_bomb_is_refused_before_it_is_unpacked(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {"zeros": bytes(120 * 2**20)})
    assert bomb.stat().st_size < 2**18
    refused(bomb, data, "grow twentyfold")
    monkeypatch.setattr(archive, "MOST_FILES", 2)
    refused(zipped(tmp_path / "many.zip", GOOD), data, "grow twentyfold")


def test_a_full_disk_is_noticed_first(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = os.terminal_size((0, 0)), type("Usage", (), {"free": 10})
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: full[1])
    refused(zipped(tmp_path / "a.zip", GOOD), data, "has only 0.0 GB free")


def test_double_names_and_damage_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = tmp_path / "double.zip"
        with zipfile.ZipFile(path, "w") as out:
            out.writestr("a.txt", b"1")
            out.writestr("a.txt", b"2")
    refused(path, data, "is in it twice")
    whole = zipped(tmp_path / "whole.zip", {"a": os.urandom(5000)}).read_bytes()
    for name, content in {
        "short.zip": whole[:3000],
        "flipped.zip": whole[:900] + bytes([whole[900] ^ 255]) + whole[901:],
        "none.zip": b"no archive",
        "none.tar": b"no archive",
        "short.tgz": tarred(tmp_path / "t.tgz", {"a": os.urandom(5000)}).read_bytes()[:3000],
    }.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, data, f"{name}: cannot be unpacked")


SAFE = st.text("abcXYZ019._- é", min_size=1, max_size=8).filter(lambda part: set(part) - {"."})


@given(st.lists(st.lists(SAFE, min_size=1, max_size=3).map("/".join), max_size=4, unique=True))
def test_ordinary_names_are_no_problem(names: list[str]) -> None:
    assert all(not archive._problem(archive._Member(name, 1, True)) for name in names)


def test_a_zipped_data_set_loads_like_its_folder(
    data: Path, tmp_path: Path, tiny_videos: Path
) -> None:
    video = (tiny_videos / "left" / "left_0_1.mp4").read_bytes()
    top = "ARID_v1_5_211015"
    files = {f"{top}/clips_v1.5/Sit/Sit_{n}_1.mp4": video for n in (4, 5)}
    for role in ("train", "test"):
        row = f"0\t6\tSit/Sit_{len(role)}_1.mp4\n".encode()
        files[f"{top}/list_cvt/split_0/split0_{role}.txt"] = row
    listing = read_listing("arid-v1.5", zipped(tmp_path / f"{top}.zip", files), 0)
    assert len(locate(listing).found) == 2
    assert listing.videos == data / top / top / "clips_v1.5"


def test_a_zip_made_on_windows_becomes_folders(data: Path, tmp_path: Path) -> None:
    names = {"set\\left\\0.mp4": b"0", "set\\left\\1.mp4": b"1", "set\\train.txt": b"list"}
    path = tmp_path / "w.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(zipfile.ZipInfo("set\\empty\\"), b"")
        for name, content in names.items():
            info = zipfile.ZipInfo("x")
            info.filename, info.create_system = name, 0
            out.writestr(info, content)
    folder = opened(path)
    assert inside(folder) == {name.replace("\\", "/"): text for name, text in names.items()}
    assert (folder / "set" / "empty").is_dir()
    assert inside(opened(tarred(tmp_path / "t.tar", names))) == inside(folder)


@pytest.mark.parametrize(
    "pair",
    [
        ("left/0.mp4", "./left/0.mp4"), ("left/0.mp4", "left//0.mp4"), ("a/b/c", "a/./b/c"),
        ("left/0.mp4", "left\\0.mp4"), ("left/0.mp4", "./left/0.mp4/"),
    ],
)  # fmt: skip
def test_one_place_under_two_names_is_refused(
    data: Path, tmp_path: Path, pair: tuple[str, str]
) -> None:
    files = dict.fromkeys(pair, b"")
    for path in (zipped(tmp_path / "a.zip", files), tarred(tmp_path / "a.tar", files)):
        refused(path, data, "is in it twice; nothing was unpacked")


def test_a_file_that_is_a_folder_too_is_refused(data: Path, tmp_path: Path) -> None:
    for files in ({"a": b"1", "a/b": b"2"}, {"a/b": b"2", "a": b"1"}):
        refused(zipped(tmp_path / "a.zip", files), data, "cannot be unpacked")


def test_nothing_is_written_over(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that differ in case are one file on some systems: simulated by folding them."""
    write = archive._write
    lower = lambda place: place.with_name(place.name.lower())  # noqa: E731
    monkeypatch.setattr(archive, "_write", lambda member, place: write(member, lower(place)))
    refused(zipped(tmp_path / "a.zip", {"X.mp4": b"1", "x.mp4": b"2"}), data, "File exists")


def test_a_tar_of_the_current_folder_and_folders_named_twice_are_fine(
    data: Path, tmp_path: Path
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.txt").write_text("one")
    with tarfile.open(tmp_path / "dot.tar", "w") as out:
        out.add(tmp_path / "set", ".")
        out.add(tmp_path / "set", ".", recursive=False)
    assert inside(opened(tmp_path / "dot.tar")) == {"a.txt": b"one"}


KILLED = """
import os, signal, sys
from pathlib import Path
from actlumos.data.published import archive

write = archive._write

def last(member, place):
    write(member, place)
    os.kill(os.getpid(), signal.SIGTERM)

archive._write = last
archive.opened(Path(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_what_a_killed_call_left_is_removed(data: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "my.zip", GOOD)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True)
    assert killed.returncode == -signal.SIGTERM
    left = [each.name for each in data.iterdir() if each.is_dir()]
    assert len(left) == 1 and left[0].startswith(".my-")
    (data / ".my-2-abcdefgh").mkdir()  # of another archive
    assert inside(opened(path)) == GOOD
    assert sorted(each.name for each in data.iterdir()) == [".my-2-abcdefgh", "my"]


def test_two_calls_at_a_time_unpack_once(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = zipped(tmp_path / "my.zip", {f"{n}.txt": os.urandom(100) for n in range(200)})
    with ThreadPoolExecutor(4) as pool:
        places = list(pool.map(opened, [path] * 4))
    assert set(places) == {data / "my"} and len(inside(data / "my")) == 200
    assert capsys.readouterr().out.count("unpack ") == 1
    assert [each.name for each in data.iterdir()] == ["my"]


def test_names_are_shown_without_commands_to_the_terminal(data: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "red\x1b[31m.zip", {"a": b"", "../\x1b]0;x": b""})
    with pytest.raises(ValueError) as raised:
        opened(path)
    assert "\x1b" not in str(raised.value) and r"red\x1b[31m.zip" in str(raised.value)
