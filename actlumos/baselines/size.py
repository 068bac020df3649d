"""How large a published system is, counted from shapes alone."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from actlumos.arms import BASELINES
from actlumos.config import profile
from actlumos.evaluation.cost import count_gmacs
from actlumos.stages.recipe import find
from actlumos.views.streams import STORED


class Size(NamedTuple):
    """`params` is a count; `gmacs` are 1e9 multiply-adds of one clip's forward pass."""

    params: int
    gmacs: float


def published_size(name: str, num_classes: int = 11) -> Size:
    """Size at the published input, in about a third of a second: no weight gets a value.

    Parameters include a frozen enhancer inside the network and parts that only training uses.
    Multiply-adds leave out how streams are made (optical flow, a stored enhanced clip).

    Args:
        name: of a system, or of an enhancer or teacher that one needs.
        num_classes: K; the figures in the cards are for ARID's 11.
    """
    recipe = find(BASELINES + name)
    config = recipe.settings(profile("paper"))
    # The meta device is faster; only an enhancer that draws noise needs a device that exists.
    with torch.device("meta") if recipe.classifies else FakeTensorMode():
        network = recipe.network(num_classes, config).eval()
        shape = config.frames, *config.crop_size
        clips = [torch.empty(1, STORED.get(stream, 3), *shape) for stream in recipe.streams]
        gmacs = count_gmacs(network, *clips)
    return Size(sum(p.numel() for p in network.parameters()), gmacs)
