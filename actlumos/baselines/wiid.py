"""WiiD: labels of normal-light clips alone, and unlabelled dark clips; both sides meet halfway.

A reconstruction: the code for videos was never released. Known from the abstract and from the
code for pictures is the plan: darken the labelled clips, brighten the dark ones, align the two
worlds. The networks, the darkening and the form of the losses here are ours. In contrast to the
code for pictures the discrepancy of the domains has a gradient, and no test clip is ever seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos.arms import Card, Choice
from actlumos.baselines.domain_losses import agreement, darken, discrepancy, mean_luma
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

AGREEMENT, DISCREPANCY = 0.13, 0.1
CODE = "ZhangYh994/WiiD (pictures)"


class Aligned(NamedTuple):
    """Views are light, its darkened copy, dark, its brightened copy.

    logits, darkened: `[B, K]` of the first two; vectors: `[B, 4, C]`; projected, predicted:
    `[B, 4, D]`.
    """

    logits: Tensor
    darkened: Tensor
    vectors: Tensor
    projected: Tensor
    predicted: Tensor


class Aligner(nn.Module):
    """R(2+1)D with a mean head; a projector and a predictor while it trains."""

    def __init__(self, num_classes: int, config: Config) -> None:
        super().__init__()
        self.net = token_net(num_classes, config, ("dark",), head="mean")
        width, small = self.net.backbone.width, config.projection
        # Without batch norm at its end every projection soon was the same vector.
        spread = nn.BatchNorm1d(small, affine=False)
        self.projector = nn.Sequential(_two_layers(width, small), spread)
        self.predictor = _two_layers(small, small)
        self.enhancer = Frozen(curve_net(config))

    def embed(self, clip: Tensor) -> Tensor:
        """A clip `[B, 3, T, H, W]` in 0..1, light or dark, to the vector that is classified."""
        return self.net.embed(clip)

    def forward(self, clip: Tensor, dark: Tensor | None = None) -> Tensor | Aligned:
        """Logits `[B, K]` of a clip; with unlabelled dark clips beside it all that is trained on.

        Args:
            clip: `[B, 3, T, H, W]` in 0..1; in normal light if `dark` is given.
            dark: other clips, as many, of the same shape.
        """
        if dark is None:
            return self.net(clip)
        darkened = darken(clip, mean_luma(dark))
        views = torch.cat([clip, darkened, dark, self.enhancer(dark)])
        vectors = torch.stack(self.embed(views).chunk(4), dim=1)
        light, shaded = (self.net.classifier(self.net.dropout(vectors[:, i])) for i in (0, 1))
        projected = self.projector(vectors.flatten(0, 1))
        pair = (flat.unflatten(0, (-1, 4)) for flat in (projected, self.predictor(projected)))
        return Aligned(light, shaded, vectors, *pair)


def _two_layers(width: int, out: int) -> nn.Sequential:
    norm = nn.BatchNorm1d(width)
    return nn.Sequential(nn.Linear(width, width), norm, nn.ReLU(), nn.Linear(width, out))


def network(num_classes: int, config: Config) -> Aligner:
    """The aligner on the student's backbone."""
    return Aligner(num_classes, config)


def terms(output: Aligned, label: Tensor, config: Config) -> Terms:
    """CE(light) + CE(darkened) + .13 agreement + .1 discrepancy; `label` is the light clips'."""
    named = cross_entropy(output, label, config)
    darkened = F.cross_entropy(output.darkened.float(), label)
    light, shaded, dark, bright = output.vectors.unbind(1)
    apart = discrepancy(shaded, dark) + discrepancy(light, bright)
    # The target of each view is the other rendering of its clip.
    agree = agreement(output.predicted, output.projected[:, [1, 0, 3, 2]])
    loss = named["loss"] + darkened + AGREEMENT * agree + DISCREPANCY * apart
    parts = {"ce": named["loss"], "ce_darkened": darkened, "agree": agree, "apart": apart}
    return {**named, **parts, "loss": loss}


CARD = Card(
    name="wiid",
    title="WiiD",
    year=2024,
    venue="ECCV",
    status="reconstruction",
    idea="A recogniser for the dark that never saw a dark label: normal-light clips are darkened, "
    "dark ones brightened, and features aligned on both sides. It added the setting.",
    source="Li et al., WiiD, ECCV 2024; github.com/ZhangYh994/WiiD (pictures and detection; no "
    "code for videos); the setting as in Red-Fairy/ZeroShotDayNightDA (no licence)",
    diagram=(
        "light clip -> R(2+1)D-34 (shared) -> mean -> logits",
        "light clip -> darkening -> R(2+1)D-34 (shared) -> mean -> logits",
        "dark clip -> R(2+1)D-34 (shared) -> mean -> alignment",
        "dark clip -> curve network (frozen) -> R(2+1)D-34 (shared) -> mean -> alignment",
    ),
    streams=("dark",),
    known="Trained on labelled normal-light clips (UG2+ 2022) and tested on ARID without a dark "
    "label; alignment in both directions, a highlighting of the actor and mask tokens. The code "
    "for pictures adds agreement and discrepancy to two cross-entropies, with the weights below.",
    unknown="Everything of the video branch: backbone, frames, recipe, the Temporal Gaussian "
    "Mixture Model, the mask tokens.",
    ours="R(2+1)D with a mean head; a darkening by exposure, gamma and noise where the pictures' "
    "code trains a network (CUT); a stop-gradient without a moving average; the unlabelled dark "
    "clips are training clips, where the pictures' code takes the test set. Highlighting, "
    "Gaussian mixture and mask tokens are left out: their form is unknown.",
    choices=(
        Choice("weight of the agreement", ".13", "prior code", CODE),
        Choice("weight of the discrepancy", ".1", "prior code", f"{CODE}; no gradient there"),
        Choice("kernels of the discrepancy", "5 Gaussians", "prior code", CODE),
        Choice("brightening", "enhancer-curves", "prior code", f"{CODE} has Zero-DCE"),
        Choice("darkening", "exposure, gamma, noise", "ours", "to the dark clips' mean luma"),
        Choice("frames", "16, every second", "prior code", "Red-Fairy/ZeroShotDayNightDA"),
    ),
    reported=("WiiD",),
    grew_from=("r2plus1d-34",),
)

@dataclass(frozen=True, kw_only=True)
class Adapted(Supervised):
    """Labelled clips in normal light beside as many dark ones, which have no label."""

    stage: ClassVar[str] = "adapt"
    learns_from: ClassVar[str] = "labels of clips in normal light, and dark clips without labels"
    needs_normal_light: ClassVar[bool] = True

    def clips(self, run: Run, needed: Needed) -> dict[str, Clips]:
        """Trained and selected in normal light, tested in the dark; `target` has no labels."""
        train, val = self.select(run, "train"), self.select(run, run.config.select_on)
        return {
            "train": run.clips(train, ("normal_light",)),
            "val": run.clips(val, ("normal_light",)),
            "test": self.clips_of(run, self.select(run, "test"), needed),
            "target": run.clips(train.unlabeled()),
        }

    def task(self, model: nn.Module, clips: dict[str, Clips], run: Run, needed: Needed) -> Task:
        """The losses of `terms`; the dark clips of a step are drawn on their own."""
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
