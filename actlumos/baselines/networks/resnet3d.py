"""3D-ResNet and 3D-ResNeXt: residual networks with three-dimensional kernels.

    stem       7x7x7 convolution, stride 2 in space - norm - ReLU - 3x3x3 max-pool, stride 2
    layer1..4  residual blocks; layers 2, 3 and 4 begin with stride 2 in time and space
    fc         mean over time and space - linear

Three blocks: `basic` (3x3x3, 3x3x3), `bottleneck` (1x1x1, 3x3x3, 1x1x1 onto four times the
planes) and `resnext` (the same with 32 groups in its middle, onto twice the planes).

Source: Hara, Kataoka and Satoh, "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and
ImageNet?", CVPR 2018. State-dict names are those of kenshohara/3D-ResNets-PyTorch; its public
Kinetics files with shortcut 'B' fit (names in the old ResNeXt file begin with `module.`). Mean and
standard deviation belong to the weights, so the input is a normalised clip.

`scale="demo"` of this and the other published networks is ours: the same blocks, fewer and
narrower, channel counts in multiples of 16, and one spatial stride less, for clips of 36 x 48.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn

Block = Literal["basic", "bottleneck", "resnext"]
Scale = Literal["paper", "demo"]
Stride = tuple[int, int, int]
EXPANSION = {"basic": 1, "bottleneck": 4, "resnext": 2}


class Residual(nn.Module):
    """One block: convolutions with batch norm, and a shortcut around them.

    Args:
        block: which convolutions.
        inputs, outputs: channels; a shortcut that changes them is a 1x1x1 convolution ('B').
        stride: (T, H, W), of the first 3x3x3 convolution and of the shortcut.
        cardinality: groups of `resnext`'s 3x3x3 convolution.
    """

    def __init__(
        self, block: Block, inputs: int, outputs: int, stride: Stride, cardinality: int
    ) -> None:
        super().__init__()
        planes = outputs // EXPANSION[block]
        if block == "basic":
            self.conv1 = _conv(inputs, planes, 3, stride)
            self.conv2 = _conv(planes, outputs, 3)
        else:
            groups = cardinality if block == "resnext" else 1
            self.conv1 = _conv(inputs, planes, 1)
            self.conv2 = _conv(planes, planes, 3, stride, groups)
            self.conv3 = _conv(planes, outputs, 1)
            self.bn3 = nn.BatchNorm3d(outputs)
        self.bn1 = nn.BatchNorm3d(planes)
        self.bn2 = nn.BatchNorm3d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.deep = block != "basic"
        self.downsample: nn.Sequential | None = None
        if stride != (1, 1, 1) or inputs != outputs:
            shortcut = _conv(inputs, outputs, 1, stride)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm3d(outputs))

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to `[B, C', T', H', W']`."""
        shortcut = clip if self.downsample is None else self.downsample(clip)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(clip)))))
        if self.deep:
            out = self.bn3(self.conv3(self.relu(out)))
        return self.relu(out + shortcut)


def _conv(
    inputs: int, outputs: int, kernel: int, stride: Stride = (1, 1, 1), groups: int = 1
) -> nn.Conv3d:
    return nn.Conv3d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )


def stack(
    make: Callable[[int, int, Stride], nn.Module],
    inputs: int,
    outputs: int,
    depth: int,
    stride: Stride,
) -> nn.Sequential:
    """A stage of `depth` residual blocks; the first changes channels and size.

    Args:
        make: (inputs, outputs, stride) to a block.
        inputs, outputs: channels before and after the stage.
        depth: blocks, at least 1.
        stride: (T, H, W) of the first block.
    """
    rest = (make(outputs, outputs, (1, 1, 1)) for _ in range(depth - 1))
    return nn.Sequential(make(inputs, outputs, stride), *rest)


