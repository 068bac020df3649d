"""Is a difference between two accuracies more than the test set's size allows?

Two arms tested on the same clips are compared pairwise: only the clips on which they disagree
say anything. With b clips right for the first alone and c for the second alone, and no real
difference, b is binomial(b + c, 1/2). That gives McNemar's exact test; turning it round gives
an interval of the difference that agrees with the test. Without per-clip predictions the
difference of two independent proportions is bounded by Newcombe's method (Statistics in
Medicine 1998, method 10). Both speak of the clips drawn, not of the seed trained with.
"""

from __future__ import annotations

from math import hypot
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest


class Difference(NamedTuple):
    """`points` first minus second, in percent points, with its 95 % interval.

    `p` is the two-sided p value, NaN where only intervals were at hand.
    """

    points: float
    low: float
    high: float
    p: float
    method: str

    @property
    def verdict(self) -> str:
        """'better', 'worse' or 'within noise' for the first against the second."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "within noise"


def mcnemar(first_only: int, second_only: int) -> float:
    """Two-sided exact p value from the two counts of disagreement (1.0 if there are none)."""
    if first_only < 0 or second_only < 0:
        raise ValueError(f"counts of clips cannot be negative: {first_only}, {second_only}")
    disagree = first_only + second_only
    return binomtest(first_only, disagree).pvalue if disagree else 1.0


def paired_difference(first: np.ndarray, second: np.ndarray) -> Difference:
    """Compare two arms on the same clips, in the same order.

    Args:
        first, second: bool [n], which clips each arm got right.

    Raises:
        ValueError: the two do not have the same length, or are empty.
    """
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise ValueError(f"need two equal, non-empty rows of clips: {first.shape}, {second.shape}")
    gained, lost = int((first & ~second).sum()), int((second & ~first).sum())
    points = 100 * (gained - lost) / first.size
    if gained + lost == 0:
        return Difference(points, 0.0, 0.0, 1.0, "paired, exact")
    bounds = binomtest(gained, gained + lost).proportion_ci(0.95, method="exact")
    share = 100 * (gained + lost) / first.size
    low, high = ((2 * bound - 1) * share for bound in (bounds.low, bounds.high))
    return Difference(points, low, high, mcnemar(gained, lost), "paired, exact")


def unpaired_difference(
    first: float, first_interval: tuple[float, float],
    second: float, second_interval: tuple[float, float],
) -> Difference:
    """Compare two accuracies in percent, each with its own 95 % (Wilson) interval."""
    points = first - second
    low = points - hypot(first - first_interval[0], second_interval[1] - second)
    high = points + hypot(first_interval[1] - first, second - second_interval[0])
    return Difference(points, low, high, float("nan"), "unpaired")
