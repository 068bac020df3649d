"""VGG-16, BN-Inception, snippets, two streams: published sizes and names, and slow oracles."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import VGG16_Weights, vgg16

from actlumos.baselines.networks.bninception import INCEPTION, BNInception
from actlumos.baselines.networks.frame2d import (
    SnippetNet,
    TwoStream,
    VggTower,
    flow_first_layer,
    snippets,
    tsn,
    tsn_two_stream,
    vgg,
    vgg_two_stream,
)
from actlumos.evaluation.cost import count_gmacs

Shapes = dict[str, tuple[int, ...]]


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def shapes(model: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


# Sizes, counted without storage on the meta device. Expected: the fact sheet's table.


@pytest.mark.parametrize(
    ("build", "rgb", "flow", "both"),
    [(vgg_two_stream, 134.31, 134.32, 268.62), (tsn_two_stream, 10.28, 10.30, 20.58)],
)
def test_two_stream_nets_have_the_published_size(
    build: Callable[[int], TwoStream], rgb: float, flow: float, both: float
) -> None:
    with torch.device("meta"):
        model = build(11)
    found = [parameters(part) / 1e6 for part in (model.rgb, model.flow, model)]
    assert found == pytest.approx([rgb, flow, both], abs=0.005)


def test_one_picture_costs_what_vgg_16_and_bn_inception_cost() -> None:
    with torch.device("meta"):
        clip = torch.empty(1, 3, 1, 224, 224)
        found = count_gmacs(vgg(1000).eval(), clip), count_gmacs(tsn(1000).eval(), clip)
    assert found[0] == pytest.approx(VGG16_Weights.DEFAULT.meta["_ops"], abs=0.005)
    edges = {"conv1": 112, "conv2": 56, "inception_3": 28, "inception_4": 14, "inception_5": 7}
    by_hand = 1024 * 1000
    for name, shape in bninception_shapes().items():
        if len(shape) == 4:
            edge = next(edge for start, edge in edges.items() if name.startswith(start))
            strided = name[10:].startswith(("3c", "4e")) and name[13:-7] in ("3x3", "double_3x3_2")
            by_hand += math.prod(shape) * (edge // 2 if strided else edge) ** 2
    assert found[1] == pytest.approx(by_hand / 1e9, rel=1e-6)


# Names and shapes of the public state dicts.


def test_imagenet_s_vgg_16_fits_and_the_layers_are_torchvision_s() -> None:
    with torch.device("meta"):
        theirs, ours, flow = vgg16(), VggTower(1000), VggTower(11, 20)
    assert shapes(ours) == shapes(theirs)
    assert repr(ours.features) == repr(theirs.features)
    assert [type(m) for m in ours.classifier] == [type(m) for m in theirs.classifier]
    changed = {k for k, shape in shapes(flow).items() if shape != shapes(theirs)[k]}
    assert changed == {"features.0.weight", "classifier.6.weight", "classifier.6.bias"}


def bninception_shapes(channels: int = 3) -> Shapes:
    """Cadene's names; columns: inputs, 1x1, 3x3 reduce, 3x3, double reduce, double, projection."""
    table = """
        3a  192  64  64  64  64  96  32
        3b  256  64  64  96  64  96  64
        3c  320   -  128 160 64  96   -
        4a  576 224  64  96  96 128 128
        4b  576 192  96 128  96 128 128
        4c  576 160 128 160 128 160 128
        4d  608  96 128 192 160 192 128
        4e  608   -  128 192 192 256  -
        5a 1056 352 192 320 160 224 128
        5b 1024 352 192 320 192 224 128"""
    convs = {"conv1_7x7_s2": (64, channels, 7, 7), "conv2_3x3_reduce": (64, 64, 1, 1)}
    convs["conv2_3x3"] = (192, 64, 3, 3)
    for row in table.split("\n")[1:]:
        name, *cells = row.split()
        n, one, r, c, rd, d, proj = (0 if cell == "-" else int(cell) for cell in cells)
        wanted = {"1x1": (one, n, 1, 1), "3x3_reduce": (r, n, 1, 1), "3x3": (c, r, 3, 3)}
        wanted |= {"double_3x3_reduce": (rd, n, 1, 1), "double_3x3_1": (d, rd, 3, 3)}
        wanted |= {"double_3x3_2": (d, d, 3, 3), "pool_proj": (proj, n, 1, 1)}
        convs |= {f"inception_{name}_{part}": s for part, s in wanted.items() if s[0]}
    listed: Shapes = {"last_linear.weight": (1000, 1024), "last_linear.bias": (1000,)}
    for name, shape in convs.items():
        listed |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        for part in ("weight", "bias", "running_mean", "running_var"):
            listed[f"{name}_bn.{part}"] = shape[:1]
        listed[f"{name}_bn.num_batches_tracked"] = ()
    return listed


