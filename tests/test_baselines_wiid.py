"""WiiD: what its losses train, and the darkening and the losses between two domains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_baselines_dark import clips, made
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos.baselines.domain_losses import byol, darken, mean_luma, mmd
from actlumos.config import Config
from actlumos.stages import Recipe


def wiid() -> tuple[Recipe, Config, nn.Module, Tensor, Tensor]:
    kind, config, model = made("wiid")
    (normal,), (dark,) = clips(config, top=1, batch=4), clips(config, top=0.1, batch=4)
    return kind, config, model, normal, dark.flip(0)


def test_wiid_aligns_with_a_gradient_and_without_a_dark_label() -> None:
    kind, config, model, normal, dark = wiid()
    label = torch.tensor([0, 1, 2, 3])
    output = model.train()(normal, dark)
    assert output.logits.shape == output.darkened.shape == (4, 5)
    output.features.retain_grad()
    terms = kind.terms(output, label, config)
    terms["loss"].backward(retain_graph=True)
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    reached = output.features.grad.abs().sum(2)
    assert (reached > 0).all()  # all four views
    output.features.grad = None
    terms["mmd"].backward(retain_graph=True)
    assert (output.features.grad.abs().sum(2) > 0).all()
    output.features.grad = None
    (terms["ce"] + terms["ce_darkened"]).backward()
    assert (output.features.grad[:, :2].abs().sum(2) > 0).all()
    assert output.features.grad[:, 2:].abs().sum() == 0  # no label of a dark clip


def test_wiid_s_loss_is_the_sum_it_says() -> None:
    kind, config, model, normal, dark = wiid()
    label = torch.tensor([0, 1, 2, 3])
    output = model.eval()(normal, dark)
    q, z = output.predictions, output.projections
    pairs = ((0, 1), (1, 0), (2, 3), (3, 2))
    agree = sum(2 - 2 * F.cosine_similarity(q[:, a], z[:, b]).mean() for a, b in pairs) / 4
    v = output.features
    domains = mmd(v[:, 1], v[:, 2]) + mmd(v[:, 0], v[:, 3])
    both = F.cross_entropy(output.logits, label) + F.cross_entropy(output.darkened, label)
    terms = kind.terms(output, label, config)
    torch.testing.assert_close(terms["loss"], both + 0.13 * agree + 0.1 * domains)
    torch.testing.assert_close(output.logits, model(normal), rtol=1e-4, atol=1e-5)
    views = model.embed(dark), model.embed(model.enhancer(dark))
    torch.testing.assert_close(v[:, 2:], torch.stack(views, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", ["demo", "smoke"])
def test_wiid_runs_at_both_sizes_and_tests_on_dark_clips_alone(scale: str) -> None:
    kind, config, model = made("wiid", scale)
    normal, dark = clips(config, 2)
    terms = kind.terms(model.train()(normal, dark), torch.tensor([1, 3]), config)
    assert {"loss", "top1", "byol", "mmd"} <= set(terms) and terms["loss"].isfinite()
    assert model.eval()(dark).shape == (2, 5) and model.embed(dark).dim() == 2
    assert kind.streams == ("dark",) and kind.stage == "adapt"


# Domains.


def test_a_darkened_clip_is_as_dark_as_asked_and_keeps_its_motion() -> None:
    normal = F.interpolate(torch.rand(6, 3, 3, 4, 4), (8, 30, 40), mode="trilinear") * 0.9
    luma = torch.tensor([8.0, 12, 16, 20, 24, 30]) / 255
    dark = darken(normal, luma, torch.Generator().manual_seed(0))
    assert dark.shape == normal.shape and dark.min() >= 0 and dark.max() <= 1
    assert (mean_luma(dark) - luma).abs().max() < 1.5 / 255
    torch.testing.assert_close(dark * 255, (dark * 255).round(), atol=1e-4, rtol=0)
    for clip, shade in zip(normal, dark, strict=True):
        pair = torch.stack([clip.flatten(), shade.flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.6
    noise = dark.diff(dim=2).std((1, 2, 3, 4)) * 255
    assert noise.max() > 1.3 * noise.min()  # drawn for each clip
    # A still scene: only the noise changes, in every pixel and frame.
    still = darken(normal[:, :, :1].expand(-1, -1, 8, -1, -1), luma)
    moves = still.diff(dim=2).std((1, 2, 3, 4)) * 255 / 2**0.5
    assert moves.min() > 0.4 and moves.max() < 4.5


def test_darkening_follows_its_formula_and_its_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    normal, luma = torch.rand(2, 3, 3, 6, 8), torch.tensor([0.05, 0.1])
    first = darken(normal, luma, torch.Generator().manual_seed(1))
    assert torch.equal(first, darken(normal, luma, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, darken(normal, luma, torch.Generator().manual_seed(2)))
    monkeypatch.setattr("actlumos.baselines.domain_losses.NOISE", (0.0, 0.0))
    monkeypatch.setattr("actlumos.baselines.domain_losses.CAMERA_GAMMA", (1.1, 1.1))
    dark = darken(normal, luma).double()
    for clip, shade, level in zip(normal.double(), dark, luma, strict=True):
        linear = clip**2
        weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64).view(3, 1, 1, 1)
        wanted = linear * level / (linear * weights).sum(0).mean()
        torch.testing.assert_close(shade, wanted, atol=0.51 / 255, rtol=0)
    black = darken(torch.zeros(1, 3, 2, 4, 4), torch.tensor([0.05]))
    assert black.isfinite().all() and black.max() < 0.1
    with pytest.raises(ValueError, match="luma per clip"):
        darken(normal, luma[:1])


def test_mmd_sums_five_kernels_as_the_public_code_does() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 3, generator=generator), torch.randn(5, 3, generator=generator) + 1
    everything = [*a.tolist(), *b.tolist()]

    def square(x: list[float], y: list[float]) -> float:
        return sum((i - j) ** 2 for i, j in zip(x, y, strict=True))

    width = sum(square(x, y) for x in everything for y in everything) / (9 * 8)

    def kernel(x: list[float], y: list[float]) -> float:
        return sum(np.exp(-square(x, y) / (width * s)) for s in (0.25, 0.5, 1, 2, 4))

    def mean(xs: list[list[float]], ys: list[list[float]]) -> float:
        return float(np.mean([kernel(x, y) for x in xs for y in ys]))

    xs, ys = a.tolist(), b.tolist()
    wanted = mean(xs, xs) + mean(ys, ys) - 2 * mean(xs, ys)
    assert mmd(a, b).item() == pytest.approx(wanted, rel=1e-4)
    assert mmd(a, a).item() == pytest.approx(0, abs=1e-6)
    assert mmd(a, b) < mmd(a, b + 2)
    with pytest.raises(ValueError, match="need"):
        mmd(a, b[:, :2])


def test_mmd_moves_both_sets_together() -> None:
    a, b = torch.randn(16, 4).requires_grad_(), (torch.randn(16, 4) + 2).requires_grad_()
    mmd(a, b).backward()
    assert a.grad.mean() < 0 < b.grad.mean()  # a step against the gradient: a goes up, b down


def test_byol_has_a_gradient_on_one_side() -> None:
    q, z = torch.randn(4, 3).requires_grad_(), torch.randn(4, 3).requires_grad_()
    byol(q, z).backward()
    assert q.grad.abs().sum() > 0 and z.grad is None
    assert byol(q, 3 * q).item() == pytest.approx(0, abs=1e-6)
    assert byol(q, -q).item() == pytest.approx(4)
