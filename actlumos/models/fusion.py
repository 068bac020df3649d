"""Fusion of the feature maps of several streams: DFF and the static fusions it is compared with.

Dynamic Feature Fusion weights the streams at every position of the feature map:

    S = sum_s F_s
    A = global(S) + local(S)            each: conv - norm - ReLU - conv - norm; global pools first
    W = softmax over streams of conv - norm - ReLU - conv (A)          S channels, [B, S, T, H, W]
    fused = sum_s W_s * F_s

Source: the DFF figures of ActLumos (arXiv 2502.03724) v2, and of v1, which has three streams
and `sigmoid`, then division by the sum, in place of softmax. The drawings name no kernel size,
reduction or pooling axes. Those are attentional feature fusion's (Dai et al., WACV 2021), which
v1 says it extends: 1 x 1 x 1 kernels with bias, reduction 4; the global branch pools over T, H
and W. The weights still vary over time, through the local branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Weighting = Literal["softmax", "sigmoid"]


def _bottleneck(channels: int, hidden: int, outputs: int) -> nn.Sequential:
    """1x1x1 conv - norm - ReLU - 1x1x1 conv; everything DFF is made of."""
    return nn.Sequential(
        nn.Conv3d(channels, hidden, 1),
        nn.BatchNorm3d(hidden),
        nn.ReLU(inplace=True),
        nn.Conv3d(hidden, outputs, 1),
    )


class DynamicFeatureFusion(nn.Module):
    """DFF as drawn, for any number of streams; 332,162 parameters for 512 channels, 2 streams.

    Args:
        channels: C of every stream's map.
        streams: number S of streams (2 in v2 of the paper, 3 in v1).
        reduction: the bottlenecks are C / reduction wide.
        weighting: `softmax` (v2) or `sigmoid` divided by the sum over streams (v1).

    Raises:
        ValueError: fewer than two streams, a reduction below 1, or an unknown weighting.
    """

    def __init__(
        self,
        channels: int,
        streams: int = 2,
        reduction: int = 4,
        weighting: Weighting = "softmax",
    ) -> None:
        super().__init__()
        if streams < 2 or reduction < 1:
            raise ValueError(f"streams={streams}, reduction={reduction}: need >= 2 and >= 1")
        if weighting not in ("softmax", "sigmoid"):
            raise ValueError(f"weighting is {weighting!r}: choose 'softmax' or 'sigmoid'")
        hidden = max(1, channels // reduction)
        self.streams = streams
        self.weighting = weighting
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.globally = _bottleneck(channels, hidden, channels).append(nn.BatchNorm3d(channels))
        self.locally = _bottleneck(channels, hidden, channels).append(nn.BatchNorm3d(channels))
        self.weigh = _bottleneck(channels, hidden, streams)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """S maps `[B, C, T, H, W]` to the fused map and the weights `[B, S, T, H, W]`.

        The weights are in 0..1 and sum to 1 over S.

        Raises:
            ValueError: another number of maps, maps of different shapes, or a batch of one clip
                in training mode.
        """
        _check_maps(maps, self.streams)
        if self.training and maps[0].shape[0] < 2:
            raise ValueError(
                "DFF cannot train on a batch of one clip: its global branch has one value per "
                "channel there, so batch norm has no variance; use batches of 2 or more "
                "(drop the last short one), or .eval()"
            )
        stacked = torch.stack(tuple(maps), dim=1)
        total = stacked.sum(1)
        scores = self.weigh(self.globally(self.pool(total)) + self.locally(total))
        weights = self._normalise(scores.float())
        shares = weights.to(total.dtype).unsqueeze(2)
        fused = (shares * stacked).sum(1)
        return fused, weights

    def _normalise(self, scores: Tensor) -> Tensor:
        if self.weighting == "softmax":
            return scores.softmax(dim=1)
        gates = scores.sigmoid()
        return gates / gates.sum(dim=1, keepdim=True).clamp_min(1e-12)


class MeanFusion(nn.Module):
    """Static: the mean of the streams, for every input."""

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, None]:
        """S maps `[B, C, T, H, W]` to their mean; there are no weights to read."""
        _check_maps(maps, len(maps))
        return torch.stack(tuple(maps)).mean(0), None


class ConcatFusion(nn.Module):
    """Static: the streams side by side, brought back to C channels by a 1x1x1 convolution.

    Args:
        channels: C of every stream's map.
        streams: number S of streams.
    """

    def __init__(self, channels: int, streams: int = 2) -> None:
        super().__init__()
        self.streams = streams
        self.mix = nn.Conv3d(streams * channels, channels, 1)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, None]:
        """S maps `[B, C, T, H, W]` to one; the same mix at every position, so no weights."""
        _check_maps(maps, self.streams)
        return self.mix(torch.cat(tuple(maps), dim=1)), None


class SelectFusion(nn.Module):
    """One stream only, by its index."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, None]:
        """S maps `[B, C, T, H, W]` to the chosen one."""
        if not 0 <= self.index < len(maps):
            raise ValueError(f"stream {self.index} of {len(maps)} maps does not exist")
        return maps[self.index], None


FUSIONS = ("dff", "dff-sigmoid", "mean", "concat", "dark", "retinex")


def build_fusion(kind: str, channels: int, streams: int = 2, reduction: int = 4) -> nn.Module:
    """The fusion of that name; streams are in the order dark, Retinex, others.

    Args:
        kind: one of `FUSIONS`: DFF with softmax or with v1's sigmoid, the static mean and
            concatenation, or one of the first two streams alone.
        channels, streams, reduction: see `DynamicFeatureFusion`.

    Raises:
        ValueError: no fusion of that name.
    """
    if kind not in FUSIONS:
        raise ValueError(f"fusion is {kind!r}: choose one of {', '.join(FUSIONS)}")
    if kind == "mean":
        return MeanFusion()
    if kind == "concat":
        return ConcatFusion(channels, streams)
    if kind in ("dark", "retinex"):
        return SelectFusion(("dark", "retinex").index(kind))
    weighting: Weighting = "sigmoid" if kind == "dff-sigmoid" else "softmax"
    return DynamicFeatureFusion(channels, streams, reduction, weighting)


def _check_maps(maps: Sequence[Tensor], streams: int) -> None:
    if not maps or len(maps) != streams:
        raise ValueError(f"{len(maps)} feature maps given, this fusion takes {max(streams, 1)}")
    shapes = {tuple(m.shape) for m in maps}
    if len(shapes) > 1:
        raise ValueError(f"the streams' feature maps differ in shape: {sorted(shapes)}")
