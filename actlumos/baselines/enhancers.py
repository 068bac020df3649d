"""Networks that a system needs first: three enhancers, and the teacher of DL-KDD.

An enhancer is wrapped for its training: in training mode `forward` gives what its losses need, in
evaluation mode the enhanced clip, `[B, 3, T, H, W]` in 0..1 as the dark one. None sees a label;
the diffusion model alone sees normal light. The nets and losses are those of
`actlumos.baselines.networks.curves`, `actlumos.baselines.networks.diffusion` and `actlumos.baselines.enhancement_losses`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from actlumos.baselines.dl_kdd import SOURCE
from actlumos.baselines.enhancement_losses import curve_terms, sci_terms
from actlumos.baselines.networks.curves import (
    CurveNet,
    SciCalibrator,
    SciEnhancer,
    apply_curves,
    sci_stages,
)
from actlumos.baselines.networks.diffusion import Denoiser, enhance, training_loss
from actlumos.baselines.parts import TokenNet, token_net
from actlumos.baselines.system import Choice, System, Terms, scale_of
from actlumos.config import Config
from actlumos.data.channels import enhanced


def curve_net(config: Config) -> CurveNet:
    """Zero-DCE's network; the demo's is a quarter as wide and looks at half the size."""
    return CurveNet() if scale_of(config) == "paper" else CurveNet(scale=2, width=8)


def take_enhancer(model: nn.Module, needed: Mapping[str, nn.Module]) -> None:
    """Copy the one trained enhancer of `needed` into the frozen one of a system's network."""
    (trained,) = needed.values()
    model.enhancer.net.load_state_dict(trained.enhancer.state_dict())


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


class SciLearner(nn.Module):
    """SCI with the calibrator that it has while it learns from dark clips alone."""

    def __init__(self) -> None:
        super().__init__()
        self.enhancer, self.calibrator = SciEnhancer(), SciCalibrator()

    def forward(self, dark: Tensor) -> tuple[tuple[Tensor, Tensor], ...] | Tensor:
        """A dark clip to what `sci_terms` takes or, in evaluation mode, to the enhanced one."""
        if not self.training:
            return self.enhancer(dark)
        return tuple(sci_stages(self.enhancer, self.calibrator, dark))


class DiffusionLearner(nn.Module):
    """A denoiser that learns from pairs; enhances in `steps` passes, always from one noise."""

    def __init__(self, enhancer: Denoiser, steps: int) -> None:
        super().__init__()
        self.enhancer, self.steps = enhancer, steps

    def forward(self, dark: Tensor, light: Tensor | None = None) -> Tensor:
        """Dark and light clips to the loss, a scalar; in evaluation mode dark ones to lit ones."""
        if self.training:
            return training_loss(self.enhancer, dark, light)
        same = torch.Generator(dark.device).manual_seed(0)
        return enhance(self.enhancer, dark, self.steps, same)

    def enhance_frames(self, frames: np.ndarray) -> np.ndarray:
        """Frames uint8 `[T, H, W, 3]` as if lit, the same shape; wherever the network is."""
        device = next(self.parameters()).device
        return enhanced(frames, lambda clip: self.eval()(clip.to(device)).cpu())


def _curve_terms(output: Curved, _label: None, _config: Config) -> Terms:
    return curve_terms(*output)


def _sci_terms(output: tuple[tuple[Tensor, Tensor], ...], _label: None, _config: Config) -> Terms:
    return sci_terms(output)


def _diffusion_terms(output: Tensor, _label: None, _config: Config) -> Terms:
    return {"loss": output}


def _diffusion(_num_classes: int, config: Config) -> DiffusionLearner:
    if scale_of(config) == "paper":
        return DiffusionLearner(Denoiser(24), steps=6)
    return DiffusionLearner(Denoiser(16), steps=2)


def _teacher(num_classes: int, config: Config) -> TokenNet:
    enhancer = partial(curve_net, config)
    return token_net(num_classes, config, ("enhanced",), enhancer=enhancer)


