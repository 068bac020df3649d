"""From a command's options to the run that they name."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from actlumos.config import parse
from actlumos.models.pretrained import settings_for
from actlumos.stages.runs import Run, open_run


def open_run_of(arguments: Namespace, split: int | None = None) -> Run:
    """The run that a command's options name; `split` stands in for `--split`."""
    settings = settings_of(arguments)
    if split is not None:
        settings["split"] = split
    place = arguments.dataset, arguments.data_root, arguments.out, arguments.seed
    return open_run(arguments.profile, *place, **settings)


def settings_of(arguments: Namespace) -> dict[str, Any]:
    """What the options change, as plain values that a notebook can be told too.

    Raises:
        ValueError: a `--set` or `--split` that cannot be read.
    """
    chosen: dict[str, Any] = {}
    if arguments.weights:
        path = Path(arguments.weights).expanduser().resolve()
        chosen = settings_for(path) | {"weights": str(path)}
    if arguments.split and arguments.split != "mean":
        chosen["split"] = _number(arguments.split)
    if arguments.second != "darkroom-b" or arguments.second_root:
        root = Path(arguments.second_root).expanduser().resolve() if arguments.second_root else ""
        chosen |= {"second": arguments.second, "second_root": str(root)}
    named = ("short_clips", "on_bad_clip", "select_on", "allow_leaks")
    chosen |= {name: getattr(arguments, name) for name in named if getattr(arguments, name)}
    return chosen | dict(map(_setting, arguments.set))


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set {text!r}: write NAME=VALUE, with a name of actlumos/ledger.csv")
    return name.strip(), parse(name.strip(), value.strip())


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"--split {text!r}: give the number of an official split")
    return int(text)
