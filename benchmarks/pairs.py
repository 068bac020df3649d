"""Paired timing: what every row of `make bench` is measured with.

Ours and its peer take turns in one process, so that a busy machine slows both; each turn gives one
ratio, and a row reports the medians and the middle half of the ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Unit = Literal["ms", "s", "clips/s"]


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        name: of the row, as in `benchmarks/results.json`.
        ours, peer: medians in `unit`.
        ratio: how many times better ours is than the peer (over 1: ours is faster).
        limit: what this machine could do at most, in `unit`; None where no bound is known.
        unit: `ms` or `s` (less is better) or `clips/s` (more is better).
        spread: the middle half of the paired ratios, (first quartile, third quartile).
        note: what ours and the peer are, and what the limit is, in one line.
    """

    name: str
    ours: float
    peer: float
    ratio: float
    limit: float | None
    unit: Unit
    spread: tuple[float, float]
    note: str


def compare(
    name: str,
    ours: Callable[[], object],
    peer: Callable[[], object],
    *,
    repeats: int,
    note: str,
    limit: float | None = None,
    unit: Unit = "ms",
    clips: int = 1,
    warm: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Row:
    """Time two calls in turns.

    Args:
        name, note, limit, unit: of the row.
        ours, peer: each does the same work, on `clips` clips.
        repeats: turns that count; the order within a turn alternates.
        warm: turns before those.
        clock: returns seconds; on a GPU one that waits for its work.

    Raises:
        ValueError: fewer than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}: give 1 or more")
    turns = [_turn(ours, peer, number, clock) for number in range(warm + repeats)][warm:]
    ratios = [theirs / own for own, theirs in turns]
    own, theirs = (statistics.median(times) for times in zip(*turns, strict=True))
    first, _, third = statistics.quantiles(ratios * 2 if repeats == 1 else ratios)
    ratio = statistics.median(ratios)
    return Row(
        name, _in(unit, own, clips), _in(unit, theirs, clips), ratio, limit, unit, (first, third),
        note,
    )  # fmt: skip


def _turn(
    ours: Callable[[], object],
    peer: Callable[[], object],
    number: int,
    clock: Callable[[], float],
) -> tuple[float, float]:
    """Seconds of ours and of the peer; every other turn the peer goes first."""
    calls = (ours, peer) if number % 2 == 0 else (peer, ours)
    seconds = []
    for call in calls:
        started = clock()
        call()
        seconds.append(clock() - started)
    own, theirs = seconds if number % 2 == 0 else seconds[::-1]
    return own, theirs


def _in(unit: Unit, seconds: float, clips: int) -> float:
    """Seconds in a row's unit."""
    return {"ms": 1000 * seconds, "s": seconds, "clips/s": clips / seconds}[unit]
