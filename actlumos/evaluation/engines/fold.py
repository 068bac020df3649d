"""A copy of a trained network for inference: batch norm inside the convolutions, norms in front.

In evaluation mode batch norm is one factor and one offset per channel, which the convolution before
it can hold in its own weights:

    gamma * (W x + b - mean) / sqrt(var + eps) + beta   =   (s W) x + s (b - mean) + beta,
    s = gamma / sqrt(var + eps)
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Core(nn.Module):
    """A network behind its input norms; gives logits `[B, K]` only."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *clips: Tensor) -> Tensor:
        """One normalised clip `[B, 3, T, H, W]` per stream to logits `[B, K]`."""
        output = self.network(*clips)
        return getattr(output, "logits", output)


def split(model: nn.Module, streams: int) -> tuple[list[nn.Module], Core]:
    """A folded copy of a network in two parts: its input norms, one per stream, and the rest.

    The norms can then stay in float32 wherever the rest runs: the difference of two frames of a
    dark clip would be lost in fewer bits.

    Args:
        model: a network of this kit; it is not changed.
        streams: how many clips it takes.

    Returns:
        No norms, and the whole network as the rest, where `norm` or `norms` is not the first thing
        that happens to each clip.
    """
    copy: Any = folded(model)
    if hasattr(copy, "norm"):
        norms, copy.norm = [copy.norm], nn.Identity()
    elif len(getattr(copy, "norms", ())) == streams and not getattr(copy, "enhancer", None):
        norms, copy.norms = list(copy.norms), nn.ModuleList(nn.Identity() for _ in copy.norms)
    else:
        norms = []
    return norms, Core(copy).eval()


def folded(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode, each batch norm inside the convolution before it.

    Only inside an `nn.Sequential` is it certain that one module follows the other; a batch norm
    elsewhere stays as it is. The model itself is not changed.
    """
    copy = deepcopy(model).eval().requires_grad_(False)
    for chain in [part for part in copy.modules() if isinstance(part, nn.Sequential)]:
        for (owner, name), (next_owner, next_name) in pairwise(_places(chain)):
            conv, norm = owner[name], next_owner[next_name]
            if isinstance(conv, nn.Conv2d | nn.Conv3d) and isinstance(norm, _BatchNorm):
                owner[name], next_owner[next_name] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return copy


def _places(chain: nn.Sequential) -> Iterator[tuple[nn.Sequential, int]]:
    """Every module of a chain, and of the chains inside it, in the order in which they run."""
    for number, part in enumerate(chain):
        if isinstance(part, nn.Sequential):
            yield from _places(part)
        else:
            yield chain, number
