"""MFDL: only the title of the paper is known; this is a recipe of ours after the title.

    actlumos train baselines/mfdl --profile demo      # about 2 minutes on two cores, and before it
                                                      # enhancer-diffusion

Input: 64 dark frames of 112 x 112, and the same frames from the diffusion model. Loss:
cross-entropy.

A reconstruction in the loosest sense: "modality fusion and dark-to-light diffusion model" is all
that can be read, and there is no code. Here a small diffusion model, trained on pairs, enhances
each dark clip, and both clips are fused as ActLumos fuses its streams. A result of this recipe
says nothing about the published system.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.md_bert import FusedNet
from actlumos.config import Config
from actlumos.stages.supervised import Supervised

STREAMS = ("dark", "enhanced")
TITLE = "only the title is known"


def network(num_classes: int, config: Config) -> FusedNet:
    """One backbone for the dark and the enhanced clip, DFF with softmax, BERT."""
    return FusedNet(num_classes, config, streams=STREAMS)


CARD = Card(
    name="mfdl",
    title="MFDL (recipe after its title)",
    year=2025,
    venue="ICASSP",
    status="reconstruction",
    idea="A diffusion model enhances the dark clip, and a recogniser fuses both clips. Our recipe "
    "after the title: it shows the effect of an enhancer trained on pairs.",
    source="Advancing Dark Action Recognition via Modality Fusion and Dark-to-Light Diffusion "
    "Model, ICASSP 2025 (IEEE 10890723): the title only; no code",
    diagram=(
        "dark clip -> R(2+1)D-34 (shared) -> DFF -> 8 tokens -> BERT -> logits",
        "dark clip -> diffusion (frozen) -> R(2+1)D-34 (shared) -> DFF -> 8 tokens -> BERT",
    ),
    streams=STREAMS,
    known="The title and the rows of the ActLumos tables, one of which spells it MDFL.",
    unknown="Everything else: which modalities are fused and how, the diffusion model, backbone, "
    "size, frames, recipe.",
    ours="Everything: a few-step diffusion enhancer of .15 M parameters trained on rendered pairs, "
    "the two streams, R(2+1)D-34, DFF and BERT. A set without normal-light originals "
    "has no pairs to train the enhancer on.",
    choices=(
        Choice("streams", "dark, enhanced by diffusion", "ours", TITLE),
        Choice("fusion", "dff, reduction 4", "ours", f"{TITLE}; ActLumos' own"),
        Choice("steps of the diffusion", "6 (demo: 2)", "ours", TITLE),
    ),
    reported=("MFDL",),
    grew_from=("darklight-r2plus1d-34",),
)

RECIPE = Supervised(
    network=network,
    streams=CARD.streams,
    support=("baselines/enhancer-diffusion",),
    stored_enhancer="baselines/enhancer-diffusion",
)
