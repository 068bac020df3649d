"""Figures about light: how values are spread, and how exact our Retinex is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actlumos.report.style import (
    BLUE,
    COLOURS,
    COLUMN,
    GREY,
    INK,
    PAGE,
    as_pixels,
    new_figure,
    set_padding,
    show_frame,
    styled,
)


def _histogram(axis: Axes, name: str, values: np.ndarray, colour: str, bins: np.ndarray) -> None:
    """One filled histogram with its quartiles; its name and median are above."""
    share, _ = np.histogram(values, bins=bins)
    low, middle, high = np.percentile(values, (25, 50, 75))
    axis.stairs(100 * share / max(values.size, 1), bins, fill=True, color=colour, alpha=0.75)
    axis.axvspan(low, high, color=INK, alpha=0.1, linewidth=0)
    axis.axvline(middle, color=INK, linewidth=0.9)
    axis.set(xlim=(bins[0], bins[-1]), yticks=[])
    axis.spines["left"].set_visible(False)
    axis.set_title(f"{name}: median {middle:.3g}, quartiles {low:.3g} to {high:.3g}",
                   fontsize=7.5, fontweight="normal", pad=2)


@styled
def intensity_histograms(
    values: Mapping[str, np.ndarray], *, label: str = "luma (0–255)", top: float = 255.0,
) -> Figure:
    """Histograms one under the other on one axis; the line is the median, the band the quartiles.

    Args:
        values: name -> values of any shape in 0..`top`.
        label: what the values are, with their unit.
        top: end of the axis.
    """
    figure = new_figure(COLUMN, 0.72 * len(values) + 0.4)
    axes = figure.subplots(len(values), 1, sharex=True, squeeze=False)[:, 0]
    set_padding(figure, h_pad=0.01, hspace=0.02)
    bins = np.linspace(0, top, 65)
    for index, (axis, (name, array)) in enumerate(zip(axes, values.items(), strict=True)):
        colour = COLOURS[index % (len(COLOURS) - 1)]
        _histogram(axis, name, np.asarray(array, dtype=float).ravel(), colour, bins)
    axes[-1].set_xlabel(label)
    figure.supylabel("share of values", fontsize=8, color=INK)
    return figure


@styled
def msr_against_opencv(
    ours: np.ndarray, opencv: np.ndarray, dark: np.ndarray | None = None,
) -> Figure:
    """Multi-scale Retinex of one frame by both implementations, and where they differ.

    Args:
        ours, opencv: float [H, W, 3] in 0..1.
        dark: the frame before enhancement, for comparison.

    Raises:
        ValueError: the two do not have the same shape.
    """
    if ours.shape != opencv.shape:
        raise ValueError(f"the two frames differ in shape: {ours.shape} and {opencv.shape}")
    pictures = {} if dark is None else {"dark, as recorded": dark}
    pictures |= {"this kit": ours, "OpenCV": opencv}
    error = np.abs(ours.astype(np.float64) - opencv).max(axis=-1)
    width = PAGE / (len(pictures) + 1.4)
    figure = new_figure(PAGE, width * ours.shape[0] / ours.shape[1] + 0.45)
    axes = figure.subplots(1, len(pictures) + 1)
    for axis, (name, frame) in zip(axes[:-1], pictures.items(), strict=True):
        show_frame(axis, as_pixels(frame))
        axis.set_title(name, fontsize=8, fontweight="normal")
    shown = axes[-1].imshow(error * 1e6, cmap="cividis", vmin=0)
    axes[-1].set(xticks=[], yticks=[])
    axes[-1].set_title(f"|difference|, max {error.max():.1e}", fontsize=8, fontweight="normal")
    bar = figure.colorbar(shown, cax=axes[-1].inset_axes((1.03, 0, 0.05, 1)))
    bar.set_label("× 10⁻⁶, range 0–1", fontsize=7)
    bar.outline.set(linewidth=0.4, edgecolor=GREY)
    return figure


@styled
def runtime_bars(seconds: Mapping[str, float], *, what: str = "64 × 112 × 112 clip") -> Figure:
    """Measured time of several implementations of one thing; the first is the reference.

    Args:
        seconds: name -> seconds per clip; the ratio to the first entry is printed after each bar.
        what: what was timed.
    """
    names, values = list(seconds), 1000 * np.array(list(seconds.values()))
    figure = new_figure(COLUMN, 0.3 * len(names) + 0.5)
    axis = figure.subplots()
    axis.barh(names, values, color=[GREY] + [BLUE] * (len(names) - 1), height=0.65)
    for place, value in enumerate(values):
        ratio = "" if place == 0 else f"  ({values[0] / value:.1f} × faster)"
        axis.text(value, place, f" {value:.3g} ms{ratio}", va="center", fontsize=7.5)
    axis.invert_yaxis()
    axis.set(xlabel=f"milliseconds, {what}", xlim=(0, values.max() * 1.3))
    axis.tick_params(axis="y", length=0)
    return figure
