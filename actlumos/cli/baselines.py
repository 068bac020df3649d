"""Options of `actlumos baselines`; what they do is in `baselines_actions`, imported on use."""

from __future__ import annotations

import argparse
from argparse import Namespace

from actlumos.cli.options import add_command, commas, run_options

EXAMPLES = """\
examples:
  actlumos baselines list
  actlumos baselines describe darklight-r2plus1d-34
  actlumos baselines train --profile demo --only r2plus1d-34,md-bert
  actlumos baselines compare --profile demo
"""


def add(commands: argparse._SubParsersAction) -> None:
    """The `baselines` command with its actions."""
    summary = "the systems that the paper is compared with: list, describe, train or compare them"
    parser = add_command(commands, "baselines", summary, EXAMPLES)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for adder in (_list, _describe, _train, _compare):
        adder(actions)


def baselines(arguments: Namespace) -> None:
    """Carry out `arguments.action`."""
    from actlumos.cli.baselines_actions import ACTIONS

    ACTIONS[arguments.action](arguments)


def _action(
    actions: argparse._SubParsersAction, name: str, summary: str, epilog: str
) -> argparse.ArgumentParser:
    """As `add_command`, which also notes the name of the command: here that stays `baselines`."""
    parser = add_command(actions, name, summary, epilog)
    parser.set_defaults(command="baselines")
    return parser


def _list(actions: argparse._SubParsersAction) -> None:
    summary = "every system with its status, counted and printed size, and reported accuracy"
    _action(
        actions,
        "list",
        summary,
        "Sizes are counted from shapes, which takes some ten seconds.\n\n"
        "example:\n  actlumos baselines list",
    )


def _describe(actions: argparse._SubParsersAction) -> None:
    summary = "the sheet of one system: what is known, what is not, what is ours"
    epilog = "example:\n  actlumos baselines describe dtcm"
    parser = _action(actions, "describe", summary, epilog)
    parser.add_argument("name", metavar="NAME", help="a system, or an enhancer or teacher of one")


def _train(actions: argparse._SubParsersAction) -> None:
    parser = _action(
        actions,
        "train",
        "train every system, the floor and ActLumos, then print the comparison",
        "Arms that are trained already are not trained again: an interrupted command continues\n"
        "where it stopped. One system alone: actlumos train baselines/NAME.\n\n"
        "examples:\n  actlumos baselines train --profile demo\n"
        "  actlumos baselines train --profile demo --only i3d-rgb,dtcm",
    )
    parser.add_argument(
        "--only", type=commas, default=[], metavar="a,b", help="only these systems (default: all)"
    )
    run_options(parser)


def _compare(actions: argparse._SubParsersAction) -> None:
    summary = "print and write the comparison of what a run has; nothing is trained"
    epilog = "example:\n  actlumos baselines compare --profile demo"
    run_options(_action(actions, "compare", summary, epilog))
