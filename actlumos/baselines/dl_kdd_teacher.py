"""DL-KDD's teacher: R(2+1)D-34 + BERT on the enhanced clip alone.

    actlumos train baselines/dl-kdd-teacher --profile demo      # about 1.5 minutes on two cores,
                                                                # and before it enhancer-curves

Input: 64 dark frames of 112 x 112, enhanced by a frozen curve network. Loss: cross-entropy.
"""

from __future__ import annotations

from functools import partial

from actlumos.arms import Card, Choice
from actlumos.baselines.dl_kdd import SOURCE
from actlumos.baselines.enhancement import take_enhancer
from actlumos.baselines.enhancer_curves import curve_net
from actlumos.baselines.networks.common import TokenNet, token_net
from actlumos.config import Config
from actlumos.stages.supervised import Supervised


def network(num_classes: int, config: Config) -> TokenNet:
    """The student's network behind a frozen curve network."""
    enhancer = partial(curve_net, config)
    return token_net(num_classes, config, ("enhanced",), enhancer=enhancer)


CARD = Card(
    name="dl-kdd-teacher",
    title="DL-KDD (teacher)",
    year=2024,
    venue="arXiv",
    status="reconstruction",
    idea="R(2+1)D-34 + BERT on the enhanced clip alone. Its logits are the soft targets of "
    "DL-KDD's student.",
    source=SOURCE,
    diagram=("dark clip -> curve network (frozen) -> R(2+1)D-34 -> 8 tokens -> BERT -> logits",),
    streams=("dark",),
    known="An enhancement, then a classifier, trained on enhanced video; a summary by others "
    "names Zero-DCE.",
    unknown="Its backbone, its accuracy, and whether the enhancement learns with it.",
    ours="Backbone and head of the student; a frozen curve network of Zero-DCE's shape.",
    choices=(Choice("enhancement", "enhancer-curves, frozen", "ours", "frozen or not: unknown"),),
    grew_from=("r2plus1d-bert",),
)

RECIPE = Supervised(
    network=network,
    support=("baselines/enhancer-curves",),
    begin=take_enhancer,
)
