"""Numbers that are none: NaN and infinity are found before they are kept or believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def first_not_finite(content: Any) -> str:
    """Name of the first tensor that holds NaN or infinity; empty if none does.

    Args:
        content: tensors in dictionaries, lists and tuples, such as the state of an optimizer.
            What is no tensor is passed over. Keys of levels are joined by dots.
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
