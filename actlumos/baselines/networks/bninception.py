"""BN-Inception: the 2-D network of TSN.

Inception-v1 with batch norm after every convolution and two 3x3 convolutions in place of each
5x5; in 3c and 4e the 3x3 convolutions have stride 2 and there is no 1x1 branch.

Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015. State-dict names are those of
Cadene/pretrained-models.pytorch; its ImageNet weights expect BGR in 0..255 minus (104, 117, 128).
That port gives batch norm a momentum of .9, Caffe's share of the old value by our reading; here
it is PyTorch's .1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos.baselines.networks.resnet3d import initialise

# Channels of an Inception module: 1x1 | reduction, 3x3 | reduction, 3x3 (twice) | projection.
# Without the first and the last the module halves the image, and its pool is passed on.
INCEPTION: Mapping[str, tuple[int, ...]] = {
    "3a": (64, 64, 64, 64, 96, 32),
    "3b": (64, 64, 96, 64, 96, 64),
    "3c": (0, 128, 160, 64, 96, 0),
    "4a": (224, 64, 96, 96, 128, 128),
    "4b": (192, 96, 128, 96, 128, 128),
    "4c": (160, 128, 160, 128, 160, 128),
    "4d": (96, 128, 192, 160, 192, 128),
    "4e": (0, 128, 192, 192, 256, 0),
    "5a": (352, 192, 320, 160, 224, 128),
    "5b": (352, 192, 320, 192, 224, 128),
}


class BNInception(nn.Module):
    """Inception with batch norm: two 3x3 convolutions in place of each 5x5.

    Args:
        num_classes: K.
        channels: 3 for RGB, 2 L for a stack of L flow fields.
        table: a row of channel counts for each module, as `INCEPTION`.
        stem: channels of the three convolutions before the modules.
        stem_stride: of the first convolution.
        dropout: before the classifier `last_linear`.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        *,
        table: Mapping[str, Sequence[int]] = INCEPTION,
        stem: tuple[int, int, int] = (64, 64, 192),
        stem_stride: int = 2,
        dropout: float = 0.8,
    ) -> None:
        super().__init__()
        self.table = {name: tuple(row) for name, row in table.items()}
        self._add_unit("conv1_7x7_s2", channels, stem[0], 7, stem_stride)
        self._add_unit("conv2_3x3_reduce", stem[0], stem[1], 1)
        self._add_unit("conv2_3x3", stem[1], stem[2], 3)
        self.width = stem[2]
        for name, row in self.table.items():
            self.width = self._add_inception(f"inception_{name}", self.width, row)
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(self.width, num_classes)
        self.apply(initialise)
        nn.init.normal_(self.last_linear.weight, std=0.001)

    def _add_unit(self, name: str, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        """A convolution and its norm, under the flat names of the public weights."""
        self.add_module(name, nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2))
        self.add_module(f"{name}_bn", nn.BatchNorm2d(outputs))

    def _add_inception(self, name: str, inputs: int, row: Sequence[int]) -> int:
        """The units of one Inception module; returns the channels that it gives."""
        one, reduce, three, reduce_double, double, projection = row
        stride = 1 if one else 2
        if one:
            self._add_unit(f"{name}_1x1", inputs, one, 1)
        self._add_unit(f"{name}_3x3_reduce", inputs, reduce, 1)
        self._add_unit(f"{name}_3x3", reduce, three, 3, stride)
        self._add_unit(f"{name}_double_3x3_reduce", inputs, reduce_double, 1)
        self._add_unit(f"{name}_double_3x3_1", reduce_double, double, 3)
        self._add_unit(f"{name}_double_3x3_2", double, double, 3, stride)
        if projection:
            self._add_unit(f"{name}_pool_proj", inputs, projection, 1)
        return one + three + double + (projection or inputs)

    def _units(self, images: Tensor, *names: str) -> Tensor:
        """Convolution - norm - ReLU of each name in turn."""
        for name in names:
            images = self.get_submodule(f"{name}_bn")(self.get_submodule(name)(images))
            images = F.relu(images, inplace=True)
        return images

    def _inception(self, name: str, images: Tensor) -> Tensor:
        one, *_, projection = self.table[name]
        name = f"inception_{name}"
        double = [f"{name}_double_3x3_{part}" for part in ("reduce", "1", "2")]
        branches = [
            self._units(images, f"{name}_3x3_reduce", f"{name}_3x3"),
            self._units(images, *double),
        ]
        if not one:
            return torch.cat([*branches, _halve(images)], dim=1)
        pool = F.max_pool2d if name == "inception_5b" else F.avg_pool2d
        branches = [self._units(images, f"{name}_1x1"), *branches]
        pooled = self._units(pool(images, 3, 1, 1), f"{name}_pool_proj")
        return torch.cat([*branches, pooled], dim=1)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images `[N, C, H, W]` to `[N, width, H / 32, W / 32]`, up."""
        out = _halve(self._units(images, "conv1_7x7_s2"))
        out = _halve(self._units(out, "conv2_3x3_reduce", "conv2_3x3"))
        for name in self.table:
            out = self._inception(name, out)
        return out

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images `[N, C, H, W]` to pooled features `[N, width]`."""
        return self.features(images).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images `[N, C, H, W]` to logits `[N, K]`."""
        return self.last_linear(self.dropout(self.embed(images)))


def _halve(images: Tensor) -> Tensor:
    """3x3 max-pool to ceil(size / 2), the windows beginning at the first row and column.

    The public network's pool gives one row less at odd sizes, and its branches then differ in
    size. A row of zeros corrects that: even sizes stay as they are, and after a ReLU zeros change
    no maximum.
    """
    height, width = images.shape[2:]
    return F.max_pool2d(F.pad(images, (0, width % 2, 0, height % 2)), 3, 2, ceil_mode=True)