class ResNet3D(nn.Module):
    """A residual network over a normalised clip of any length and size.

    Args:
        block: kind of residual block.
        layers: blocks in each of the four stages.
        widths: output channels of each stage.
        channels: of the clip: 3 for RGB, 2 for flow.
        stem: channels of the stem.
        pool: (temporal, spatial) stride of the stem's max-pool.
        temporal_strides: of the four stages; the spatial ones are 1, 2, 2, 2.
        cardinality: groups of a `resnext` block.
        last_width: output channels of a block in place of the last one of `layer4`, or None: FRMB
            of LateTemporalModeling3DCNN (Kalfaoglu et al., ECCVW 2020), which reduces 2048 to
            the 512 of the BERT head.
        num_classes: adds mean pooling and a linear classifier `fc`; None gives the feature map.

    Raises:
        ValueError: not four stages, a count below 1, an unknown block, a width that the block
            cannot have, or `last_width` with a single block in `layer4`.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self,
        block: Block = "bottleneck",
        layers: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (256, 512, 1024, 2048),
        *,
        channels: int = 3,
        stem: int = 64,
        pool: tuple[int, int] = (2, 2),
        temporal_strides: Sequence[int] = (1, 2, 2, 2),
        cardinality: int = 32,
        last_width: int | None = None,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        check_stages(layers=layers, widths=widths, temporal_strides=temporal_strides)
        _check_widths(block, layers, widths, cardinality, last_width)
        self.width = last_width or widths[-1]
        self.temporal_strides = (pool[0], *temporal_strides)
        self.conv1 = nn.Conv3d(channels, stem, 7, (1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d(3, (pool[0], pool[1], pool[1]), padding=1)

        def make(inputs: int, outputs: int, stride: Stride) -> Residual:
            return Residual(block, inputs, outputs, stride, cardinality)

        before = stem
        stages = zip(widths, layers, temporal_strides, (1, 2, 2, 2), strict=True)
        for number, (width, depth, time, space) in enumerate(stages, 1):
            stage = stack(make, before, width, depth, (time, space, space))
            self.add_module(f"layer{number}", stage)
            before = width
        if last_width:
            self.layer4[-1] = make(widths[-1], last_width, (1, 1, 1))
        self.fc = None if num_classes is None else nn.Linear(self.width, num_classes)
        self.apply(initialise)

    def output_frames(self, frames: int) -> int:
        """Temporal length T' of the feature map of a clip of `frames` frames."""
        for stride in self.temporal_strides:
            frames = -(-frames // stride)
        return frames

    def features(self, clip: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to `[B, width, T', H', W']`; published: T / 16 and H / 32, up."""
        features = self.maxpool(self.relu(self.bn1(self.conv1(clip))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = stage(features)
        return features

    def embed(self, clip: Tensor) -> Tensor:
        """Normalised clip to pooled features `[B, width]`, the input of `fc`."""
        return self.features(clip).mean((2, 3, 4))

    def forward(self, clip: Tensor) -> Tensor:
        """Normalised clip to logits `[B, K]`, or to the feature map without a classifier."""
        return self.features(clip) if self.fc is None else self.fc(self.embed(clip))


def _check_widths(
    block: str, layers: Sequence[int], widths: Sequence[int], cardinality: int, last: int | None
) -> None:
    """The block exists, can give these widths, and there is one that `last` may replace."""
    if block not in EXPANSION:
        raise ValueError(f"block is {block!r}: choose one of {', '.join(EXPANSION)}")
    unit = EXPANSION[block] * (cardinality if block == "resnext" else 1)
    wrong = [width for width in (*widths, last or unit) if width % unit]
    if wrong:
        raise ValueError(f"{wrong[0]} channels from a {block} block: give a multiple of {unit}")
    if last and layers[-1] < 2:
        raise ValueError("last_width replaces the last of at least two blocks in layer4")


def check_stages(**dial: Sequence[int]) -> None:
    """Raise ValueError unless each setting has four values of at least 1, one per stage."""
    for name, values in dial.items():
        if len(values) != 4 or min(values) < 1:
            raise ValueError(f"{name} is {tuple(values)}: give four integers of at least 1")


def initialise(module: nn.Module) -> None:
    """He initialisation of a convolution, N(0, .01) for a linear layer, biases at zero."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def quarter(channels: int) -> int:
    """A quarter of a channel count, to the nearest multiple of 16 and at least 16."""
    return max(16, 16 * round(channels / 64))


def check_scale(scale: str) -> None:
    """Raise ValueError unless `scale` is `paper` or `demo`."""
    if scale not in get_args(Scale):
        raise ValueError(f"scale is {scale!r}: choose 'paper' or 'demo'")


# The demo's depths keep the order of the published ones.
_DEMO = {"stem": 16, "pool": (2, 1), "temporal_strides": (1, 2, 1, 1)}
_RESNETS: dict[tuple[int, str], dict[str, Any]] = {
    (18, "paper"): {"block": "basic", "layers": (2, 2, 2, 2), "widths": (64, 128, 256, 512)},
    (50, "paper"): {"layers": (3, 4, 6, 3)},
    (101, "paper"): {"layers": (3, 4, 23, 3)},
    (18, "demo"): {"block": "basic", "layers": (1, 1, 1, 1), "widths": (16, 32, 64, 128), **_DEMO},
    (50, "demo"): {"layers": (1, 1, 2, 1), "widths": (64, 128, 256, 512), **_DEMO},
    (101, "demo"): {"layers": (1, 1, 5, 1), "widths": (64, 128, 256, 512), **_DEMO},
}


def resnet3d(
    depth: int, num_classes: int | None = None, scale: Scale = "paper", *, channels: int = 3
) -> ResNet3D:
    """3D-ResNet of 18, 50 or 101 layers: 33.21, 46.22, 85.27 M parameters for 11 classes.

    Raises:
        ValueError: another depth or scale.
    """
    check_scale(scale)
    if (depth, scale) not in _RESNETS:
        raise ValueError(f"depth is {depth}: choose 18, 50 or 101")
    return ResNet3D(**_RESNETS[depth, scale], channels=channels, num_classes=num_classes)


def resnext3d_101(
    num_classes: int | None = None,
    scale: Scale = "paper",
    *,
    channels: int = 3,
    frmb: bool = False,
) -> ResNet3D:
    """3D-ResNeXt-101 (32 groups): 47.54 M parameters for 11 classes.

    Args:
        num_classes: K, or None for the feature map.
        scale: `paper` or `demo`.
        channels: of the clip.
        frmb: end in 512 channels (demo: 128) instead of 2048 (256); see `ResNet3D`.

    Raises:
        ValueError: another scale.
    """
    check_scale(scale)
    dial: dict[str, Any] = {"layers": (3, 4, 23, 3), "last_width": 512 if frmb else None}
    if scale == "demo":
        dial = {"layers": (1, 1, 5, 2), "widths": (32, 64, 128, 256), "cardinality": 4, **_DEMO}
        dial["last_width"] = 128 if frmb else None
    return ResNet3D("resnext", **dial, channels=channels, num_classes=num_classes)
