"""Zero-DCE's curve network: it adjusts the tone curve of every pixel eight times over.

    actlumos train baselines/enhancer-curves --profile demo
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from actlumos.arms import Card, Choice
from actlumos.baselines.enhancement import Enhancer
from actlumos.baselines.enhancement_losses import curve_terms
from actlumos.baselines.networks.common import scale_of
from actlumos.baselines.networks.curves import CurveNet, apply_curves
from actlumos.config import Config
from actlumos.stages.task import Terms


def curve_net(config: Config) -> CurveNet:
    """Zero-DCE's network; the demo's is a quarter as wide and looks at half the size."""
    return CurveNet() if scale_of(config) == "paper" else CurveNet(scale=2, width=8)


class Curved(NamedTuple):
    """The enhanced and the dark clip `[B, 3, T, H, W]`, and the bends of `CurveNet.curves`."""

    bright: Tensor
    dark: Tensor
    bends: Tensor


class CurveLearner(nn.Module):
    """A curve network that learns from dark clips alone."""

    def __init__(self, enhancer: CurveNet) -> None:
        super().__init__()
        self.enhancer = enhancer

    def forward(self, dark: Tensor) -> Curved | Tensor:
        """A dark clip to what `curve_terms` takes or, in evaluation mode, to the enhanced one."""
        if not self.training:
            return self.enhancer(dark)
        bends = self.enhancer.curves(dark)
        return Curved(apply_curves(dark, bends), dark, bends)


def network(num_classes: int, config: Config) -> CurveLearner:
    """The curve network of the profile's size."""
    return CurveLearner(curve_net(config))


def terms(output: Curved, label: None, config: Config) -> Terms:
    """Zero-DCE's four losses."""
    return curve_terms(*output)


CARD = Card(
    name="enhancer-curves",
    title="Curve network, trained here",
    year=2020,
    venue="CVPR",
    status="prior code",
    idea="A small network bends the tone curve of every pixel eight times over. It learns from "
    "what well-lit pictures are like, without one to copy.",
    source="Guo et al., Zero-Reference Deep Curve Estimation, CVPR 2020: the shape and the losses, "
    "written anew; its weights are for academic use only and are not shipped",
    diagram=("dark clip -> bends -> 8 tone curves -> enhanced clip",),
    streams=("dark",),
    known="The network's 79,416 parameters, eight rounds, and the four losses.",
    unknown="Which weights the dark-video systems used.",
    ours="The weights of the losses, for small frames, and the recipe; the demo's network is a "
    "quarter as wide and looks at half the size.",
    choices=(
        Choice("weights of the losses", "1, 10, 5, 2000", "ours", "`enhancement_losses.py`"),
        Choice("network", "width 32 (demo: width 8, half size)", "prior code", "Zero-DCE"),
    ),
)

RECIPE = Enhancer(
    network=network,
    terms=terms,
    paper={"frames": 2, "accumulate": 1, "learning_rate": 1e-4, "epochs_pretrain": 20},
    demo={"frames": 2, "epochs_pretrain": 4},
)
