"""A small diffusion model that turns a dark clip into one in normal light.

    actlumos train baselines/enhancer-diffusion --profile demo   # less than a minute on two cores

Input: two whole frames of each clip, dark and in normal light, which only rendered sets have.
Loss: mean squared error of the denoised frame (`networks.diffusion.training_loss`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from actlumos.arms import Card, Choice
from actlumos.baselines.enhancement import Enhancer
from actlumos.baselines.networks.common import scale_of
from actlumos.baselines.networks.diffusion import Denoiser, enhance, training_loss
from actlumos.config import Config
from actlumos.stages.task import Terms
from actlumos.views.frames import enhance_frames


class DiffusionLearner(nn.Module):
    """A denoiser trained on pairs; enhances in `steps` passes, always from the same noise."""

    def __init__(self, enhancer: Denoiser, steps: int) -> None:
        super().__init__()
        self.enhancer, self.steps = enhancer, steps

    def forward(self, dark: Tensor, normal: Tensor | None = None) -> Tensor:
        """Dark and normal-light clips to the loss; in evaluation mode, dark clip to enhanced."""
        if self.training:
            assert normal is not None, "training needs the clips in normal light"
            return training_loss(self.enhancer, dark, normal)
        same = torch.Generator(dark.device).manual_seed(0)
        return enhance(self.enhancer, dark, self.steps, same)

    def enhance_frames(self, frames: np.ndarray) -> np.ndarray:
        """Frames uint8 `[T, H, W, 3]` to enhanced ones, computed on the network's device."""
        device = next(self.parameters()).device
        return enhance_frames(frames, lambda clip: self.eval()(clip.to(device)).cpu())


def network(num_classes: int, config: Config) -> DiffusionLearner:
    """The denoiser of the profile's size."""
    if scale_of(config) == "paper":
        return DiffusionLearner(Denoiser(24), steps=6)
    return DiffusionLearner(Denoiser(16), steps=2)


def terms(output: Tensor, label: None, config: Config) -> Terms:
    """The denoising loss, which the network computes itself."""
    return {"loss": output}


CARD = Card(
    name="enhancer-diffusion",
    title="Dark-to-light diffusion",
    year=2025,
    venue="",
    status="reconstruction",
    idea="A denoiser goes from noise to the frame in normal light in a few steps, given the dark "
    "frame. It is trained on pairs, which only a rendered set has.",
    source="Ours, after the title of MFDL (ICASSP 2025); no code. Steps as in DDIM (Song et al., "
    "ICLR 2021)",
    diagram=("dark clip -> denoiser, a few steps -> enhanced clip",),
    streams=("dark", "normal_light"),
    known="That MFDL has a dark-to-light diffusion model.",
    unknown="Everything else about it.",
    ours="The whole model: see `actlumos.baselines.networks.diffusion`.",
    choices=(
        Choice("steps", "6 (demo: 2)", "ours", "demo: 27.9 dB in two, 27.7 in one, 28.0 in six"),
        Choice("width", "24 (demo: 16)", "ours", "demo: 1.4 ms per frame on one core"),
    ),
)

RECIPE = Enhancer(
    network=network,
    streams=CARD.streams,
    terms=terms,
    paper={"frames": 2, "accumulate": 1, "learning_rate": 1e-3, "epochs_pretrain": 50},
    demo={"frames": 2, "epochs_pretrain": 12},
)
