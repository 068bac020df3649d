"""Learned enhancers small enough to run before a recogniser: curve networks and SCI.

Both are trained without a reference image; their losses are in
`actlumos.baselines.enhancement_losses`. All networks here take and return a clip
`[B, 3, T, H, W]`, RGB in 0..1, and process each frame on its own.

A **curve network** estimates a parameter r in -1..1 for each pixel and colour (a curve map) and
applies a tone curve with it, eight times in a row (Zero-DCE, Guo et al., CVPR 2020):

    x <- x + r_k (x^2 - x),        k = 1..8        r = -1 brightens most, r = 0 changes nothing

Two shapes, rewritten from the description: seven 3 x 3 convolutions of 32 channels with skip
connections (79,416 parameters), and the same with depthwise-separable convolutions and one curve
map for all eight iterations (Zero-DCE++, Li et al., TPAMI 2021; 10,561 parameters), which may
estimate its map on a smaller frame. The public weights are for academic use only and are not
shipped; the names of the parameters are the same, so a public file loads.

**SCI** (Ma et al., CVPR 2022; MIT) estimates the illumination i of a frame x and divides it away:

    i = clamp(x + f(x), 1e-4, 1),   y = clamp(x / i, 0, 1)         258 parameters

In training a second network (`SciCalibrator`) moves each result back towards the input, so that
one small network learns what three in a row would do. It is not used afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actlumos.models.pretrained import check_finite
from actlumos.runtime.tensors import read_tensors

ITERATIONS = 8


def _per_frame(function: Callable[[Tensor], Tensor], clip: Tensor) -> Tensor:
    """Apply a network of pictures `[N, C, H, W]` to each frame of `[B, C, T, H, W]`."""
    if clip.ndim != 5 or not clip.is_floating_point():
        raise ValueError(f"need a float clip [B, C, T, H, W], got {clip.dtype} {list(clip.shape)}")
    frames = function(clip.transpose(1, 2).flatten(0, 1))
    return frames.unflatten(0, (clip.shape[0], clip.shape[2])).transpose(1, 2)


class _Separable(nn.Module):
    """A 3 x 3 convolution of each channel, then a 1 x 1 across channels; Zero-DCE++'s names."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depth_conv = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.point_conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, frames: Tensor) -> Tensor:
        return self.point_conv(self.depth_conv(frames))


class CurveNet(nn.Module):
    """Curve maps of a clip, and the clip enhanced with them.

    Args:
        separable: Zero-DCE++'s shape: separable convolutions, one curve map for all iterations.
        scale: the curve maps are estimated on frames this many times smaller and enlarged.
        width: channels; 32 in both publications.

    Raises:
        ValueError: `scale` or `width` below 1.
    """

    e_conv1: nn.Module
    e_conv2: nn.Module
    e_conv3: nn.Module
    e_conv4: nn.Module
    e_conv5: nn.Module
    e_conv6: nn.Module
    e_conv7: nn.Module

    def __init__(self, separable: bool = False, *, scale: int = 1, width: int = 32) -> None:
        super().__init__()
        if min(scale, width) < 1:
            raise ValueError(f"scale and width must be at least 1, got {scale} and {width}")
        self.scale = scale
        inputs = (3, width, width, width, 2 * width, 2 * width, 2 * width)
        outputs = (*[width] * 6, 3 if separable else 3 * ITERATIONS)
        for number, (before, after) in enumerate(zip(inputs, outputs, strict=True), 1):
            layer = (
                _Separable(before, after) if separable else nn.Conv2d(before, after, 3, padding=1)
            )
            self.add_module(f"e_conv{number}", layer)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, std=0.02 if part.groups == 1 else 0.2)
                nn.init.zeros_(part.get_parameter("bias"))

    def curve_maps(self, clip: Tensor) -> Tensor:
        """Curve maps in -1..1, `[B, 3 K, T, H, W]`: of K = 8 iterations in order, or K = 1."""
        return _per_frame(self._curve_maps, clip)

    def _curve_maps(self, frames: Tensor) -> Tensor:
        size = frames.shape[-2:]
        if self.scale > 1:
            small = [max(1, side // self.scale) for side in size]
            frames = F.interpolate(frames, small, mode="area")
        first = F.relu(self.e_conv1(frames))
        second = F.relu(self.e_conv2(first))
        third = F.relu(self.e_conv3(second))
        back = F.relu(self.e_conv4(third))
        back = F.relu(self.e_conv5(torch.cat([third, back], 1)))
        back = F.relu(self.e_conv6(torch.cat([second, back], 1)))
        maps = self.e_conv7(torch.cat([first, back], 1)).tanh()
        return F.interpolate(maps, size, mode="bilinear") if self.scale > 1 else maps

    def forward(self, clip: Tensor) -> Tensor:
        """A clip `[B, 3, T, H, W]` in 0..1 to the enhanced clip, the same shape and range."""
        return apply_curves(clip, self.curve_maps(clip))


def apply_curves(clip: Tensor, curve_maps: Tensor) -> Tensor:
    """x <- x + r (x^2 - x), eight times; a clip in 0..1 stays there.

    Args:
        clip: `[B, 3, T, H, W]` in 0..1.
        curve_maps: in -1..1, `[B, 24, T, H, W]`, three channels per iteration, or
            `[B, 3, T, H, W]` for all iterations.

    Raises:
        ValueError: another number of channels.
    """
    channels = curve_maps.shape[1]
    if channels not in (3, 3 * ITERATIONS):
        raise ValueError(f"curve maps have 3 or {3 * ITERATIONS} channels, got {channels}")
    rounds = curve_maps.split(3, dim=1) if channels > 3 else [curve_maps] * ITERATIONS
    for curve_map in rounds:
        clip = clip + curve_map * (clip.square() - clip)
    return clip


class SciEnhancer(nn.Module):
    """SCI at inference: 258 parameters. In training mode batch norm uses the batch's statistics.

    Args:
        width: channels of the hidden maps; 3 in the publication.
    """

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.in_conv = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU())
        self.conv = _conv_norm_relu(width, width)
        self.out_conv = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1), nn.Sigmoid())

    def illumination(self, frames: Tensor) -> Tensor:
        """Frames `[N, 3, H, W]` in 0..1 to their illumination, in 1e-4..1."""
        hidden = self.in_conv(frames)
        return (frames + self.out_conv(hidden + self.conv(hidden))).clamp(1e-4, 1)

    def forward(self, clip: Tensor) -> Tensor:
        """A clip `[B, 3, T, H, W]` in 0..1 to the enhanced clip, the same shape and range."""
        return _per_frame(lambda x: (x / self.illumination(x)).clamp(0, 1), clip)


