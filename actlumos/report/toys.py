"""Small pictures to open a notebook: a frame, a clip as a tensor, signals, grids of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actlumos.report.style import (
    COLOURS,
    COLUMN,
    GREEN,
    GREY,
    INK,
    PAGE,
    PALE,
    VERMILION,
    as_pixels,
    new_figure,
    show_frame,
    styled,
)


@styled
def first_look(
    pictures: Mapping[str, np.ndarray], answer: Mapping[str, float] | None = None, truth: str = "",
) -> Figure:
    """Frames side by side and, if `answer` is given, its three most probable classes.

    Args:
        pictures: title -> frame [H, W, 3], uint8 or float 0..1; all of one size.
        answer: class -> probability.
        truth: the true class; its bar is green, the others grey.
    """
    height, width = next(iter(pictures.values())).shape[:2]
    columns = len(pictures) + bool(answer)
    figure = new_figure(PAGE, PAGE / columns * height / width + 0.35)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for axis, (title, picture) in zip(axes, pictures.items(), strict=False):
        show_frame(axis, as_pixels(picture))
        axis.set_title(title, fontsize=8, fontweight="normal")
    if answer:
        _answer(axes[-1], answer, truth)
    return figure


def _answer(axis: Axes, answer: Mapping[str, float], truth: str) -> None:
    best = sorted(answer, key=answer.__getitem__, reverse=True)[:3]
    axis.barh(best, [answer[name] for name in best], height=0.6,
              color=[GREEN if name == truth else GREY for name in best])
    axis.invert_yaxis()
    axis.set(xlim=(0, 1), xlabel="probability")
    axis.tick_params(axis="y", length=0)
    axis.set_title(f"answer; true class: {truth}", fontsize=8, fontweight="normal")


@styled
def clip_tensor(frames: np.ndarray, corner: tuple[int, int], *, gain: float = 4.0) -> Figure:
    """A clip as a stack of frames with its four axes, and the red values of a small window.

    Args:
        frames: uint8 [T, H, W, 3]; up to six of them are drawn, evenly spread.
        corner: top and left of the window of 5 x 7 pixels in the first frame.
        gain: brightness factor of the pictures, not of the numbers; the title says so.

    Raises:
        ValueError: the window leaves the frame.
    """
    (top, left), (count, height, width) = corner, frames.shape[:3]
    window = frames[0, top:top + 5, left:left + 7, 0]
    if min(corner) < 0 or window.shape != (5, 7):
        raise ValueError(f"a window of 5 x 7 at {corner} leaves the frame {height} x {width}")
    figure = new_figure(PAGE, 2.5)
    stack, numbers = figure.subplots(1, 2, width_ratios=(1.25, 1))
    shown = frames[np.linspace(0, count - 1, min(6, count)).round().astype(int)]
    _stack(stack, as_pixels(shown, gain))
    stack.plot(left + np.array([0, 7, 7, 0, 0]), top + np.array([0, 0, 5, 5, 0]),
               color=VERMILION, linewidth=1.2, zorder=9)
    note = f"[T, H, W, 3] = [{count}, {height}, {width}, 3]; shown × {gain:g}"
    stack.set_title(note, fontsize=8, fontweight="normal")
    _numbers(numbers, window, "{:d}", largest=255)
    title = f"red values [0, {top}:{top + 5}, {left}:{left + 7}, 0]"
    numbers.set_title(title, fontsize=8, fontweight="normal")
    return figure


def _stack(axis: Axes, pictures: np.ndarray) -> None:
    """Frames one behind the other, the first in front, and the names of the axes."""
    height, width = pictures.shape[1:3]
    step = 0.11 * width
    for place in reversed(range(len(pictures))):
        right, up = place * step, -place * step * 0.7
        extent = (right, right + width, height + up, up)
        axis.imshow(pictures[place], extent=extent, zorder=8 - place)
        axis.plot([right, right + width, right + width, right, right],
                  [up, up, height + up, height + up, up], color="white", linewidth=0.8,
                  zorder=8 - place)
    back = (len(pictures) - 1) * step
    arrow = {"arrowstyle": "->", "color": INK, "linewidth": 0.8}
    axis.annotate("", (width + back + 2, height - 0.7 * back), (width + 2, height),
                  arrowprops=arrow)
    axis.text(width + back / 2 + 0.06 * width, height - 0.3 * back, "T (time)", va="top")
    axis.text(width / 2, height + 1, "W", ha="center", va="top")
    axis.text(-1, height / 2, "H", ha="right", va="center")
    axis.set(xlim=(-0.08 * width, 1.32 * width + back), ylim=(1.14 * height, -0.72 * back - 2))
    axis.axis("off")


def _numbers(axis: Axes, values: np.ndarray, form: str, largest: float) -> None:
    """Numbers in coloured cells: orange above zero, blue below, stronger the farther from it."""
    axis.imshow(values, cmap="PuOr_r", vmin=-2 * largest, vmax=2 * largest)
    for (row, column), value in np.ndenumerate(values):
        axis.text(column, row, form.format(value.item()), ha="center", va="center", fontsize=8)
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=True, color=PALE)


@styled
def number_grids(grids: Mapping[str, np.ndarray], *, form: str = "{:.2f}") -> Figure:
    """Small matrices side by side with their numbers written into the cells.

    Args:
        grids: title -> matrix [H, W]; six of 2 x 2 fit the page.
        form: how a number is written.

    Raises:
        ValueError: one of them is no matrix.
    """
    wrong = [name for name, grid in grids.items() if np.ndim(grid) != 2]
    if wrong:
        raise ValueError(f"{wrong[0]} has {np.ndim(grids[wrong[0]])} axes, not 2")
    rows, columns = np.max([np.shape(grid) for grid in grids.values()], axis=0)
    wide = len(grids) * (columns + 0.25)  # in cells
    cell = min(0.62, (PAGE - 0.2) / wide)
    figure = new_figure(max(COLUMN, cell * wide + 0.2), cell * rows + 0.5)
    for axis, (name, grid) in zip(figure.subplots(1, len(grids), squeeze=False)[0], grids.items(),
                                  strict=True):
        _numbers(axis, np.asarray(grid, dtype=float), form, max(np.abs(grid).max(), 1e-9))
        axis.set_title(name, fontsize=7.5, fontweight="normal", loc="center", pad=3)
    return figure


@styled
def signals(panels: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """One-dimensional signals, a panel per idea, the names next to the panel's title.

    Args:
        panels: title -> (name -> values [N]); at most seven signals in a panel.
    """
    figure = new_figure(PAGE, 2.1)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for (name, values), colour in zip(lines.items(), COLOURS, strict=False):
            axis.plot(values, color=colour, label=name)
        axis.set_title(title)
        axis.set_xlabel("pixel")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=len(lines))
    return figure


@styled
def vector_pairs(vectors: np.ndarray, labels: Sequence[str], ids: Sequence[int]) -> Figure:
    """Unit vectors in the plane, and the matrix of their scalar products.

    Args:
        vectors: [N, 2]; their length is drawn as it is.
        labels: N names.
        ids: N numbers; vectors with the same number have the same colour.

    Raises:
        ValueError: not N vectors, names and numbers.
    """
    if vectors.ndim != 2 or not len(vectors) == len(labels) == len(ids):
        raise ValueError(f"{len(labels)} labels and {len(ids)} ids for vectors {vectors.shape}")
    figure = new_figure(PAGE, 2.8)
    plane, matrix = figure.subplots(1, 2)
    angle = np.linspace(0, 2 * np.pi, 200)
    plane.plot(np.cos(angle), np.sin(angle), color=PALE, linewidth=0.8)
    for (x, y), label, number in zip(vectors, labels, ids, strict=True):
        colour = COLOURS[number % len(COLOURS)]
        plane.annotate("", (x, y), (0, 0),
                       arrowprops={"arrowstyle": "-|>", "color": colour, "shrinkA": 0})
        plane.text(1.17 * x, 1.17 * y, label, color=colour, ha="center", va="center")
    plane.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal")
    plane.axis("off")
    _numbers(matrix, vectors @ vectors.T, "{:.2f}", largest=1.0)
    matrix.set_xticks(range(len(labels)), labels)
    matrix.set_yticks(range(len(labels)), labels)
    matrix.tick_params(length=0)
    matrix.set_title("scalar products", fontsize=8, fontweight="normal")
    return figure
