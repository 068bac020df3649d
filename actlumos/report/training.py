"""Figures about training: curves, the fusion's weights, the pairs of the contrastive losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from actlumos.arms import describe
from actlumos.report.style import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    PAGE,
    PALE,
    PEACH,
    as_pixels,
    gain_note,
    new_figure,
    printable,
    row_label,
    set_padding,
    show_frame,
    spread,
    styled,
)

SPLITS: dict[str, dict[str, Any]] = {
    "train": {"linestyle": (0, (3, 1.5)), "linewidth": 0.9},
    "val": {"linestyle": "-", "linewidth": 1.4},
}


class PairBatch(NamedTuple):
    """A contrastive batch: what each of the N anchors is pulled to and pushed from.

    `thumbnails` [N, H, W, 3] uint8 or float 0..1; `positives`, `negatives` bool [N, N], row =
    anchor; `labels` N short texts (class, clip or view).
    """

    thumbnails: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray
    labels: Sequence[str]


def pair_masks(labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives, bool [N, N], of anchors with these ids; none pairs with itself.

    With class labels this is SupCon's rule; with the clip's number for both of its views it is
    NT-Xent's.
    """
    ids = np.asarray(labels)
    same = ids[:, None] == ids[None, :]
    return same & ~np.eye(len(ids), dtype=bool), ~same


def _lines(axis: Axes, histories: Mapping[str, pd.DataFrame], kind: str) -> list[tuple]:
    """Train (dashed) and val (solid) curves of a kind; returns (arm, colour, x, y) of the ends."""
    ends = []
    for (arm, history), colour in zip(histories.items(), COLOURS * 3, strict=False):
        last = []
        for split, look in SPLITS.items():
            column = f"{split}_{kind}"
            if column not in history or history[column].isna().all():
                continue
            curve = history[["epoch", column]].dropna()
            axis.plot(curve["epoch"], curve[column], color=colour, **look,
                      marker="." if len(curve) == 1 else "")
            last = [(arm, colour, curve["epoch"].iloc[-1], curve[column].iloc[-1])]
        ends += last
    return ends


def _name_ends(axis: Axes, ends: list[tuple]) -> None:
    """Write each arm's name next to the end of its curve, without overlaps."""
    bottom, top = axis.get_ylim()
    heights = spread([end[3] for end in ends], 0.062 * (top - bottom))
    right = axis.get_xlim()[1]
    for (arm, colour, _, _), height in zip(ends, heights, strict=True):
        axis.annotate(describe(arm).label, (right, height), xytext=(3, 0), color=colour,
                      textcoords="offset points", va="center", fontsize=7.5, annotation_clip=False)


