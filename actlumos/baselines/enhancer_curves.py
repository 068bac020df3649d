"""Zero-DCE's curve network: eight tone curves per pixel, trained on dark clips without labels.

    actlumos train baselines/enhancer-curves --profile demo     # less than a minute on two cores

Input: two whole frames of each dark clip. Loss: spatial + 10 exposure + 5 colour + 2000 variation
(`enhancement_losses.curve_terms`). Systems take the trained network frozen (`take_enhancer`).
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
    """Zero-DCE's network; the demo's has a quarter of the width and half the frame size."""
    return CurveNet() if scale_of(config) == "paper" else CurveNet(scale=2, width=8)


class CurveOutput(NamedTuple):
    """The enhanced and the dark clip `[B, 3, T, H, W]`, and the maps of `CurveNet.curve_maps`."""

    enhanced: Tensor
    dark: Tensor
    curve_maps: Tensor


class CurveLearner(nn.Module):
    """A curve network in training."""

    def __init__(self, enhancer: CurveNet) -> None:
        super().__init__()
        self.enhancer = enhancer

    def forward(self, dark: Tensor) -> CurveOutput | Tensor:
        """A dark clip to what `curve_terms` takes or, in evaluation mode, to the enhanced clip."""
        if not self.training:
            return self.enhancer(dark)
        curve_maps = self.enhancer.curve_maps(dark)
        return CurveOutput(apply_curves(dark, curve_maps), dark, curve_maps)


def network(num_classes: int, config: Config) -> CurveLearner:
    """The curve network of the profile's size."""
    return CurveLearner(curve_net(config))


def terms(output: CurveOutput, label: None, config: Config) -> Terms:
    """Zero-DCE's four losses."""
    return curve_terms(*output)


CARD = Card(
    name="enhancer-curves",
    title="Curve network, trained here",
    year=2020,
    venue="CVPR",
    status="prior code",
    idea="A small network estimates the parameters of eight tone curves for every pixel. It is "
    "trained without reference images, with losses on exposure, contrast and colour.",
    source="Guo et al., Zero-Reference Deep Curve Estimation, CVPR 2020: the shape and the losses, "
    "rewritten; its weights are for academic use only and are not shipped",
    diagram=("dark clip -> curve maps -> 8 tone curves -> enhanced clip",),
    streams=("dark",),
    known="The network's 79,416 parameters, eight iterations, and the four losses.",
    unknown="Which weights the dark-video systems used.",
    ours="The weights of the losses, for small frames, and the recipe; the demo's network has a "
    "quarter of the width and works at half the size.",
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
