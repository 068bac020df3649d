"""From a command's options to the run that they name."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from actlumos.config import InputError, parse, profile
from actlumos.models.pretrained import settings_for
from actlumos.stages.results import check_place
from actlumos.stages.runs import Run, open_run


def open_run_of(arguments: Namespace, split: int | None = None) -> Run:
    """The run that a command's options name; `split` replaces `--split`.

    Raises:
        ValueError: options that name no run, settings that cannot be used, or a folder that holds
            another run.
    """
    settings = settings_of(arguments)
    if split is not None:
        settings["split"] = split
    elif arguments.split == "mean":
        raise ValueError("--split mean is for `actlumos reproduce`, which runs every split in turn")
    place = arguments.dataset, arguments.data_root, arguments.out, arguments.seed
    run = open_run(arguments.profile, *place, **settings)
    check_place(run)
    return run


def settings_of(arguments: Namespace) -> dict[str, Any]:
    """What the options change, as plain values that a notebook can take too.

    Raises:
        ValueError: a `--split` that cannot be read; an InputError with a line for each `--set`
            that cannot be read or used.
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
    return chosen | _settings(arguments)


def _settings(arguments: Namespace) -> dict[str, Any]:
    """What `--set` changes; all errors in it are reported at once."""
    chosen: dict[str, Any] = {}
    wrong: list[str] = []
    for text in arguments.set:
        try:
            chosen |= [_setting(text)]
        except InputError as error:
            wrong += error.lines
    try:
        profile(arguments.profile, **chosen)
    except InputError as error:
        wrong += error.lines
    if wrong:
        raise InputError(*wrong)
    return chosen


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(
            f"--set {text!r}: write NAME=VALUE, with a name of actlumos/ledger.csv"
        )
    return name.strip(), parse(name.strip(), value.strip())


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"--split {text!r}: give the number of an official split")
    return int(text)
