"""Where files are, and how they are written: to a temporary name first, then moved."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actlumos.runtime.text import read_text, shown

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NUMPYS_NO_ROOM = " requested and "  # NumPy's error for a full disk has no number


class DiskFull(OSError):
    """A file that could not be written for want of room; the message has its path."""


def home() -> Path:
    """Folder that holds `data/`, `runs/` and `figures/`.

    `ACTLUMOS_HOME` where it is set, else the checkout this package was imported from.
    Never the working directory: a notebook and a shell must find the same files.
    """
    chosen = os.environ.get("ACTLUMOS_HOME")
    return Path(chosen).expanduser().resolve() if chosen else Path(__file__).resolve().parents[2]


@contextmanager
def atomic_write(path: str | Path, size: int = 0) -> Iterator[Path]:
    """Yield a temporary path next to `path`; move it there if the block ends without an error.

    A reader sees the old file or the new one, never half of one. The data reach the disk
    before the name does, so a crash of the machine keeps that promise too.

    Args:
        path: of the file.
        size: how many bytes will be written, for the message about a full disk; 0 = not known.

    Raises:
        DiskFull: there is no room for it.
    """
    path = Path(path)
    with named_if_full(path, size):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(path.suffix, f".{path.stem}-", path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def named_if_full(path: Path, size: int = 0) -> Iterator[None]:
    """Turn the system's error for a full disk into one that names what was being written.

    Args:
        path: the file or folder.
        size: how many bytes it will hold, 0 = not known.

    Raises:
        DiskFull: the block ended with such an error.
    """
    try:
        yield
    except OSError as error:
        no_room = error.errno in _NO_ROOM or _NUMPYS_NO_ROOM in str(error)
        if not no_room or isinstance(error, DiskFull):
            raise
        raise DiskFull(
            f"{shown(path)} could not be written, the disk is full or your quota is used up: "
            f"{free_room(path, size)}. Make room and start again; a file of that name from before "
            "is whole"
        ) from error


def free_room(path: Path, size: int) -> str:
    """How much a file needs, where that is known, and how much its disk has."""
    needs = f"it needs {_megabytes(size)}, " if size else ""
    place = next(place for place in path.absolute().parents if place.exists())
    return f"{needs}{_megabytes(shutil.disk_usage(place).free)} are free"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def sweep(path: str | Path) -> None:
    """Remove the temporary files that killed writes of `path` left.

    The caller holds the lock under which `path` is written: no other process writes it now.
    """
    path = Path(path)
    stem, suffix = glob.escape(path.stem), glob.escape(path.suffix)
    for leftover in path.parent.glob(f".{stem}-????????{suffix}"):
        leftover.unlink(missing_ok=True)


def made_again(path: str | Path, reason: object) -> None:
    """Print that a damaged file is ignored and will be replaced, and why."""
    print(f"{shown(path)} is damaged and made again ({shown(reason)})", flush=True)


  # without the name that the file was first written under


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the name of its type."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip()


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 with its own line ends, atomically."""
    content = text.encode()
    with atomic_write(path, len(content)) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; a broken one is named in the error.

    Raises:
        ValueError: the file is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(
            f"{shown(path)} is not valid JSON ({error}); delete it and it is made again"
        ) from None


def load_json(path: str | Path) -> dict[str, Any] | None:
    """Read what `write_json` wrote of a dictionary; None where there is no file, or a damaged one.

    As `load_tensors`: a printed line reports the damage, and the next write replaces the file.
    """
    if not Path(path).exists():
        return None
    try:
        content = read_json(path)
    except ValueError as error:
        made_again(path, error)
        return None
    if not isinstance(content, dict):
        made_again(path, f"it holds a {type(content).__name__}, not names with values")
        return None
    return content


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
