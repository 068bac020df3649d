"""`actlumos cost`: what a training takes, and whether it fits a GPU, before anything runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from actlumos.cli.options import PROFILES, add_command, positive

if TYPE_CHECKING:
    from actlumos.config import Config
    from actlumos.stages.memory import Footprint
    from actlumos.stages.recipe import Recipe

USUAL = ("dark", "teacher", "ssl")
GIB = 1024**3
USABLE = 0.8
"""Share of a GPU's memory that the estimate may fill. Ours: on a CPU, nets of the demo profile
really allocated up to 21 % more than the estimate; on a GPU it was not measured."""

NOTE = """\
GMACs: 1e9 multiply-adds of a forward pass of one clip (teacher: both streams; ssl: both views).
MB per clip: activations kept for the backward pass. recomputed: with checkpoint_activations true.
GiB: an estimate of a training step's worst moment, with gradients and AdamW's two moments, from
shapes alone. CUDA's context, workspaces of kernels and the allocator's gaps are not in it: on a
CPU, demo-sized nets really allocated up to 4 % more (kept) and 12 to 21 % more (recomputed); on a
GPU it was not checked. So a batch counts as fitting if the estimate fills at most 80 % of it."""


def add(commands: argparse._SubParsersAction) -> None:
    """The sub-command's options."""
    parser = add_command(
        commands,
        "cost",
        "estimate parameters, multiply-adds and training memory",
        "Nothing is trained and no GPU is needed.\n\nexamples:\n  actlumos cost\n"
        "  actlumos cost teacher --batch 4 --gpu-memory 40",
    )
    parser.add_argument(
        "arm", nargs="?", metavar="ARM", help=f"one arm (default: {', '.join(USUAL)})"
    )
    parser.add_argument(
        "--profile", choices=PROFILES, default="paper", help="size of the nets (default: paper)"
    )
    parser.add_argument(
        "--batch", type=positive, metavar="N", help="clips per pass (default: the profile's)"
    )
    parser.add_argument(
        "--gpu-memory", type=positive, default=24, metavar="GIB", help="of the GPU (default: 24)"
    )
    parser.add_argument(
        "--classes", type=positive, default=11, metavar="K", help="of the data set (default: 11)"
    )


def cost(arguments: argparse.Namespace) -> None:
    """Print the table for one arm, or for the student, the teacher and the pretraining.

    Raises:
        ValueError: unknown arm.
    """
    from actlumos.config import profile
    from actlumos.stages.recipe import find

    config = profile(arguments.profile)
    chosen = [arguments.arm] if arguments.arm else USUAL
    recipes = {name: find(name) for name in chosen}
    seen = recipes[chosen[0]].settings(config)
    height, width = seen.crop_size
    print(
        f"{arguments.profile} profile, clips of {seen.frames} x {height} x {width}, "
        f"{arguments.classes} classes, a GPU with {arguments.gpu_memory} GiB"
    )
    print(
        f"{'arm':<14}{'params (M)':>11}{'GMACs':>9}  {'precision':<10}{'activations':<12}"
        f"{'MB/clip':>10}{'batch':>7}{'GiB':>8}{'fits':>6}{'largest batch':>15}"
    )
    for name, recipe in recipes.items():
        _print_arm(name, recipe, config, arguments)
    print(f"\n{NOTE}")


def _print_arm(name: str, recipe: Recipe, config: Config, arguments: argparse.Namespace) -> None:
    from actlumos.stages.memory import training_footprint

    batch = arguments.batch or recipe.batch_size(config)
    for precision in ("fp32", "bf16"):
        for recomputed in (False, True):
            how = config.with_(precision=precision, checkpoint_activations=recomputed)
            found = training_footprint(recipe, how, arguments.classes)
            first = precision == "fp32" and not recomputed
            about = f"{found.params / 1e6:>11.2f}{found.gmacs:>9.2f}" if first else " " * 20
            kind = "recomputed" if recomputed else "kept"
            print(
                f"{name if first else '':<14}{about}  {precision:<10}{kind:<12}"
                f"{_memory(found, recipe, batch, arguments.gpu_memory)}",
                flush=True,
            )


def _memory(found: Footprint, recipe: Recipe, batch: int, gpu_memory: int) -> str:
    """The last five columns."""
    limit = USABLE * gpu_memory * GIB
    largest = found.largest_batch(limit)
    if largest < recipe.smallest_batch:
        largest = 0
    peak = found.peak(batch)
    return (
        f"{found.activations / 1e6:>10.1f}{batch:>7}{peak / GIB:>8.2f}"
        f"{'yes' if peak <= limit else 'no':>6}{largest or 'none':>15}"
    )
