"""Pseudo-3D: a residual network whose 3x3x3 kernels are a 1x3x3 (S) and a 3x1x1 (T).

S convolves in space, T in time, and consecutive blocks combine the two in three ways in turn:

    A   T(S(x))          one after the other
    B   S(x) + T(x)      side by side
    C   S(x) + T(S(x))   both

P3D-199 has ResNet-152's depth. Max-pools halve time after the stem and after res2, res3 and
res4, so 16 frames are one before res5, which is an ordinary 2-D stage.

Source: Qiu, Yao and Mei, "Learning Spatio-Temporal Representation with Pseudo-3D Residual
Networks", ICCV 2017. State-dict names are those of qijiezhao/pseudo-3d-pytorch, whose released
weights several users report as weak. It is built for 16 x 160 x 160; here the last pooling is
adaptive, and the time steps that a longer clip has left are averaged (ours; equal at 16 frames).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle
from typing import Any

from torch import Tensor, nn

from actlumos.baselines.networks.resnet3d import (
    Scale,
    Stride,
    check_scale,
    check_stages,
    initialise,
    stack,
)

EXPANSION = 4


class PseudoBlock(nn.Module):
    """Bottleneck with S and T in its middle.

    Args:
        inputs, outputs: channels, `outputs` a multiple of 4.
        stride: (T, H, W) of the first 1x1x1 convolution and of the shortcut.
        kinds: gives `A`, `B` or `C`, this block's kind.
    """

    def __init__(self, inputs: int, outputs: int, stride: Stride, kinds: Iterator[str]) -> None:
        super().__init__()
        planes = outputs // EXPANSION
        self.kind = next(kinds)
        self.conv1 = nn.Conv3d(inputs, planes, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm3d(planes)
        self.conv2 = nn.Conv3d(planes, planes, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.bn2 = nn.BatchNorm3d(planes)
        self.conv3 = nn.Conv3d(planes, planes, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.bn3 = nn.BatchNorm3d(planes)
        self.conv4 = nn.Conv3d(planes, outputs, 1, bias=False)
        self.bn4 = nn.BatchNorm3d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != (1, 1, 1) or inputs != outputs:
            shortcut = nn.Conv3d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm3d(outputs))

    def mix(self, clip: Tensor) -> Tensor:
        """S and T combined according to `kind`; `[B, planes, T, H, W]` to the same shape."""
        space = self.relu(self.bn2(self.conv2(clip)))
        time = self.relu(self.bn3(self.conv3(clip if self.kind == "B" else space)))
        return time if self.kind == "A" else space + time

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to `[B, C', T', H', W']`."""
        shortcut = clip if self.downsample is None else self.downsample(clip)
        out = self.mix(self.relu(self.bn1(self.conv1(clip))))
        return self.relu(self.bn4(self.conv4(out)) + shortcut)


