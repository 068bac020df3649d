"""MD-BERT: three versions of a dark clip, fused at every position, and a BERT layer.

    actlumos train baselines/md-bert --profile demo      # about 3 minutes on two cores

Input: 64 dark frames of 112 x 112, the same after gamma 2.5, the same after histogram
equalisation. Loss: cross-entropy.

The first version of the ActLumos paper. A reconstruction from its figures and abstract: there is
no code, and the method section could not be read.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from actlumos.arms import Card, Choice
from actlumos.config import Config
from actlumos.models import Teacher
from actlumos.stages.supervised import Supervised

STREAMS = ("dark", "gamma", "histogram")
FIGURE = "figures of arXiv 2502.03724 v1"


class FusedNet(Teacher):
    """`Teacher` for cross-entropy alone: no projector, and the output is logits."""

    def __init__(self, num_classes: int, config: Config, **options: Any) -> None:
        super().__init__(num_classes, config, **options)
        del self.projector

    def forward(self, *streams: Tensor) -> Tensor:  # type: ignore[override]  # one loss: logits
        """One clip `[B, 3, T, H, W]` in 0..1 per stream, to logits `[B, K]`."""
        return self.classify(self.embed(*streams))


def network(num_classes: int, config: Config) -> FusedNet:
    """One backbone for three streams, DFF with v1's sigmoid, BERT."""
    return FusedNet(num_classes, config, streams=STREAMS, fusion="dff-sigmoid")


CARD = Card(
    name="md-bert",
    title="MD-BERT",
    year=2025,
    venue="arXiv v1",
    status="reconstruction",
    idea="Dark, gamma-corrected and histogram-equalised clips share one backbone, and their maps "
    "are summed with weights per position. It added dynamic feature fusion (DFF).",
    source="arXiv 2502.03724 v1: abstract and figures; no code",
    diagram=(
        "dark clip -> R(2+1)D-34 (shared) -> DFF -> 8 tokens -> BERT -> logits",
        "gamma 2.5 clip -> R(2+1)D-34 (shared) -> DFF -> 8 tokens -> BERT -> logits",
        "equalised clip -> R(2+1)D-34 (shared) -> DFF -> 8 tokens -> BERT -> logits",
    ),
    streams=STREAMS,
    known="Three streams, shared weights, DFF as drawn (sum, a global and a local branch, sigmoid, "
    "weights divided by their sum), BERT. Gamma is stated as 2.5, and pixels of a figure agree.",
    unknown="The recipe, the frames per clip, the number of parameters, and what the drawing of "
    "DFF leaves open: kernels, reduction, pooling.",
    ours="Kernels, reduction and pooling of DFF are those of attentional feature fusion; "
    "equalisation is of the luma, which fits the published figures; recipe and input are those of "
    "LateTemporalModeling3DCNN; the loss is cross-entropy.",
    choices=(
        Choice("gamma", "2.5", "paper", f"{FIGURE} and README"),
        Choice("fusion", "dff-sigmoid, reduction 4", "paper", f"{FIGURE}; the reduction is AFF's"),
        Choice("equalisation", "luma (Y of YCrCb)", "ours", f"fits the {FIGURE}"),
    ),
    reported=("MD-BERT",),
    grew_from=("darklight-r2plus1d-34",),
)

RECIPE = Supervised(
    network=network,
    streams=CARD.streams,
)
