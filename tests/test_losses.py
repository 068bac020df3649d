"""The losses against slow, literal versions of their formulas, and against other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics.pairwise import cosine_similarity
from torch import Tensor
from torch.nn import functional as F

from actlumos.models.losses import distillation, nt_xent, supervised_contrastive


def slow_supervised_contrastive(features: Tensor, labels: Tensor, temperature: float) -> float:
    """L_out of Khosla et al., eq. 2, one scalar at a time in Python floats."""
    anchors = [(vector / vector.norm(), int(label))
               for clip, label in zip(features.double(), labels, strict=True) for vector in clip]
    losses = []
    for i, (z_i, y_i) in enumerate(anchors):
        scores = {a: math.exp(float(z_i @ z_a) / temperature)
                  for a, (z_a, _) in enumerate(anchors) if a != i}
        positives = [p for p in scores if anchors[p][1] == y_i]
        if positives:
            total = sum(scores.values())
            terms = [math.log(scores[p] / total) for p in positives]
            losses.append(-sum(terms) / len(positives))
    return sum(losses) / len(losses) if losses else 0.0


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@st.composite
def batches(draw) -> tuple[Tensor, Tensor]:
    """Features [B, V, D] of random shape and length, and labels that may repeat or not."""
    clips, views, width = (draw(st.integers(1, n)) for n in (6, 3, 8))
    features = random(clips, views, width, seed=draw(st.integers(0, 2**31)))
    labels = draw(st.lists(st.integers(0, 3), min_size=clips, max_size=clips))
    return features * draw(st.sampled_from([1e-3, 1.0, 1e3])), torch.tensor(labels)


@settings(deadline=None)
@given(batches(), st.sampled_from([0.07, 0.5, 2.0]))
def test_supcon_is_the_formula(batch: tuple[Tensor, Tensor], temperature: float) -> None:
    expected = slow_supervised_contrastive(*batch, temperature)
    loss = supervised_contrastive(*batch, temperature)
    assert float(loss) == pytest.approx(expected, rel=1e-10, abs=1e-12)
    in_float32 = supervised_contrastive(batch[0].float(), batch[1], temperature)
    assert float(in_float32) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@settings(deadline=None)
@given(batches(), st.randoms(use_true_random=False))
def test_supcon_ignores_order_scale_and_rotation(batch: tuple[Tensor, Tensor], rng) -> None:
    features, labels = batch
    loss = supervised_contrastive(features, labels)
    order = rng.sample(range(len(labels)), len(labels))
    torch.testing.assert_close(supervised_contrastive(features[order], labels[order]), loss)
    torch.testing.assert_close(supervised_contrastive(features.flip(1), labels), loss)
    torch.testing.assert_close(supervised_contrastive(features, 7 - labels), loss)
    lengths = random(*features.shape[:2], 1, seed=1).abs() + 0.1
    torch.testing.assert_close(supervised_contrastive(features * lengths, labels), loss)
    rotation, _ = torch.linalg.qr(random(features.shape[2], features.shape[2], seed=2))
    torch.testing.assert_close(supervised_contrastive(features @ rotation, labels), loss)


def test_supcon_gradient() -> None:
    features = random(4, 2, 5).requires_grad_()
    labels = torch.tensor([0, 1, 0, 2])
    assert torch.autograd.gradcheck(lambda f: supervised_contrastive(f, labels, 0.1), features)
    single_view = random(4, 1, 5).requires_grad_()  # classes 1 and 2 have no positive here
    assert torch.autograd.gradcheck(lambda f: supervised_contrastive(f, labels, 0.1), single_view)


@pytest.mark.parametrize("clips", [1, 5])
def test_supcon_without_positives_is_zero_with_a_finite_gradient(clips: int) -> None:
    features = random(clips, 1, 3).requires_grad_()
    loss = supervised_contrastive(features, torch.arange(clips))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(features.grad, torch.zeros_like(features))


def test_supcon_leaves_singletons_out_of_the_mean_but_keeps_them_as_negatives() -> None:
    features, labels = random(3, 1, 4), torch.tensor([5, 5, 9])
    z = F.normalize(features[:, 0], dim=1)
    s = z @ z.T / 0.07
    first = F.cross_entropy(s[0, [1, 2]][None], torch.tensor([0]))
    second = F.cross_entropy(s[1, [0, 2]][None], torch.tensor([0]))
    torch.testing.assert_close(supervised_contrastive(features, labels), (first + second) / 2)


def test_supcon_known_values() -> None:
    same = torch.ones(3, 2, 4, dtype=torch.float64)
    loss = supervised_contrastive(same, torch.tensor([0, 1, 2]))
    assert loss.item() == pytest.approx(math.log(5))  # a blind guess among the 5 other views
    apart = torch.eye(2, dtype=torch.float64)[:, None].expand(2, 2, 2)
    expected = math.log(1 + 2 * math.exp(-1 / 0.07))
    assert supervised_contrastive(apart, torch.tensor([0, 1])).item() == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(1, 16), st.integers(0, 2**31))
def test_nt_xent_is_cross_entropy_over_the_other_views(clips: int, width: int, seed: int) -> None:
    first, second = random(2, clips, width, seed=seed)
    z = torch.cat((first, second))
    scores = torch.from_numpy(cosine_similarity(z.numpy())) / 0.5
    scores.fill_diagonal_(-torch.inf)
    expected = F.cross_entropy(scores, torch.arange(2 * clips).roll(clips))
    torch.testing.assert_close(nt_xent(first, second), expected)
    torch.testing.assert_close(nt_xent(second, first), expected)
    torch.testing.assert_close(nt_xent(5 * first, 0.1 * second), expected)


def test_nt_xent_gradient_and_lone_clip() -> None:
    first, second = random(2, 4, 3)
    assert torch.autograd.gradcheck(nt_xent, (first.requires_grad_(), second.requires_grad_()))
    lone = first[:1].detach().requires_grad_()
    loss = nt_xent(lone, second[:1].detach())
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert torch.isfinite(lone.grad).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 5), st.integers(1, 9), st.floats(0.5, 20), st.integers(0, 2**31))
def test_distillation_is_scaled_kl(rows: int, classes: int, t: float, seed: int) -> None:
    student, teacher = random(2, rows, classes, seed=seed) * 5
    p_student, p_teacher = ((x / t).softmax(1).numpy() for x in (student, teacher))
    expected = t**2 * np.mean(entropy(p_teacher, p_student, axis=1))
    loss = distillation(student, teacher, t)
    assert loss.item() == pytest.approx(expected, rel=1e-8, abs=1e-12)
    shift = random(rows, 1, seed=seed + 1) * 10
    torch.testing.assert_close(distillation(student + shift, teacher - shift, t), loss)
    order = torch.randperm(classes, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(distillation(student[:, order], teacher[:, order], t), loss)


def test_distillation_gradient_goes_to_the_student_only() -> None:
    student, teacher = (x.requires_grad_() for x in random(2, 3, 4))
    assert torch.autograd.gradcheck(lambda s: distillation(s, teacher, 3.0), student)
    distillation(student, teacher, 3.0).backward()
    closed_form = 3.0 * ((student / 3).softmax(1) - (teacher / 3).softmax(1)) / 3
    torch.testing.assert_close(student.grad, closed_form.detach())
    assert teacher.grad is None
    assert distillation(teacher, teacher).item() == pytest.approx(0, abs=1e-12)


def test_distillation_is_finite_for_extreme_logits() -> None:
    student = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = distillation(student, torch.tensor([[-1e4, 1e4, 0.0]]), 1.0)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(student.grad).all()


def test_losses_under_bfloat16_autocast_are_computed_in_float32() -> None:
    features, labels = random(6, 2, 32).float(), torch.tensor([0, 0, 1, 1, 2, 2])
    logits = random(2, 6, 11, seed=3).float()
    expected = (supervised_contrastive(features, labels), nt_xent(*features.unbind(1)),
                distillation(*logits))
    with torch.autocast("cpu", torch.bfloat16):
        got = (supervised_contrastive(features, labels), nt_xent(*features.unbind(1)),
               distillation(*logits))
    assert got == expected
    assert supervised_contrastive(features.bfloat16(), labels).dtype == torch.float32


@pytest.mark.parametrize(("features", "labels", "temperature", "message"), [
    (torch.ones(4, 8), torch.zeros(4, dtype=torch.long), 0.1, r"\[B, V, D\]"),
    (torch.ones(4, 0, 8), torch.zeros(4, dtype=torch.long), 0.1, "no empty axis"),
    (torch.ones(4, 2, 8, dtype=torch.int32), torch.zeros(4, dtype=torch.long), 0.1, "floating"),
    (torch.ones(4, 2, 8), torch.zeros(8, dtype=torch.long), 0.1, r"\[4\], one per clip"),
    (torch.ones(4, 2, 8), torch.zeros(4), 0.1, "integer class ids"),
    (torch.ones(4, 2, 8), torch.zeros(4, dtype=torch.long), 0.0, "temperature must be positive"),
    (torch.ones(4, 2, 8), torch.zeros(4, dtype=torch.long), math.nan, "temperature"),
])
def test_supcon_explains_bad_input(features, labels, temperature, message) -> None:
    with pytest.raises(ValueError, match=message):
        supervised_contrastive(features, labels, temperature)


def test_the_others_explain_bad_input() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        nt_xent(torch.ones(4, 8), torch.ones(3, 8))
    with pytest.raises(ValueError, match=r"one shape \[B, K\]"):
        distillation(torch.ones(4, 8), torch.ones(4, 7))
    with pytest.raises(ValueError, match="floating"):
        distillation(torch.ones(4, 8), torch.ones(4, 8, dtype=torch.long))
    with pytest.raises(ValueError, match="temperature"):
        distillation(torch.ones(4, 8), torch.ones(4, 8), -1.0)