class FlatBlock(nn.Module):
    """The ordinary 2-D bottleneck of res5.

    Args:
        inputs, outputs: channels, `outputs` a multiple of 4.
        stride: (T, H, W) as for `PseudoBlock`; only H and W are used.
    """

    def __init__(self, inputs: int, outputs: int, stride: Stride) -> None:
        super().__init__()
        planes = outputs // EXPANSION
        self.conv1 = nn.Conv2d(inputs, planes, 1, stride[1:], bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv_normal = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn_normal = nn.BatchNorm2d(planes)
        self.conv4 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn4 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != (1, 1, 1) or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride[1:], bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        """`[N, C, H, W]` to `[N, C', H', W']`."""
        shortcut = images if self.downsample is None else self.downsample(images)
        out = self.relu(self.bn1(self.conv1(images)))
        out = self.relu(self.bn_normal(self.conv_normal(out)))
        return self.relu(self.bn4(self.conv4(out)) + shortcut)


class P3D(nn.Module):
    """Pseudo-3D network over a normalised clip of any length and size.

    Args:
        layers: blocks of res2, res3, res4 (kinds A, B, C in turn) and of res5 (2-D).
        widths: output channels of the four stages.
        channels: of the clip: 3 for RGB, 2 for flow.
        stem: channels of the stem.
        spatial_pool: stride in space of the max-pool after the stem.
        temporal_pools: time steps per window of the max-pools after stem, res2, res3 and res4;
            an incomplete last window counts.
        dropout: before `fc`, 0..1.
        num_classes: K; None gives the feature map.

    Raises:
        ValueError: not four stages, or widths that are no multiples of 4.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self,
        layers: Sequence[int] = (3, 8, 36, 3),
        widths: Sequence[int] = (256, 512, 1024, 2048),
        *,
        channels: int = 3,
        stem: int = 64,
        spatial_pool: int = 2,
        temporal_pools: Sequence[int] = (2, 2, 2, 2),
        dropout: float = 0.5,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        check_stages(layers=layers, widths=widths, temporal_pools=temporal_pools)
        if any(width % EXPANSION for width in widths):
            raise ValueError(f"widths are {tuple(widths)}: give multiples of {EXPANSION}")
        self.width = widths[-1]
        self.temporal_pools = tuple(temporal_pools)
        self.conv1_custom = nn.Conv3d(
            channels, stem, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False
        )
        self.bn1 = nn.BatchNorm3d(stem)
        self.relu = nn.ReLU(inplace=True)
        # A maximum over space and time equals one over space, then one over time. Separately, time
        # can round up without moving the windows in space.
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, spatial_pool, spatial_pool), (0, 1, 1))
        self.shorten = nn.ModuleList(
            nn.MaxPool3d((frames, 1, 1), ceil_mode=True) for frames in temporal_pools
        )
        kinds = cycle("ABC")
        inputs, strides = (stem, *widths), ((1, 1, 1), *[(1, 2, 2)] * 3)
        for n, (depth, stride) in enumerate(zip(layers, strides, strict=True)):
            make = FlatBlock if n == 3 else partial(PseudoBlock, kinds=kinds)
            stage = stack(make, inputs[n], widths[n], depth, stride)
            self.add_module(f"layer{n + 1}", stage)
        self.dropout = nn.Dropout(dropout)
        self.fc = None if num_classes is None else nn.Linear(self.width, num_classes)
        self.apply(initialise)

    def output_frames(self, frames: int) -> int:
        """Temporal length T' of the feature map of a clip of `frames` frames."""
        for pool in self.temporal_pools:
            frames = -(-frames // pool)
        return frames

    def features(self, clip: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to `[B, width, T', H', W']`; published: T / 16 and H / 32, up."""
        features = self.maxpool(self.relu(self.bn1(self.conv1_custom(clip))))
        features = self.shorten[0](features)
        stages = (self.layer1, self.layer2, self.layer3)
        for stage, shorten in zip(stages, self.shorten[1:], strict=True):
            features = shorten(stage(features))
        frames = features.transpose(1, 2)
        pictures = self.layer4(frames.flatten(0, 1))
        return pictures.unflatten(0, frames.shape[:2]).transpose(1, 2)

    def embed(self, clip: Tensor) -> Tensor:
        """Normalised clip to pooled features `[B, width]`, the input of `fc`."""
        return self.features(clip).mean((2, 3, 4))

    def forward(self, clip: Tensor) -> Tensor:
        """Normalised clip to logits `[B, K]`, or to the feature map without a classifier."""
        if self.fc is None:
            return self.features(clip)
        return self.fc(self.dropout(self.embed(clip)))


def p3d_199(num_classes: int | None = None, scale: Scale = "paper", *, channels: int = 3) -> P3D:
    """P3D-199: 65.70 M parameters for 11 classes (the ActLumos tables print 62 M).

    Raises:
        ValueError: another scale.
    """
    check_scale(scale)
    dial: dict[str, Any] = {}
    if scale == "demo":  # A; B, C; A, B, C; and 12 frames are one before res5, as 16 are there
        dial = {"layers": (1, 2, 3, 1), "widths": (64, 128, 256, 512), "stem": 16}
        dial |= {"spatial_pool": 1, "temporal_pools": (1, 2, 2, 3)}
    return P3D(**dial, channels=channels, num_classes=num_classes)
