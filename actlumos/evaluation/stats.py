"""How certain an accuracy, or a difference of two, is with a given number of test clips.

**An accuracy.** Wilson's 95 % interval on the number of test clips. A mean over seeds and splits
rests on fewer clips than its runs have tested together, since they test many of the same clips;
it gets Wilson's interval on its *effective* number of clips (Kish, Survey Sampling, 1965). Let
clip c have the weight a_c in the mean (the weights of all clips add up to 1); then

    n = 1 / sum_c a_c^2

as if all runs agreed on a clip. One run, or many seeds of one split, give the number of clips of
that split: more seeds do not add clips. Splits that share no clip give the sum of their clips.

**A difference.** Two arms tested on the same clips are compared pairwise: only the clips on which
they disagree count. With b clips right for the first alone and c for the second alone, and
no real difference, b is binomial(b + c, 1/2). That gives McNemar's exact test; inverting it
gives an interval of the difference that agrees with the test. Several runs are pooled by clip, and
the same test is made on the effective numbers b and c. Without per-clip predictions the difference
of two independent proportions is bounded by Newcombe's method (Statistics in Medicine 1998,
method 10).

All of it is about the sample of clips. The effect of the seed is the spread over seeds, which is
reported next to it.
Neither includes the similarity of clips of one scene: the real uncertainty is larger.
"""

from __future__ import annotations

from math import hypot, sqrt
from typing import NamedTuple

import numpy as np
from scipy.special import betainc, betaincinv

Z = 1.959963984540054  # 97.5 % point of the normal distribution


class Difference(NamedTuple):
    """`points` first minus second, in percent points, with its 95 % interval.

    `p` is the two-sided p value, NaN where only intervals were available.
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


def wilson(percent: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of an accuracy, in percent (Wilson 1927).

    Args:
        percent: the accuracy, 0..100.
        n: number of clips, above 0; an effective number need not be whole.

    Raises:
        ValueError: a value is outside its range.
    """
    if not 0 <= percent <= 100 or not n > 0:
        raise ValueError(f"need 0 <= percent <= 100 and n > 0, not {percent} and {n}")
    share, spare = percent / 100, Z * Z / n
    centre = (share + spare / 2) / (1 + spare)
    half = Z * sqrt(share * (1 - share) / n + spare / (4 * n)) / (1 + spare)
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)


def effective_clips(weights: np.ndarray) -> float:
    """Number of equally weighted clips that a weighted mean is worth (Kish 1965).

    Args:
        weights: float [n], each distinct clip's weight in the mean.

    Raises:
        ValueError: there is no weight above 0.
    """
    if not np.any(weights > 0):
        raise ValueError("a mean of no clips has no effective number of clips")
    return float(weights.sum() ** 2 / np.square(weights).sum())


def mcnemar(first_only: float, second_only: float) -> float:
    """Two-sided exact p value from the two counts of disagreement (1.0 if there are none).

    Effective counts need not be whole.
    """
    fewer, more = sorted((first_only, second_only))
    if fewer < 0:
        raise ValueError(f"counts of clips cannot be negative: {first_only}, {second_only}")
    # P(X <= fewer) of a binomial(fewer + more, 1/2), as an incomplete beta function
    return min(1.0, 2 * float(betainc(more, fewer + 1, 0.5))) if more else 1.0


def paired_difference(first: np.ndarray, second: np.ndarray) -> Difference:
    """Compare two arms on the same clips, in the same order.

    Args:
        first, second: bool [n], which clips each arm got right.

    Raises:
        ValueError: the two do not have the same length, or are empty.
    """
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise ValueError(f"need two equal, non-empty lists of clips: {first.shape}, {second.shape}")
    return pooled_difference((first.astype(float) - second) / first.size, "paired, exact")


def pooled_difference(gains: np.ndarray, method: str = "paired, pooled by clip") -> Difference:
    """Compare two arms on the same clips over one or more runs.

    Args:
        gains: float [n], what each distinct clip adds to the difference of the two accuracies
            (as shares, not percent): its weight in the mean times (right for the first minus
            right for the second), summed over the runs that tested it.
        method: its name in the result.

    Returns:
        With one run, McNemar's exact test and its interval. With more, the same on the effective
        number of clips on which the arms disagree (Korn and Graubard 1998 do so for one share).
    """
    total = float(np.abs(gains).sum())
    if total == 0:
        return Difference(0.0, 0.0, 0.0, 1.0, method)
    clips = effective_clips(np.abs(gains))
    gained = clips * float(gains[gains > 0].sum()) / total
    lost = clips * float(-gains[gains < 0].sum()) / total
    low = betaincinv(gained, lost + 1, 0.025) if gained else 0.0
    high = betaincinv(gained + 1, lost, 0.975) if lost else 1.0
    low, high = (100 * total * (2 * float(bound) - 1) for bound in (low, high))
    return Difference(100 * float(gains.sum()), low, high, mcnemar(gained, lost), method)


def unpaired_difference(
    first: float, first_interval: tuple[float, float],
    second: float, second_interval: tuple[float, float],
) -> Difference:
    """Compare two accuracies in percent, each with its own 95 % (Wilson) interval."""
    points = first - second
    low = points - hypot(first - first_interval[0], second_interval[1] - second)
    high = points + hypot(first_interval[1] - first, second - second_interval[0])
    return Difference(points, low, high, float("nan"), "unpaired")
