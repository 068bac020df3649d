"""MRAN, or delta sampling with R-BERT: the frames are spread over the whole clip.

    actlumos train baselines/mran --profile demo      # about 1 minute on two cores

Input: 64 dark frames of 112 x 112, evenly spaced from the first to the last. Loss: cross-entropy.

A reconstruction from the one idea that the title states. The name MRAN is from the README of
ActLumos; the readable part of the paper does not use it.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.networks.common import TokenNet, token_net
from actlumos.config import Config
from actlumos.stages.supervised import Supervised

SPREAD = {"stride": 0, "short_clips": "span"}  # stride 0: as far apart as the clip allows


def network(num_classes: int, config: Config) -> TokenNet:
    """The network of R(2+1)D-34 + BERT; only the choice of frames differs."""
    return token_net(num_classes, config, ("dark",))


CARD = Card(
    name="mran",
    title="MRAN (Delta Sampling R-BERT)",
    year=2021,
    venue="CVPRW",
    status="reconstruction",
    idea="R(2+1)D-34 + BERT whose frame step, in our reading of the title, depends on the length "
    "of the clip. The frames span every clip; others take consecutive ones and loop short clips.",
    source="Hira, Das, Modi and Pakhomov, Delta Sampling R-BERT for limited data and low-light "
    "action recognition, CVPRW 2021 (arXiv 2107.05202): abstract and opening only",
    diagram=("dark frames from all of the clip -> R(2+1)D-34 -> 8 tokens -> BERT -> logits",),
    streams=("dark",),
    known="Supervised on ARID, with several training and inference strategies, domain transfer "
    "among them, and a simple rule for choosing frames.",
    unknown="Whether the row named MRAN is this paper at all; the rule itself, the losses, the "
    "enhancement, the sizes, the recipe, and what was averaged at test time.",
    ours="Backbone and head are those that the title's R-BERT suggests. Frames are evenly spaced "
    "from the clip's first to its last, which is our reading of the title.",
    choices=(
        Choice("frame step", "(length - 1) / (frames - 1)", "ours", "our reading of the title"),
        Choice("tokens kept in training", ".8 (demo: all)", "ours", "as R(2+1)D-34 + BERT"),
    ),
    reported=("MRAN",),
    grew_from=("r2plus1d-bert",),
)

RECIPE = Supervised(
    network=network,
    paper=SPREAD,
    demo=SPREAD,
)
