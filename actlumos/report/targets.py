"""The figure of distillation: a teacher's probabilities for a clip beyond its first class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actlumos.report.style import (
    BLUE,
    INK,
    ORANGE,
    PAGE,
    as_pixels,
    gain_note,
    new_figure,
    printable,
    show_frame,
    styled,
)


@styled
def soft_targets(
    frames: np.ndarray,
    probabilities: Mapping[float, np.ndarray],
    classes: Sequence[str],
    truths: Sequence[int],
    *,
    gain: float = 1.0,
) -> Figure:
    """One row per clip: one frame, then the answer as bars at each temperature.

    Args:
        frames: [N, H, W, 3], one of each clip, uint8 or float 0..1.
        probabilities: temperature -> [N, K], rows sum to 1. classes: K names.
        truths: N class ids, drawn in orange.
        gain: brightness factor of the frames; the first one's title says so.

    Raises:
        ValueError: the numbers of frames, rows and names do not agree.
    """
    for temperature, rows in probabilities.items():
        if np.shape(rows) != (len(frames), len(classes)):
            raise ValueError(f"T={temperature:g}: need [{len(frames)}, {len(classes)}] "
                             f"probabilities, not {np.shape(rows)}")
    names = [printable(name) for name in classes]
    top = min(1.0, 1.15 * max(np.max(rows) for rows in probabilities.values()))
    figure = new_figure(PAGE, 1.15 * len(frames) + 0.75)
    axes = figure.subplots(len(frames), 1 + len(probabilities), squeeze=False, sharey="col",
                           width_ratios=[1.0] + [1.7] * len(probabilities))
    for row, (line, pixels) in enumerate(zip(axes, as_pixels(frames, gain), strict=True)):
        show_frame(line[0], pixels)
        line[0].set_ylabel(names[truths[row]], color=ORANGE)
        for axis, rows in zip(line[1:], probabilities.values(), strict=True):
            _bars(axis, rows[row], truths[row], top)
    axes[0, 0].set_title(gain_note(gain), fontsize=8, fontweight="normal")
    for column, temperature in enumerate(probabilities, start=1):
        axes[0, column].set_title(f"softmax at T = {temperature:g}")
        axes[-1, column].set_xticks(range(len(classes)), names, rotation=60, ha="right",
                                    rotation_mode="anchor", fontsize=7, color=INK)
    return figure


def _bars(axis: Axes, answer: np.ndarray, truth: int, top: float) -> None:
    """One answer `[K]`, the true class in orange."""
    colours = [ORANGE if k == truth else BLUE for k in range(len(answer))]
    axis.bar(range(len(answer)), answer, color=colours, width=0.75)
    axis.set(ylim=(0, top), xticks=range(len(answer)), xticklabels=[])
    axis.tick_params(axis="x", length=0)
