"""Figures about results: confusion, bars with intervals, SSL sources, cost, t-SNE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from actlumos.arms import describe, in_order
from actlumos.report.results import Results, entry
from actlumos.report.style import (
    COLOURS,
    COLUMN,
    GREEN,
    GREY,
    GROUPS,
    INK,
    PAGE,
    SKY,
    new_figure,
    printable,
    spread,
    styled,
)

MARKERS = "osD^vPX<>phd*"
POOLS = {"kd": "none\n(KD only)", "ssl-a-kd": "own domain", "ssl-b-kd": "other domain",
         "ssl-kd": "both"}


class Embedding(NamedTuple):
    """2-D points [N, 2], class ids [N], kNN accuracy in percent, silhouette in -1..1 or NaN."""

    xy: np.ndarray
    labels: np.ndarray
    knn: float
    silhouette: float


@styled
def confusion_matrix(matrix: np.ndarray, classes: Sequence[str], *, title: str = "") -> Figure:
    """Rows are true classes, columns predictions; colour is the share of the row, text the count.

    Args:
        matrix: counts [K, K]. classes: K names. title: what was evaluated.

    Raises:
        ValueError: the matrix is not K x K.
    """
    counts = np.asarray(matrix)
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"{len(classes)} classes need a square matrix, not {counts.shape}")
    totals = counts.sum(axis=1)
    share = counts / np.maximum(totals[:, None], 1)
    side = max(COLUMN, 0.36 * len(classes) + 1.1)
    figure = new_figure(side, side)
    axis = figure.subplots()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axis.text(column, row, str(count), ha="center", va="center", fontsize=7,
                      color="white" if share[row, column] > 0.55 else INK)
    names = [printable(name) for name in classes]
    axis.set_xticks(range(len(classes)), names, rotation=45, ha="right", rotation_mode="anchor")
    recalls = [f"{name} {100 * value:.0f} %"
               for name, value in zip(names, share.diagonal(), strict=True)]
    axis.set_yticks(range(len(classes)), recalls)
    axis.set(xlabel="predicted", ylabel="true class and its recall")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    top1 = 100 * counts.trace() / max(counts.sum(), 1)
    axis.set_title(f"{title + ': ' if title else ''}Top-1 {top1:.1f} %, n = {counts.sum()}",
                   fontsize=8)
    return figure


def _error(records: Sequence[Mapping]) -> np.ndarray:
    """Distances [2, N] from each Top-1 down and up to the ends of its interval."""
    return np.array([[record["top1"] - record["interval"][0] for record in records],
                     [record["interval"][1] - record["top1"] for record in records]])


@styled
def ablation_bars(
    results: Results, arms: Sequence[str] | None = None, *, chance: float | None = None,
) -> Figure:
    """Top-1 of the arms that were run, with 95 % Wilson intervals, coloured by kind.

    Args:
        results: a run's results. arms: which ones, in this order; all that have a Top-1 if None.
        chance: percent, drawn as a dotted line.

    Raises:
        ValueError: none of the arms was run.
    """
    wanted = in_order(list(results["arms"])) if arms is None else arms
    found = {arm: record for arm in wanted if (record := entry(results, arm))}
    if not found:
        raise ValueError(f"none of {list(wanted)} has a Top-1 in these results: run them first")
    texts, records = [describe(arm) for arm in found], list(found.values())
    figure = new_figure(COLUMN + 0.6, 0.27 * len(found) + 0.75)
    axis = figure.subplots()
    axis.barh(range(len(found)), [record["top1"] for record in records], height=0.68,
              color=[GROUPS[text.group] for text in texts], xerr=_error(records),
              error_kw={"ecolor": INK, "elinewidth": 0.9, "capsize": 2.2})
    for place, record in enumerate(records):
        axis.text(record["interval"][1] + 1.2, place, f"{record['top1']:.1f}", va="center",
                  fontsize=7.5)
    axis.set_yticks(range(len(found)), [text.label for text in texts])
    axis.tick_params(axis="y", length=0)
    if chance is not None:
        axis.axvline(chance, color=INK, linewidth=0.9, linestyle=":")
        axis.text(chance, -0.75, " chance", fontsize=7, va="center")
    sizes = sorted({record["n"] for record in records})
    clips = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]}–{sizes[-1]}"
    axis.set(xlabel=f"Top-1 (%) on {clips} test clips; lines: 95 % Wilson interval",
             ylim=(len(found) - 0.4, -1.1 if chance is not None else -0.6),
             xlim=(0, max(record["interval"][1] for record in records) + 8))
    return figure


def _source_panel(
    axis: Axes, title: str, names: Sequence[str], values: np.ndarray, error: np.ndarray | None,
    colour: str,
) -> None:
    """Four bars; above each its value and its gain over the first."""
    bars = axis.bar(range(len(values)), values, width=0.72, color=[GREY] + [colour] * 3)
    tops = values if error is None else values + error[1]
    bottoms = values if error is None else values - error[0]
    if error is not None:
        axis.errorbar(range(len(values)), values, yerr=error, fmt="none", ecolor=INK,
                      elinewidth=0.9, capsize=2.2)
    reach = max(tops.max() - bottoms.min(), 0.5)
    floor = max(0.0, bottoms.min() - 0.5 * reach)
    for place, bar in enumerate(bars):
        gain = "" if place == 0 else f"\n{values[place] - values[0]:+.2f}"
        axis.annotate(f"{values[place]:.2f}{gain}", (bar.get_x() + bar.get_width() / 2,
                      tops[place]), xytext=(0, 2), textcoords="offset points", ha="center",
                      va="bottom", fontsize=7)
    axis.set(ylim=(floor, tops.max() + 0.35 * reach), xticks=range(len(values)))
    axis.set_xticklabels(names, fontsize=6.5)
    axis.tick_params(axis="x", length=0)
    axis.set_title(title, fontsize=8)


@styled
def ssl_source_bars(
    measured: Results | None = None, reported: pd.DataFrame | None = None,
) -> Figure:
    """What the pretraining pool brings: four bars per data set, the gain over KD only above each.

    The vertical axes do not start at zero, as in the paper's chart, and say so.

    Args:
        measured: a run's results with the arms kd, ssl-a-kd, ssl-b-kd and ssl-kd.
        reported: `paper.ssl_source()`, Top-1 in percent, one row per data set.

    Raises:
        ValueError: neither has all four bars.
    """
    panels: list[tuple[str, list[str], np.ndarray, np.ndarray | None, str]] = []
    for name, row in (reported.iterrows() if reported is not None else ()):
        short = ["none\n(KD only)", *(str(pool).replace("+", "\n+ ") for pool in row.index[1:])]
        panels.append((f"{name}, reported", short, row.to_numpy(float), None, SKY))
    found = [entry(measured, arm) for arm in POOLS] if measured else []
    records = [record for record in found if record is not None]
    if measured and len(records) == len(POOLS):
        values = np.array([record["top1"] for record in records])
        title = f"{measured['dataset']}, measured, 95 % interval"
        panels.append((title, list(POOLS.values()), values, _error(records), GREEN))
    if not panels:
        raise ValueError(f"nothing to draw: run the arms {', '.join(POOLS)} or give `reported`")
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(PAGE if columns == 2 else COLUMN, 2.1 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        _source_panel(axis, *panel)
    for axis in axes[len(panels):]:
        axis.axis("off")
    figure.supylabel("Top-1 (%), axis cut", fontsize=8)
    return figure


@styled
def tsne_panels(panels: Mapping[str, Embedding], classes: Sequence[str]) -> Figure:
    """t-SNE of several networks' features; kNN accuracy and silhouette use the full features.

    Args:
        panels: title -> Embedding. classes: names by class id; colour and
            marker tell 91 apart, then they repeat.
    """
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    side = PAGE / 2 if columns == 2 else COLUMN
    figure = new_figure(side * columns, (side * 0.86) * rows + 0.5)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    looks = [(COLOURS[i % len(COLOURS)], MARKERS[i // len(COLOURS) % len(MARKERS)])
             for i in range(len(classes))]
    for axis, (title, panel) in zip(axes, panels.items(), strict=False):
        for number, (colour, marker) in enumerate(looks):
            points = panel.xy[np.asarray(panel.labels) == number]
            axis.scatter(points[:, 0], points[:, 1], s=11, color=colour, marker=marker,
                         linewidths=0, alpha=0.85)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color=GREY, linewidth=0.5)
        apart = "undefined" if isnan(panel.silhouette) else f"{panel.silhouette:+.2f}"
        axis.set_title(f"{title}\nkNN {panel.knn:.1f} %, silhouette {apart}", fontsize=8)
    for axis in axes[len(panels):]:
        axis.axis("off")
    keys = [Line2D([], [], color=colour, marker=marker, linestyle="", markersize=4, label=name)
            for name, (colour, marker) in zip(map(printable, classes), looks, strict=True)]
    figure.legend(handles=keys, loc="outside lower center", ncols=min(6, len(classes)),
                  columnspacing=1.2, handletextpad=0.2)
    return figure


@styled
def accuracy_vs_cost(costs: pd.DataFrame, *, cost: str = "GMACs") -> Figure:
    """Top-1 against the cost of a clip, with each arm's 95 % interval and name.

    Args:
        costs: `tables.cost_table(results)`. cost: 'params (M)', 'GMACs' or 'ms per clip'.

    Raises:
        ValueError: no row has both a Top-1 and that cost.
    """
    rows = costs.dropna(subset=["Top-1 (%)", cost]) if cost in costs else costs[:0]
    if rows.empty:
        raise ValueError(f"no arm has a Top-1 and {cost!r}: measure the cost first")
    figure = new_figure(COLUMN + 0.6, 2.6)
    axis = figure.subplots()
    room = max(np.ptp(rows[cost]), 0.2 * rows[cost].max())
    ends = [float(end) for text in rows["95 % interval"] for end in text.split("–")]
    for _, alike in rows.groupby((rows[cost] / (0.02 * room)).round()):
        _cost_column(axis, alike, cost, 0.025 * room, 0.065 * (max(ends) - min(ends)))
    axis.set(xlabel=f"{cost}, one clip", ylabel="Top-1 (%), 95 % interval",
             xlim=(rows[cost].min() - 0.15 * room, rows[cost].max() + 0.5 * room))
    return figure


def _cost_column(
    axis: Axes, alike: pd.DataFrame, cost: str, step: float, gap: float,
) -> None:
    """Arms of (nearly) one cost, side by side so that no point hides another."""
    shifts = step * (np.arange(len(alike)) - (len(alike) - 1) / 2)
    heights = spread(alike["Top-1 (%)"], gap)
    right = alike[cost].max() + shifts[-1] + 0.6 * step
    for row, shift, height in zip(alike.to_dict("records"), shifts, heights, strict=True):
        text, top1 = describe(row["arm"]), row["Top-1 (%)"]
        low, high = (float(end) for end in row["95 % interval"].split("–"))
        axis.errorbar(row[cost] + shift, top1, yerr=[[top1 - low], [high - top1]], fmt="o",
                      color=GROUPS[text.group], markersize=4.5, elinewidth=0.9, capsize=2)
        axis.annotate(text.label, (right, height), xytext=(3, 0), textcoords="offset points",
                      color=GROUPS[text.group], va="center", fontsize=7.5)
