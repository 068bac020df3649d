"""Positions of the boxes in the family tree of the systems and in their block diagrams.

Pure geometry, in inches; `baseline_figures` draws it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap

import numpy as np
from scipy.optimize import isotonic_regression

from actlumos.arms import Card

CHARACTER = 0.059  # of 7 point text, on average
JOINS = re.compile(r"(BERT|DFF|(weighted )?mean)\b")
"""Boxes in which streams meet."""


def apart(
    wanted: Sequence[float], widths: Sequence[float], gap: float, low: float, high: float
) -> np.ndarray:
    """Centres of things in this order, `gap` apart, as near to `wanted` as can be.

    The same trick as `style.spread`, with a width for each. From the first thing's left side to
    the last one's right side all lie between `low` and `high`, if these leave enough room.
    """
    halves = np.asarray(widths, dtype=float) / 2
    steps = np.concatenate([[0.0], np.cumsum(halves[:-1] + halves[1:] + gap)])
    first = isotonic_regression(np.asarray(wanted, dtype=float) - steps).x
    return np.clip(first, low + halves[0], high - halves[-1] - steps[-1]) + steps


# --- a system's block diagram -------------------------------------------------------------------

@dataclass(eq=False)
class Block:
    """A box of a diagram, in one row or over several.

    `meets`: the streams meet here. `joined`: here or before, so one arrow leaves it.
    """

    text: str
    meets: bool
    joined: bool
    rows: list[int] = field(default_factory=list)
    layer: int = 0
    after: list[Block] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """Its text in lines; a remark in brackets is on its own line."""
        body, bracket, remark = self.text.partition(" (")
        width = 13 if len(body) > 18 else 15
        return wrap(body, width, break_long_words=False) + [bracket[1:] + remark] * bool(bracket)

    @property
    def width(self) -> float:
        """Inches."""
        return CHARACTER * max(map(len, self.lines)) + 0.16


def blocks(diagram: Sequence[str]) -> list[Block]:
    """The boxes of `Card.diagram`, each once, with its rows, layer and successors.

    Boxes of several rows with the same text are one box if they are inputs, are marked
    `(shared)`, or are at or after a box in which streams meet. A row that ends in such a box
    goes on as the others do.
    """
    rows = [row.split(" -> ") for row in diagram]
    found: dict[tuple, Block] = {}
    for number, row in enumerate(rows):
        meet = next((i for i, text in enumerate(row) if _meets(text, rows)), len(row))
        path = []
        for place, text in enumerate([*row, *_rest(row, rows)]):
            alone = place and place < meet and "(shared)" not in text
            key = (text, number, place) if alone else (text,)
            path.append(found.setdefault(key, Block(text, place == meet, place >= meet)))
            path[-1].rows.append(number)
        for one, following in zip(path, path[1:], strict=False):
            if following not in one.after:
                one.after.append(following)
    _layers(list(found.values()))
    return list(found.values())


def _meets(text: str, rows: Sequence[Sequence[str]]) -> bool:
    return bool(JOINS.match(text)) and sum(text in row for row in rows) > 1


def _rest(row: Sequence[str], rows: Sequence[Sequence[str]]) -> Sequence[str]:
    """The continuation, in the other rows, of the box that this one ends in."""
    longer = [other[other.index(row[-1]) + 1:] for other in rows if row[-1] in other]
    return max(longer, key=len) if _meets(row[-1], rows) else []


def _layers(found: Sequence[Block]) -> None:
    """The longest way to a box is its column; as many rounds as there are boxes are enough."""
    for _ in found:
        for block in found:
            for following in block.after:
                following.layer = max(following.layer, block.layer + 1)


def columns(found: Sequence[Block], gap: float) -> tuple[list[float], list[float]]:
    """Centre and width of each column of blocks, in inches from the left."""
    layers = range(max(block.layer for block in found) + 1)
    widths = [max(b.width for b in found if b.layer == layer) for layer in layers]
    lefts = np.concatenate([[0.0], np.cumsum(np.array(widths) + gap)])[:-1]
    return [left + width / 2 for left, width in zip(lefts, widths, strict=True)], widths


# --- the family tree ----------------------------------------------------------------------------

@dataclass
class Node:
    """A system in its year's row, or (without a `system`) the way past that row from a parent.

    `x`: centre, in inches. `parents`: names of the systems above it in the tree.
    """

    name: str
    system: Card | None
    parents: tuple[str, ...]
    x: float = 0.0


def family_rows(
    systems: Sequence[Card], width: float, box: float, gap: float
) -> dict[int, list[Node]]:
    """Year to the nodes of its row, from left to right; a child is near its parents.

    A system with children in later rows has a node without a `system` in each row between, so
    that lines can go past the boxes. Year 0, not published, comes last. The rows are placed
    twice: the first time gives the positions of the children of those without parents.

    Args:
        systems: those whose parents are not among them start a line of their own.
        width: inches of a row. box: of a system. gap: between neighbours.
    """
    known = {system.name: system for system in systems}
    years = sorted({s.year for s in systems}, key=lambda year: (year == 0, year))
    last = {name: max((years.index(s.year) for s in systems if name in s.grew_from), default=0)
            for name in known}
    goals: dict[str, float] = {}
    for _ in range(2):
        rows: dict[int, list[Node]] = {}
        places: dict[str, float] = {}
        for row, year in enumerate(years):
            groups = _with_children([_node(s, known) for s in systems if s.year == year])
            past = [n for n, s in known.items() if years.index(s.year) < row < last[n]]
            groups += [[Node(name, None, (name,))] for name in past]
            rows[year] = _placed(groups, {**goals, **places}, width, box, gap)
            places |= {node.name: node.x for node in rows[year]}
        goals = _above_children(rows)
    return rows


def _above_children(rows: Mapping[int, Sequence[Node]]) -> dict[str, float]:
    """Preferred x of a system without parents: over the middle of its children."""
    nodes = [node for row in rows.values() for node in row if node.system]
    young = {node.name: [child.x for child in nodes if node.name in child.parents]
             for node in nodes if not node.parents}
    return {name: float(np.mean(children)) for name, children in young.items() if children}


def _node(system: Card, known: Mapping[str, Card]) -> Node:
    return Node(system.name, system, tuple(p for p in system.grew_from if p in known))


def _with_children(nodes: list[Node]) -> list[list[Node]]:
    """Systems of one year, each child next to its parent of that year."""
    groups: list[list[Node]] = []
    for node in sorted(nodes, key=lambda n: _depth(n, nodes)):
        home = next((g for g in groups if {m.name for m in g} & set(node.parents)), None)
        if home is None:
            groups.append([node])
        else:
            home.append(node)
    return groups


def _depth(node: Node, nodes: Sequence[Node]) -> int:
    parents = [other for other in nodes if other.name in node.parents]
    return 1 + max((_depth(parent, nodes) for parent in parents), default=-1)


def _placed(
    groups: list[list[Node]], places: Mapping[str, float], width: float, box: float, gap: float
) -> list[Node]:
    """A row's nodes with their x: each group under its parents, others at the right end."""
    def wanted(*nodes: Node) -> float:
        above = [places[p] for node in nodes for p in node.parents if p in places]
        own = [places[node.name] for node in nodes if node.name in places and not node.parents]
        return float(np.mean(above or own)) if above or own else width

    turned = [group[::-1] if wanted(group[0]) > wanted(group[-1]) else group for group in groups]
    turned = sorted(turned, key=lambda group: wanted(*group))
    goals = [wanted(*group) + (place - (len(group) - 1) / 2) * (box + gap)
             for group in turned for place in range(len(group))]
    row = [node for group in turned for node in group]
    wide = [box if node.system else 0.12 for node in row]
    for node, place in zip(row, apart(goals, wide, gap, 0.0, width), strict=True):
        node.x = float(place)
    return row
