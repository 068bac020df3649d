"""Archives of data sets: unpacked once, and never outside their own folder.

Everything an archive lists is checked before the first byte is written: plain files and folders
only, relative names without `..`, each path once, and a size that a set of videos can have. Names
are read as Windows and `tar` write them: `left\\0.mp4` and `./left/0.mp4` are `left/0.mp4`. Then it
is unpacked into a temporary folder, which is moved into place; an interrupted call leaves nothing
behind, and the next call removes what a killed one left.
"""

from __future__ import annotations

import glob
import io
import lzma
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from filelock import FileLock

from actlumos.runtime.files import DiskFull, home, named_if_full, read_json, write_json
from actlumos.runtime.text import shown

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MOST_FILES = 2_000_000
_MOST_GROWTH = 20
_SLACK = 100 * 2**20
_MARKER = ".unpacked.json"
_WINDOWS_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError,
    NotImplementedError, OSError,
)  # fmt: skip


class _Member(NamedTuple):
    """A file or folder of an archive; `open` gives its bytes."""

    name: str
    size: int
    plain: bool
    folder: bool = False
    locked: bool = False
    open: Callable[[], IO[bytes]] = io.BytesIO

    @property
    def place(self) -> PurePosixPath:
        """Its path in the data set, with forward slashes."""
        return PurePosixPath(self.name.replace("\\", "/"))


def opened(root: str | Path) -> Path:
    """The data set's folder: `root`, or where it is unpacked if it is an archive.

    Args:
        root: a folder, or a .zip, .tar, .tar.gz or .tgz file. An archive goes to
            `data/<its name>` of the project and is not unpacked again as long as it is the same.

    Raises:
        FileNotFoundError: there is neither a folder nor a file.
        ValueError: a file of another kind, an unsafe or damaged archive, or a folder of that
            name holds something else.
        DiskFull: there is no room for what is in it.
    """
    root = Path(root).expanduser().resolve()
    if root.is_dir():
        return root
    if not root.is_file():
        raise FileNotFoundError(
            f"{shown(root)}: no such folder; give the data set's folder or archive"
        )
    ending = next((x for x in sorted(SUFFIXES, key=len) if root.name.lower().endswith(x)), None)
    if ending is None:
        raise ValueError(f"{shown(root)} is neither a folder nor an archive ({' '.join(SUFFIXES)})")
    target = home() / "data" / root.name[: -len(ending)]
    if not _is_from(target, root):
        with _alone(target):
            if not _is_from(target, root):  # another process may have been faster
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
        f"{shown(target)} exists and was not unpacked from {shown(archive)} as it is now: move "
        "or delete that folder, or give it as the root if it is what you want"
    )


def _identity(archive: Path) -> dict[str, Any]:
    about = archive.stat()
    return {"archive": archive.name, "size": about.st_size, "mtime_ns": about.st_mtime_ns}


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """While one process unpacks, others that need the same folder wait."""
    target.parent.mkdir(parents=True, exist_ok=True)
    place = target.with_name(f".{target.name}.lock")
    with FileLock(place):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps a file that is open
                place.unlink()


def _unpack(archive: Path, target: Path) -> None:
    for left in target.parent.glob(f".{glob.escape(target.name)}-????????"):
        shutil.rmtree(left, ignore_errors=True)  # of a process that was killed
    place = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        print(f"unpack {shown(archive)} to {shown(target)}", flush=True)
        _extract(archive, place, target)
        write_json(place / _MARKER, _identity(archive))
        place.chmod(0o755)
        os.rename(place, target)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _extract(archive: Path, place: Path, target: Path) -> None:
    """Check every member, then write them into `place`; `target` is for messages.

    Raises:
        ValueError: unsafe or damaged.
        DiskFull: there is no room.
    """
    try:
        with _members(archive) as found:
            members = _checked(found, archive, place)
            with named_if_full(target, sum(member.size for member in members)):
                for member in members:
                    _write(member, place / member.place)
    except DiskFull:
        raise
    except _DAMAGED as error:
        raise ValueError(
            f"{shown(archive)}: cannot be unpacked ({shown(error)}); fetch it again"
        ) from error


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    """The members of an open archive, one after the other."""
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as file:
            yield (_zip_member(file, info) for info in file.infolist())
    else:
        with tarfile.open(archive) as file:
            yield (_tar_member(file, info) for info in file)


def _zip_member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    name, plain = info.orig_filename, kind in (0, stat.S_IFREG, stat.S_IFDIR)
    folder, locked = name.endswith(("/", "\\")), bool(info.flag_bits & 1)
    return _Member(name, info.file_size, plain, folder, locked, partial(file.open, info))


def _tar_member(file: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    plain, read = info.isreg() or info.isdir(), partial(file.extractfile, info)
    return _Member(
        info.name, info.size, plain, info.isdir(),
        open=read,  # type: ignore[arg-type]  # None only for what is not plain, never opened
    )  # fmt: skip


def _write(member: _Member, place: Path) -> None:
    """Write one member; never over another, even if the file system treats two names as one."""
    if member.folder:
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, open(place, "xb") as out:
        shutil.copyfileobj(source, out)


def _checked(members: Iterable[_Member], archive: Path, place: Path) -> list[_Member]:
    """The members; ValueError before anything is written, if they should not be unpacked.

    Videos hardly compress: an archive that grows twentyfold was probably made to fill a disk.
    """
    limit = archive.stat().st_size * _MOST_GROWTH + _SLACK
    total, seen, good = 0, dict[PurePosixPath, bool](), list[_Member]()
    for member in members:
        problem = _problem(member)
        if member.place in seen and not (member.folder and seen[member.place]):
            problem = problem or "is in it twice"
        seen[member.place] = member.folder
        if problem:
            raise ValueError(f"{shown(archive)}: {member.name!r} {problem}; nothing was unpacked")
        good.append(member)
        total += member.size
        if total > limit or len(good) > MOST_FILES:
            raise ValueError(
                f"{shown(archive)} would grow twentyfold: unpack it by hand if you trust it"
            )
    if total > (room := shutil.disk_usage(place).free):
        raise ValueError(
            f"{shown(archive)} needs {total / 1e9:.1f} GB, {shown(place.parent)} has "
            f"only {room / 1e9:.1f} GB free"
        )
    return good


def _problem(member: _Member) -> str:
    parts = member.place.parts
    if not parts and not member.folder:
        return "has no name"
    drive = ":" in "".join(parts[:1])
    if member.place.is_absolute() or drive or ".." in parts or "\0" in member.name:
        return "is outside the archive's folder"
    if any(_WINDOWS_DEVICES.fullmatch(part) for part in parts):
        return "is the name of a device on Windows"
    if member.locked:
        return "is encrypted: unpack the archive by hand"
    return "" if member.plain else "is a link or a device, not a file"
