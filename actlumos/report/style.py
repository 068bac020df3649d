"""One look for every figure: sizes, colours, fonts, labels that do not collide, saving.

Colours are the Okabe-Ito set, which people with the common kinds of colour blindness can tell
apart. Sizes are in inches of the printed page: one column or the full width.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Sized
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.typing import RcKeyType
from scipy.optimize import isotonic_regression

from actlumos.runtime.files import atomic_write

COLUMN, PAGE = 3.4, 7.0
INK, GREY, PALE = "#222222", "#7A7A7A", "#D9D9D9"
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, PEACH = "#E69F00", "#56B4E9", "#F6CF92"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
GROUPS = {"single stream": BLUE, "two streams": VERMILION, "student": GREEN,
          "control": GREY, "pretraining": PURPLE, "other": INK}
STYLE: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 8.5, "axes.labelsize": 8,
    "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.edgecolor": INK,
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.major.size": 2.5, "ytick.major.size": 2.5, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 1.4,
    "legend.frameon": False, "figure.dpi": 150, "savefig.dpi": 220, "pdf.fonttype": 42,
    "figure.facecolor": "white", "savefig.facecolor": "white",
    "text.parse_math": False,  # a class may be called `$^$`: every text is shown as it is
}
Parameters = ParamSpec("Parameters")


def styled(producer: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Run a figure's producer in the house style and leave the caller's settings alone.

    The layout is computed here, once, so that a figure looks the same however often it is shown
    or saved. The producer raises ValueError when its first argument is empty.
    """
    @wraps(producer)
    def drawn(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        if args and isinstance(args[0], Sized) and not len(args[0]):
            raise ValueError(f"{producer.__name__}: nothing to draw, its first argument is empty")
        with plt.rc_context(STYLE):
            figure = producer(*args, **kwargs)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # each new layout would move things a little
        return figure
    return drawn


def new_figure(width: float, height: float) -> Figure:
    """A figure of that many inches, laid out by constraints, not kept open by pyplot."""
    figure = plt.figure(figsize=(width, height), layout="constrained")
    plt.close(figure)  # a notebook shows it once, as a cell's value; no figures stay in memory
    return figure


def set_padding(figure: Figure, **padding: Any) -> None:
    """Space between the axes of a `new_figure`.

    Args:
        padding: `w_pad`, `h_pad` around the axes, in inches; `wspace`, `hspace` between them, as
            shares of the figure. What is not given stays.
    """
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine), "make the figure with new_figure"
    engine.set(**padding)


def printable(name: str) -> str:
    """A class or file name as text of a figure: `\ufffd` for each character no font can draw.

    Folder names may hold control characters (a line break, a bell) and bytes that are not text
    (lone surrogates, on which matplotlib fails). A `$` needs nothing: see `text.parse_math`.
    """
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)


def as_pixels(frames: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Frames as uint8, multiplied by `gain` and clipped.

    Args:
        frames: uint8, or float in 0..1; shape [..., 3].

    Raises:
        ValueError: the values are outside that range, or the last axis is not RGB.
    """
    frames = np.asarray(frames)
    if frames.shape[-1] != 3:
        raise ValueError(f"frames must be RGB, [..., 3], not {frames.shape}")
    values = frames.astype(np.float64)
    if frames.dtype != np.uint8:
        if values.size and (values.min() < -1e-3 or values.max() > 1 + 1e-3):
            raise ValueError(f"float frames must be in 0..1, not {values.min()}..{values.max()}")
        values = values * 255
    return np.clip(np.round(values * gain), 0, 255).astype(np.uint8)


def gain_note(gain: float) -> str:
    """What a picture's label must say about its brightness."""
    return "as recorded" if gain == 1 else f"brightened × {gain:g}"


def show_frame(axis: Axes, frame: np.ndarray, colour: str = PALE, width: float = 0.6) -> None:
    """Draw one uint8 frame [H, W, 3] with a thin border, so that a black one has an edge."""
    axis.imshow(frame, vmin=0, vmax=255)
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=True, color=colour, linewidth=width)


def row_label(axis: Axes, label: str, colour: str = INK) -> None:
    """Name a row of frames at the left of its first frame."""
    axis.set_ylabel(label, rotation=0, ha="right", va="center", labelpad=4, color=colour)


def evenly(frames: np.ndarray, count: int) -> np.ndarray:
    """Indices of `count` frames spread evenly over a clip, the first and the last included."""
    return np.linspace(0, len(frames) - 1, count).round().astype(int)


def spread(values: Sequence[float], gap: float) -> np.ndarray:
    """Positions at least `gap` apart, in the same order, as near to `values` as can be.

    Subtracting i * gap turns the distance rule into "must not fall", which isotonic
    regression solves in the sense of least squares.
    """
    wanted = np.asarray(values, dtype=float)
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    placed = np.empty_like(wanted)
    placed[order] = isotonic_regression(wanted[order] - steps).x + steps if len(wanted) else 0
    return placed


def save(figure: Figure, name: str, directory: str | Path) -> tuple[Path, Path]:
    """Write `name`.pdf and `name`.png into `directory`; return both paths.

    Atomic, and without dates: the same figure gives the same bytes.

    Raises:
        ValueError: the name is not a plain file name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name):
        raise ValueError(f"{name!r} is not a plain name for a figure's files")
    undated = {"pdf": {"CreationDate": None}, "png": {"Software": None}}
    paths = [Path(directory) / f"{name}.{suffix}" for suffix in undated]
    for path, (suffix, metadata) in zip(paths, undated.items(), strict=True):
        with plt.rc_context(STYLE), atomic_write(path) as temporary:
            figure.savefig(temporary, format=suffix, metadata=metadata, bbox_inches="tight",
                           pad_inches=0.03)
    return paths[0], paths[1]
