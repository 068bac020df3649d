"""The command line: its commands and options, and how errors are printed.

The commands themselves are in `commands`, imported only when one runs: `--help` must answer
at once, and PyTorch takes seconds to import.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from actlumos import __version__
from actlumos.cli import baselines, cost, data, tables
from actlumos.cli.options import DataError, add_command, commas, path, place, positive, run_options
from actlumos.runtime.errors import NotebookError
from actlumos.runtime.text import shown

USAGE_ERROR = 2
BROKEN_PIPE = 128 + 13

OVERVIEW = """\
Dark video action recognition: an independent re-implementation of ActLumos.

A run is one data set and split, one profile and one seed; it has a folder under runs/.
  smoke   seconds per notebook; shows that everything works
  demo    minutes on a CPU; the numbers of the README
  paper   R(2+1)D-34, 64 frames at 112 x 112; for GPUs
"""
EXAMPLES = """\
examples:
  actlumos reproduce --profile demo
  actlumos reproduce --profile smoke --dataset folder --data-root my_videos
  actlumos data verify arid-v1.0 --root ARID
  actlumos reproduce --only 08 --profile paper --dataset arid-v1.0 --data-root ARID --split mean
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
  other systems  baselines/NAME, see `actlumos baselines list`
"""


ENGINES = ("torch", "onnx", "openvino", "openvino-int8")
PREDICT_HELP = """\
--stream gives a row for every window of a video. Each frame is decoded and prepared once, and
memory does not grow with the video.

engines: torch; onnx, openvino and openvino-int8 need pip install 'actlumos[fast]', convert the
network once and keep it in the cache. openvino-int8 is made by `actlumos evaluate ARM --engine
openvino-int8`, which knows the training clips. auto: openvino once it was made, else torch.

examples:
  actlumos predict a.mp4 b.mp4 --checkpoint runs/darkroom-demo-s0/ssl-kd/checkpoint.pt --top 3
  actlumos predict long.mp4 --stream --json rows.json --checkpoint runs/NAME/ssl-kd/checkpoint.pt
"""


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _reproduce(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "reproduce",
        "run every notebook without a browser, and print the results",
        "Finished stages are not repeated: an interrupted command continues where it stopped.\n\n"
        "examples:\n  actlumos reproduce --profile smoke\n  actlumos reproduce --only 03,05",
    )
    run_options(parser)
    parser.add_argument(
        "--only",
        type=commas,
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


def _train(commands: argparse._SubParsersAction) -> None:
    example = "\nexample:\n  actlumos train teacher --profile smoke"
    parser = add_command(commands, "train", "train one arm and what it needs", ARMS_HELP + example)
    parser.add_argument("stage", metavar="STAGE", help="name of an arm, see below")
    run_options(parser)


def _evaluate(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "evaluate",
        "test a trained arm on other clips, or on another data set",
        "On another data set only classes of both count, for clips and for predictions.\n\n"
        "examples:\n  actlumos evaluate teacher --clips val\n"
        "  actlumos evaluate ssl-kd --on folder --on-root my_videos --clips all",
    )
    parser.add_argument("stage", metavar="STAGE", help="name of an arm trained in the run")
    parser.add_argument(
        "--clips",
        choices=("train", "val", "test", "all"),
        default="test",
        help="which clips (default: test)",
    )
    parser.add_argument(
        "--engine", choices=ENGINES, help="run it in this engine (default: as in training)"
    )
    parser.add_argument("--on", default="", metavar="NAME", help="another data set to test on")
    parser.add_argument(
        "--on-root", default="", type=place, metavar="DIR", help="that data set's folder"
    )
    run_options(parser)


def _predict(commands: argparse._SubParsersAction) -> None:
    parser = add_command(commands, "predict", "name the action in videos", PREDICT_HELP)
    parser.add_argument("videos", nargs="+", type=path, metavar="VIDEO", help="video files")
    parser.add_argument(
        "--checkpoint", required=True, type=path, metavar="PATH", help="a trained arm's weights"
    )
    parser.add_argument(
        "--top", type=positive, default=5, metavar="K", help="classes to print (default: 5)"
    )
    parser.add_argument(
        "--engine",
        choices=("auto", *ENGINES),
        default="auto",
        help="what runs the network (default: auto)",
    )
    parser.add_argument("--stream", action="store_true", help="a row for every window of a video")
    parser.add_argument(
        "--hop", type=positive, metavar="N", help="frames between windows (default: half of one)"
    )
    parser.add_argument(
        "--json", type=path, metavar="FILE", help="also write the rows with all probabilities"
    )


def _figures(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "figures",
        "make every figure and table again from a run's results",
        "example:\n  actlumos figures --profile demo",
    )
    run_options(parser)


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
    adders = (_reproduce, data.add, _train, _evaluate, _predict, _figures)
    for add in (*adders, tables.add, cost.add, baselines.add):
        add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    0: done. 1: something failed on the way (a notebook, the disk, a training without finite
    numbers). 2: bad usage or bad input: one line on stderr, or one line per problem.
    130: interrupted. 141: the output is closed (`| head`). An error of this package keeps its
    traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal may lack letters of a name
    # GNU OpenMP reads it when torch is loaded: a thread that waits gives its core away after some
    # microseconds. By default that takes milliseconds, and beside a few other busy programs a
    # training step took ten times as long; on an idle machine there was no clear difference.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    with _quiet_interrupt():
        arguments = build_parser().parse_args(argv)
        from actlumos.cli import commands

    try:
        code = _run(commands.COMMANDS[arguments.command], arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end, which must not meet the closed pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code


def _run(command: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    try:
        command(arguments)
    except (NotebookError, DataError, FloatingPointError) as error:
        return _say(error, 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        return _say(error, USAGE_ERROR)
    except ValueError as error:
        if not _raised_by_us(error):
            raise
        return _say(error, USAGE_ERROR)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _say(error, 1)
    except KeyboardInterrupt:
        return _say("interrupted; the same command continues from the last finished step", 130)
    return 0


@contextmanager
def _quiet_interrupt() -> Iterator[None]:
    """End at once, without a traceback, on Ctrl-C while there is nothing to clean up yet.

    Imports take seconds, and some turn a KeyboardInterrupt into an error of their own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _say(what: object, code: int) -> int:
    """Print each line of an error that has several (`lines`), or all of it as one line."""
    for line in getattr(what, "lines", (what,)):
        print(f"actlumos: {shown(' '.join(str(line).split()))}", file=sys.stderr)
    return code


def _raised_by_us(error: ValueError) -> bool:
    """Whether the error was raised in this package, so that its message is for the user."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    return os.path.abspath(last).startswith(package + os.sep)