SCI = System(
    name="enhancer-sci",
    title="SCI, trained here",
    year=2022,
    venue="CVPR",
    status="lineage",
    idea="Estimate a frame's illumination and divide it away, with 258 parameters. A second "
    "network helps while it learns, and is thrown away.",
    source="Ma et al., Toward Fast, Flexible, and Robust Low-Light Image Enhancement, CVPR 2022; "
    "github.com/vis-opt-group/SCI (MIT)",
    diagram=("dark clip -> illumination -> division -> enhanced clip",),
    streams=("dark",),
    network=lambda _num_classes, _config: SciLearner(),
    paper={"frames": 1, "accumulate": 1, "learning_rate": 3e-4, "weight_decay": 3e-4},
    demo={"frames": 1, "epochs_pretrain": 4, "learning_rate": 3e-2},
    known="Networks, three stages and losses; Adam at 3e-4, batch 1, 1000 epochs. Public weights "
    "exist and load by path.",
    unknown="Which weights the dark-video systems used.",
    ours="AdamW, this kit's batches and epochs, and a high rate in the demo. How long and how fast "
    "it learns decides how bright a clip becomes: two to four times as bright in the demo.",
    choices=(Choice("stages", "3", "lineage", "vis-opt-group/SCI"),),
    stage="enhance",
    terms=_sci_terms,
)
CURVES = System(
    name="enhancer-curves",
    title="Curve network, trained here",
    year=2020,
    venue="CVPR",
    status="lineage",
    idea="A small network bends the tone curve of every pixel eight times over. It learns from "
    "what well-lit pictures are like, without one to copy.",
    source="Guo et al., Zero-Reference Deep Curve Estimation, CVPR 2020: the shape and the losses, "
    "written anew; its weights are for academic use only and are not shipped",
    diagram=("dark clip -> bends -> 8 tone curves -> enhanced clip",),
    streams=("dark",),
    network=lambda _num_classes, config: CurveLearner(curve_net(config)),
    paper={"frames": 2, "accumulate": 1, "learning_rate": 1e-4, "epochs_pretrain": 20},
    demo={"frames": 2, "epochs_pretrain": 4},
    known="The network's 79,416 parameters, eight rounds, and the four losses.",
    unknown="Which weights the dark-video systems used.",
    ours="The weights of the losses, for small frames, and the recipe; the demo's network is a "
    "quarter as wide and looks at half the size.",
    choices=(
        Choice("weights of the losses", "1, 10, 5, 2000", "ours", "actlumos.baselines.enhancement_losses"),
        Choice("network", "width 32 (demo: width 8, half size)", "lineage", "Zero-DCE"),
    ),
    stage="enhance",
    terms=_curve_terms,
)
DIFFUSION = System(
    name="enhancer-diffusion",
    title="Dark-to-light diffusion",
    year=2025,
    venue="",
    status="reconstruction",
    idea="From noise to the lit frame in a few steps, given the dark one. It learns from pairs, "
    "which only a rendered set has.",
    source="Ours, after the title of MFDL (ICASSP 2025); no code. Steps as in DDIM (Song et al., "
    "ICLR 2021)",
    diagram=("dark clip -> denoiser, a few steps -> lit clip",),
    streams=("dark", "light"),
    network=_diffusion,
    paper={"frames": 2, "accumulate": 1, "learning_rate": 1e-3, "epochs_pretrain": 50},
    demo={"frames": 2, "epochs_pretrain": 12},
    known="That MFDL has a dark-to-light diffusion model.",
    unknown="Everything else about it.",
    ours="The whole model: see `actlumos.baselines.networks.diffusion`.",
    choices=(
        Choice("steps", "6 (demo: 2)", "ours", "the demo's: 27.9 dB; 27.7 in one, 28.0 in six"),
        Choice("width", "24 (demo: 16)", "ours", "the demo's: 1.4 ms a frame on one core"),
    ),
    stage="enhance",
    terms=_diffusion_terms,
)
TEACHER = System(
    name="dl-kdd-teacher",
    title="DL-KDD (teacher)",
    year=2024,
    venue="arXiv",
    status="reconstruction",
    idea="R(2+1)D-34 + BERT on the enhanced clip alone. Its soft answers are what the student of "
    "DL-KDD learns from.",
    source=SOURCE,
    diagram=("dark clip -> curve network (frozen) -> R(2+1)D-34 -> 8 tokens -> BERT -> logits",),
    streams=("dark",),
    network=_teacher,
    known="An enhancement, then a classifier, trained on enhanced video; a summary by others "
    "names Zero-DCE.",
    unknown="Its backbone, its accuracy, and whether the enhancement learns with it.",
    ours="Backbone and head of the student; a frozen curve network of Zero-DCE's shape.",
    choices=(Choice("enhancement", "enhancer-curves, frozen", "ours", "frozen or not: unknown"),),
    grew_from=("r2plus1d-bert",),
    needs=("enhancer-curves",),
    begin=take_enhancer,
)
SUPPORT = {system.name: system for system in (SCI, CURVES, DIFFUSION, TEACHER)}
