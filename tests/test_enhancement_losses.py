"""Each loss of the enhancers against loops over its definition."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from actlumos.baselines.enhancement_losses import (
    colour_constancy,
    curve_terms,
    edge_smoothness,
    exposure,
    sci_terms,
    spatial_consistency,
    temporal_consistency,
    total_variation,
)


def clip(seed: int, height: int = 9, width: int = 14, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, channels, 3, height, width, generator=generator)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_spatial_consistency() -> None:
    bright, dark = clip(0), clip(1)
    per_region = []
    for b in range(2):
        for t in range(3):
            grey = [
                [[c[b, :, t, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean().item() for x in range(3)]
                 for y in range(2)] for c in (bright, dark)
            ]  # fmt: skip
            for y in range(2):
                for x in range(3):
                    near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                    near = [(j, i) for j, i in near if 0 <= j < 2 and 0 <= i < 3]
                    after, before = (
                        [abs(g[y][x] - g[j][i]) for j, i in near] for g in (grey[0], grey[1])
                    )
                    per_region.append(sum((a - b) ** 2 for a, b in zip(after, before, strict=True)))
    assert spatial_consistency(bright, dark).item() == pytest.approx(mean(per_region), rel=1e-4)
    assert spatial_consistency(dark + 0.2, dark).item() == pytest.approx(0, abs=1e-10)


def test_exposure() -> None:
    bright = clip(0, 20, 35)
    patches = [
        abs(bright[b, :, t, y : y + 16, x : x + 16].mean().item() - 0.6)
        for b in range(2) for t in range(3) for y in (0, 16) for x in (0, 16, 32)
    ]  # fmt: skip
    assert exposure(bright).item() == pytest.approx(mean(patches), rel=1e-5)
    assert exposure(torch.full((1, 3, 1, 8, 8), 0.25)).item() == pytest.approx(0.35)


def test_colour_constancy() -> None:
    bright = clip(0)
    frames = []
    for b in range(2):
        for t in range(3):
            r, g, bl = (bright[b, c, t].mean().item() for c in range(3))
            frames.append((r - g) ** 2 + (r - bl) ** 2 + (g - bl) ** 2)
    assert colour_constancy(bright).item() == pytest.approx(mean(frames), rel=1e-4)
    assert colour_constancy(bright[:, :1].expand(-1, 3, -1, -1, -1)).item() < 1e-12


def test_total_variation() -> None:
    maps = clip(0, 5, 6, channels=6) * 2 - 1
    rounds = []
    for b in range(2):
        for t in range(3):
            for k in range(2):
                total = 0.0
                for c in range(3):
                    r = maps[b, 3 * k + c, t].tolist()
                    total += mean(
                        [(abs(r[y][x + 1] - r[y][x]) + abs(r[y + 1][x] - r[y][x])) ** 2
                         for y in range(4) for x in range(5)]
                    )  # fmt: skip
                rounds.append(total)
    assert total_variation(maps).item() == pytest.approx(mean(rounds), rel=1e-4)


def test_edge_smoothness() -> None:
    """With the coefficients of SCI's code, whose luma has .564 of green (BT.601: .504)."""
    light, seen = clip(0, 5, 6)[0].transpose(0, 1), clip(1, 5, 6)[0].transpose(0, 1)
    matrix = torch.tensor([[0.257, 0.564, 0.098], [-0.148, -0.291, 0.439], [0.439, -0.368, -0.071]])
    for sigma in (10.0, 0.1):
        total = 0.0
        for down in range(-2, 3):
            for right in range(-2, 3):
                pixels = []
                for n in range(3):
                    for y in range(5):
                        for x in range(6):
                            j, i = y + down, x + right
                            if (down, right) != (0, 0) and 0 <= j < 5 and 0 <= i < 6:
                                apart = matrix @ (seen[n, :, y, x] - seen[n, :, j, i])
                                alike = math.exp(-apart.square().sum().item() / (2 * sigma**2))
                                step = (light[n, :, y, x] - light[n, :, j, i]).abs().sum().item()
                                pixels.append(alike * step)
                total += mean(pixels) if pixels else 0
        assert edge_smoothness(light, seen, sigma).item() == pytest.approx(total, rel=1e-4)


