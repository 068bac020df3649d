"""Figures of the compared systems: which builds on which, their parts, and their cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import LogLocator, NullFormatter

from actlumos.arms import Card
from actlumos.report.baseline_layout import Block, Node, apart, blocks, columns, family_rows
from actlumos.report.style import (
    BLUE,
    COLUMN,
    GREEN,
    GREY,
    INK,
    PAGE,
    PALE,
    VERMILION,
    new_figure,
    styled,
)

LOOKS = {"faithful": (GREEN, "o"), "prior code": (BLUE, "s"), "reconstruction": (VERMILION, "D")}
"""Colour and marker of each status."""

SHARED = "#FFF3D6"
BOX, ROW = 1.26, 0.72  # inches: a system's box, and from one year to the next
TALL, LINE = 0.46, 0.56  # inches: a block, and from one row of blocks to the next
NAME = 0.135  # inches: a line of names


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure whose coordinates are inches, from the upper left corner."""
    figure = new_figure(width, height)
    figure.set_layout_engine("none")  # there is nothing to lay out
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, width), ylim=(height, 0))
    axis.axis("off")
    return figure, axis


def _box(
    axis: Axes, x: float, y: float, width: float, height: float, colour: str,
    fill: str = "white", line: str = "-",
) -> None:
    axis.add_patch(FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.05",
        facecolor=fill, edgecolor=colour, linewidth=1.1, linestyle=line))


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=6, color=INK,
                                   linewidth=0.9, shrinkA=0, shrinkB=0))


# --- family tree --------------------------------------------------------------------------------

@styled
def family_tree(systems: Sequence[Card]) -> Figure:
    """Which system builds on which, one row per year; the colour is the status of our build.

    Args:
        systems: of `actlumos.baselines`; lines are drawn between those given.
    """
    left = 0.45
    rows = family_rows(systems, PAGE - left - 0.05, BOX, 0.1)
    height = ROW * len(rows) + 0.3
    figure, axis = _canvas(PAGE, height)
    heights = {year: 0.33 + ROW * number for number, year in enumerate(rows)}
    for year, row in rows.items():
        axis.text(0.03, heights[year], str(year or "–"), va="center", weight="bold", fontsize=8)
        for node in row:
            node.x += left
            if node.system:
                _system(axis, node.system, node.x, heights[year])
    _lines(axis, rows, heights)
    handles = [Line2D([], [], color=colour, marker="s", linestyle="", markersize=6, label=status)
               for status, (colour, _) in LOOKS.items()]
    axis.legend(handles=handles, loc="lower left", ncols=3, fontsize=7.5,
                bbox_to_anchor=(left / PAGE, 0.0), borderaxespad=0.1)
    return figure


def _system(axis: Axes, system: Card, x: float, y: float) -> None:
    title, _, rest = system.title.partition(" (")
    lines = [title] if not rest else [title, f"({rest}"]
    _box(axis, x, y, BOX, 0.36, LOOKS[system.status][0])
    own = title.startswith("ActLumos")
    axis.text(x, y, "\n".join(lines), ha="center", va="center", fontsize=6.5,
              weight="bold" if own else "normal", linespacing=1.15)


def _lines(axis: Axes, rows: dict[int, list[Node]], heights: dict[int, float]) -> None:
    """From each parent down to its child, past the rows between; sideways within a year."""
    above: dict[str, tuple[float, float]] = {}
    for year, row in rows.items():
        y, here = heights[year], {node.name: node for node in row if node.system}
        for node in row:
            for parent in node.parents:
                if parent in here and node.system:
                    step = 0.5 * BOX if node.x > here[parent].x else -0.5 * BOX
                    _arrow(axis, (here[parent].x + step, y), (node.x - step, y))
                else:
                    _drop(axis, above[parent], (node.x, y - 0.18 * bool(node.system)))
        for node in row:
            if node.system is None:
                axis.plot([node.x] * 2, [y, y + 0.18], color=GREY, linewidth=0.9, snap=False)
            above[node.name] = node.x, y + 0.18


