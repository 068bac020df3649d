"""Tensors on disk: written atomically, compared with their checksums, refused if not finite."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from actlumos.runtime.files import DiskFull, atomic_write, first_line, free_room, made_again
from actlumos.runtime.text import shown


class _BadPart(Exception):
    """A part of a zip file is not what was written."""


def save_tensors(path: str | Path, content: Any) -> None:
    """Write what `torch.save` can write, atomically: the old file stays until the new one is whole.

    Raises:
        OSError: the disk is full, read-only or forbidden. PyTorch's own error for a full disk is a
            RuntimeError about a zip writer that names no file.
    """
    size = sum(tensor.nbytes for _, tensor in named_tensors(content))
    try:
        with atomic_write(path, size) as temporary:
            torch.save(content, temporary)
    except DiskFull:
        raise
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"{shown(path)} could not be written ({first_line(error)}): the disk may be full, or "
            f"its folder read-only ({free_room(Path(path), size)}). A file of that name from "
            "before is whole. Make room, or choose another folder, and start again: training "
            "continues from the last checkpoint"
        ) from error


def load_tensors(path: str | Path) -> Any:
    """Read what `save_tensors` wrote; None where there is no file, or a damaged one.

    A killed write damages nothing, a failing disk can; a printed line then reports it. Only for
    files that can be made again: the next write replaces them.
    """
    if not Path(path).exists():
        return None
    try:
        return read_tensors(path)
    except ValueError as error:
        made_again(path, error)
        return None


def read_tensors(path: str | Path) -> Any:
    """Read a file of tensors and plain values onto the CPU; nothing in it is run.

    The check sums of the parts of a file, which `torch.save` writes and `torch.load` passes over,
    are compared first: that takes about one second per gigabyte.

    Raises:
        OSError: no such file, or it may not be read.
        ValueError: a damaged file, or another one. The reason is given without PyTorch's advice,
            which is to load the file in a way that runs its code.
    """
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
    raise ValueError(f"{shown(path)} is damaged, or not a file of tensors: {reason}")


def _compare_sums(stream: BinaryIO) -> None:
    with zipfile.ZipFile(stream) as parts:
        if packed := [part for part in parts.infolist() if part.compress_type]:
            raise _BadPart(f"its part {_part(packed[0].filename)} is compressed")
        if wrong := parts.testzip():
            raise _BadPart(f"the check sum of its part {_part(wrong)} is wrong")


def _part(name: str) -> str:
    return name.partition("/")[2]


def first_not_finite(content: Any) -> str:
    """Name of the first tensor that holds NaN or infinity; empty if none does.

    Args:
        content: tensors in dictionaries, lists and tuples, such as the state of an optimizer.
            Other values are ignored. Keys of levels are joined by dots.
    """
    tensors = {name: value for name, value in named_tensors(content) if _can_be_wrong(value)}
    if not tensors or _sums(list(tensors.values())).isfinite().all():
        return ""
    return next((name for name, value in tensors.items() if not value.isfinite().all()), "")


def _sums(tensors: list[Tensor]) -> Tensor:
    """Sum of each: one that is finite has finite terms, and a GPU is waited for once, not often."""
    place = next((value.device for value in tensors if value.device.type != "cpu"), "cpu")
    return torch.stack([value.sum(dtype=torch.float32).to(place) for value in tensors])


def named_tensors(content: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in dictionaries, lists and tuples, with the keys that lead to it."""
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, Mapping | list | tuple):
        pairs = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, value in pairs:
            yield from named_tensors(value, f"{name}.{key}" if name else str(key))


def _can_be_wrong(value: Tensor) -> bool:
    return value.is_floating_point() and value.numel() > 0
