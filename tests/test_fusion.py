"""DFF against a slow version that follows the drawing, and the static fusions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from actlumos.models.fusion import (
    FUSIONS,
    ConcatFusion,
    DynamicFeatureFusion,
    MeanFusion,
    SelectFusion,
    build_fusion,
)


def maps(streams: int, channels: int = 8, batch: int = 3, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, channels, 2, 3, 4, generator=generator) for _ in range(streams)]


def trained(fusion: DynamicFeatureFusion) -> DynamicFeatureFusion:
    """In evaluation mode, with running statistics and affine terms that are not 0 and 1."""
    for seed in range(3):
        fusion(maps(fusion.streams, fusion.locally[0].in_channels, seed=seed + 7))
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return fusion.eval()


def drawn(fusion: DynamicFeatureFusion, streams: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The figure, position by position, from the state dict."""
    state = fusion.state_dict()

    def conv(vector: Tensor, name: str) -> Tensor:
        return state[f"{name}.weight"][..., 0, 0, 0] @ vector + state[f"{name}.bias"]

    def norm(vector: Tensor, name: str) -> Tensor:
        spread = (state[f"{name}.running_var"] + 1e-5).sqrt()
        scaled = (vector - state[f"{name}.running_mean"]) / spread
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def branch(vector: Tensor, name: str) -> Tensor:
        hidden = norm(conv(vector, f"{name}.0"), f"{name}.1").clamp(min=0)
        return norm(conv(hidden, f"{name}.3"), f"{name}.4")

    fused = torch.empty_like(streams[0])
    batch, _, *extent = fused.shape
    weights = torch.empty(batch, len(streams), *extent)
    for b in range(batch):
        everywhere = branch(sum(s[b].flatten(1).mean(1) for s in streams), "globally")
        for t, y, x in torch.cartesian_prod(*map(torch.arange, extent)).tolist():
            columns = [s[b, :, t, y, x] for s in streams]
            attention = everywhere + branch(sum(columns), "locally")
            hidden = norm(conv(attention, "weigh.0"), "weigh.1").clamp(min=0)
            scores = conv(hidden, "weigh.3")
            share = scores.exp() if fusion.weighting == "softmax" else 1 / (1 + (-scores).exp())
            share = share / share.sum()
            weights[b, :, t, y, x] = share
            fused[b, :, t, y, x] = sum(w * c for w, c in zip(share, columns, strict=True))
    return fused, weights


@pytest.mark.parametrize("weighting", ["softmax", "sigmoid"])
@pytest.mark.parametrize("streams", [2, 3])
def test_dff_equals_the_drawing(streams: int, weighting: str) -> None:
    torch.manual_seed(0)
    fusion = trained(DynamicFeatureFusion(8, streams, reduction=2, weighting=weighting))
    found = fusion(maps(streams))
    for value, expected in zip(found, drawn(fusion, maps(streams)), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 4), st.sampled_from(["softmax", "sigmoid"]), st.integers(0, 999))
def test_weights_are_shares_and_the_fused_map_lies_between(
    streams: int, weighting: str, seed: int
) -> None:
    torch.manual_seed(seed)
    fusion = DynamicFeatureFusion(8, streams, weighting=weighting)
    given_maps = maps(streams, seed=seed)
    fused, weights = fusion(given_maps)
    assert weights.shape == (3, streams, 2, 3, 4)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(1), torch.ones(3, 2, 3, 4))
    stacked = torch.stack(given_maps)
    assert (fused <= stacked.amax(0) + 1e-5).all() and (fused >= stacked.amin(0) - 1e-5).all()


def test_weights_change_over_time_and_space() -> None:
    torch.manual_seed(0)
    _, weights = DynamicFeatureFusion(8)(maps(2))
    assert weights.std(dim=2).mean() > 0.01 and weights.std(dim=(3, 4)).mean() > 0.01


@pytest.mark.parametrize(("reduction", "count"), [(4, 332_162), (8, 167_618), (16, 85_346)])
def test_dff_parameters_at_full_size(reduction: int, count: int) -> None:
    with torch.device("meta"):
        fusion = build_fusion("dff", 512, 2, reduction)
    assert sum(p.numel() for p in fusion.parameters()) == count


def test_one_clip_cannot_train_but_can_be_evaluated() -> None:
    fusion = DynamicFeatureFusion(8)
    with pytest.raises(ValueError, match="batch of one clip"):
        fusion(maps(2, batch=1))
    assert fusion.eval()(maps(2, batch=1))[0].shape == (1, 8, 2, 3, 4)


def test_bfloat16_autocast_keeps_the_weights_a_partition() -> None:
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        _, weights = DynamicFeatureFusion(8)(maps(2))
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights.sum(1), torch.ones(3, 2, 3, 4))


def test_static_fusions() -> None:
    first, second = maps(2)
    assert torch.equal(MeanFusion()([first, second])[0], (first + second) / 2)
    assert SelectFusion(1)([first, second])[0] is second
    concat = ConcatFusion(8)
    weight = concat.mix.weight[..., 0, 0, 0]
    mixed = torch.einsum("bcthw,oc->bothw", torch.cat([first, second], 1), weight)
    expected = mixed + concat.mix.bias.view(-1, 1, 1, 1)
    torch.testing.assert_close(concat([first, second])[0], expected)
    assert all(f([first, second])[1] is None for f in (MeanFusion(), SelectFusion(0), concat))


@pytest.mark.parametrize("kind", FUSIONS)
def test_every_kind_builds_and_keeps_the_shape(kind: str) -> None:
    fused, weights = build_fusion(kind, 8, 3)(maps(3))
    assert fused.shape == (3, 8, 2, 3, 4)
    assert (weights is not None) == kind.startswith("dff")


def test_bad_input_is_named() -> None:
    cases = [
        (lambda: build_fusion("sum", 8), "dff-sigmoid"),
        (lambda: DynamicFeatureFusion(8, 1), "streams=1"),
        (lambda: DynamicFeatureFusion(8, weighting="hard"), "softmax"),
        (lambda: DynamicFeatureFusion(8, 2)(maps(3)), "3 feature maps given, .* takes 2"),
        (lambda: MeanFusion()([]), "0 feature maps"),
        (lambda: MeanFusion()([maps(1)[0], maps(1, batch=2)[0]]), "differ in shape"),
        (lambda: SelectFusion(2)(maps(2)), "stream 2 of 2"),
    ]
    for build, message in cases:
        with pytest.raises(ValueError, match=message):
            build()