class SciCalibrator(nn.Module):
    """SCI's second network, in training only: what to add to the input for the next stage.

    Args:
        width: channels; 16 in the publication.
        rounds: passes through the same two convolutions; 3 in the publication.
    """

    def __init__(self, width: int = 16, rounds: int = 3) -> None:
        super().__init__()
        self.rounds = rounds
        self.in_conv = _conv_norm_relu(3, width)
        self.convs = nn.Sequential(*_conv_norm_relu(width, width), *_conv_norm_relu(width, width))
        self.out_conv = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1), nn.Sigmoid())

    def forward(self, frames: Tensor) -> Tensor:
        """Enhanced frames `[N, 3, H, W]` in 0..1 to a correction of the same shape in -1..1."""
        hidden = self.in_conv(frames)
        for _ in range(self.rounds):
            hidden = hidden + self.convs(hidden)
        return frames - self.out_conv(hidden)


def _conv_norm_relu(inputs: int, outputs: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def sci_stages(
    enhancer: SciEnhancer, calibrator: SciCalibrator, clip: Tensor, stages: int = 3
) -> list[tuple[Tensor, Tensor]]:
    """What `enhancement_losses.sci_terms` trains on: each stage's input and its illumination.

    A stage: i = illumination of v; then v = x + calibrator(clamp(x / i)); the first v is x.

    Args:
        enhancer, calibrator: the same two serve all stages; both in training mode.
        clip: dark, `[B, 3, T, H, W]` in 0..1.
        stages: 3 in the publication.

    Returns:
        (v, i) of each stage, frames `[B * T, 3, H, W]`.
    """
    frames = clip.transpose(1, 2).flatten(0, 1)
    stage_input = frames
    pairs: list[tuple[Tensor, Tensor]] = []
    for _ in range(stages):
        if pairs:
            stage_input = frames + calibrator((frames / pairs[-1][1]).clamp(0, 1))
        pairs.append((stage_input, enhancer.illumination(stage_input)))
    return pairs


class Frozen(nn.Module):
    """A trained enhancer as a fixed first step: always in evaluation mode, never trained.

    Otherwise a recogniser's `.train()` would put SCI's batch norm into training mode, and its
    running statistics would change.

    Args:
        net: takes and returns a clip.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Frozen:
        """Stays in evaluation mode for either `mode`."""
        return super().train(False)

    def forward(self, clip: Tensor) -> Tensor:
        """The net's output, without gradients."""
        with torch.no_grad():
            return self.net(clip)


def load_public(net: CurveNet | SciEnhancer, path: str | Path) -> None:
    """Load a published file: Zero-DCE's or Zero-DCE++'s `.pth`, or one of SCI's three `.pt`.

    SCI's files also hold the calibrator and a second copy of the enhancer's blocks, which are
    skipped.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a state dict, or one of another network.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no weights at {path}: give the path of a published file")
    try:
        state = read_tensors(path)
        if isinstance(net, SciEnhancer):
            state = {k: v for k, v in state.items() if not k.startswith("enhance.blocks.")}
            mine = (k for k in state if k.startswith("enhance."))
            state = {k.removeprefix("enhance."): state[k] for k in mine}
        net.load_state_dict(state)
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise ValueError(
            f"{path} holds no weights of this {type(net).__name__}: {reason}"
        ) from None
    check_finite(state, Path(path))
