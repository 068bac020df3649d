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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actlumos.runtime.text import read_text, shown

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


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
        if error.errno not in _NO_ROOM or isinstance(error, DiskFull):
            raise
        needs = f"it needs {_megabytes(size)}, " if size else ""
        place = next(place for place in path.absolute().parents if place.exists())
        raise DiskFull(
            f"{shown(path)} could not be written, the disk is full or your quota is used up: "
            f"{needs}{_megabytes(shutil.disk_usage(place).free)} are free. Make room and start "
            "again; a file of that name from before is whole"
        ) from error


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

    try:
        with atomic_write(path) as temporary:
            torch.save(content, temporary)
    except DiskFull:
        raise
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"{path} could not be written ({_first_line(error)}): the disk may be full, or its "
            "folder read-only. A file of that name from before is whole. Make room, or choose "
            "another folder, and start again: training goes on from the last checkpoint"
        ) from error


def load_tensors(path: str | Path) -> Any:
    """Read what `save_tensors` wrote; None where there is no file, or a damaged one.

    A killed write damages nothing, a failing disk can; a line on the screen then says so. For
    what can be made anew only: the next write replaces it.
    """
    import torch

    if not Path(path).exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        print(f"{path} is damaged and made anew ({_first_line(error)})", flush=True)
        return None


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
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{shown(path)} is not valid JSON ({error}); delete it to make it anew"
        ) from None


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
