"""Every figure by name: one figure, one named producer.

    from actlumos.report import figures
    figure = figures.confusion_matrix(matrix, classes)
    figures.save(figure, "confusion_matrix", directory)

`FIGURES` lists them all with a caption. A file may carry its notebook's number before its
figure's name and a suffix after it (`06_confusion_matrix-teacher`), so that one producer can
serve several arms.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from actlumos.report.baseline_figures import block_diagram, family_tree, systems_vs_cost
from actlumos.report.enhancement import intensity_histograms, msr_against_opencv, runtime_bars
from actlumos.report.explain import frame_policies, tone_curves
from actlumos.report.frames import (
    augmentation_views,
    clip_sheet,
    enhancement_rows,
    realism_sheet,
)
from actlumos.report.outcomes import (
    Embedding,
    ablation_bars,
    accuracy_vs_cost,
    confusion_matrix,
    ssl_source_bars,
    tsne_panels,
)
from actlumos.report.overview import method_overview
from actlumos.report.speed import growth_curves, ratio_bars, roofline, time_bars
from actlumos.report.style import as_pixels, save
from actlumos.report.targets import soft_targets
from actlumos.report.training import (
    PairBatch,
    contrastive_pairs,
    dff_weights_over_time,
    pair_masks,
    training_curves,
)

__all__ = [
    "FIGURES", "Embedding", "Entry", "PairBatch", "ablation_bars", "accuracy_vs_cost", "as_pixels",
    "augmentation_views", "block_diagram", "clip_sheet", "confusion_matrix", "contrastive_pairs",
    "dff_weights_over_time", "enhancement_rows", "family_tree", "frame_policies", "growth_curves",
    "intensity_histograms", "method_overview", "msr_against_opencv", "pair_masks", "producer_of",
    "ratio_bars", "realism_sheet", "roofline", "runtime_bars", "save", "soft_targets",
    "ssl_source_bars", "systems_vs_cost", "time_bars", "tone_curves", "training_curves",
    "tsne_panels",
]


class Entry(NamedTuple):
    """The function that draws a figure, and what the figure shows."""

    producer: Callable[..., Figure]
    caption: str


FIGURES = {
    "method_overview": Entry(
        method_overview, "The three stages; dashed: weights or frozen outputs passed on."),
    "clip_sheet": Entry(clip_sheet, "One clip of every class, frames as recorded."),
    "realism_sheet": Entry(
        realism_sheet, "Rendered and real frames, as recorded and brightened by a stated factor."),
    "frame_policies": Entry(
        frame_policies, "Frames of a video that make a clip under each rule."),
    "enhancement_rows": Entry(
        enhancement_rows, "The same dark frames through each enhancement."),
    "intensity_histograms": Entry(
        intensity_histograms, "Distribution of luma; line: median, band: quartiles."),
    "tone_curves": Entry(
        tone_curves, "A pixel's value before and after each enhancement."),
    "msr_against_opencv": Entry(
        msr_against_opencv, "Multi-scale Retinex here and by OpenCV, and their difference."),
    "runtime_bars": Entry(runtime_bars, "Measured time of each implementation."),
    "augmentation_views": Entry(
        augmentation_views, "A clip, the crops taken from it and the views they give."),
    "training_curves": Entry(
        training_curves, "Loss and Top-1 over epochs; dashed: training, solid: validation."),
    "dff_weights_over_time": Entry(
        dff_weights_over_time, "Fusion weight of each stream over a clip, mean over space."),
    "contrastive_pairs": Entry(
        contrastive_pairs, "Positives and negatives of a real batch under both losses."),
    "soft_targets": Entry(
        soft_targets, "The teacher's probabilities for single clips at several temperatures."),
    "confusion_matrix": Entry(
        confusion_matrix, "Confusion on the test clips; colour: share of the true class."),
    "ablation_bars": Entry(
        ablation_bars, "Top-1 of the arms that were run, with 95 % Wilson intervals."),
    "ssl_source_bars": Entry(
        ssl_source_bars, "Top-1 by pretraining pool; numbers above: gain over KD only."),
    "tsne_panels": Entry(
        tsne_panels, "t-SNE of test features, with kNN accuracy and silhouette."),
    "accuracy_vs_cost": Entry(
        accuracy_vs_cost, "Top-1 against the cost of one clip, with 95 % intervals."),
    "family_tree": Entry(
        family_tree, "Which compared system builds on which; colour: how close our build is."),
    "block_diagram": Entry(
        block_diagram, "A compared system as boxes; filled: shared weights, dashed: frozen."),
    "systems_vs_cost": Entry(
        systems_vs_cost, "Top-1 of our builds against cost; band: interval of one frame."),
    "roofline": Entry(
        roofline, "Rate of each layer under the limits of memory and arithmetic."),
    "time_bars": Entry(time_bars, "Where the time of a training step goes."),
    "growth_curves": Entry(
        growth_curves, "Time and memory of training over each setting; dashed: proportional."),
    "ratio_bars": Entry(ratio_bars, "How many times faster each part is than its peer."),
}


def producer_of(name: str) -> str:
    """Name of the registered figure that made a file: `05_soft_targets-kd.pdf` -> `soft_targets`.

    A number before the name is the notebook's.

    Raises:
        ValueError: no registered figure has that name.
    """
    stem = re.sub(r"^\d+_", "", name.partition("-")[0].partition(".")[0])
    if stem not in FIGURES:
        raise ValueError(f"no figure is called {stem!r}; there are {', '.join(FIGURES)}")
    return stem
