"""3D-ResNet, 3D-ResNeXt, P3D, I3D: published sizes, and oracles for what they compute."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.video import resnet as tv

from actlumos.baselines.networks.inception3d import I3D, MIXED, i3d, i3d_two_stream, pad_same
from actlumos.baselines.networks.p3d import P3D, PseudoBlock, p3d_199
from actlumos.baselines.networks.resnet3d import ResNet3D, resnet3d, resnext3d_101
from actlumos.evaluation.cost import count_gmacs
from actlumos.models.bert_head import BertHead

Triple = tuple[int, int, int]
Joined = Callable[[Callable, Callable, Tensor], Tensor]


def parameters(*models: nn.Module) -> int:
    return sum(p.numel() for model in models for p in model.parameters())


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Other values everywhere, running statistics too, so that no two tensors are equal."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            fresh = torch.rand(value.shape, generator=generator)
            fan = value[0].numel() if value.dim() > 1 else 1
            value.copy_(fresh + 0.5 if "running_var" in name else (fresh - 0.4) / fan**0.5)
    return model.eval()


# Sizes, counted without storage on the meta device. Expected: the fact sheet's table.


@pytest.mark.parametrize(
    ("depth", "millions", "gmacs"), [(18, 33.21, 8.3), (50, 46.22, 10.1), (101, 85.27, 13.9)]
)
def test_resnets_have_the_published_size(depth: int, millions: float, gmacs: float) -> None:
    with torch.device("meta"):
        model, clip = resnet3d(depth, 11).eval(), torch.empty(1, 3, 16, 112, 112)
    assert parameters(model) / 1e6 == pytest.approx(millions, abs=0.005)
    assert count_gmacs(model, clip) == pytest.approx(gmacs, abs=0.05)
    assert model.features(clip).shape == (1, model.width, 1, 4, 4)


def test_resnext_has_the_published_size_and_frmb_fits_the_bert_head() -> None:
    with torch.device("meta"):
        whole, short = resnext3d_101(11).eval(), resnext3d_101(frmb=True).eval()
        clip = torch.empty(1, 3, 64, 112, 112)
        head = [BertHead(512, 8), nn.Linear(512, 11)]
    assert parameters(whole) / 1e6 == pytest.approx(47.54, abs=0.005)
    assert count_gmacs(whole, clip) == pytest.approx(38.27, abs=0.005)
    assert parameters(short, *head) / 1e6 == pytest.approx(47.36, abs=0.005)
    assert short(clip).shape == (1, 512, 4, 4, 4) and short.output_frames(64) == 4
    # by hand: a 2048-1024-2048 block of 32 groups goes, a 2048-256-512 one with a shortcut comes
    old = 2 * 2048 * 1024 + 27 * 1024 * 1024 // 32 + 2 * (2 * 1024 + 2048)
    new = 2048 * 256 + 27 * 256 * 256 // 32 + 256 * 512 + 2048 * 512 + 2 * (2 * 256 + 2 * 512)
    fc = 11 * 2049
    assert parameters(whole) - fc - parameters(short) == old - new


def test_p3d_has_the_published_size() -> None:
    with torch.device("meta"):
        model, clip = p3d_199(11).eval(), torch.empty(1, 3, 16, 160, 160)
        kinetics = p3d_199(400)
    assert parameters(model) / 1e6 == pytest.approx(65.70, abs=0.005)
    assert parameters(kinetics) / 1e6 == pytest.approx(66.49, abs=0.005)
    assert count_gmacs(model, clip) == pytest.approx(18.4, abs=0.05)
    assert model.features(clip).shape == (1, 2048, 1, 5, 5)


@pytest.mark.parametrize(("frames", "gmacs"), [(16, 27.8), (64, 111.2)])
def test_i3d_has_the_published_size(frames: int, gmacs: float) -> None:
    with torch.device("meta"):
        model, clip = i3d(11).eval(), torch.empty(1, 3, frames, 224, 224)
        both = i3d_two_stream(11).eval()
        flow = torch.empty(1, 2, frames, 224, 224)
    assert parameters(model) == 12_298_539
    assert count_gmacs(model, clip) == pytest.approx(gmacs, abs=0.05)
    assert parameters(both) / 1e6 == pytest.approx(24.58, abs=0.005)
    assert both(clip, flow).logits.shape == (1, 11)
    assert model.pool(model.features(clip)).shape == (1, 1024, frames // 8 - 1, 1, 1)


# What they compute.


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_resnet_computes_what_torchvision_s_does(block: str) -> None:
    """torchvision's video ResNet with another stem is the same net under other names."""
    expansion = 1 if block == "basic" else 4
    widths = tuple(expansion * w for w in (64, 128, 256, 512))
    ours = randomise(ResNet3D(block, (1, 1, 1, 1), widths, num_classes=400))
    stem = nn.Sequential(
        nn.Conv3d(3, 64, 7, (1, 2, 2), 3, bias=False),
        nn.BatchNorm3d(64),
        nn.ReLU(),
        nn.MaxPool3d(3, 2, 1),
    )
    kind = tv.BasicBlock if block == "basic" else tv.Bottleneck
    theirs = tv.VideoResNet(kind, [tv.Conv3DSimple] * 4, [1, 1, 1, 1], lambda: stem).eval()
    renamed = {name: ours.state_dict()[_our_name(name)] for name in theirs.state_dict()}
    theirs.load_state_dict(renamed)
    clip = torch.rand(2, 3, 5, 33, 20)
    expected = clip
    for part in (theirs.stem, theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
        expected = part(expected)
    torch.testing.assert_close(ours.features(clip), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 1e-3


def _our_name(theirs: str) -> str:
    """torchvision's stem.0, stem.1, conv2.0, conv2.1 are conv1, bn1, conv2, bn2."""
    name = theirs.replace("stem.0", "conv1").replace("stem.1", "bn1")
    return re.sub(r"conv(\d)\.([01])", lambda m: f"{('conv', 'bn')[int(m[2])]}{m[1]}", name)


def test_resnext_convolves_in_groups() -> None:
    """With one group the resnext block is a bottleneck onto twice the planes."""
    torch.manual_seed(0)
    grouped = ResNet3D("resnext", (1, 1, 1, 1), (32, 32, 32, 32), stem=16, cardinality=4)
    block = grouped.layer2[0]
    clip = torch.rand(2, 32, 4, 6, 6)
    wide = block.conv2.weight.new_zeros(16, 16, 3, 3, 3)
    for g in range(4):
        wide[4 * g : 4 * g + 4, 4 * g : 4 * g + 4] = block.conv2.weight[4 * g : 4 * g + 4]
    inner = torch.rand(2, 16, 4, 6, 6)
    expected = F.conv3d(inner, wide, stride=2, padding=1)
    torch.testing.assert_close(block.conv2(inner), expected)
    assert block(clip).shape == (2, 32, 2, 3, 3)


@pytest.mark.parametrize(
    ("kind", "joined"),
    [
        ("A", lambda s, t, x: t(s(x))),
        ("B", lambda s, t, x: s(x) + t(x)),
        ("C", lambda s, t, x: s(x) + t(s(x))),
    ],
)
def test_p3d_s_blocks_join_space_and_time_as_published(kind: str, joined: Joined) -> None:
    block = randomise(PseudoBlock(16, 32, (1, 2, 2), iter(kind)))
    clip = torch.rand(2, 16, 5, 8, 7) - 0.3

    def unit(x: Tensor, number: int) -> Tensor:
        conv, bn = getattr(block, f"conv{number}"), getattr(block, f"bn{number}")
        padding = tuple(k // 2 for k in conv.kernel_size)
        x = F.conv3d(x, conv.weight, None, conv.stride, padding)
        x = (x - _column(bn.running_mean)) / (_column(bn.running_var) + bn.eps).sqrt()
        return x * _column(bn.weight) + _column(bn.bias)

    def space(x: Tensor) -> Tensor:
        return unit(x, 2).relu()

    def time(x: Tensor) -> Tensor:
        return unit(x, 3).relu()

    expected = unit(joined(space, time, unit(clip, 1).relu()), 4) + block.downsample(clip)
    torch.testing.assert_close(block(clip), expected.relu(), rtol=1e-4, atol=1e-5)
    assert block.conv2.kernel_size == (1, 3, 3) and block.conv3.kernel_size == (3, 1, 1)


def _column(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1, 1)


def test_p3d_s_blocks_take_turns_and_end_flat() -> None:
    with torch.device("meta"):
        model = p3d_199(11)
    stages = (model.layer1, model.layer2, model.layer3)
    kinds = "".join(block.kind for stage in stages for block in stage)
    assert kinds == ("ABC" * 16)[:47]
    assert not any(isinstance(m, nn.Conv3d) for m in model.layer4.modules())


def test_p3d_s_split_pool_is_the_published_one_at_16_frames() -> None:
    model = P3D((1, 1, 1, 1), (16, 16, 16, 16), stem=16)
    clip = torch.randn(2, 16, 16, 21, 20)
    published = F.max_pool3d(clip, (2, 3, 3), 2, (0, 1, 1))
    assert torch.equal(model.shorten[0](model.maxpool(clip)), published)
    assert [model.output_frames(frames) for frames in (1, 12, 16, 17, 64)] == [1, 1, 1, 2, 4]


def test_p3d_treats_the_time_steps_left_over_as_pictures() -> None:
    """A clip played on: res5 gets each half alone, and their scores are averaged."""
    model = randomise(P3D((1, 1, 1, 1), (16, 32, 32, 64), stem=16, num_classes=5))
    maps = torch.rand(3, 32, 2, 5, 5)
    model.layer3, model.shorten[3] = nn.Identity(), nn.Identity()
    model.layer2, model.shorten[2] = nn.Identity(), nn.Identity()
    model.layer1, model.shorten[1] = nn.Identity(), nn.Identity()
    model.shorten[0] = nn.Identity()
    model.conv1_custom = model.bn1 = model.maxpool = nn.Identity()
    apart = [model(maps[:, :, t : t + 1]) for t in range(2)]
    torch.testing.assert_close(model(maps), (apart[0] + apart[1]) / 2)


@pytest.mark.parametrize("size", [(9, 14, 15), (12, 36, 48), (16, 7, 8)])
@pytest.mark.parametrize(("kernel", "stride"), [((7, 7, 7), (2, 2, 2)), ((1, 3, 3), (1, 2, 2))])
def test_same_padding_is_tensorflow_s(size: Triple, kernel: Triple, stride: Triple) -> None:
    """TensorFlow's rule: max((ceil(n / s) - 1) s + k - n, 0), the smaller half first."""
    clip = torch.ones(1, 1, *size)
    padded = pad_same(clip, kernel, stride)[0, 0]
    for axis, (n, k, s) in enumerate(zip(size, kernel, stride, strict=True)):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        assert padded.shape[axis] == n + total
        line = padded.amax([other for other in range(3) if other != axis])
        assert line.nonzero().flatten().tolist() == list(range(total // 2, total // 2 + n))


def test_i3d_halves_upwards_and_pools_two_steps() -> None:
    model = randomise(i3d(5, "demo"))
    clip = torch.rand(2, 3, 17, 37, 50)
    features = model.features(clip)
    assert features.shape[:3] == (2, model.width, 3) and model.output_frames(17) == 3
    pooled = torch.stack([features[:, :, t : t + 2].mean((2, 3, 4)) for t in range(2)])
    torch.testing.assert_close(model.embed(clip), pooled.mean(0))
    weight, bias = model.logits.conv3d.weight.flatten(1), model.logits.conv3d.bias
    expected = (pooled @ weight.T + bias).mean(0)
    torch.testing.assert_close(model(clip), expected, rtol=1e-4, atol=1e-5)


def test_an_inception_branch_is_where_the_table_says() -> None:
    model = randomise(I3D(num_classes=5))
    mixed, clip = model.Mixed_3b, torch.rand(1, 192, 2, 4, 4)
    out = mixed(clip)
    assert out.shape[1] == sum(MIXED["Mixed_3b"][i] for i in (0, 2, 4, 5)) == 256
    torch.testing.assert_close(out[:, :64], mixed.b0(clip))
    torch.testing.assert_close(out[:, 64:192], mixed.b1b(mixed.b1a(clip)))
    torch.testing.assert_close(out[:, 192:224], mixed.b2b(mixed.b2a(clip)))
    pooled = F.max_pool3d(F.pad(clip, (1,) * 6), 3, 1)
    torch.testing.assert_close(out[:, 224:], mixed.b3b(pooled))
    assert mixed.b0.bn.eps == 1e-3 and mixed.b0.bn.momentum == 0.01


def test_two_streams_average_their_scores() -> None:
    model = i3d_two_stream(5, "demo").eval()
    rgb, flow = torch.rand(2, 3, 9, 36, 48), torch.rand(2, 2, 9, 36, 48)
    scores = model(rgb, flow)
    assert all(map(torch.equal, scores.towers, (model.rgb(rgb), model.flow(flow))))
    torch.testing.assert_close(scores.logits, sum(scores.towers) / 2)


# The demo's dial.

DEMOS = {
    "resnet3d-18": lambda classes, channels: resnet3d(18, classes, "demo", channels=channels),
    "resnet3d-50": lambda classes, channels: resnet3d(50, classes, "demo", channels=channels),
    "resnet3d-101": lambda classes, channels: resnet3d(101, classes, "demo", channels=channels),
    "resnext": lambda classes, channels: resnext3d_101(classes, "demo", channels=channels),
    "frmb": lambda classes, channels: resnext3d_101(classes, "demo", channels=channels, frmb=True),
    "p3d": lambda classes, channels: p3d_199(classes, "demo", channels=channels),
    "i3d": lambda classes, channels: i3d(classes, "demo", channels=channels),
}


@pytest.mark.parametrize("name", DEMOS)
def test_demo_nets_are_small_and_learn(name: str) -> None:
    torch.manual_seed(0)
    model = DEMOS[name](4, 3)
    assert 0.2e6 < parameters(model) < 2e6
    clip = torch.randn(4, 3, 12, 36, 48)
    assert 0.05 < count_gmacs(model.eval(), clip[:1]) < 0.3
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv3d | nn.Conv2d)]
    assert all(m.out_channels % 16 == 0 for m in convolutions if m.bias is None)  # not the logits
    optimiser = torch.optim.AdamW(model.train().parameters(), 2e-3)
    losses = []
    for _ in range(8):
        loss = F.cross_entropy(model(clip), torch.arange(4))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert abs(losses[0] - 1.386) < 0.6 and min(losses[-2:]) < 0.7 * losses[0]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", DEMOS)
@pytest.mark.parametrize("size", [(9, 36, 48), (13, 28, 36), (24, 45, 51)])
def test_any_length_and_size_and_flow_work(name: str, size: Triple) -> None:
    model = DEMOS[name](None, 2).eval()
    clip = torch.rand(1, 2, *size)
    features = model(clip)
    assert features.shape[:3] == (1, model.width, model.output_frames(size[0]))
    assert torch.equal(features, model.features(clip))
    assert model.embed(clip).shape == (1, model.width)


def test_short_clips_and_wrong_dials_are_refused_with_a_reason() -> None:
    with pytest.raises(ValueError, match="over 8 frames"):
        i3d(5, "demo")(torch.rand(2, 3, 8, 36, 48))
    with pytest.raises(ValueError, match="18, 50 or 101"):
        resnet3d(34)
    for build in (lambda: resnet3d(50, 5, "tiny"), lambda: i3d(5, "tiny"), lambda: p3d_199(5, "x")):
        with pytest.raises(ValueError, match="'paper' or 'demo'"):
            build()
    with pytest.raises(ValueError, match="block is 'wide'"):
        ResNet3D("wide")
    with pytest.raises(ValueError, match="four integers"):
        ResNet3D(layers=(1, 2, 3))
    with pytest.raises(ValueError, match="multiple of 64"):
        ResNet3D("resnext", widths=(64, 64, 64, 96))
    with pytest.raises(ValueError, match="at least two blocks"):
        ResNet3D(layers=(1, 1, 1, 1), last_width=512)
    with pytest.raises(ValueError, match="multiples of 4"):
        P3D(widths=(16, 16, 16, 18))
    with pytest.raises(ValueError, match="Mixed_3b"):
        I3D({"Mixed_3b": MIXED["Mixed_3b"]})
