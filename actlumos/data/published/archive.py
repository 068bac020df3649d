"""Archives as data sets come in: unpacked once, and never outside their own folder.

Everything an archive lists is checked before the first byte is written: plain files and folders
only, relative names without `..`, and a size that a set of videos can have. Then it is unpacked
into a temporary folder, which is moved into place; an interrupted call leaves nothing behind.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from actlumos.runtime.files import home, read_json, write_json

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MOST_FILES = 2_000_000
_MOST_GROWTH = 20
_SLACK = 100 * 2**20
_MARKER = ".unpacked.json"
_WINDOWS_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, OSError,
)  # fmt: skip


class _Member(NamedTuple):
    name: str
    size: int
    plain: bool


def opened(root: str | Path) -> Path:
    """The data set's folder: `root`, or where it is unpacked if it is an archive.

    Args:
        root: a folder, or a .zip, .tar, .tar.gz or .tgz file. An archive goes to
            `data/<its name>` of the project and is not unpacked again as long as it is the same.

    Raises:
        FileNotFoundError: there is neither a folder nor a file.
        ValueError: a file of another kind, an unsafe or damaged archive, or a folder of that
            name holds something else.
    """
    root = Path(root).expanduser().resolve()
    if root.is_dir():
        return root
    if not root.is_file():
        raise FileNotFoundError(f"{root}: no such folder; give the data set's folder or archive")
    ending = next((x for x in sorted(SUFFIXES, key=len) if root.name.lower().endswith(x)), None)
    if ending is None:
        raise ValueError(f"{root} is neither a folder nor an archive ({' '.join(SUFFIXES)})")
    target = home() / "data" / root.name[: -len(ending)]
    if not _is_from(target, root):
        _unpack(root, target)
    return target


def _is_from(target: Path, archive: Path) -> bool:
    """Whether `target` is this archive, unpacked.

    Raises:
        ValueError: `target` is there and is something else.
    """
    if not target.exists():
        return False
    marker = target / _MARKER
    if marker.is_file() and read_json(marker) == _identity(archive):
        return True
    raise ValueError(
        f"{target} is in the way of {archive} and does not come from it as it is now: "
        "move or delete that folder, or give it as the root if it is what you want"
    )


def _identity(archive: Path) -> dict[str, Any]:
    about = archive.stat()
    return {"archive": archive.name, "size": about.st_size, "mtime_ns": about.st_mtime_ns}


def _unpack(archive: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        print(f"unpack {archive} to {target}", flush=True)
        _extract(archive, place)
        write_json(place / _MARKER, _identity(archive))
        place.chmod(0o755)
        try:
            os.rename(place, target)
        except OSError:
            if not _is_from(target, archive):  # another process may have been faster
                raise
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _extract(archive: Path, place: Path) -> None:
    try:
        if archive.suffix.lower() == ".zip":
            with zipfile.ZipFile(archive) as file:
                _check(map(_zip_member, file.infolist()), archive, place)
                file.extractall(place)
        else:
            with tarfile.open(archive) as file:
                _check(map(_tar_member, file), archive, place)
                file.extractall(place, filter="data")
    except _DAMAGED as error:
        raise ValueError(f"{archive}: cannot be unpacked ({error}); fetch it anew") from error


def _zip_member(info: zipfile.ZipInfo) -> _Member:
    if info.flag_bits & 1:
        raise ValueError(f"{info.filename!r} is encrypted: unpack the archive by hand")
    kind = stat.S_IFMT(info.external_attr >> 16)
    return _Member(info.orig_filename, info.file_size, kind in (0, stat.S_IFREG, stat.S_IFDIR))


def _tar_member(info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, info.size, info.isreg() or info.isdir())


def _check(members: Iterable[_Member], archive: Path, place: Path) -> None:
    """Raise ValueError before anything is written, if the archive should not be unpacked.

    Videos hardly shrink in an archive: growing twentyfold is the mark of one made to fill a disk.
    """
    room = shutil.disk_usage(place).free
    limit = archive.stat().st_size * _MOST_GROWTH + _SLACK
    total, seen = 0, set()
    for member in members:
        problem = _problem(member)
        if not problem and member.name in seen:
            problem = "is in it twice"
        if problem:
            raise ValueError(f"{archive}: {member.name!r} {problem}; nothing was unpacked")
        seen.add(member.name)
        total += member.size
        if total > limit or len(seen) > MOST_FILES:
            raise ValueError(f"{archive} would grow twentyfold: unpack it by hand if you trust it")
        if total > room:
            raise ValueError(f"{archive}: {place.parent} has {room / 1e9:.1f} GB, too few for it")


def _problem(member: _Member) -> str:
    name = member.name.replace("\\", "/").removesuffix("/")
    parts = name.removeprefix("./").split("/")
    if name.startswith("/") or ":" in parts[0] or ".." in parts or "\0" in name:
        return "lies outside the archive's folder"
    if any(_WINDOWS_DEVICES.fullmatch(part) for part in parts):
        return "is the name of a device on Windows"
    return "" if member.plain else "is a link or a device, not a file"
