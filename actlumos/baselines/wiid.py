"""WiiD: labels of clips in normal light, dark clips without labels, and features of both aligned.

    actlumos train baselines/wiid --profile demo      # about 4.5 minutes on two cores, and before
                                                      # it enhancer-curves

Input: 16 frames (every second one) of a labelled clip in normal light and of an unlabelled dark
clip; a darkened copy of the first, a brightened copy of the second. Loss:

    L = CE(normal) + CE(darkened) + .13 L_BYOL + .1 (MMD(darkened, dark) + MMD(normal, brightened))

A reconstruction: the code for videos was never released. The abstract and the code for images give
the plan: darken the labelled clips, brighten the dark ones, align both domains. The networks, the
darkening and the form of the losses are ours. In contrast to the code for images, MMD has a
gradient and no test clip is used in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos.arms import Card, Choice
from actlumos.baselines.domain_losses import byol, darken, mean_luma, mmd
from actlumos.baselines.enhancement import take_enhancer
from actlumos.baselines.enhancer_curves import curve_net
from actlumos.baselines.networks.common import token_net
from actlumos.baselines.networks.curves import Frozen
from actlumos.config import Config
from actlumos.data.clips import Batch, Clips, collate
from actlumos.runtime.distributed import gather, gather_all
from actlumos.stages.recipe import Needed
from actlumos.stages.runs import Run
from actlumos.stages.supervised import Supervised, cross_entropy
from actlumos.stages.task import Task, Terms
from actlumos.views.streams import train_streams

BYOL, MMD = 0.13, 0.1  # weights
CODE = "ZhangYh994/WiiD (images)"


class AlignerOutput(NamedTuple):
    """Four views: normal light, its darkened copy, dark, its brightened copy.

    logits, darkened: `[B, K]` of the first two; features: `[B, 4, C]`, what is classified;
    projections, predictions: `[B, 4, D]`.
    """

    logits: Tensor
    darkened: Tensor
    features: Tensor
    projections: Tensor
    predictions: Tensor


class Aligner(nn.Module):
    """R(2+1)D with a mean head; in training also a projector and a predictor."""

    def __init__(self, num_classes: int, config: Config) -> None:
        super().__init__()
        self.net = token_net(num_classes, config, ("dark",), head="mean")
        width, small = self.net.backbone.width, config.projection
        # Without batch norm at its end all projections collapsed to one vector.
        norm = nn.BatchNorm1d(small, affine=False)
        self.projector = nn.Sequential(_two_layers(width, small), norm)
        self.predictor = _two_layers(small, small)
        self.enhancer = Frozen(curve_net(config))

    def embed(self, clip: Tensor) -> Tensor:
        """A clip `[B, 3, T, H, W]` in 0..1 to the vector `[B, C]` that is classified."""
        return self.net.embed(clip)

    def forward(self, clip: Tensor, dark: Tensor | None = None) -> Tensor | AlignerOutput:
        """Logits `[B, K]` of a clip; with dark clips, all that the losses need.

        Args:
            clip: `[B, 3, T, H, W]` in 0..1; in normal light if `dark` is given.
            dark: other clips, without labels, of the same shape.
        """
        if dark is None:
            return self.net(clip)
        darkened = darken(clip, mean_luma(dark))
        views = torch.cat([clip, darkened, dark, self.enhancer(dark)])
        features = torch.stack(self.embed(views).chunk(4), dim=1)
        projected = self.projector(features.flatten(0, 1))
        predicted = self.predictor(projected)
        return AlignerOutput(
            logits=self.net.classify(features[:, 0]),
            darkened=self.net.classify(features[:, 1]),
            features=features,
            projections=projected.unflatten(0, (-1, 4)),
            predictions=predicted.unflatten(0, (-1, 4)),
        )


def _two_layers(width: int, out: int) -> nn.Sequential:
    norm = nn.BatchNorm1d(width)
    return nn.Sequential(nn.Linear(width, width), norm, nn.ReLU(), nn.Linear(width, out))


def network(num_classes: int, config: Config) -> Aligner:
    """The aligner on the student's backbone."""
    return Aligner(num_classes, config)


def terms(output: AlignerOutput, label: Tensor, config: Config) -> Terms:
    """CE(normal) + CE(darkened) + .13 BYOL + .1 MMD.

    Args:
        output: of `Aligner`, with dark clips.
        label: int64 `[B]`, of the clips in normal light.
        config: not used.
    """
    named = cross_entropy(output, label, config)
    ce_darkened = F.cross_entropy(output.darkened.float(), label)
    normal, darkened, dark, brightened = output.features.unbind(1)
    domains = mmd(darkened, dark) + mmd(normal, brightened)
    # The target of each view is the other view of the same clip.
    views = byol(output.predictions, output.projections[:, [1, 0, 3, 2]])
    loss = named["loss"] + ce_darkened + BYOL * views + MMD * domains
    parts = {"ce": named["loss"], "ce_darkened": ce_darkened, "byol": views, "mmd": domains}
    return {**named, **parts, "loss": loss}


