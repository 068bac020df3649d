"""The method as one picture: the teacher's inputs and losses, and how the student is trained."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from actlumos.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    PAGE,
    PURPLE,
    VERMILION,
    new_figure,
    styled,
)

Box = tuple[float, float, float, float]  # centre x, centre y, width, height
TEACHER: dict[str, tuple[Box, str]] = {
    "dark": ((6, 88, 12, 7), "dark clip"),
    "retinex": ((6, 72, 12, 7), "Retinex copy"),
    "backbone": ((25.5, 80, 14, 18), "R(2+1)D\n\none set of\nweights for\nboth streams"),
    "dff": ((46.5, 80, 15.5, 18), "Dynamic\nFeature Fusion\n\nweights per stream,\nplace and time"),
    "bert": ((65.5, 80, 12, 12), "BERT layer\nover time,\nCLS token"),
    "logits": ((82, 80, 9, 7), "logits"),
}
STUDENT: dict[str, tuple[Box, str]] = {
    "dark": ((6, 18, 12, 7), "dark clip"),
    "backbone": ((25.5, 18, 14, 12), "R(2+1)D"),
    "bert": ((65.5, 18, 12, 12), "BERT layer\nover time,\nCLS token"),
    "logits": ((82, 18, 9, 7), "logits"),
}
PRETRAINING: dict[str, tuple[Box, str]] = {
    "views": ((6, 41, 12, 9), "two views of\none dark clip"),
    "backbone": ((25.5, 41, 14, 9), "R(2+1)D"),
}


def _draw_boxes(axis: Axes, boxes: dict[str, tuple[Box, str]], colour: str) -> None:
    for (x, y, width, height), text in boxes.values():
        axis.add_patch(FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=1",
            mutation_aspect=1.6, facecolor="white", edgecolor=colour, linewidth=1.1))
        axis.text(x, y, text, ha="center", va="center", fontsize=7, linespacing=1.25)


def _loss(axis: Axes, x: float, y: float, text: str, colour: str) -> None:
    axis.text(x, y, text, ha="center", va="center", fontsize=7.5, color="white", weight="bold",
              bbox={"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": "none"})


def _arrow(
    axis: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = INK,
    dashed: bool = False,
) -> None:
    style = (0, (4, 2)) if dashed else "-"
    axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=7, color=colour,
                                   linewidth=1.1, linestyle=style, shrinkA=0, shrinkB=0))


def _teacher(axis: Axes) -> None:
    _draw_boxes(axis, TEACHER, VERMILION)
    _arrow(axis, (6, 84.5), (6, 75.5), GREY)
    axis.text(6.8, 80, "enhance", fontsize=6.5, color=GREY, va="center")
    for y in (86, 74):
        _arrow(axis, (12, y + (2 if y > 80 else -2)), (18.5, y))
        _arrow(axis, (32.5, y), (38.7, y))
    for start, end in ((54.3, 59.5), (71.5, 77.5), (86.5, 91.5)):
        _arrow(axis, (start, 80), (end, 80))
    _loss(axis, 95.5, 80, "CE", VERMILION)
    for x, y in ((34.5, 74), (36.5, 86)):
        _arrow(axis, (x, y), (x, 65.3), GREY)
    _loss(axis, 35.5, 63, "SupCon, both streams", VERMILION)


def _student(axis: Axes) -> None:
    _draw_boxes(axis, PRETRAINING, PURPLE)
    _arrow(axis, (12, 43), (18.5, 43))
    _arrow(axis, (12, 39), (18.5, 39))
    _arrow(axis, (32.5, 41), (38.5, 41))
    _loss(axis, 45, 41, "NT-Xent", PURPLE)
    _arrow(axis, (25.5, 36.5), (25.5, 24), PURPLE, dashed=True)
    axis.text(26.5, 30.3, "start weights", fontsize=7, color=PURPLE, va="center")
    _draw_boxes(axis, STUDENT, GREEN)
    for start, end in ((12, 18.5), (32.5, 59.5), (71.5, 77.5), (86.5, 91.5)):
        _arrow(axis, (start, 18), (end, 18))
    _loss(axis, 95.5, 18, "CE", GREEN)
    _arrow(axis, (82, 76.5), (82, 53.5), VERMILION, dashed=True)
    _arrow(axis, (82, 21.5), (82, 46.5), GREEN)
    _loss(axis, 82, 50, "KD: follow the teacher", BLUE)


@styled
def method_overview() -> Figure:
    """Boxes and arrows of the three stages; dashed arrows carry weights or frozen outputs.

    Drawn after the paper's architecture figure: teacher (1), self-supervised
    pretraining (2), distillation (3). Only the lowest row runs after training.
    """
    figure = new_figure(PAGE, 3.9)
    axis = figure.subplots()
    axis.set(xlim=(-1, 101), ylim=(6, 100))
    axis.axis("off")
    titles = (
        (96, VERMILION, "1  Teacher: labels, two streams per clip"),
        (51, PURPLE, "2  Pretraining: no labels"),
        (29, GREEN, "3  Distillation"),
    )
    for y, colour, text in titles:
        axis.text(0.5, y, text, color=colour, weight="bold", fontsize=8.5, va="center")
    _teacher(axis)
    _student(axis)
    axis.text(0.5, 8.5, "At test time only this row runs: dark frames in, no enhancement, "
              "one stream.", color=GREEN, fontsize=7.5, va="center")
    return figure
