"""Curve networks and SCI: exact sizes, published names, and a slow second computation."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actlumos.baselines.enhancement_losses import curve_terms, sci_terms
from actlumos.baselines.networks.curves import (
    CurveNet,
    Frozen,
    SciCalibrator,
    SciEnhancer,
    apply_curves,
    load_public,
    sci_stages,
)

PLAIN = {1: (32, 3), **dict.fromkeys((2, 3, 4), (32, 32)), 5: (32, 64), 6: (32, 64), 7: (24, 64)}


def zero_dce_file() -> dict[str, Tensor]:
    """A state dict with the names and shapes of the published Epoch99.pth."""
    state = {}
    for number, (outputs, inputs) in PLAIN.items():
        state[f"e_conv{number}.weight"] = torch.randn(outputs, inputs, 3, 3) / 10
        state[f"e_conv{number}.bias"] = torch.randn(outputs) / 10
    return state


def conv(state: dict[str, Tensor], name: str, outputs: int, inputs: int) -> None:
    state[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3) / 3
    state[f"{name}.bias"] = torch.randn(outputs) / 3


def norm(state: dict[str, Tensor], name: str, width: int) -> None:
    for part in ("weight", "bias", "running_mean"):
        state[f"{name}.{part}"] = torch.randn(width) / 3
    state[f"{name}.running_var"] = torch.rand(width) + 0.5
    state[f"{name}.num_batches_tracked"] = torch.tensor(7)


def sci_file() -> dict[str, Tensor]:
    """A state dict with the names and shapes of the published easy.pt: 83 tensors."""
    state: dict[str, Tensor] = {}
    for name in ("in_conv.0", "conv.0", "out_conv.0"):
        conv(state, f"enhance.{name}", 3, 3)
    norm(state, "enhance.conv.1", 3)
    conv(state, "calibrate.in_conv.0", 16, 3)
    norm(state, "calibrate.in_conv.1", 16)
    for place in (0, 3):
        conv(state, f"calibrate.convs.{place}", 16, 16)
        norm(state, f"calibrate.convs.{place + 1}", 16)
    conv(state, "calibrate.out_conv.0", 3, 16)
    for name in list(state):
        group, _, rest = name.partition(".")
        if rest.startswith("conv.") or rest.startswith("convs."):
            for block in range(1 if group == "enhance" else 3):
                state[f"{group}.blocks.{block}.{rest.partition('.')[2]}"] = state[name].clone()
    return state


@pytest.fixture
def clip() -> Tensor:
    return torch.rand(2, 3, 4, 10, 12, generator=torch.Generator().manual_seed(0))


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_the_published_ones() -> None:
    assert parameters(CurveNet()) == 79_416
    assert parameters(CurveNet(separable=True)) == 10_561
    assert parameters(SciEnhancer()) == 258
    assert len(sci_file()) == 83


@torch.no_grad()
def test_a_published_curve_network_loads_and_is_computed_as_published(
    clip: Tensor, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    state = zero_dce_file()
    torch.save(state, tmp_path / "Epoch99.pth")
    net = CurveNet()
    load_public(net, tmp_path / "Epoch99.pth")

    def layer(number: int, x: Tensor) -> Tensor:
        return F.conv2d(
            x, state[f"e_conv{number}.weight"], state[f"e_conv{number}.bias"], padding=1
        )

    x = clip[1, :, 2][None]
    x1 = layer(1, x).relu()
    x2 = layer(2, x1).relu()
    x3 = layer(3, x2).relu()
    x4 = layer(4, x3).relu()
    x5 = layer(5, torch.cat([x3, x4], 1)).relu()
    x6 = layer(6, torch.cat([x2, x5], 1)).relu()
    rounds = layer(7, torch.cat([x1, x6], 1)).tanh()
    for k in range(8):
        x = x + rounds[:, 3 * k : 3 * k + 3] * (x**2 - x)
    torch.testing.assert_close(net(clip)[1, :, 2], x[0])


@torch.no_grad()
def test_the_separable_shape_shares_one_bend_and_works_at_a_smaller_size(clip: Tensor) -> None:
    torch.manual_seed(0)
    net = CurveNet(separable=True, scale=2)
    for part in net.parameters():
        nn.init.normal_(part, std=0.3)
    frames = clip[0].transpose(0, 1)
    small = frames.unflatten(3, (6, 2)).unflatten(2, (5, 2)).mean((3, 5))
    same = CurveNet(separable=True)
    same.load_state_dict(net.state_dict())
    maps = same.curve_maps(small.transpose(0, 1)[None])[0].transpose(0, 1)
    maps = F.interpolate(maps, (10, 12), mode="bilinear")
    x = frames
    for _ in range(8):
        x = x + maps * (x**2 - x)
    torch.testing.assert_close(net(clip)[0].transpose(0, 1), x)
    assert same.e_conv5.depth_conv.weight.shape == (64, 1, 3, 3)
    assert same.e_conv7.point_conv.weight.shape == (3, 64, 1, 1)


def test_curves_keep_the_range_and_bend_as_their_formula_says(clip: Tensor) -> None:
    maps = torch.rand(2, 24, 4, 10, 12) * 2 - 1
    bright = apply_curves(clip, maps)
    value = clip[1, 2, 3, 4, 5].item()
    for k in range(8):
        value += maps[1, 3 * k + 2, 3, 4, 5].item() * (value**2 - value)
    assert bright[1, 2, 3, 4, 5].item() == pytest.approx(value, abs=1e-5)
    assert bright.min() >= 0 and bright.max() <= 1
    torch.testing.assert_close(apply_curves(clip, torch.zeros_like(maps)), clip)
    lifted = apply_curves(clip, -torch.ones_like(clip))
    torch.testing.assert_close(lifted, 1 - (1 - clip) ** 256, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="curve maps"):
        apply_curves(clip, torch.zeros(2, 6, 4, 10, 12))


@torch.no_grad()
def test_a_published_sci_loads_and_is_computed_as_published(clip: Tensor, tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = sci_file()
    torch.save(state, tmp_path / "easy.pt")
    net = SciEnhancer().eval()
    load_public(net, tmp_path / "easy.pt")

    def layer(name: str, x: Tensor) -> Tensor:
        weight, bias = state[f"enhance.{name}.weight"], state[f"enhance.{name}.bias"]
        return F.conv2d(x, weight, bias, padding=1)

    frames = clip[0].transpose(0, 1)
    hidden = layer("in_conv.0", frames).relu()
    n = {part: state[f"enhance.conv.1.{part}"].view(1, 3, 1, 1) for part in
         ("running_mean", "running_var", "weight", "bias")}  # fmt: skip
    normed = (layer("conv.0", hidden) - n["running_mean"]) / (n["running_var"] + 1e-5).sqrt()
    hidden = hidden + (normed * n["weight"] + n["bias"]).relu()
    light = (frames + layer("out_conv.0", hidden).sigmoid()).clamp(1e-4, 1)
    result = net(clip)[0].transpose(0, 1)
    torch.testing.assert_close(result, (frames / light).clamp(0, 1))
    calibrator = SciCalibrator()
    mine = {k.removeprefix("calibrate."): v for k, v in state.items() if k.startswith("calibrate")}
    calibrator.load_state_dict({k: v for k, v in mine.items() if not k.startswith("blocks.")})


@torch.no_grad()
def test_scis_stages_move_from_the_input_by_what_the_calibrator_says(clip: Tensor) -> None:
    enhancer, calibrator = SciEnhancer().eval(), SciCalibrator().eval()
    stages = sci_stages(enhancer, calibrator, clip)
    frames = torch.cat([c.transpose(0, 1) for c in clip])
    assert len(stages) == 3
    torch.testing.assert_close(stages[0][0], frames)
    for (seen, light), (after, _) in pairwise(stages):
        torch.testing.assert_close(light, enhancer.illumination(seen))
        torch.testing.assert_close(after, frames + calibrator((frames / light).clamp(0, 1)))
    assert not torch.allclose(stages[2][0], frames)


@pytest.mark.parametrize("net", [CurveNet(), CurveNet(True, scale=3), SciEnhancer()])
@torch.no_grad()
def test_frames_are_processed_independently(net: nn.Module, clip: Tensor) -> None:
    result = net.eval()(clip)
    assert result.shape == clip.shape and result.min() >= 0 and result.max() <= 1
    torch.testing.assert_close(net(clip[:, :, 2:3]), result[:, :, 2:3])


def test_a_frozen_enhancer_never_changes(clip: Tensor) -> None:
    frozen = Frozen(SciEnhancer())
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    whole = nn.Sequential(frozen, nn.Conv3d(3, 2, 1)).train()
    expected = frozen(clip)
    whole(clip).sum().backward()
    assert not frozen.net.training and all(p.grad is None for p in frozen.parameters())
    assert all(torch.equal(value, before[name]) for name, value in frozen.state_dict().items())
    assert torch.equal(frozen(clip), expected) and not expected.requires_grad


def dark_texture() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(4, 3, 2, 4, 4, generator=generator)
    return F.interpolate(coarse, (2, 16, 16), mode="trilinear") * 0.12


@pytest.mark.parametrize("scale", [1, 2])
def test_a_curve_network_learns_to_brighten_without_labels(scale: int) -> None:
    torch.manual_seed(0)
    clip, net = dark_texture(), CurveNet(separable=True, scale=scale)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(60):
        maps = net.curve_maps(clip)
        terms = curve_terms(apply_curves(clip, maps), clip, maps, consistency=1.0)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
    assert set(terms) == {"loss", "spatial", "exposure", "colour", "variation", "consistency"}
    assert clip.mean() < 0.1 and 0.45 < net(clip).mean() < 0.75


def test_sci_learns_to_brighten_without_labels() -> None:
    torch.manual_seed(0)
    clip, enhancer, calibrator = dark_texture(), SciEnhancer(), SciCalibrator()
    optimizer = torch.optim.Adam([*enhancer.parameters(), *calibrator.parameters()], 1e-2)
    losses = []
    for _ in range(60):
        terms = sci_terms(sci_stages(enhancer, calibrator, clip))
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append(terms["loss"].item())
    assert losses[-1] < 0.2 * losses[0]
    assert enhancer.eval()(clip).mean() > 2 * clip.mean()


def test_wrong_files_and_sizes_are_refused(clip: Tensor, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="published"):
        load_public(SciEnhancer(), tmp_path / "absent.pt")
    (tmp_path / "text.pt").write_text("no weights")
    torch.save(zero_dce_file(), tmp_path / "dce.pth")
    torch.save([1, 2], tmp_path / "list.pt")
    misfits = [("text.pt", CurveNet()), ("dce.pth", CurveNet(True)), ("dce.pth", SciEnhancer())]
    misfits += [("list.pt", SciEnhancer()), ("list.pt", CurveNet())]
    for name, net in misfits:
        with pytest.raises(ValueError, match=f"{name} holds no weights of this"):
            load_public(net, tmp_path / name)
    with pytest.raises(ValueError, match="scale"):
        CurveNet(scale=0)
    with pytest.raises(ValueError, match="float clip"):
        CurveNet()(clip[:, :, 0])
