"""The command line: what can be asked for, and how an error is said.

The commands themselves are in `cli_commands`, imported only when one runs: `--help` must answer
at once, and PyTorch takes seconds to import.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from actlumos import __version__

PROFILES = ("smoke", "demo", "paper")
USAGE_ERROR = 2

OVERVIEW = """\
Dark video action recognition: an independent re-implementation of ActLumos.

A run is one data set, one profile and one seed; it lives in runs/<data set>-<profile>-s<seed>/.
  smoke   seconds a notebook; shows that everything works
  demo    minutes on a CPU; the numbers of the README
  paper   R(2+1)D-34, 64 frames at 112 x 112; for GPUs
"""
EXAMPLES = """\
examples:
  actlumos reproduce --profile demo
  actlumos reproduce --profile smoke --dataset folder --data-root my_videos
  actlumos train teacher --profile demo
  actlumos evaluate ssl-kd --on folder --on-root my_videos
  actlumos predict some.mp4 --checkpoint runs/darkroom-demo-s0/ssl-kd/checkpoint.pt
"""
ARMS_HELP = """\
arms, by what they train (what an arm needs is trained first):
  one stream     dark retinex dark-fixed dark-log
  two streams    fusion-mean fusion-concat dff teacher
  pretraining    ssl ssl-a ssl-b ssl-spatial ssl-temporal
  students       kd ssl-kd ssl-a-kd ssl-b-kd ssl-spatial-kd ssl-temporal-kd
  controls       one-frame background
"""


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _add(
    commands: argparse._SubParsersAction, name: str, summary: str, epilog: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=name)
    return parser


def _run_options(parser: argparse.ArgumentParser) -> None:
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
        "--data-root",
        default="",
        metavar="DIR",
        help="the data set's folder; for `folder`, a folder of class folders of videos",
    )
    group.add_argument(
        "--out",
        default="",
        metavar="DIR",
        help="the run's folder (default: runs/<data set>-<profile>-s<seed>)",
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of weights and order (default: 0)"
    )


def _reproduce(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "reproduce",
        "run every notebook without a browser, and print the results",
        "Finished stages are not repeated: an interrupted command goes on where it stopped.\n\n"
        "examples:\n  actlumos reproduce --profile smoke\n  actlumos reproduce --only 03,05",
    )
    _run_options(parser)
    parser.add_argument(
        "--only",
        type=_commas,
        default=[],
        metavar="03,05",
        help="only these notebooks, by number or name",
    )
    parser.add_argument(
        "--cell-timeout",
        type=int,
        metavar="SECONDS",
        help="a cell that runs longer has failed (default: by profile)",
    )


def _data(commands: argparse._SubParsersAction) -> None:
    parser = _add(commands, "data", "list or make a data set", "example:\n  actlumos data make")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="names of the data sets")
    make = actions.add_parser("make", help="render or index one, and print its counts")
    _run_options(make)


def _train(commands: argparse._SubParsersAction) -> None:
    example = "\nexample:\n  actlumos train teacher --profile smoke"
    parser = _add(commands, "train", "train one arm and what it needs", ARMS_HELP + example)
    parser.add_argument("stage", metavar="STAGE", help="name of an arm, see below")
    _run_options(parser)


def _evaluate(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "evaluate",
        "test a trained arm on a split, or on another data set",
        "On another data set only the classes that both know count, clips and choices alike.\n\n"
        "examples:\n  actlumos evaluate teacher --split val\n"
        "  actlumos evaluate ssl-kd --on folder --on-root my_videos --split all",
    )
    parser.add_argument("stage", metavar="STAGE", help="name of an arm trained in the run")
    parser.add_argument(
        "--split",
        choices=("train", "val", "test", "all"),
        default="test",
        help="which clips (default: test)",
    )
    parser.add_argument("--on", default="", metavar="NAME", help="another data set to test on")
    parser.add_argument("--on-root", default="", metavar="DIR", help="that data set's folder")
    _run_options(parser)


def _predict(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "predict",
        "name the action in videos",
        "example:\n  actlumos predict a.mp4 b.mp4 "
        "--checkpoint runs/darkroom-demo-s0/ssl-kd/checkpoint.pt --top 3",
    )
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="video files")
    parser.add_argument(
        "--checkpoint", required=True, type=Path, metavar="PATH", help="a trained arm's weights"
    )
    parser.add_argument(
        "--top", type=_positive, default=5, metavar="K", help="classes to print (default: 5)"
    )


def _figures(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "figures",
        "make every figure and table again from a run's results",
        "example:\n  actlumos figures --profile demo",
    )
    _run_options(parser)


def _commas(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text!r}")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, `--help` texts included."""
    parser = _Parser(
        prog="actlumos",
        description=OVERVIEW,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"actlumos {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for add in (_reproduce, _data, _train, _evaluate, _predict, _figures):
        add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    0: done. 1: something failed on the way (a notebook, the disk). 2: bad usage or bad input,
    said in one line on stderr. 130: interrupted. An error that is ours to fix keeps its
    traceback.
    """
    arguments = build_parser().parse_args(argv)
    from actlumos import cli_commands
    from actlumos.notebooks import NotebookError

    command: Callable[[argparse.Namespace], None] = cli_commands.COMMANDS[arguments.command]
    try:
        command(arguments)
    except NotebookError as error:
        return _say(error, 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        return _say(error, USAGE_ERROR)
    except ValueError as error:
        if not _raised_by_us(error):
            raise
        return _say(error, USAGE_ERROR)
    except OSError as error:
        return _say(error, 1)
    except KeyboardInterrupt:
        return _say("interrupted; the same command goes on from the last finished step", 130)
    return 0


def _say(what: object, code: int) -> int:
    print(f"actlumos: {' '.join(str(what).split())}", file=sys.stderr)
    return code


def _raised_by_us(error: ValueError) -> bool:
    """Whether the error was raised in this package, so that its message was meant for the user."""
    package = os.path.dirname(os.path.abspath(__file__))
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    return os.path.abspath(last).startswith(package + os.sep)
