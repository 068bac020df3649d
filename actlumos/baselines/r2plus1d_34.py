"""R(2+1)D-34: the backbone of the family with a mean over time and a linear classifier.

    actlumos train baselines/r2plus1d-34 --profile demo      # about 1 minute on two cores

Input: 32 dark frames of 112 x 112. Loss: cross-entropy.

All later systems of the family add to it, so it is what to compare them with. Built from public
code: the IG-65M variant of the network (moabitcoin, VMZ), the plain head of
LateTemporalModeling3DCNN.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.networks.common import TokenNet, token_net
from actlumos.config import Config
from actlumos.stages.supervised import Supervised

HEAD = "LateTemporalModeling3DCNN (rgb_r2plus1d_32f_34)"


def network(num_classes: int, config: Config) -> TokenNet:
    """Backbone, mean over time and space, dropout, linear layer."""
    return token_net(num_classes, config, ("dark",), head="mean")


CARD = Card(
    name="r2plus1d-34",
    title="R(2+1)D-34",
    year=2018,
    venue="CVPR",
    status="faithful",
    idea="A residual network whose 3-D kernels are a spatial convolution, a ReLU and a temporal "
    "one. It doubled the non-linearities at the same number of parameters.",
    source="Tran et al., A Closer Look at Spatiotemporal Convolutions, CVPR 2018; "
    "github.com/moabitcoin/ig65m-pytorch (MIT), github.com/facebookresearch/VMZ (Apache-2.0)",
    diagram=("dark clip -> R(2+1)D-34 -> mean -> logits",),
    streams=("dark",),
    known="The network, layer by layer, as the public IG-65M weights have it: 63.50 M "
    "parameters, where torchvision's rule for the inner channels would give 61.63 M.",
    unknown="What the reported 62.87 was pre-trained on. The gap to DarkLight on the same "
    "backbone (94.04) suggests that it was not IG-65M.",
    ours="AdamW at the rate of R(2+1)D-34 + BERT replaces the SGD (1e-2) that "
    "LateTemporalModeling3DCNN uses for its plain head.",
    choices=(
        Choice("frames", "32 of 112 x 112", "prior code", HEAD),
        Choice("dropout", ".8 (demo: 0)", "prior code", HEAD),
    ),
    reported=("R(2+1)D-34",),
    grew_from=("p3d-199",),
)

RECIPE = Supervised(
    network=network,
    paper={"frames": 32},
)
