"""Figures made of frames: what the clips look like, as recorded unless a label says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from actlumos.report.style import (
    COLOURS,
    INK,
    PAGE,
    as_pixels,
    evenly,
    gain_note,
    new_figure,
    printable,
    row_label,
    set_padding,
    show_frame,
    styled,
)

LABEL = 0.75  # inches that row labels take
SPACER = 0.1  # width of the gap between two blocks, as a share of a frame


def frame_axes(figure: Figure, rows: int, columns: int, gap_after: int = 0) -> np.ndarray:
    """Axes [rows, columns], close together; a gap after column `gap_after` if that is not 0."""
    widths = [1.0] * columns
    if gap_after:
        widths.insert(gap_after, SPACER)
    set_padding(figure, w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    axes = figure.subplots(rows, len(widths), squeeze=False, width_ratios=widths)
    if gap_after:
        for axis in axes[:, gap_after]:
            axis.remove()
        axes = np.delete(axes, gap_after, axis=1)
    return axes


def _grid_height(rows: int, columns: float, frame: np.ndarray, width: float) -> float:
    """Inches that rows of frames need when `columns` of them fill `width` inches."""
    return rows * (width / columns * frame.shape[-3] / frame.shape[-2] + 0.03)


def _draw_row(axes: Sequence[Axes], frames: np.ndarray, label: str, colour: str = INK) -> None:
    """Frames [T, H, W, 3] spread evenly over the axes, named at the left."""
    for axis, index in zip(axes, evenly(frames, len(axes)), strict=True):
        show_frame(axis, frames[index])
    row_label(axes[0], label, colour)


@styled
def clip_sheet(clips: Mapping[str, np.ndarray], *, columns: int = 4, gain: float = 1.0) -> Figure:
    """One clip per class, in two blocks, time running to the right.

    Args:
        clips: class name -> frames [T, H, W, 3], uint8 or float 0..1, all of one size.
        columns: frames shown of each clip.
        gain: brightness factor; 1 shows the frames as recorded. The title says which.
    """
    half = (len(clips) + 1) // 2
    sample = next(iter(clips.values()))
    height = _grid_height(half, 2 * columns + SPACER, sample, PAGE - 1.2) + 0.3
    figure = new_figure(PAGE, height)
    axes = frame_axes(figure, half, 2 * columns, gap_after=columns)
    blocks = [row[:columns] for row in axes] + [row[columns:] for row in axes]
    for block, (name, frames) in zip(blocks, clips.items(), strict=False):
        _draw_row(block, as_pixels(frames, gain), printable(name))
    for block in blocks[len(clips):]:
        for axis in block:
            axis.axis("off")
    figure.suptitle(f"Frames {gain_note(gain)}, time →", x=0.01, ha="left", fontsize=8)
    return figure


@styled
def enhancement_rows(rows: Mapping[str, np.ndarray], *, columns: int = 6) -> Figure:
    """The same frames through several enhancements, one row each.

    Args:
        rows: label -> frames [T, H, W, 3], uint8 or float 0..1. Put the dark frames first;
            the labels of the others must say what was done to them.
        columns: frames shown, spread evenly over the clip.
    """
    first = next(iter(rows.values()))
    columns = min(columns, len(first))
    figure = new_figure(PAGE, _grid_height(len(rows), columns, first, PAGE - LABEL - 0.2) + 0.2)
    axes = frame_axes(figure, len(rows), columns)
    for line, (label, frames) in zip(axes, rows.items(), strict=True):
        _draw_row(line, as_pixels(frames), label)
    for axis, index in zip(axes[0], evenly(first, columns), strict=True):
        axis.set_title(f"frame {index}", fontsize=7, fontweight="normal", loc="center", pad=2)
    return figure


@styled
def augmentation_views(
    original: np.ndarray, views: Sequence[np.ndarray], boxes: Sequence[Sequence[float]] = (),
    *, names: Sequence[str] = (), columns: int = 6, gain: float = 1.0,
) -> Figure:
    """A clip and the augmented views made from it, each with its crop drawn on the clip.

    Args:
        original: frames [T, H, W, 3] before augmentation, uint8 or float 0..1.
        views: frames [T, h, w, 3] of each view.
        boxes: a (top, left, height, width) in pixels of `original` for each view; may be empty.
        names: a label for each view; 'view 1', 'view 2' ... if empty.
        columns: frames shown.
        gain: brightness factor of every frame; the first row's label says so.
    """
    names = list(names) or [f"view {number}" for number in range(1, len(views) + 1)]
    columns = min(columns, len(original), *(len(view) for view in views))
    cell = _grid_height(1, columns, original, PAGE - LABEL - 0.2)
    figure = new_figure(PAGE, cell * (len(views) + 1) + 0.1)
    axes = frame_axes(figure, len(views) + 1, columns)
    _draw_row(axes[0], as_pixels(original, gain), f"clip,\n{gain_note(gain)}")
    for box, colour in zip(boxes, COLOURS, strict=False):
        for axis in axes[0]:
            axis.add_patch(Rectangle((box[1] - 0.5, box[0] - 0.5), box[3], box[2], fill=False,
                                     edgecolor=colour, linewidth=1.2))
    for line, view, name, colour in zip(axes[1:], views, names, COLOURS, strict=False):
        _draw_row(line, as_pixels(view, gain), name, colour)
        for axis in line:
            for spine in axis.spines.values():
                spine.set(color=colour, linewidth=1.2)
    return figure


@styled
def realism_sheet(
    rendered: np.ndarray, real: np.ndarray | None = None, *, columns: int = 6, gain: float = 4.0,
) -> Figure:
    """Rendered next to real frames: each set as recorded, then the same frames brightened.

    Args:
        rendered, real: frames [N, H, W, 3], uint8 or float 0..1, one per clip. Without `real`
            only the rendered ones are shown.
        columns: frames shown of each set, the first ones.
        gain: brightness factor of every second row; its label says so.
    """
    sets = {"rendered": rendered} | ({} if real is None else {"real": real})
    columns = min([columns, *map(len, sets.values())])
    heights = [_grid_height(1, columns, frames, PAGE - LABEL - 0.3) for frames in sets.values()]
    figure = new_figure(PAGE, 2 * sum(heights) + 0.1)
    axes = frame_axes(figure, 2 * len(sets), columns)
    rows = ((name, frames, factor) for name, frames in sets.items() for factor in (1.0, gain))
    for line, (name, frames, factor) in zip(axes, rows, strict=True):
        _draw_row(line, as_pixels(frames[:columns], factor), f"{name},\n{gain_note(factor)}")
    return figure