@styled
def training_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Loss and Top-1 over epochs; dashed = training (augmented), solid = validation.

    Args:
        histories: arm -> history with columns epoch, train_loss, val_loss, train_top1,
            val_top1 (percent); a column that is missing or empty is left out.
    """
    measured = {column for history in histories.values() for column in history}
    kinds = [("loss", "Loss"), ("top1", "Top-1 (%)")]
    kinds = [kind for kind in kinds if {f"train_{kind[0]}", f"val_{kind[0]}"} & measured]
    figure = new_figure(PAGE, 2.5)
    axes = figure.subplots(1, len(kinds), squeeze=False)[0]
    for axis, (kind, title) in zip(axes, kinds, strict=True):
        ends = _lines(axis, histories, kind)
        axis.set(xlabel="epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.set_title(title)
        axis.set_xlim(right=max(end[2] for end in ends))
        _name_ends(axis, ends)
    keys = [Line2D([], [], color=INK, label=name, **look)
            for name, look in zip(("training", "validation"), SPLITS.values(), strict=True)]
    figure.legend(handles=keys, loc="outside lower center", ncols=2)
    return figure


@styled
def dff_weights_over_time(
    streams: Mapping[str, np.ndarray], weights: np.ndarray, *, columns: int = 8, gain: float = 1.0,
) -> Figure:
    """The fusion's weight of each stream over time, under the frames of the same time.

    Args:
        streams: stream name -> frames [T, H, W, 3], in the order of the weights.
        weights: [S, T'], non-negative, mean over space; T' segments cover the T frames evenly.
        columns: frames shown, each at the centre of its part of the time axis.
        gain: brightness factor of the first stream's frames; its label says so.

    Raises:
        ValueError: the number of streams and of rows of weights differ.
    """
    weights = np.asarray(weights, dtype=float)
    if weights.ndim != 2 or len(weights) != len(streams):
        raise ValueError(f"{len(streams)} streams need weights [{len(streams)}, T'], not "
                         f"{weights.shape}")
    first = next(iter(streams.values()))
    frames = len(first)
    columns = min(columns, frames)
    cell = (PAGE - 1.0) / columns * first.shape[1] / first.shape[2]
    figure = new_figure(PAGE, cell * len(streams) + 1.6)
    set_padding(figure, w_pad=0.01, h_pad=0.02, wspace=0, hspace=0)
    grid = figure.add_gridspec(len(streams) + 1, columns,
                               height_ratios=[cell] * len(streams) + [1.4])
    for row, (name, clip) in enumerate(streams.items()):
        pixels = as_pixels(clip, gain if row == 0 else 1.0)
        axes = [figure.add_subplot(grid[row, column]) for column in range(columns)]
        for column, axis in enumerate(axes):
            show_frame(axis, pixels[int((column + 0.5) * frames / columns)])
        note = f",\n{gain_note(gain)}" if row == 0 and gain != 1 else ""
        row_label(axes[0], name + note, COLOURS[row])
    _weight_lines(figure.add_subplot(grid[-1, :]), list(streams), weights, frames)
    return figure


def _weight_lines(axis: Axes, names: list[str], weights: np.ndarray, frames: int) -> None:
    """Weights as steps over the frames; a dotted line marks equal weights."""
    edges = np.linspace(0, frames, weights.shape[1] + 1)
    axis.axhline(1 / len(names), color=GREY, linewidth=0.8, linestyle=":")
    axis.text(0.3, 1 / len(names), "equal", color=GREY, fontsize=7, va="bottom")
    for row, colour in zip(weights, COLOURS, strict=False):
        axis.stairs(row, edges, baseline=None, color=colour, linewidth=1.6)
    reach = max(0.05, 1.25 * np.abs(weights - 1 / len(names)).max())
    axis.set(xlim=(0, frames), xlabel="frame", ylabel="weight",
             ylim=(max(0, 1 / len(names) - reach), min(1, 1 / len(names) + reach)))
    bottom, top = axis.get_ylim()
    places = spread([row[-1] for row in weights], 0.12 * (top - bottom))
    for name, place, colour in zip(names, places, COLOURS, strict=False):
        axis.annotate(name, (frames, place), xytext=(3, 0), textcoords="offset points",
                      color=colour, va="center", fontsize=7.5, annotation_clip=False)


def _pair_matrix(axis: Axes, batch: PairBatch) -> None:
    """Anchors as rows, candidates as columns; thumbnails along both edges."""
    codes = np.where(batch.positives, 1, np.where(batch.negatives, 2, 0))
    count = len(codes)
    axis.imshow(codes, cmap=ListedColormap([PALE, BLUE, PEACH]), vmin=0, vmax=2,
                extent=(0, count, count, 0), interpolation="nearest")
    for edge in range(count + 1):
        axis.plot([0, count], [edge, edge], color="white", linewidth=1)
        axis.plot([edge, edge], [0, count], color="white", linewidth=1)
    pixels = as_pixels(batch.thumbnails)
    tall = 0.94 * min(1.0, pixels.shape[1] / pixels.shape[2])
    for place, picture in enumerate(pixels):
        low, high = place + 0.5 + tall / 2, place + 0.5 - tall / 2
        axis.imshow(picture, extent=(-1.08, -0.12, low, high))
        axis.imshow(picture, extent=(place + 0.02, place + 0.98, -0.12, -0.12 - tall))
        axis.text(-1.2, place + 0.5, printable(batch.labels[place]), ha="right", va="center",
                  fontsize=7)
    axis.set(xlim=(-1.15, count + 0.05), ylim=(count + 0.05, -1.15))
    axis.axis("off")


@styled
def contrastive_pairs(
    batches: Mapping[str, PairBatch], *, note: str = "thumbnails as recorded",
) -> Figure:
    """Positives and negatives of every anchor of a real batch, a panel per loss.

    Args:
        batches: panel title -> PairBatch; 8 to 12 anchors stay readable.
        note: what was done to the thumbnails, for the legend: brighten dark ones first
            with `as_pixels(frames, gain)` and say so here.
    """
    figure = new_figure(PAGE, 0.93 * PAGE / max(2, len(batches)) + 0.35)
    axes = figure.subplots(1, len(batches), squeeze=False)[0]
    for axis, (title, batch) in zip(axes, batches.items(), strict=True):
        _pair_matrix(axis, batch)
        axis.set_title(title)
    keys = [Patch(color=BLUE, label="positive (pulled together)"),
            Patch(color=PEACH, label="negative (pushed apart)"),
            Patch(color=PALE, label=f"itself (left out); {note}")]
    figure.legend(handles=keys, loc="outside lower center", ncols=3)
    return figure
