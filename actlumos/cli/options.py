"""Options of several commands: how a sub-command is added, and which run is meant."""

from __future__ import annotations

import argparse
from pathlib import Path

PROFILES = ("smoke", "demo", "paper")
POLICIES = ("loop", "span", "pad")


class DataError(Exception):
    """A check was carried out and its answer is no (exit code 1, as for a failed notebook)."""


def add_command(
    commands: argparse._SubParsersAction, name: str, summary: str, epilog: str
) -> argparse.ArgumentParser:
    """A sub-command whose `--help` ends with `epilog`, which holds an example."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=name)
    return parser


def run_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which run: data set, split, profile, seed, and single settings."""
    group = parser.add_argument_group("which run")
    group.add_argument(
        "--profile", choices=PROFILES, default="demo", help="size of everything (default: demo)"
    )
    group.add_argument(
        "--dataset",
        default="darkroom",
        metavar="NAME",
        help="data set, see `actlumos data list` (default: darkroom, rendered here)",
    )
    group.add_argument(
        "--data-root", default="", type=place, metavar="DIR", help="the data set's folder"
    )
    group.add_argument(
        "--split", default="", metavar="K", help="official split (default: the data set's first)"
    )
    group.add_argument(
        "--out",
        default="",
        type=place,
        metavar="DIR",
        help="the run's folder (default: runs/<data set>-<profile>-s<seed>, with -split<k> where "
        "there are several)",
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of weights and order (default: 0)"
    )
    _pool_options(parser)
    _setting_options(parser)


def _pool_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("unlabelled clips of pretraining")
    group.add_argument(
        "--second",
        default="darkroom-b",
        metavar="NAME",
        help="the other data set; its training clips are used (default: darkroom-b, rendered here)",
    )
    group.add_argument(
        "--second-root", default="", type=place, metavar="DIR", help="that data set's folder"
    )
    group.add_argument(
        "--allow-leaks", action="store_true", help="pretrain even on a pool that holds test clips"
    )


def _setting_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings that differ from the profile's")
    group.add_argument(
        "--weights", type=place, metavar="PATH", help="pretrained weights of the backbone"
    )
    group.add_argument(
        "--short-clips",
        choices=POLICIES,
        help="a clip shorter than asked for starts over, is spread, or repeats its last frame",
    )
    group.add_argument(
        "--on-bad-clip",
        choices=("error", "skip"),
        help="a clip that cannot be read: end with its name, or leave it out and count it",
    )
    group.add_argument(
        "--select-on",
        choices=("val", "test"),
        help="clips that choose the epoch; test is the habit of earlier code and flatters",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other row of actlumos/ledger.csv; may be given several times",
    )


def commas(text: str) -> list[str]:
    """The non-empty parts of `a,b,c`, or argparse's error where there is none."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise argparse.ArgumentTypeError("names nothing: leave it out to mean all")
    return parts


def place(text: str) -> str:
    """A path with its `~` replaced, which a shell leaves in quotes and in `--name=~/x`."""
    try:
        return str(Path(text).expanduser()) if text else ""
    except RuntimeError:
        name = Path(text).parts[0]
        raise argparse.ArgumentTypeError(
            f"{name} is not a user's home here: write ./{name} for a folder of that name"
        ) from None


def path(text: str) -> Path:
    """As `place`, for a file or folder that is needed."""
    return Path(place(text))


def positive(text: str) -> int:
    """A whole number from 1 on, or argparse's error."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text!r}")
    return int(text)