def test_cadene_s_bninception_fits() -> None:
    with torch.device("meta"):
        assert shapes(BNInception(1000)) == bninception_shapes()
        assert shapes(BNInception(1000, 10)) == bninception_shapes(10)


def test_flow_s_first_layer_answers_equal_frames_as_rgb_s_does() -> None:
    weight = torch.randn(8, 3, 3, 3)
    flow = flow_first_layer(weight, 20)
    grey = torch.rand(2, 1, 6, 6)
    expected = F.conv2d(grey.expand(-1, 3, -1, -1), weight) * 20 / 3
    found = F.conv2d(grey.expand(-1, 20, -1, -1), flow)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    net = VggTower(5, 20, plan=(8, "M"), grid=1, hidden=16)
    net.load_state_dict(net.state_dict() | {"features.0.weight": flow})
    assert torch.equal(net.features[0].weight, flow)


# What they compute.


def test_an_inception_module_is_its_four_branches() -> None:
    torch.manual_seed(0)
    net = BNInception(5).eval()
    images = torch.rand(1, 192, 7, 6)

    def unit(name: str, x: Tensor) -> Tensor:
        conv, bn = net.get_submodule(name), net.get_submodule(f"{name}_bn")
        x = F.conv2d(x, conv.weight, conv.bias, conv.stride, conv.kernel_size[0] // 2)
        return F.relu(F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias))

    def chain(x: Tensor, module: str, *parts: str) -> Tensor:
        for part in parts:
            x = unit(f"inception_{module}_{part}", x)
        return x

    double = ("double_3x3_reduce", "double_3x3_1", "double_3x3_2")
    expected = [
        chain(images, "3a", "1x1"),
        chain(images, "3a", "3x3_reduce", "3x3"),
        chain(images, "3a", *double),
        chain(F.avg_pool2d(F.pad(images, (1,) * 4), 3, 1), "3a", "pool_proj"),
    ]
    torch.testing.assert_close(net._inception("3a", images), torch.cat(expected, 1))
    images = torch.rand(1, 320, 8, 6)
    expected = [
        chain(images, "3c", "3x3_reduce", "3x3"),
        chain(images, "3c", *double),
        F.max_pool2d(images, 3, 2, ceil_mode=True),
    ]
    torch.testing.assert_close(net._inception("3c", images), torch.cat(expected, 1))
    images = torch.rand(1, 1024, 4, 4)
    last = chain(F.max_pool2d(images, 3, 1, 1), "5b", "pool_proj")
    torch.testing.assert_close(net._inception("5b", images)[:, -128:], last)
    assert net.conv1_7x7_s2_bn.momentum == 0.1


