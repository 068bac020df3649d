"""R(2+1)D: every 3-D convolution split into one over space and one over time.

A k x k x k kernel becomes 1 x k x k, batch norm, ReLU, then k x 1 x 1. The number M of planes
between the two is chosen so that the pair has as many weights as the kernel it replaces:

    M = floor(27 * C_in * C_out / (9 * C_in + 3 * C_out))

Source: Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition",
CVPR 2018. The 34-layer shape is the one whose weights were pre-trained on IG-65M: M is computed
for each convolution on its own, which gives 288, 576 and 1152 in places where torchvision,
computing it once per block, has 230, 460 and 921; batch norm has eps 1e-3 there and 1e-5 in
torchvision. State-dict names are those of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from actlumos.models.conv import FactorisedConv3d

Midplanes = Literal["ig65m", "torchvision", "multiple16"]
Norm = Callable[[int], nn.Module]


def midplanes(inputs: int, outputs: int, rule: Midplanes = "ig65m") -> int:
    """Planes between the spatial and the temporal part of one convolution.

    `ig65m` and `torchvision` are the formula above (they differ in which channels a block
    uses in it, see `BasicBlock`); `multiple16` rounds it to the nearest multiple of 16 (at least
    16), because CPU kernels are slow for other counts (our choice, for small nets).

    Raises:
        ValueError: unknown rule.
    """
    equal_weights = 27 * inputs * outputs // (9 * inputs + 3 * outputs)
    if rule == "multiple16":
        return max(16, 16 * round(equal_weights / 16))
    if rule not in get_args(Midplanes):
        raise ValueError(f"midplanes is {rule!r}: choose one of {', '.join(get_args(Midplanes))}")
    return equal_weights


def _factorised(
    planes: tuple[int, int, int],
    norm: Norm,
    stride: tuple[int, int] = (1, 1),
    kernel: int = 3,
) -> list[nn.Module]:
    """1 x k x k with the spatial stride, norm, ReLU, 3 x 1 x 1 with the temporal stride."""
    (inputs, middle, outputs), (time, space) = planes, stride
    return [
        FactorisedConv3d(inputs, middle, (1, kernel, kernel), (1, space, space)),
        norm(middle),
        nn.ReLU(inplace=True),
        FactorisedConv3d(middle, outputs, (3, 1, 1), (time, 1, 1)),
    ]


class BasicBlock(nn.Module):
    """Two factorised convolutions and a shortcut; the first may stride.

    Args:
        inputs, outputs: channel counts.
        stride: (temporal, spatial) stride of the first convolution and of the shortcut.
        rule: see `midplanes`. `torchvision` computes the inner planes once, from `inputs` and
            `outputs`, and uses them in both convolutions.
        norm: makes the batch norm of a number of planes.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: tuple[int, int],
        rule: Midplanes,
        norm: Norm,
    ) -> None:
        super().__init__()
        first = midplanes(inputs, outputs, rule)
        second = first if rule == "torchvision" else midplanes(outputs, outputs, rule)
        self.conv1 = nn.Sequential(
            nn.Sequential(*_factorised((inputs, first, outputs), norm, stride)),
            norm(outputs),
            nn.ReLU(inplace=True),
        )
        self.conv2 = nn.Sequential(
            nn.Sequential(*_factorised((outputs, second, outputs), norm)),
            norm(outputs),
        )
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != (1, 1) or inputs != outputs:
            strides = (stride[0], stride[1], stride[1])
            shortcut = FactorisedConv3d(inputs, outputs, (1, 1, 1), strides)
            self.downsample = nn.Sequential(shortcut, norm(outputs))

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to `[B, C', T', H', W']`."""
        shortcut = clip if self.downsample is None else self.downsample(clip)
        return self.relu(self.conv2(self.conv1(clip)) + shortcut)


class R2Plus1D(nn.Module):
    """A factorised residual network over a normalised clip.

    Args:
        layers: blocks in each of the four stages.
        widths: channels of each stage; the stem gives `widths[0]`.
        stem: planes between the stem's 1 x 7 x 7 and its 3 x 1 x 1 convolution.
        temporal_strides: of the four stages; the spatial ones are 2 (stem), 1, 2, 2, 2.
        midplanes: rule for the planes inside the factorised convolutions.
        bn_momentum: share of the new batch in batch norm's running statistics. IG-65M's port
            has .9, which is Caffe2's share of the *old* value; .1 is what was meant.
        bn_eps: added to the variance in batch norm: 1e-3 for IG-65M's weights, 1e-5 for
            torchvision's.
        checkpoint_activations: in training keep only the outputs of stem and blocks, and recompute
            the rest in the backward pass: the same gradients and running statistics
            for less memory and the time of one more forward pass.
        num_classes: adds mean pooling and a linear classifier `fc`; None gives the feature map.

    Raises:
        ValueError: not four stages, a count below 1, or an unknown `midplanes`.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self,
        layers: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (64, 128, 256, 512),
        *,
        stem: int = 45,
        temporal_strides: Sequence[int] = (1, 2, 2, 2),
        midplanes: Midplanes = "ig65m",
        bn_momentum: float = 0.1,
        bn_eps: float = 1e-3,
        checkpoint_activations: bool = False,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        _check_dial(layers=layers, widths=widths, temporal_strides=temporal_strides)
        norm = partial(nn.BatchNorm3d, eps=bn_eps, momentum=bn_momentum)
        self.checkpoint_activations = checkpoint_activations
        self.width = widths[-1]
        self.temporal_strides = tuple(temporal_strides)
        first = _factorised((3, stem, widths[0]), norm, (1, 2), kernel=7)
        self.stem = nn.Sequential(*first, norm(widths[0]), nn.ReLU(inplace=True))
        inputs = (widths[0], *widths[:-1])
        spatial_strides = (1, 2, 2, 2)
        strides = zip(temporal_strides, spatial_strides, strict=True)
        stages = zip(inputs, widths, layers, strides, strict=True)
        for number, (before, width, depth, stride) in enumerate(stages, 1):
            blocks = [BasicBlock(before, width, stride, midplanes, norm)]
            for _ in range(depth - 1):
                blocks.append(BasicBlock(width, width, (1, 1), midplanes, norm))
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.fc = None if num_classes is None else nn.Linear(self.width, num_classes)
        self.apply(_initialise)

    def output_frames(self, frames: int) -> int:
        """Temporal length T' of the feature map of a clip of `frames` frames."""
        for stride in self.temporal_strides:
            frames = -(-frames // stride)
        return frames

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, 3, T, H, W]` to `[B, C, T', ceil(H / 16), ceil(W / 16)]`, or logits `[B, K]`."""
        features = clip
        recompute = self.checkpoint_activations and self.training and torch.is_grad_enabled()
        for part in (self.stem, *self.layer1, *self.layer2, *self.layer3, *self.layer4):
            features = _checkpointed(part, features) if recompute else part(features)
        return features if self.fc is None else self.fc(features.mean((2, 3, 4)))


def _checkpointed(part: nn.Module, clip: Tensor) -> Tensor:
    """`part(clip)`, whose inner activations are computed a second time for the gradient."""

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _SpareStatistics(part)

    # No random number is drawn inside the backbone, so there is no generator state to keep.
    return checkpoint(
        part, clip, use_reentrant=False, preserve_rng_state=False, context_fn=contexts
    )


class _SpareStatistics:
    """A context in which batch norm updates copies of its running statistics.

    The second pass gets the batch that the first one has already counted. The update is not
    switched off, because autograd needs the same saved tensors in both passes.
    """

    def __init__(self, part: nn.Module) -> None:
        self.norms = [m for m in part.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]

    def __enter__(self) -> None:
        self.kept = [(norm, dict(norm.named_buffers(recurse=False))) for norm in self.norms]
        for norm, buffers in self.kept:
            for name, value in buffers.items():
                setattr(norm, name, value.clone())

    def __exit__(self, *error: object) -> None:
        for norm, buffers in self.kept:
            for name, value in buffers.items():
                setattr(norm, name, value)
        self.kept = []


def _check_dial(**dial: Sequence[int]) -> None:
    for name, values in dial.items():
        if len(values) != 4 or min(values) < 1:
            raise ValueError(f"{name} is {tuple(values)}: give four integers of at least 1")


def _initialise(module: nn.Module) -> None:
    """He initialisation of the convolutions, N(0, .01) for `fc`: what torchvision does too."""
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


def r2plus1d_34(num_classes: int | None = None, *, bn_momentum: float = 0.1) -> R2Plus1D:
    """The 34-layer net in IG-65M's shape: 63,491,975 parameters before the classifier."""
    return R2Plus1D(bn_momentum=bn_momentum, num_classes=num_classes)
