"""The concept map: the ideas of the chapters as boxes, and which one another is built from.

`build_site.py` calls `svg` and puts the drawing into `docs/concept_map.md`. Each box is a link to
its chapter. Lines and words take the colour of the page, so the map is right on light and dark.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 150, 54  # of a box
ACROSS, DOWN, TOP = 186, 80, 52  # from box to box; height of the column's title


class Idea(NamedTuple):
    """A box: where it stands, the number of its chapter, and a word of that chapter for it."""

    column: int
    row: int
    chapter: str
    word: str


COLUMNS = ("The clip", "The light", "The teacher", "Without labels", "The student", "Judging it")
IDEAS = {
    "video file": Idea(0, 0, "01", "video file"),
    "manifest": Idea(0, 1, "01", "manifest"),
    "clip": Idea(0, 2, "01", "clip"),
    "crop": Idea(0, 3, "01", "crop"),
    "tone curve": Idea(1, 1, "02", "tone curve"),
    "Retinex": Idea(1, 2, "02", "Retinex"),
    "normalisation": Idea(1, 3, "02", "normalised"),
    "teacher": Idea(2, 0, "03", "teacher"),
    "BERT head": Idea(2, 1, "03", "BERT"),
    "fusion (DFF)": Idea(2, 2, "03", "Dynamic Feature Fusion"),
    "R(2+1)D": Idea(2, 3, "03", "R(2+1)D"),
    "SupCon": Idea(2, 4, "03", "contrastive"),
    "start weights": Idea(3, 2, "04", "start weights"),
    "NT-Xent": Idea(3, 3, "04", "NT-Xent"),
    "two views": Idea(3, 4, "04", "two views"),
    "pool": Idea(3, 5, "04", "pool"),
    "soft targets": Idea(4, 0, "05", "temperature"),
    "distillation": Idea(4, 1, "05", "distillation"),
    "student": Idea(4, 2, "05", "student"),
    "cost": Idea(4, 3, "05", "GMACs"),
    "claims": Idea(5, 0, "08", "claims"),
    "paired test": Idea(5, 1, "06", "McNemar"),
    "Top-1, interval": Idea(5, 2, "06", "interval"),
    "controls": Idea(5, 3, "06", "control"),
    "kNN, t-SNE": Idea(5, 4, "07", "kNN accuracy"),
    "other systems": Idea(5, 5, "09", "systems"),
}
BUILT_FROM = (
    ("video file", "manifest"), ("manifest", "clip"), ("clip", "crop"), ("clip", "Retinex"),
    ("tone curve", "Retinex"), ("Retinex", "normalisation"), ("crop", "normalisation"),
    ("normalisation", "R(2+1)D"), ("R(2+1)D", "fusion (DFF)"), ("fusion (DFF)", "BERT head"),
    ("BERT head", "teacher"), ("R(2+1)D", "SupCon"), ("SupCon", "NT-Xent"),
    ("pool", "two views"), ("two views", "NT-Xent"), ("NT-Xent", "start weights"),
    ("teacher", "soft targets"), ("soft targets", "distillation"), ("distillation", "student"),
    ("start weights", "student"), ("student", "cost"), ("student", "Top-1, interval"),
    ("Top-1, interval", "paired test"), ("paired test", "claims"),
    ("Top-1, interval", "controls"), ("student", "kNN, t-SNE"), ("cost", "other systems"),
)  # fmt: skip


def svg(chapters: list[str]) -> str:
    """The map as an SVG element; `chapters` are names such as `03_teacher_training`."""
    wide = ACROSS * len(COLUMNS)
    high = TOP + DOWN * (1 + max(idea.row for idea in IDEAS.values()))
    parts = [f'<div class="map"><svg viewBox="0 0 {wide} {high}" role="group" {_STYLE}>', _HEAD]
    for column, title in enumerate(COLUMNS):
        x = column * ACROSS + WIDTH / 2 + 8
        parts.append(f'<text x="{x}" y="22" font-weight="bold">{escape(title)}</text>')
    parts += [line(*pair) for pair in BUILT_FROM]
    parts += [box(name, idea, chapters) for name, idea in IDEAS.items()]
    return "\n".join([*parts, "</svg></div>"])


_STYLE = (
    'aria-labelledby="map-title" font-family="inherit" font-size="18" text-anchor="middle" '
    'fill="currentColor" stroke="none"'
)
_HEAD = """<title id="map-title">Concept map: which idea is built from which</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="10" markerHeight="10"
orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor"/></marker></defs>"""


def corner(idea: Idea) -> tuple[int, int]:
    """Left and top of a box."""
    return 8 + idea.column * ACROSS, TOP + idea.row * DOWN - 8


def box(name: str, idea: Idea, chapters: list[str]) -> str:
    """A box that leads to its chapter."""
    x, y = corner(idea)
    page = next(chapter for chapter in chapters if chapter.startswith(idea.chapter))
    return (
        f'<a href="../notebooks/{page}.html"><rect x="{x}" y="{y}" width="{WIDTH}" '
        f'height="{HEIGHT}" rx="8" fill="var(--color-background-secondary)" '
        f'stroke="currentColor"/><text x="{x + WIDTH / 2}" y="{y + 24}">{escape(name)}</text>'
        f'<text x="{x + WIDTH / 2}" y="{y + 44}" font-size="14" opacity="0.75">chapter '
        f"{idea.chapter}</text></a>"
    )


def line(start: str, end: str) -> str:
    """An arrow from the right or the nearer side of one box to the next."""
    (x0, y0), (x1, y1) = corner(IDEAS[start]), corner(IDEAS[end])
    if IDEAS[start].column == IDEAS[end].column:
        below = y1 > y0
        ax = bx = x0 + WIDTH / 2
        ay, by = (y0 + HEIGHT, y1) if below else (y0, y1 + HEIGHT)
        path = f"M{ax} {ay} L{bx} {by}"
    else:
        ax, ay, bx, by = x0 + WIDTH, y0 + HEIGHT / 2, x1, y1 + HEIGHT / 2
        bend = (bx - ax) / 2
        path = f"M{ax} {ay} C{ax + bend} {ay} {bx - bend} {by} {bx} {by}"
    return f'<path d="{path}" fill="none" stroke="currentColor" marker-end="url(#tip)"/>'
