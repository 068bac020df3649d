"""Where things lie, and how they are written: to a temporary name first, then moved."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def home() -> Path:
    """Folder that holds `data/`, `runs/` and `figures/`.

    `ACTLUMOS_HOME` where it is set, else the checkout this package was imported from.
    Never the working directory: a notebook and a shell must find the same files.
    """
    chosen = os.environ.get("ACTLUMOS_HOME")
    return Path(chosen).expanduser().resolve() if chosen else Path(__file__).resolve().parents[2]


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it there if the block ends without an error.

    A reader sees the old file or the new one, never half of one. The data reach the disk
    before the name does, so a crash of the machine keeps that promise too.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
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


def sweep(path: str | Path) -> None:
    """Remove what killed writes of `path` left beside it.

    The caller holds the lock under which `path` is written: nobody else is writing it now.
    """
    path = Path(path)
    for leftover in path.parent.glob(f".{path.stem}-????????{path.suffix}"):
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


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; a broken one is named in the error.

    Raises:
        ValueError: the file is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON ({error}); delete it to make it anew") from None


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
