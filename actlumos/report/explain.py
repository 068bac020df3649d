"""Figures that explain an idea: which frames make a clip, what an enhancement does to a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from actlumos.report.style import (
    COLOURS,
    GREY,
    INK,
    PAGE,
    PALE,
    new_figure,
    styled,
)


@styled
def frame_policies(videos: Mapping[str, tuple[int, Sequence[int]]]) -> Figure:
    """Which frames of a video make a clip, one row per rule; numbers: places in the clip.

    Args:
        videos: label -> (frames in the video, indices of the clip's frames).

    Raises:
        ValueError: an index is outside its video.
    """
    longest = max(frames for frames, _ in videos.values())
    figure = new_figure(PAGE, 0.42 * len(videos) + 0.5)
    axis = figure.subplots()
    for row, (name, (frames, indices)) in enumerate(videos.items()):
        if min(indices) < 0 or max(indices) >= frames:
            raise ValueError(f"{name}: indices {indices} do not fit into {frames} frames")
        axis.broken_barh([(i, 0.86) for i in range(frames)], (row - 0.26, 0.32), color=PALE)
        places: dict[int, list[int]] = {}
        for place, index in enumerate(indices):
            places.setdefault(int(index), []).append(place)
        axis.broken_barh([(i, 0.86) for i in places], (row - 0.26, 0.32),
                         color=COLOURS[row % len(COLOURS)])
        free = np.inf  # from the right: numbers that would touch the next one are left out
        for index, when in sorted(places.items(), reverse=True):
            if index + 0.012 * longest * (len(_ranges(when)) + 0.5) <= free:
                axis.text(index + 0.1, row + 0.24, _ranges(when), va="center", fontsize=6.5)
                free = index
    axis.set_yticks(range(len(videos)), list(videos))
    axis.set(ylim=(len(videos) - 0.5, -0.6), xlim=(-0.5, longest + 1.5))
    axis.set_xlabel("frame of the video")
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    return figure


def _ranges(places: Sequence[int]) -> str:
    """`7–11` for a run of more than two places, else the places with commas."""
    steady = len(places) > 2 and places[-1] - places[0] == len(places) - 1
    return f"{places[0]}–{places[-1]}" if steady else ", ".join(map(str, places))


@styled
def tone_curves(
    before: np.ndarray, after: Mapping[str, np.ndarray], *, sample: int = 4000,
) -> Figure:
    """A pixel's value before and after: a line means one fixed curve, a cloud that place matters.

    Args:
        before: values in 0..1, any shape.
        after: name of an enhancement -> its values at the same places.
        sample: points drawn of each, evenly spread over the values.

    Raises:
        ValueError: an `after` has another shape than `before`.
    """
    wrong = [name for name, values in after.items() if values.shape != before.shape]
    if wrong:
        raise ValueError(f"{wrong[0]} does not have the shape {before.shape} of the input")
    flat = before.ravel()
    chosen = np.linspace(0, flat.size - 1, min(sample, flat.size)).astype(int)
    figure = new_figure(PAGE, 2.0)
    axes = figure.subplots(1, len(after), sharey=True, squeeze=False)[0]
    top = max(float(np.percentile(flat, 99.5)), 1e-3)
    for axis, (name, values), colour in zip(axes, after.items(), COLOURS, strict=False):
        axis.scatter(flat[chosen], values.ravel()[chosen], s=1.5, color=colour, alpha=0.35,
                     linewidths=0, rasterized=True)
        axis.plot([0, top], [0, top], color=GREY, linewidth=0.8, linestyle=":")
        axis.set(xlim=(0, top), ylim=(-0.02, 1.02))
        axis.set_title(name, fontsize=8)
    figure.supxlabel("value before (0–1); dotted: unchanged", fontsize=8, color=INK)
    axes[0].set_ylabel("value after (0–1)")
    return figure
