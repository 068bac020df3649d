"""Pictures of speed: where the time goes, what limits it, how it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from actlumos.report.style import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    PAGE,
    PALE,
    VERMILION,
    new_figure,
    styled,
)

MARKERS = "osD^vPX"


@styled
def roofline(
    kinds: Mapping[str, Sequence[tuple[float, float]]], peak: float, bandwidth: float
) -> Figure:
    """Achieved rates under what memory and arithmetic allow, both axes logarithmic.

    Source: Williams, Waterman and Patterson, "Roofline", CACM 2009.

    Args:
        kinds: kind of layer -> (operations per byte, GFLOP/s) of each layer; at most seven kinds.
        peak: GFLOP/s that arithmetic allows.
        bandwidth: GB/s of a large copy.
    """
    figure = new_figure(PAGE, 3.4)
    axis = figure.subplots()
    points = np.array([point for layers in kinds.values() for point in layers])
    ridge = peak / bandwidth
    left, right = min(points[:, 0].min(), ridge) / 2, 2 * max(points[:, 0].max(), ridge)
    axis.plot([left, ridge, right], [bandwidth * left, peak, peak], color=INK, linewidth=1.2)
    axis.text(right, 1.1 * peak, f"arithmetic: {peak:.0f} GFLOP/s", ha="right", va="bottom")
    axis.text(ridge / 3, bandwidth * ridge / 3, f"memory: {bandwidth:.0f} GB/s  ", ha="right",
              va="bottom")
    for (kind, layers), colour, marker in zip(kinds.items(), COLOURS, MARKERS, strict=False):
        intensity, rate = np.array(layers).T
        axis.scatter(intensity, rate, s=26, color=colour, marker=marker, label=kind,
                     edgecolor="white", linewidth=0.4, zorder=3)
    axis.set(xscale="log", yscale="log", xlabel="operations per byte that must move",
             ylabel="GFLOP/s", xlim=(left, right),
             ylim=(points[:, 1].min() / 2, 2 * max(peak, points[:, 1].max())))
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(_plain)
        side.set_minor_formatter(NullFormatter())
    axis.grid(color=PALE, linewidth=0.4)
    axis.set_axisbelow(True)
    figure.legend(loc="outside right center")
    return figure


def _plain(value: float, position: float = 0) -> str:
    """A tick's label; powers of ten as formulas are switched off in this house."""
    return f"{value:g}"


@styled
def time_bars(milliseconds: Mapping[str, float], *, what: str) -> Figure:
    """Parts of a whole, the longest first, with their share.

    Args:
        milliseconds: part -> time.
        what: what took this time, as the title.
    """
    parts = sorted(milliseconds, key=milliseconds.__getitem__, reverse=True)
    values = np.array([milliseconds[part] for part in parts])
    figure = new_figure(PAGE, 0.24 * len(parts) + 0.65)
    axis = figure.subplots()
    axis.barh(parts, values, color=BLUE, height=0.65)
    for place, value in enumerate(values):
        axis.text(value, place, f" {value:.1f} ms, {100 * value / values.sum():.0f} %", va="center")
    axis.invert_yaxis()
    axis.set(xlabel="milliseconds", xlim=(0, 1.2 * values.max()))
    axis.tick_params(axis="y", length=0)
    axis.set_title(what)
    return figure


@styled
def growth_curves(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Time and memory over one setting at a time, as multiples of the first point.

    Args:
        curves: as in `benchmarks/growth.json`: `label`, `values`, `seconds`, `bytes` and the two
            exponents; a dashed line is proportional growth.
    """
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    figure = new_figure(PAGE, 2.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, curve in zip(axes, curves.values(), strict=False):
        _growth(axis, curve)
    for axis in axes[len(curves):]:
        axis.axis("off")
    return figure


def _growth(axis: Axes, curve: Mapping[str, Any]) -> None:
    values = np.array(curve["values"], dtype=float)
    axis.plot(values, values / values[0], color=GREY, linewidth=0.8, linestyle="--")
    for key, name, colour, marker in (("seconds", "time", BLUE, "o"),
                                      ("bytes", "memory", VERMILION, "s")):
        costs = np.maximum(np.array(curve[key], dtype=float), 1e-9)
        label = f"{name}: exponent {curve[f'exponent_{key}']:.2f}"
        axis.plot(values, costs / costs[0], marker=marker, markersize=4, color=colour, label=label)
    axis.set(xscale="log", yscale="log", xlabel=curve["label"], ylabel="times the first point")
    axis.set_xticks(values, [_plain(value) for value in values])
    axis.yaxis.set_major_locator(LogLocator(base=2))
    axis.yaxis.set_major_formatter(_plain)
    for side in (axis.xaxis, axis.yaxis):
        side.set_minor_locator(NullLocator())
    axis.set_ylim(0.4, 1.3 * (values / values[0]).max())
    axis.legend(loc="lower right")


@styled
def ratio_bars(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """How many times faster ours is than its peer, with the middle half of the paired ratios.

    Args:
        rows: as in `benchmarks/results.json`: `name`, `ratio` and `spread`.
    """
    figure = new_figure(PAGE, 0.22 * len(rows) + 0.6)
    axis = figure.subplots()
    for place, row in enumerate(rows):
        faster = row["ratio"] >= 1
        colour = BLUE if faster else VERMILION
        axis.plot([1, row["ratio"]], [place, place], color=colour, linewidth=3.5, alpha=0.35,
                  solid_capstyle="butt")
        axis.plot(row["spread"], [place, place], color=colour, linewidth=1)
        axis.plot(row["ratio"], place, "o", color=colour, markersize=4.5)
        end = max(row["ratio"], row["spread"][1]) if faster else min(row["ratio"], row["spread"][0])
        axis.annotate(f"{row['ratio']:.2f}", (end, place), textcoords="offset points",
                      xytext=(7 if faster else -7, 0), va="center",
                      ha="left" if faster else "right")
    axis.axvline(1, color=INK, linewidth=0.8)
    ratios = [row["ratio"] for row in rows]
    axis.set(xscale="log", xlabel="times faster than the peer (1: equal)",
             xlim=(min(0.5, *ratios) / 2, 2 * max(2, *ratios)))
    axis.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axis.xaxis.set_major_formatter(_plain)
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    return figure
