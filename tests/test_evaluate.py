"""Scores against scikit-learn, statsmodels' formula computed by hand, and known geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from actlumos.evaluation import embed
from actlumos.evaluation.evaluate import restrict, score, top_k
from actlumos.evaluation.stats import wilson


@pytest.fixture
def scored() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(60, 7, generator=generator),
        torch.randint(0, 7, (60,), generator=generator),
    )


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_is_scikit_learns(scored: tuple[torch.Tensor, torch.Tensor], k: int) -> None:
    logits, labels = scored
    expected = top_k_accuracy_score(labels, logits, k=k, labels=range(7))
    assert top_k(logits, labels, k) == pytest.approx(100 * expected, abs=1e-4)


def test_confusion_counts_true_rows_and_predicted_columns(
    scored: tuple[torch.Tensor, torch.Tensor],
) -> None:
    logits, labels = scored
    expected = np.zeros((7, 7), int)
    for true, predicted in zip(labels.tolist(), logits.argmax(1).tolist(), strict=True):
        expected[true, predicted] += 1
    np.testing.assert_array_equal(score(logits, labels)["confusion"], expected)
    absent = score(logits, labels.clamp(max=3))["confusion"]
    assert np.shape(absent) == (7, 7) and not np.sum(absent[4:])


def test_score_agrees_with_itself(scored: tuple[torch.Tensor, torch.Tensor]) -> None:
    result = score(*scored)
    assert result["n"] == 60
    assert result["top1"] == pytest.approx(100 * np.trace(result["confusion"]) / 60, abs=1e-4)
    low, high = result["interval"]
    assert low < result["top1"] < high
    assert result["top5"] >= result["top1"]


def test_wilson_of_a_worked_example() -> None:
    # Newcombe (1998), table I: 81 of 263 -> 0.2553 to 0.3662.
    assert wilson(100 * 81 / 263, 263) == pytest.approx((25.53, 36.62), abs=0.005)
    assert wilson(0, 20) == pytest.approx((0, 16.11), abs=0.01)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_mirrors(counts: tuple[int, int]) -> None:
    correct, n = counts
    low, high = wilson(100 * correct / n, n)
    assert -1e-9 <= low <= 100 * correct / n + 1e-9
    assert 100 * correct / n - 1e-9 <= high <= 100 + 1e-9
    assert wilson(100 * (n - correct) / n, n) == pytest.approx((100 - high, 100 - low), abs=1e-9)


def test_restrict_orders_columns_by_name() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    assert restrict(logits, ("run", "sit", "walk"), ("Walk", "Run")).tolist() == [[3.0, 1.0]]
    with pytest.raises(ValueError, match="no class 'fly'"):
        restrict(logits, ("run", "sit", "walk"), ("fly",))


def test_knn_and_silhouette_on_two_clear_clusters() -> None:
    points = np.array([[1, 0.01 * i] for i in range(10)] + [[0.01 * i, 1] for i in range(10)])
    labels = np.repeat([0, 1], 10)
    assert embed.knn_accuracy(points, labels, points, labels, k=3) == 100
    assert embed.silhouette(points, labels) > 0.9
    assert embed.silhouette(points, np.tile([0, 1], 10)) < 0.05


def test_nearest_is_a_sorted_distance_table_without_the_point_itself() -> None:
    points = np.random.default_rng(2).normal(size=(9, 2))
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.testing.assert_array_equal(embed.nearest(points, 3), gaps.argsort(axis=1)[:, 1:4])


def test_tsne_repeats_and_refuses_too_few_points() -> None:
    points = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    first = embed.tsne(points)
    assert first.shape == (12, 2)
    np.testing.assert_array_equal(first, embed.tsne(points))
    with pytest.raises(ValueError, match="at least 4 points"):
        embed.tsne(points[:3])


@pytest.mark.parametrize("labels", [[0, 1], [0, 0], [0, 1, 2], [4, 4, 4], [0]])
def test_silhouette_is_undefined_with_one_class_or_one_clip_each(labels: list[int]) -> None:
    points = np.random.default_rng(0).normal(size=(len(labels), 3))
    assert np.isnan(embed.silhouette(points, np.array(labels)))


@pytest.mark.parametrize("labels", [[0, 1, 1], [0, 0, 1, 1], [0, 1, 2, 2]])
def test_silhouette_of_the_smallest_sets_is_that_of_its_definition(labels: list[int]) -> None:
    points, ids = np.random.default_rng(1).normal(size=(len(labels), 3)), np.array(labels)
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    gaps, expected = 1 - units @ units.T, []
    for i, own in enumerate(ids):
        others = (ids == own) & (np.arange(len(ids)) != i)
        b = min(gaps[i, ids == other].mean() for other in set(labels) - {own})
        a = gaps[i, others].mean() if others.any() else b
        expected.append((b - a) / max(a, b))
    assert embed.silhouette(points, ids) == pytest.approx(np.mean(expected))
