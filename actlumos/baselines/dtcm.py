"""DTCM: a small enhancer and a recogniser in a row, trained together on the labels.

    actlumos train baselines/dtcm --profile demo      # about 2 minutes on two cores

Input: 64 dark frames of 112 x 112. Loss, with Zero-DCE's four losses and the consistency over time
of `enhancement_losses`:

    L = CE + .1 (L_Zero-DCE + 10 L_consistency)

A reconstruction from the abstract and two figures of a table: there is no code. The recogniser
follows from the number of parameters; the enhancer and the weights of the losses are ours.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from actlumos.arms import Card, Choice
from actlumos.baselines.darklight_resnext_101 import MEAN, STD
from actlumos.baselines.enhancement_losses import curve_terms
from actlumos.baselines.networks.common import Normed, norm_of, scale_of
from actlumos.baselines.networks.curves import CurveNet, apply_curves
from actlumos.baselines.networks.resnet3d import resnext3d_101
from actlumos.baselines.public_weights import load_public
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import Supervised, cross_entropy
from actlumos.stages.task import Terms

CONSISTENCY = 10.0  # weight of the consistency over time among the losses of `curve_terms`
ENHANCEMENT = 0.1  # weight of their sum against cross-entropy


class CascadeOutput(NamedTuple):
    """logits `[B, K]`; the enhanced and the dark clip `[B, 3, T, H, W]`, and the curve maps."""

    logits: Tensor
    enhanced: Tensor
    dark: Tensor
    curve_maps: Tensor


class Cascade(nn.Module):
    """A curve network before a recogniser; the gradient of the labels reaches both."""

    def __init__(self, recogniser: Normed, enhancer: CurveNet) -> None:
        super().__init__()
        self.recogniser, self.enhancer = recogniser, enhancer

    def embed(self, dark: Tensor) -> Tensor:
        """A dark clip `[B, 3, T, H, W]` in 0..1 to the vector `[B, C]` that is classified."""
        return self.recogniser.embed(self.enhancer(dark))

    def forward(self, dark: Tensor) -> CascadeOutput:
        """A dark clip `[B, 3, T, H, W]` in 0..1 to logits, and what the losses need."""
        curve_maps = self.enhancer.curve_maps(dark)
        enhanced = apply_curves(dark, curve_maps)
        return CascadeOutput(self.recogniser(enhanced), enhanced, dark, curve_maps)


def network(num_classes: int, config: Config) -> Cascade:
    """3D-ResNeXt-101 behind a curve network that works on small frames."""
    scale = scale_of(config)
    norm = norm_of("enhanced", config, InputNorm("fixed", MEAN, STD))
    recogniser = Normed([norm], resnext3d_101(num_classes, scale))
    small = {"scale": 4} if scale == "paper" else {"scale": 2, "width": 16}
    return Cascade(recogniser, CurveNet(separable=True, **small))


def terms(output: CascadeOutput, label: Tensor, config: Config) -> Terms:
    """CE + .1 (Zero-DCE's losses + 10 consistency over time)."""
    named = cross_entropy(output, label, config)
    enhancement = curve_terms(output.enhanced, output.dark, output.curve_maps, CONSISTENCY)
    total = named["loss"] + ENHANCEMENT * enhancement["loss"]
    parts = {"enhancement": enhancement["loss"], "consistency": enhancement["consistency"]}
    return {**named, **parts, "loss": total, "ce": named["loss"]}


CARD = Card(
    name="dtcm",
    title="DTCM",
    year=2023,
    venue="TIP",
    status="reconstruction",
    idea="An enhancer trained by the recogniser's loss, with a loss against flicker. It added "
    "end-to-end training in place of a fixed enhancement.",
    source="Tu, Liu, Zhang, Mu and Yuan, DTCM, IEEE TIP 32:3507-3520, 2023: abstract only; no code",
    diagram=("dark clip -> curve network -> 3D-ResNeXt-101 -> mean -> logits",),
    streams=("dark",),
    known="Enhancer and recogniser in a row, trained together; a consistency loss on the RGB "
    "difference of the dark frames; 71.3 % of DarkLight's parameters and 6.4 % of its operations.",
    unknown="The enhancer, the losses' form and weights, frames, recipe and pre-training.",
    ours="3D-ResNeXt-101 on 64 frames of 112 x 112, which the two ratios fit; a curve network of "
    "Zero-DCE++'s shape at a quarter of the size; the form of the consistency loss; and "
    "Zero-DCE's losses, because labels alone need not make a clip bright.",
    choices=(
        Choice("enhancer", "separable curve network at 1/4 size (demo: 1/2)", "ours", "unknown"),
        Choice("weight of the consistency over time", "1", "ours", "unknown; .1 x 10"),
        Choice("weight of Zero-DCE's losses", ".1", "ours", "unknown whether there are any"),
        Choice("mean of the input", "(114.8, 107.7, 99.5)", "ours", "that of ResNeXt's weights"),
    ),
    reported=("DTCM",),
    grew_from=("darklight-resnext-101",),
)

RECIPE = Supervised(
    network=network,
    terms=terms,
    load=load_public,
)