def test_every_edge_weight_of_the_published_sigma_is_near_one() -> None:
    light = clip(0)[0].transpose(0, 1)
    checkers = torch.zeros_like(light)
    checkers[..., ::2] = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    flat = edge_smoothness(light, torch.zeros_like(light)).item()
    assert 0.98 * flat < edge_smoothness(light, checkers).item() < flat
    assert edge_smoothness(light, checkers, 0.1).item() < 0.6 * flat


def test_temporal_consistency() -> None:
    bright, dark = clip(0), clip(1)
    steps = []
    for b in range(2):
        for t in range(2):
            gain = bright[b, :, t].mean() / dark[b, :, t].mean()
            change = bright[b, :, t + 1] - bright[b, :, t]
            expected = gain * (dark[b, :, t + 1] - dark[b, :, t])
            steps.append((change - expected).abs().mean().item())
    assert temporal_consistency(bright, dark).item() == pytest.approx(mean(steps), rel=1e-5)


def test_one_gain_costs_nothing_and_flicker_does() -> None:
    dark = clip(0) / 10
    gains = torch.tensor([3.0, 5.0, 3.0]).view(1, 1, 3, 1, 1)
    assert temporal_consistency(4 * dark, dark).item() < 1e-6
    assert temporal_consistency(gains * dark, dark).item() > 0.05
    bright = (4 * dark).requires_grad_()
    (temporal_consistency(bright, dark) + bright.sum() * 0).backward()
    assert torch.isfinite(bright.grad).all()


def test_terms_add_up_and_black_frames_give_finite_gradients() -> None:
    maps = (clip(2) - 0.5).requires_grad_()
    dark = torch.zeros_like(clip(0))
    terms = curve_terms(clip(0) + 0 * maps, dark, maps, consistency=3.0)
    parts = [value for name, value in terms.items() if name != "loss"]
    assert terms["loss"].item() == pytest.approx(sum(p.item() for p in parts), rel=1e-5)
    assert terms["exposure"].item() == pytest.approx(10 * exposure(clip(0)).item(), rel=1e-5)
    terms["loss"].backward()
    assert torch.isfinite(maps.grad).all() and maps.grad.abs().max() > 0
    assert "consistency" not in curve_terms(clip(0), dark, maps)


def test_sci_terms_are_summed_over_stages() -> None:
    pairs = [(clip(s)[0].transpose(0, 1), clip(s + 5)[0].transpose(0, 1)) for s in range(3)]
    terms = sci_terms(pairs)
    fidelity = sum(1.5 * (a - b).square().mean().item() for a, b in pairs)
    smoothness = sum(edge_smoothness(light, seen).item() for seen, light in pairs)
    assert terms["fidelity"].item() == pytest.approx(fidelity, rel=1e-5)
    assert terms["smoothness"].item() == pytest.approx(smoothness, rel=1e-5)
    assert terms["loss"].item() == pytest.approx(fidelity + smoothness, rel=1e-5)


def test_half_precision_is_widened() -> None:
    bright, dark = clip(0).bfloat16(), clip(1).bfloat16()
    for value in (spatial_consistency(bright, dark), exposure(bright), total_variation(bright),
                  temporal_consistency(bright, dark), colour_constancy(bright)):  # fmt: skip
        assert value.dtype == torch.float32


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        spatial_consistency(clip(0), clip(0)[:1])
    with pytest.raises(ValueError, match="4 pixels"):
        spatial_consistency(clip(0, 3, 9), clip(1, 3, 9))
    with pytest.raises(ValueError, match="two frames"):
        temporal_consistency(clip(0)[:, :, :1], clip(0)[:, :, :1])
    with pytest.raises(ValueError, match="two rows"):
        total_variation(clip(0, 1, 9))
    with pytest.raises(ValueError, match="3 x 3"):
        edge_smoothness(clip(0, 2, 9)[0], clip(0, 2, 9)[0])
    with pytest.raises(ValueError, match="float clip"):
        exposure(clip(0)[0])
    with pytest.raises(ValueError, match="none"):
        sci_terms([])
