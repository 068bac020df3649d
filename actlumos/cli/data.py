"""What can be asked of `actlumos data`; the answers are in `cli_data_actions`, imported on use."""

from __future__ import annotations

import argparse
import math
from argparse import Namespace

from actlumos.cli.options import add_command, path, place, positive, run_options

EXAMPLES = """\
examples:
  actlumos data list
  actlumos data verify arid-v1.0 --root ARID
  actlumos data prepare arid-v1.0 --root ARID --split 1 --frame-size 128x171
  actlumos data leaks arid-v1.0=ARID:1 ug2-2021=UG2
"""


def add(commands: argparse._SubParsersAction) -> None:
    """The `data` command with its actions."""
    summary = "list, make, verify or prepare a data set"
    parser = add_command(commands, "data", summary, EXAMPLES)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for adder in (_list, _make, _verify, _prepare, _leaks, _rebuild, _cache):
        adder(actions)


def data(arguments: Namespace) -> None:
    """Carry out `arguments.action`.

    Raises:
        DataError: `verify` or `leaks` found something.
    """
    from actlumos.cli.data_actions import ACTIONS

    ACTIONS[arguments.action](arguments)


def _action(
    actions: argparse._SubParsersAction, name: str, summary: str, epilog: str
) -> argparse.ArgumentParser:
    """As `add_command`, which also notes the name of the command: here that stays `data`."""
    parser = add_command(actions, name, summary, epilog)
    parser.set_defaults(command="data")
    return parser


def _list(actions: argparse._SubParsersAction) -> None:
    _action(actions, "list", "names of the data sets", "example:\n  actlumos data list")


def _make(actions: argparse._SubParsersAction) -> None:
    summary = "render or index a run's data set, and print its counts"
    run_options(_action(actions, "make", summary, "example:\n  actlumos data make"))


def _verify(actions: argparse._SubParsersAction) -> None:
    parser = _action(
        actions,
        "verify",
        "check counts and file names against the lists, and decode every clip",
        "An interrupted check continues where it stopped. Exit code 1: not whole.\n\nexamples:\n"
        "  actlumos data verify arid-v1.0 --root ARID\n"
        "  actlumos data verify dark48 --root Dark48 --split 2 --report dark48.json --workers 8",
    )
    _dataset(parser)
    parser.add_argument("--split", type=int, metavar="N", help="one split (default: all)")
    parser.add_argument(
        "--report", type=path, metavar="FILE", help="the JSON report (default: under data/verify/)"
    )
    _workers(parser)


def _prepare(actions: argparse._SubParsersAction) -> None:
    parser = _action(
        actions,
        "prepare",
        "measure every clip and write the manifest; decode the frames if a size is given",
        "examples:\n  actlumos data prepare arid-v1.0 --root ARID --split 1\n"
        "  actlumos data prepare arid-v1.0 --root ARID --frame-size 128x171 --workers 8\n"
        "  actlumos data prepare folder --root my_videos --on-bad-clip skip",
    )
    _dataset(parser)
    parser.add_argument("--split", type=int, metavar="N", help="the split (default: the first)")
    parser.add_argument(
        "--frame-size",
        type=_size,
        metavar="HxW",
        help="also decode, at this height and width, into the cache that training reads",
    )
    parser.add_argument(
        "--on-bad-clip",
        choices=("error", "skip"),
        default="error",
        help="a clip that cannot be read: end with its name, or leave it out (default: error)",
    )
    _workers(parser)


def _leaks(actions: argparse._SubParsersAction) -> None:
    parser = _action(
        actions,
        "leaks",
        "what the lists of data sets share that they should not",
        "Reads lists only; no clip needs to be there. Without a split all are read. Exit code 1: "
        "something is shared.\n\nexamples:\n  actlumos data leaks dark48=Dark48\n"
        "  actlumos data leaks arid-v1.0=ARID:1 ug2-2021=UG2",
    )
    parser.add_argument(
        "sets", nargs="+", metavar="NAME=DIR[:SPLIT]", help="data set, its folder, its split"
    )


def _rebuild(actions: argparse._SubParsersAction) -> None:
    parser = _action(
        actions,
        "rebuild",
        "link Dark48 together by name from your own Kinetics-700 and Moments in Time",
        "One of the two sources is enough for its part. A repeated command continues.\n\n"
        "example:\n  actlumos data rebuild dark48 --kinetics K700 --mit Moments_in_Time "
        "--lists Dark48/annotations --out Dark48",
    )
    parser.add_argument("name", choices=("dark48",), metavar="dark48", help="the data set")
    parser.add_argument("--kinetics", type=path, metavar="DIR", help="folder of Kinetics-700")
    parser.add_argument("--mit", type=path, metavar="DIR", help="folder of Moments in Time")
    parser.add_argument(
        "--lists", type=path, required=True, metavar="DIR", help="folder of Dark48's lists"
    )
    parser.add_argument("--out", type=path, required=True, metavar="DIR", help="folder to make")


def _cache(actions: argparse._SubParsersAction) -> None:
    parser = _action(
        actions,
        "cache",
        "how much room the decoded clips take; remove those not used for the longest time",
        "Removed clips are decoded again when a training needs them. Not while one runs.\n\n"
        "examples:\n  actlumos data cache\n  actlumos data cache --keep 20",
    )
    parser.add_argument(
        "--keep", type=_gigabytes, metavar="GB", help="remove all but so much (default: nothing)"
    )


def _gigabytes(text: str) -> float:
    size = float(text)
    if not 0 <= size < math.inf:
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return size


def _dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="DATASET", help="see `actlumos data list`")
    parser.add_argument(
        "--root", default="", type=place, metavar="DIR", help="the data set's folder"
    )


def _workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="decoding threads (default: 2)"
    )


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    try:
        return positive(height), positive(width)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"must be like 128x171, not {text!r}") from None
