"""DarkLight: the dark clip and a gamma-brightened copy share one backbone and one BERT head.

    actlumos train baselines/darklight-r2plus1d-34 --profile demo     # about 2 minutes on two cores

Input: 64 dark frames of 112 x 112, and the same frames after gamma 1.8. Loss: cross-entropy.

The first system of the family made for dark video. Rewritten from the facts of the public code,
which has no licence; its parameter count agrees, and several of its defects are left out.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.networks.common import TokenNet, token_net
from actlumos.config import Config
from actlumos.stages.supervised import Supervised

CODE = "Ticuby/Darklight-Pytorch"
STREAMS = ("dark", "gamma")
GAMMA = 1.8
CHOICES = (
    Choice("gamma", "1.8", "prior code", f"{CODE}, README; its scripts default to 1 and 2"),
    Choice("tokens kept in training", "all", "prior code", CODE),
    Choice("dropout", ".8 (demo: 0)", "prior code", CODE),
)


def network(num_classes: int, config: Config) -> TokenNet:
    """One backbone for both streams, one pass each; the head reads both streams' tokens."""
    return token_net(num_classes, config, STREAMS)


CARD = Card(
    name="darklight-r2plus1d-34",
    title="DarkLight-R(2+1)D-34",
    year=2021,
    venue="CVPRW",
    status="faithful",
    idea="A dark clip and its brightened copy share one backbone, and attention reads the time "
    "steps of both. It added a brightened stream to the dark one.",
    source="Chen et al., DarkLight Networks for Action Recognition in the Dark, CVPRW 2021; "
    f"github.com/{CODE} (no licence: rewritten from its facts)",
    diagram=(
        "dark clip -> R(2+1)D-34 (shared) -> 8 tokens -> BERT over 16 -> logits",
        "gamma 1.8 clip -> R(2+1)D-34 (shared) -> 8 tokens -> BERT over 16 -> logits",
    ),
    streams=STREAMS,
    known="One trainable backbone from IG-65M weights, one pass per stream (batch norm uses one "
    "stream at a time), 8 + 8 tokens, no masking, the same crop and flip for both streams, AdamW "
    "1e-5, 8 x 16 clips per step, ten crops, mean of the logits.",
    unknown="Which gamma was tested with: the scripts' defaults differ from training's. The lists "
    "of ARID's three splits were removed from the repository, but are in its history.",
    ours="Gamma 1.8 in training and testing; Kinetics' mean and standard deviation in both, which "
    "belong to the weights (the code trains with ImageNet's and tests with Kinetics'); the "
    "epoch is chosen on validation clips, not on the test clips as there. Gamma is taken of the "
    "resized frame in floating point, there of the stored frame with a table of whole levels: "
    "about 1 level of 255 apart on ARID's clips.",
    choices=CHOICES,
    reported=("DarkLight-R(2+1)D-34",),
    mismatch="63 M is the backbone alone (63.49 M) without its head of 3.16 M. The other printed "
    "figure, 66.73 M, is .07 M above the code's 66.66 M; why is unknown.",
    grew_from=("r2plus1d-bert",),
)

RECIPE = Supervised(
    network=network,
    streams=CARD.streams,
    paper={"gamma": GAMMA, "token_keep": 1.0},
    demo={"gamma": GAMMA},
)
