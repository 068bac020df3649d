"""2-D networks over the frames of a clip: VGG-16, BN-Inception, and two streams of either.

A clip becomes S snippets, evenly spaced: one RGB frame each, or L flow fields stacked along the
channels (x1, y1, x2, y2, ...). The network scores each on its own; the clip's score is the mean
of the S scores before softmax.

    VGG-TS  VGG-16; one snippet in training, 25 in testing; flow stacks of L = 10
    TSN     BN-Inception; three snippets in training, 25 in testing; flow stacks of L = 5

Both have one network for RGB and one for flow, joined by the weighted mean of their scores
(`TwoStream`). In training a snippet is the middle of its part of the clip; the position of the clip
in the video, which the loader draws, varies from epoch to epoch.

Sources: Simonyan and Zisserman, "Two-Stream Convolutional Networks", NeurIPS 2014, in the
VGG-16 form of bryanyzhu/two-stream-pytorch (dropouts, flow first layer); Wang et al., "Temporal
Segment Networks", ECCV 2016, and yjxiong/tsn-pytorch. That flow weighs 1.5 to RGB's 1, and the
25 snippets of VGG-TS, are from memory, not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from actlumos.baselines.networks.bninception import INCEPTION, BNInception
from actlumos.baselines.networks.resnet3d import Scale, check_scale, initialise, quarter

# VGG-16 without its fifth stage, a quarter as wide.
DEMO_VGG = (16, 16, "M", 32, 32, "M", 64, 64, 64, "M", 128, 128, 128, "M")


class VggTower(nn.Module):
    """VGG-16 with torchvision's layers and names, for images of any number of channels.

    Args:
        num_classes: K.
        channels: 3 for RGB, 2 L for a stack of L flow fields.
        plan: widths of the convolutions, `M` for a max-pool; torchvision's "D" is VGG-16.
        grid: the map is pooled to grid x grid before the linear layers.
        hidden: their width.
        dropouts: after the first and the second of them.
        batch_norm: after each convolution, as torchvision's vgg16_bn.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        *,
        plan: Sequence[int | str] = tuple(cfgs["D"]),
        grid: int = 7,
        hidden: int = 4096,
        dropouts: tuple[float, float] = (0.9, 0.9),
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        widths = [width for width in plan if isinstance(width, int)]
        self.width = widths[-1]
        self.features = make_layers(list(plan), batch_norm)
        self.features[0] = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.avgpool = nn.AdaptiveAvgPool2d(grid)
        wide = nn.Linear(self.width * grid * grid, hidden), nn.Linear(hidden, hidden)
        self.classifier = nn.Sequential(
            wide[0],
            nn.ReLU(inplace=True),
            nn.Dropout(dropouts[0]),
            wide[1],
            nn.ReLU(inplace=True),
            nn.Dropout(dropouts[1]),
            nn.Linear(hidden, num_classes),
        )
        self.apply(initialise)
        for layer in wide:  # same variance at any width
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images `[N, C, H, W]` to `[N, hidden]`, the last layer's input."""
        return self.classifier[:-1](self.avgpool(self.features(images)).flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images `[N, C, H, W]` to logits `[N, K]`."""
        return self.classifier[-1](self.embed(images))


def snippets(clip: Tensor, count: int, length: int) -> Tensor:
    """Evenly spaced stacks of consecutive frames: `[B, C, T, H, W]` to `[B, S, length C, H, W]`.

    The first frame of stack k is floor((k + 1/2) (T - length + 1) / S), TSN's rule for testing:
    the middle of the k-th of S equal parts. With `length` 1 that is single frames; of a flow
    clip (C = 2) it is stacks x1, y1, x2, y2, ... S is `count`, or the number of different
    stacks if there are fewer. A stack that a short clip cannot fill repeats the last frame.

    Raises:
        ValueError: not five dimensions, or a count or length below 1.
    """
    if clip.dim() != 5 or count < 1 or length < 1:
        raise ValueError(f"{count} snippets of {length} frames of a clip {tuple(clip.shape)}")
    frames = clip.shape[2]
    starts = max(1, frames - length + 1)
    count = min(count, starts)
    first = [(2 * k + 1) * starts // (2 * count) for k in range(count)]
    index = torch.tensor([min(k + i, frames - 1) for k in first for i in range(length)])
    stacked = clip.transpose(1, 2).index_select(1, index.to(clip.device))
    return stacked.unflatten(1, (count, length)).flatten(2, 3)


class SnippetNet(nn.Module):
    """A 2-D network over the snippets of a normalised clip of any length.

    Args:
        net: images to logits, with `features`, `embed` and `width`.
        segments: snippets of a clip in training.
        test_segments: snippets in evaluation.
        length: frames (or flow fields) in a snippet.
        partial_bn: keep every batch norm but the first as it is loaded, statistics and
            weights. TSN's recipe from ImageNet weights; not for training from scratch.
    """

    def __init__(
        self,
        net: VggTower | BNInception,
        segments: int,
        test_segments: int,
        *,
        length: int = 1,
        partial_bn: bool = False,
    ) -> None:
        super().__init__()
        self.net = net
        self.width = net.width
        self.segments = segments
        self.test_segments = test_segments
        self.length = length
        self.partial_bn = partial_bn
        self.train(self.training)

    def train(self, mode: bool = True) -> SnippetNet:
        """As of every module; with `partial_bn` all norms but the first stay in evaluation."""
        super().train(mode)
        if self.partial_bn:
            norms = [m for m in self.net.modules() if isinstance(m, nn.BatchNorm2d)]
            for norm in norms[1:]:
                norm.eval().requires_grad_(False)
        return self

    def _each(self, work: Callable[[Tensor], Tensor], clip: Tensor) -> Tensor:
        """`work` on every snippet: `[B, C, T, H, W]` to `[B, S, ...]`."""
        count = self.segments if self.training else self.test_segments
        pictures = snippets(clip, count, self.length)
        return work(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])

    def features(self, clip: Tensor) -> Tensor:
        """Normalised clip `[B, C, T, H, W]` to `[B, width, S, H', W']`, S the snippets."""
        return self._each(self.net.features, clip).transpose(1, 2)

    def embed(self, clip: Tensor) -> Tensor:
        """Normalised clip to the mean over snippets of the last layer's input, `[B, D]`."""
        return self._each(self.net.embed, clip).mean(1)

    def forward(self, clip: Tensor) -> Tensor:
        """Normalised clip to logits `[B, K]`, the mean over snippets."""
        return self._each(self.net, clip).mean(1)


class Scores(NamedTuple):
    """Scores of two networks for the same clips.

    logits: `[B, K]`, their weighted mean; towers: each network's own, `[B, K]` each.
    """

    logits: Tensor
    towers: tuple[Tensor, ...]


class TwoStream(nn.Module):
    """One network for RGB and one for flow, without shared weights.

    Args:
        rgb, flow: normalised clips `[B, 3, T, H, W]` and `[B, 2, T, H, W]` to logits.
        flow_weight: of flow's scores, where RGB's have 1. Scores are logits (our choice for all
            two-stream systems; the original of VGG-TS averages probabilities).
    """

    rgb: Any
    flow: Any

    def __init__(self, rgb: nn.Module, flow: nn.Module, flow_weight: float = 1.0) -> None:
        super().__init__()
        self.rgb = rgb
        self.flow = flow
        self.flow_weight = flow_weight

    def embed(self, rgb: Tensor, flow: Tensor) -> Tensor:
        """Both networks' pooled features, side by side: `[B, D + D']`."""
        return torch.cat([self.rgb.embed(rgb), self.flow.embed(flow)], dim=1)

    def forward(self, rgb: Tensor, flow: Tensor) -> Scores:
        """Two normalised clips of the same video to the scores of both networks."""
        towers = self.rgb(rgb), self.flow(flow)
        return Scores((towers[0] + self.flow_weight * towers[1]) / (1 + self.flow_weight), towers)


def flow_first_layer(weight: Tensor, channels: int) -> Tensor:
    """First-layer weights for stacked flow from those for RGB: the mean over RGB, repeated.

    Both VGG-TS and TSN start the flow network so, from ImageNet weights.

    Args:
        weight: `[C', 3, k, k]`.
        channels: 2 L.

    Returns:
        `[C', channels, k, k]`.
    """
    return weight.mean(1, keepdim=True).repeat(1, channels, 1, 1)


def vgg(num_classes: int, scale: Scale = "paper", *, flow: bool = False) -> SnippetNet:
    """One tower of VGG-TS: 134.31 M parameters for RGB, 134.32 M for flow, 11 classes.

    Args:
        num_classes: K.
        scale: `paper` or `demo` (batch norm, since it is trained from scratch; dropout .5).
        flow: 20 channels, ten flow fields, instead of one RGB frame.

    Raises:
        ValueError: another scale.
    """
    check_scale(scale)
    length = 10 if flow else 1
    channels = 2 * length if flow else 3
    if scale == "paper":
        net = VggTower(num_classes, channels, dropouts=(0.9, 0.8 if flow else 0.9))
        return SnippetNet(net, 1, 25, length=length)
    net = VggTower(
        num_classes,
        channels,
        plan=DEMO_VGG,
        grid=2,
        hidden=128,
        dropouts=(0.5, 0.5),
        batch_norm=True,
    )
    return SnippetNet(net, 1, 3, length=length)


def tsn(
    num_classes: int, scale: Scale = "paper", *, flow: bool = False, partial_bn: bool = False
) -> SnippetNet:
    """One network of TSN: 10.28 M parameters for RGB, 10.30 M for flow, 11 classes.

    Args:
        num_classes: K.
        scale: `paper` or `demo`.
        flow: 10 channels, five flow fields, instead of one RGB frame.
        partial_bn: see `SnippetNet`.

    Raises:
        ValueError: another scale.
    """
    check_scale(scale)
    length = 5 if flow else 1
    channels = 2 * length if flow else 3
    if scale == "paper":
        net = BNInception(num_classes, channels, dropout=0.7 if flow else 0.8)
        return SnippetNet(net, 3, 25, length=length, partial_bn=partial_bn)
    table = {name: tuple(c and quarter(c) for c in row) for name, row in INCEPTION.items()}
    net = BNInception(
        num_classes, channels, table=table, stem=(16, 16, 48), stem_stride=1, dropout=0.5
    )
    return SnippetNet(net, 3, 3, length=length, partial_bn=partial_bn)


def vgg_two_stream(num_classes: int, scale: Scale = "paper") -> TwoStream:
    """VGG-TS: 268.62 M parameters for 11 classes (the ActLumos tables print 144 M).

    Raises:
        ValueError: another scale.
    """
    rgb, flow = (vgg(num_classes, scale, flow=flow) for flow in (False, True))
    return TwoStream(rgb, flow, flow_weight=1.5)


def tsn_two_stream(num_classes: int, scale: Scale = "paper") -> TwoStream:
    """TSN on BN-Inception: 20.58 M parameters for 11 classes (the tables print 22 M).

    Raises:
        ValueError: another scale.
    """
    rgb, flow = (tsn(num_classes, scale, flow=flow) for flow in (False, True))
    return TwoStream(rgb, flow, flow_weight=1.5)
