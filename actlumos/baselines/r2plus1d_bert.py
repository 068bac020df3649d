"""R(2+1)D-34 + BERT: one self-attention layer over the time steps of the backbone.

    actlumos train baselines/r2plus1d-bert --profile demo      # about 1 minute on two cores

Input: 64 dark frames of 112 x 112, which become eight tokens. Loss: cross-entropy.

No language model is used. Built from the public code of LateTemporalModeling3DCNN. ActLumos'
student has the same network, so only the training differs between the two.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.networks.common import TokenNet, token_net
from actlumos.config import Config
from actlumos.stages.supervised import Supervised

CODE = "LateTemporalModeling3DCNN (rgb_r2plus1d_64f_34_bert10, BERT5)"


def network(num_classes: int, config: Config) -> TokenNet:
    """Backbone, one BERT layer over its time steps, linear layer on CLS."""
    return token_net(num_classes, config, ("dark",))


CARD = Card(
    name="r2plus1d-bert",
    title="R(2+1)D-34 + BERT",
    year=2020,
    venue="ECCVW",
    status="faithful",
    idea="Eight time steps of the backbone go through one self-attention layer, and a CLS token is "
    "classified. It replaced the mean over time at the end of a 3-D network.",
    source="Kalfaoglu, Kalkan and Alatan, Late Temporal Modeling in 3D CNN Architectures with "
    "BERT, ECCVW 2020; github.com/artest08/LateTemporalModeling3DCNN (MIT)",
    diagram=("dark clip -> R(2+1)D-34 -> 8 tokens -> BERT -> logits",),
    streams=("dark",),
    known="Network, input (64 frames of 112 x 112) and recipe are public: AdamW 1e-5, decay 1e-3, "
    "8 x 16 clips per step, a plateau schedule, IG-65M weights. A token is kept with "
    "probability .8 in training.",
    unknown="Nothing of the network; the trained weights of its head are no longer available.",
    ours="Its layer norm is PyTorch's, and batch norm's momentum is .1 where the code has .9; the "
    "epoch is chosen on validation clips, not on the test clips as there.",
    choices=(
        Choice("tokens kept in training", ".8 (demo: all)", "prior code", CODE),
        Choice("dropout", ".8 (demo: 0)", "prior code", CODE),
    ),
    grew_from=("r2plus1d-34",),
)

RECIPE = Supervised(
    network=network,
)