def _drop(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A line that starts and ends vertically."""
    middle = (start[1] + end[1]) / 2
    way = Path([start, (start[0], middle), (end[0], middle), end],
               [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    axis.add_patch(PathPatch(way, fill=False, edgecolor=GREY, linewidth=0.9))


# --- block diagram ------------------------------------------------------------------------------

@styled
def block_diagram(system: Card) -> Figure:
    """A system as boxes and arrows, one row per stream.

    Grey: inputs. Filled: one network with one set of weights for several streams. Dashed:
    trained before and frozen. The outline's colour is that of the status.

    Args:
        system: of `actlumos.baselines`.
    """
    found = blocks(system.diagram)
    centres, widths = columns(found, 0.24)
    width = min(PAGE, max(COLUMN, centres[-1] + widths[-1] / 2 + 0.1))
    figure, axis = _canvas(width, 0.3 + LINE * len(system.diagram))
    colour = LOOKS[system.status][0]
    title = ", ".join(filter(None, (system.title, str(system.year or ""), system.status)))
    axis.text(0.05, 0.14, title, weight="bold", fontsize=8, va="center", color=colour)
    for block in found:
        _draw_block(axis, block, centres[block.layer] + 0.05, widths[block.layer], colour)
        for following in block.after:
            start = centres[block.layer] + widths[block.layer] / 2 + 0.05
            end = centres[following.layer] - widths[following.layer] / 2 + 0.05
            for y in _arrow_heights(block, following):
                _arrow(axis, (start, y), (end, y))
    return figure


def _row(number: float) -> float:
    return 0.3 + LINE * (number + 0.45)


def _arrow_heights(block: Block, following: Block) -> list[float]:
    """One arrow per stream, and a single one after the streams are joined."""
    rows = sorted(set(block.rows) & set(following.rows))
    return [_row(float(np.mean(rows)))] if block.joined else [_row(row) for row in rows]


def _draw_block(axis: Axes, block: Block, x: float, width: float, colour: str) -> None:
    entering = block.layer == 0
    y = _row((min(block.rows) + max(block.rows)) / 2)
    reaches = block.meets or not block.joined
    tall = TALL + LINE * (max(block.rows) - min(block.rows)) * reaches
    shared, frozen = "(shared)" in block.text, "(frozen)" in block.text
    fill = PALE if entering else SHARED if shared else "white"
    _box(axis, x, y, width, tall, GREY if entering else colour, fill, "--" if frozen else "-")
    axis.text(x, y, "\n".join(block.lines), ha="center", va="center", fontsize=7,
              linespacing=1.15)


# --- accuracy against cost ----------------------------------------------------------------------

@styled
def systems_vs_cost(table: pd.DataFrame, *, cost: str = "GMACs") -> Figure:
    """Top-1 of our builds against their cost, with 95 % intervals; the band is that of one frame.

    Systems of one cost are side by side: the small shift to the right has no meaning. The axis is
    logarithmic where the costs differ by more than a factor of five.

    Args:
        table: `report.baselines.measured_table`. cost: 'GMACs', 'params (M)' or 'minutes'.

    Raises:
        ValueError: no system has both a Top-1 and that cost.
    """
    rows = table[table["status"] != "control"]
    rows = rows.dropna(subset=["Top-1 (%)", cost]) if cost in rows else rows[:0]
    if rows.empty:
        raise ValueError(f"no system has a Top-1 and {cost!r}: train one first")
    height = max(2.6, 0.9 + NAME * len(rows))
    figure = new_figure(PAGE, height)
    axis, names = figure.subplots(1, 2, width_ratios=(4.2, 1.6), sharey=True)
    names.axis("off")
    for row in table[table["status"] == "control"].to_dict("records"):
        _floor(axis, row)
    ends = np.array([_ends(row) for row in table.to_dict("records")])
    low, high = ends.min() - 0.03 * np.ptp(ends), ends.max() + 0.03 * np.ptp(ends)
    axis.set(xscale="log" if rows[cost].max() > 5 * rows[cost].min() else "linear",
             xlabel=f"{cost}, one clip" if cost == "GMACs" else cost,
             ylabel="Top-1 (%), 95 % interval", ylim=(low, high))
    if axis.get_xscale() == "log":
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
    points = _points(axis, rows, cost)
    _names(names, axis, rows, points, NAME / (height - 0.8))
    handles = [Line2D([], [], color=colour, marker=marker, linestyle="", markersize=4, label=status)
               for status, (colour, marker) in LOOKS.items() if status in set(rows["status"])]
    figure.legend(handles=handles, loc="outside lower left", ncols=3, columnspacing=1.2)
    return figure


def _ends(row: dict) -> tuple[float, float]:
    low, high = row["95 % interval"].split("–")
    return float(low), float(high)


def _floor(axis: Axes, row: dict) -> None:
    axis.axhspan(*_ends(row), color=PALE, alpha=0.6, linewidth=0)
    axis.axhline(row["Top-1 (%)"], color=GREY, linewidth=0.9, linestyle=":")
    axis.annotate("one frame", (0, row["Top-1 (%)"]), xycoords=("axes fraction", "data"),
                  xytext=(3, 2), textcoords="offset points", fontsize=7, color=GREY)


def _points(axis: Axes, rows: pd.DataFrame, cost: str) -> list[tuple[float, float]]:
    """The points with their intervals, those of (nearly) one cost side by side."""
    logarithmic = axis.get_xscale() == "log"
    costs = np.log(rows[cost].astype(float)) if logarithmic else rows[cost].astype(float)
    step = 0.016 * (np.ptp(costs) or 1.0)
    alike: dict[float, int] = {}
    points = []
    for row, at in zip(rows.to_dict("records"), costs, strict=True):
        near = float(f"{row[cost]:.2g}")
        alike[near] = alike.get(near, -1) + 1
        x = at + step * alike[near]
        x, y, (low, high) = np.exp(x) if logarithmic else x, row["Top-1 (%)"], _ends(row)
        colour, marker = LOOKS[row["status"]]
        axis.errorbar(x, y, yerr=[[y - low], [high - y]], fmt=marker, color=colour, markersize=4.5,
                      elinewidth=0.9, capsize=1.5)
        points.append((float(x), y))
    return points


def _names(
    names: Axes, axis: Axes, rows: pd.DataFrame, points: list[tuple[float, float]], gap: float
) -> None:
    """Names in order of Top-1, `gap` of the height apart, each with a line to its point."""
    low, high = axis.get_ylim()
    order = np.argsort(rows["Top-1 (%)"], kind="stable")
    wanted = (rows["Top-1 (%)"].iloc[order] - low) / (high - low)
    heights = apart(wanted, [gap] * len(rows), 0.0, 0.0, 1.0)
    for place, height in zip(order, heights, strict=True):
        row = rows.iloc[place]
        label = names.annotate(
            row["system"], points[place], xycoords=axis.transData, xytext=(0.06, height),
            textcoords="axes fraction", fontsize=7, va="center", color=LOOKS[row["status"]][0],
            annotation_clip=False, arrowprops={"arrowstyle": "-", "color": "#BBBBBB",
                                               "linewidth": 0.5, "shrinkB": 3, "relpos": (0, 0.5)})
        label.set_in_layout(False)
