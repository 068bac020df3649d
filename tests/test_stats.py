"""Tests of accuracies against binomial sums, SciPy and worked examples."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binomtest
from test_report import first, wilson

from actlumos.evaluation import stats


@given(st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=80, deadline=None)
def test_mcnemar_is_the_binomial_sum(b: int, c: int) -> None:
    n, fewer = b + c, min(b, c)
    tail = sum(comb(n, k) for k in range(fewer + 1)) / 2**n
    assert stats.mcnemar(b, c) == pytest.approx(min(1.0, 2 * tail), abs=1e-9)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 100))
@settings(max_examples=80, deadline=None)
def test_paired_interval_agrees_with_the_test(b: int, c: int, agreed: int) -> None:
    if b + c + agreed == 0:
        return
    one = np.r_[np.ones(b, bool), np.zeros(c, bool), np.ones(agreed, bool)]
    two = np.r_[np.zeros(b, bool), np.ones(c, bool), np.ones(agreed, bool)]
    found = stats.paired_difference(one, two)
    assert found.points == pytest.approx(100 * (b - c) / one.size)
    assert found.low - 1e-9 <= found.points <= found.high + 1e-9
    assert (found.verdict != "within noise") == (found.p < 0.05)
    mirrored = stats.paired_difference(two, one)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-7)


def test_paired_bounds_are_clopper_and_pearson() -> None:
    one, two = np.zeros(50, bool), np.zeros(50, bool)
    one[:9], two[9:12] = True, True
    found = stats.paired_difference(one, two)
    low, high = beta.ppf(0.025, 9, 4), beta.ppf(0.975, 10, 3)
    assert found.low == pytest.approx(100 * (2 * low - 1) * 12 / 50, abs=1e-6)
    assert found.high == pytest.approx(100 * (2 * high - 1) * 12 / 50, abs=1e-6)


def test_unpaired_reproduces_newcombes_example() -> None:
    """56 of 70 against 48 of 80: method 10 gives 0.0524 to 0.3339."""
    found = stats.unpaired_difference(80.0, wilson(56, 70), 60.0, wilson(48, 80))
    assert (found.points, found.low, found.high) == pytest.approx((20.0, 5.24, 33.39), abs=0.006)
    assert found.verdict == "better" and np.isnan(found.p)


@given(st.integers(0, 60), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_wilson_is_scipys(right: int, wrong: int) -> None:
    n = right + wrong
    bounds = binomtest(right, n).proportion_ci(0.95, method="wilson")
    found = stats.wilson(100 * right / n, n)
    assert found == pytest.approx((100 * bounds.low, 100 * bounds.high), abs=1e-6)


def test_effective_clips_by_hand() -> None:
    assert stats.effective_clips(np.full(7, 1 / 7)) == pytest.approx(7)
    # two tests of 2 clips sharing one: weights 1/4, 1/2, 1/4, so 1 / (1/16 + 1/4 + 1/16) = 8/3
    assert stats.effective_clips(np.array([0.25, 0.5, 0.25])) == pytest.approx(8 / 3)
    with pytest.raises(ValueError, match="no clips"):
        stats.effective_clips(np.zeros(3))


@given(st.lists(st.sampled_from([(0, 1), (1, 0), (1, 1)]), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_repeating_a_run_adds_no_evidence(correct_clips: list[tuple[int, int]]) -> None:
    """Three seeds with the same predictions pool to exactly the result of one."""
    one, two = np.array(correct_clips, bool).T
    single = stats.paired_difference(one, two)
    gains = sum((one.astype(float) - two) / (3 * one.size) for _ in range(3))
    assert stats.pooled_difference(gains)[:4] == pytest.approx(single[:4], abs=1e-7)


def test_pooling_splits_that_share_no_clip_is_one_large_test() -> None:
    one, two = np.arange(60) % 3 > 0, np.arange(60) % 4 > 0
    halves = [(one[:30].astype(float) - two[:30]) / 60, (one[30:].astype(float) - two[30:]) / 60]
    whole = stats.paired_difference(one, two)
    assert stats.pooled_difference(np.concatenate(halves))[:4] == pytest.approx(whole[:4])


def test_bad_input_is_named() -> None:
    for percent, n in ((101.0, 5), (-1.0, 5), (50.0, 0)):
        with pytest.raises(ValueError, match="0 <= percent"):
            stats.wilson(percent, n)
    with pytest.raises(ValueError, match="equal, non-empty"):
        stats.paired_difference(first(3, 10), first(3, 11))
    with pytest.raises(ValueError, match="equal, non-empty"):
        stats.paired_difference(np.zeros(0, bool), np.zeros(0, bool))
    with pytest.raises(ValueError, match="negative"):
        stats.mcnemar(-1, 2)
