"""Where things lie, and how they are written: to a temporary name first, then moved."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import pickle
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

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
    """Yield a temporary path beside `path`; move it there if the block ends without an error.

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
        ends = {"prefix": f".{path.stem}-", "suffix": path.suffix}
        handle, name = tempfile.mkstemp(dir=path.parent, **ends)
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
            f"{_room(path, size)}. Make room and start again; a file of that name from before is "
            "whole"
        ) from error


def _room(path: Path, size: int) -> str:
    """How much a file needs, where that is known, and how much its disk has."""
    needs = f"it needs {_megabytes(size)}, " if size else ""
    place = next(place for place in path.absolute().parents if place.exists())
    return f"{needs}{_megabytes(shutil.disk_usage(place).free)} are free"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def sweep(path: str | Path) -> None:
    """Remove what killed writes of `path` left beside it.

    The caller holds the lock under which `path` is written: nobody else is writing it now.
    """
    path = Path(path)
    stem, suffix = glob.escape(path.stem), glob.escape(path.suffix)
    for leftover in path.parent.glob(f".{stem}-????????{suffix}"):
        leftover.unlink(missing_ok=True)


def save_tensors(path: str | Path, content: Any) -> None:
    """Write what `torch.save` can write, atomically: the old file stays until the new one is whole.

    Raises:
        OSError: the disk is full, read-only or forbidden. PyTorch's own error for a full disk is a
            RuntimeError about a zip writer that names no file.
    """
    import torch  # takes a second to load, and most users of this module need no tensor

    from actlumos.runtime.finite import named_tensors

    size = sum(tensor.nbytes for _, tensor in named_tensors(content))
    try:
        with atomic_write(path, size) as temporary:
            torch.save(content, temporary)
    except DiskFull:
        raise
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"{shown(path)} could not be written ({_first_line(error)}): the disk may be full, or "
            f"its folder read-only ({_room(Path(path), size)}). A file of that name from before is "
            "whole. Make room, or choose another folder, and start again: training goes on from "
            "the last checkpoint"
        ) from error


def load_tensors(path: str | Path) -> Any:
    """Read what `save_tensors` wrote; None where there is no file, or a damaged one.

    A killed write damages nothing, a failing disk can; a line on the screen then says so. For
    what can be made again only: the next write replaces it.
    """
    if not Path(path).exists():
        return None
    try:
        return read_tensors(path)
    except ValueError as error:
        made_again(path, error)
        return None


def made_again(path: str | Path, reason: object) -> None:
    """Say that a file is passed over and will be replaced, and why."""
    print(f"{shown(path)} is damaged and made anew ({shown(reason)})", flush=True)


def read_tensors(path: str | Path) -> Any:
    """Read a file of tensors and plain values onto the CPU; nothing in it is run.

    The check sums of the parts of a file, which `torch.save` writes and `torch.load` passes over,
    are compared first: that takes about a second a gigabyte.

    Raises:
        OSError: no such file, or it may not be read.
        ValueError: a damaged file, or another one. Why is said without PyTorch's own advice, which
            is to load the file in a way that runs what is in it.
    """
    import torch

    with open(path, "rb") as stream:
        try:
            if zipfile.is_zipfile(stream):
                _compare_sums(stream)
            stream.seek(0)
            with warnings.catch_warnings(action="ignore"):  # of unusual, not of bad files
                return torch.load(stream, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            reason = "it holds more than tensors and plain values, or is another kind of file"
        except Exception as error:  # an unpickler raises anything at damaged or hostile bytes
            reason = shown(error) if isinstance(error, _BadPart) else "it cannot be read"
    raise ValueError(f"{shown(path)} is damaged, or no file of tensors: {reason}")


class _BadPart(Exception):
    """A part of a zip file is not what was written."""


def _compare_sums(stream: BinaryIO) -> None:
    with zipfile.ZipFile(stream) as parts:
        if packed := [part for part in parts.infolist() if part.compress_type]:
            raise _BadPart(f"its part {_part(packed[0].filename)} is compressed")
        if wrong := parts.testzip():
            raise _BadPart(f"the check sum of its part {_part(wrong)} is wrong")


def _part(name: str) -> str:
    return name.partition("/")[2]  # without the name that the file was first written under


def _first_line(error: Exception) -> str:
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
            f"{shown(path)} is not valid JSON ({error}); delete it to make it anew"
        ) from None


def load_json(path: str | Path) -> dict[str, Any] | None:
    """Read what `write_json` wrote of a dictionary; None where there is no file, or a damaged one.

    As `load_tensors`: a line on the screen says that it is damaged, and the next write replaces it.
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