@pytest.mark.parametrize("size", [(224, 224), (36, 48), (45, 51), (7, 9)])
def test_bninception_divides_any_size_by_32(size: tuple[int, int]) -> None:
    with torch.device("meta"):
        net, images = BNInception(5).eval(), torch.empty(1, 3, *size)
        rows, columns = size
        for _ in range(5):
            rows, columns = -(-rows // 2), -(-columns // 2)
        assert net.features(images).shape == (1, 1024, rows, columns)
    assert INCEPTION["3a"] == (64, 64, 64, 64, 96, 32)


@pytest.mark.parametrize("frames", [1, 4, 5, 12, 33, 64])
@pytest.mark.parametrize(("count", "length"), [(1, 1), (3, 1), (25, 1), (3, 5), (1, 10), (25, 10)])
def test_snippets_are_tsn_s(frames: int, count: int, length: int) -> None:
    """Against TSN's rule in floating point, frame by frame; a frame's value is its number."""
    clip = torch.arange(frames).view(1, 1, frames, 1, 1).expand(2, 2, frames, 3, 3).clone()
    clip[:, 1] += 1000
    found = snippets(clip, count, length)
    places = max(1, frames - length + 1)
    count = min(count, places)
    tick = places / count
    starts = [int(np.floor(tick / 2 + tick * k + 1e-9)) for k in range(count)]
    assert len(set(starts)) == count
    expected = [[min(s + i, frames - 1) for i in range(length)] for s in starts]
    interleaved = [[v for frame in row for v in (frame, 1000 + frame)] for row in expected]
    assert found.shape == (2, count, 2 * length, 3, 3)
    assert found[1, :, :, 2, 0].tolist() == interleaved


def test_a_clip_s_score_is_the_mean_over_its_snippets() -> None:
    torch.manual_seed(0)
    model = tsn(5, "demo", flow=True).eval()
    clip = torch.randn(2, 2, 12, 36, 48)
    with torch.no_grad():
        alone = [model.net(clip[:, :, s : s + 5].transpose(1, 2).flatten(1, 2)) for s in (1, 4, 6)]
        torch.testing.assert_close(model(clip), sum(alone) / 3)
        features = model.features(clip)
        pooled = features.mean((2, 3, 4))
    assert features.shape[:3] == (2, model.width, 3)
    torch.testing.assert_close(model.embed(clip), pooled)


def test_vgg_trains_on_one_snippet_and_tests_on_several() -> None:
    model = vgg(5, "demo")
    clip = torch.randn(2, 3, 12, 36, 48)
    assert model.train().features(clip).shape[2] == 1
    assert model.eval().features(clip).shape[2] == 3
    middle = model.net(clip[:, :, 6])
    single = SnippetNet(model.net, 1, 1).eval()
    torch.testing.assert_close(single(clip), middle)
    vector = model.embed(clip)
    torch.testing.assert_close(model(clip), model.net.classifier[-1](vector))


def test_dropouts_are_the_published_ones() -> None:
    def dropouts(model: nn.Module) -> list[float]:
        return [m.p for m in model.modules() if isinstance(m, nn.Dropout)]

    with torch.device("meta"):
        assert dropouts(vgg_two_stream(11)) == [0.9, 0.9, 0.9, 0.8]
        assert dropouts(tsn_two_stream(11)) == [0.8, 0.7]


def test_flow_weighs_one_and_a_half() -> None:
    model = tsn_two_stream(5, "demo").eval()
    rgb, flow = torch.randn(2, 3, 12, 36, 48), torch.randn(2, 2, 12, 36, 48)
    scores = model(rgb, flow)
    alone = model.rgb(rgb), model.flow(flow)
    assert all(map(torch.equal, scores.towers, alone))
    torch.testing.assert_close(scores.logits, 0.4 * alone[0] + 0.6 * alone[1])
    assert model.embed(rgb, flow).shape == (2, 2 * model.rgb.width)


def test_partial_bn_freezes_every_norm_but_the_first() -> None:
    model = tsn(5, "demo", partial_bn=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.eval().train()
    model(torch.randn(2, 3, 12, 36, 48)).sum().backward()
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {
        f"net.conv1_7x7_s2_bn.{part}"
        for part in ("running_mean", "running_var", "num_batches_tracked")
    }
    frozen = {name for name, p in model.named_parameters() if p.grad is None}
    norms = {n for n in before if "_bn." in n and n.rsplit(".")[-1] in ("weight", "bias")}
    assert frozen == {n for n in norms if "conv1_7x7" not in n}


@pytest.mark.parametrize("build", [vgg_two_stream, tsn_two_stream])
def test_demo_nets_are_small_and_learn(build: Callable[..., TwoStream]) -> None:
    torch.manual_seed(0)
    model = build(4, "demo")
    rgb, flow = torch.randn(4, 3, 12, 36, 48), torch.randn(4, 2, 12, 36, 48)
    assert 0.2e6 < parameters(model) < 2e6
    assert 0.05 < count_gmacs(model.eval(), rgb[:1], flow[:1]) < 0.3
    assert all(m.out_channels % 16 == 0 for m in model.modules() if isinstance(m, nn.Conv2d))
    optimiser = torch.optim.AdamW(model.train().parameters(), 2e-3)
    losses = []
    for _ in range(12):
        loss = sum(F.cross_entropy(s, torch.arange(4)) for s in model(rgb, flow).towers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert abs(losses[0] - 2 * 1.386) < 0.8 and min(losses[-2:]) < 0.7 * losses[0]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_wrong_dials_are_refused() -> None:
    for build in (vgg, tsn, vgg_two_stream, tsn_two_stream):
        with pytest.raises(ValueError, match="'paper' or 'demo'"):
            build(5, "tiny")
    with pytest.raises(ValueError, match="snippets"):
        snippets(torch.rand(2, 3, 4, 4), 3, 1)
    with pytest.raises(ValueError, match="0 snippets"):
        snippets(torch.rand(2, 3, 4, 4, 4), 0, 1)