CARD = Card(
    name="wiid",
    title="WiiD",
    year=2024,
    venue="ECCV",
    status="reconstruction",
    idea="Recognition in the dark without labels of dark clips: normal-light clips are darkened, "
    "dark ones brightened, and features of both domains aligned. It added the setting.",
    source="Li et al., WiiD, ECCV 2024; github.com/ZhangYh994/WiiD (images and detection; no "
    "code for videos); the setting as in Red-Fairy/ZeroShotDayNightDA (no licence)",
    diagram=(
        "normal clip -> R(2+1)D-34 (shared) -> mean -> logits",
        "normal clip -> darkening -> R(2+1)D-34 (shared) -> mean -> logits",
        "dark clip -> R(2+1)D-34 (shared) -> mean -> alignment",
        "dark clip -> curve network (frozen) -> R(2+1)D-34 (shared) -> mean -> alignment",
    ),
    streams=("dark",),
    known="Trained on labelled normal-light clips (UG2+ 2022), without labels of dark clips, and "
    "tested on ARID; alignment in both directions, highlighting of the actor, mask tokens. The "
    "code for images adds BYOL and MMD to two cross-entropies, with the weights below.",
    unknown="Everything of the video branch: backbone, frames, recipe, the Temporal Gaussian "
    "Mixture Model, the mask tokens.",
    ours="R(2+1)D with a mean head; darkening by exposure, gamma and noise, where the code for "
    "images trains a network (CUT); a stop-gradient without a moving average; a second pair of "
    "domains in MMD; the unlabelled dark clips are training clips, where the code for images "
    "takes the test set. Highlighting, Gaussian mixture and mask tokens are left out: their form "
    "is unknown.",
    choices=(
        Choice("weight of BYOL", ".13", "prior code", CODE),
        Choice("weight of MMD", ".1", "prior code", f"{CODE}; without gradient there"),
        Choice("kernel of MMD", "sum of 5 Gaussians", "prior code", CODE),
        Choice("brightening", "enhancer-curves", "prior code", f"{CODE}: Zero-DCE"),
        Choice("darkening", "exposure, gamma, noise", "ours", "to the dark clips' mean luma"),
        Choice("frames", "16, every second", "prior code", "Red-Fairy/ZeroShotDayNightDA"),
    ),
    reported=("WiiD",),
    grew_from=("r2plus1d-34",),
)


@dataclass(frozen=True, kw_only=True)
class Adapted(Supervised):
    """Trained on labelled clips in normal light, and as many dark clips without labels."""

    stage: ClassVar[str] = "adapt"
    learns_from: ClassVar[str] = "labels of clips in normal light, and dark clips without labels"
    needs_normal_light: ClassVar[bool] = True

    def clips(self, run: Run, needed: Needed) -> dict[str, Clips]:
        """Training and validation clips in normal light, dark test clips; `target`: no labels."""
        train, val = self.select(run, "train"), self.select(run, run.config.select_on)
        return {
            "train": run.clips(train, ("normal_light",)),
            "val": run.clips(val, ("normal_light",)),
            "test": self.clips_of(run, self.select(run, "test"), needed),
            "target": run.clips(train.unlabeled()),
        }

    def task(self, model: nn.Module, clips: dict[str, Clips], run: Run, needed: Needed) -> Task:
        """The losses of `terms`; the dark clips of a step are drawn independently."""
        config = run.config

        def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
            """The loss of the batch of all processes."""
            clip = batch.clip[:, 0].to(generator.device)
            (normal,) = train_streams(clip, ("normal_light",), config, generator)
            drawn = _draw(clips["target"], len(clip), generator)
            (dark,) = train_streams(drawn, ("dark",), config, generator)
            output = gather_all(network(normal, dark))
            return self.terms(output, gather(batch.label.to(clip.device)), config)

        return self.labelled(model, loss, clips, config, ("normal_light",))


def _draw(target: Clips, count: int, generator: torch.Generator) -> Tensor:
    """`count` random clips at random moments, uint8 `[B, T, H, W, 3]` on the generator's device."""
    device = generator.device
    which = torch.randint(len(target), (count,), generator=generator, device=device).tolist()
    moments = torch.rand(count, generator=generator, device=device).tolist()
    items = [target[index, (moment,)] for index, moment in zip(which, moments, strict=True)]
    return collate(items).clip[:, 0].to(device)


RECIPE = Adapted(
    network=network,
    support=("baselines/enhancer-curves",),
    begin=take_enhancer,
    terms=terms,
    paper={"frames": 16, "stride": 2, "batch_size": 48, "accumulate": 1},
)
