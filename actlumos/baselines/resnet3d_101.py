"""3D-ResNet-101: the deeper of the two bottleneck networks.

    actlumos train baselines/resnet3d-101 --profile demo      # about 1 minute on two cores

Input: 16 dark frames of 112 x 112. Loss: cross-entropy.

Built from the public code (kenshohara); its 85.27 M parameters are what the tables print.
"""

from __future__ import annotations

from actlumos.arms import Card
from actlumos.baselines.networks.common import Normed, norm_of, scale_of
from actlumos.baselines.networks.resnet3d import resnet3d
from actlumos.baselines.public_weights import load_public
from actlumos.baselines.resnet3d_18 import CHOICES, OURS, PAPER, SOURCE, STATISTICS
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import Supervised


def network(num_classes: int, config: Config) -> Normed:
    """3D-ResNet-101 behind the norm of its public weights."""
    norm = norm_of("dark", config, InputNorm("fixed", **STATISTICS))
    return Normed([norm], resnet3d(101, num_classes, scale_of(config)))


CARD = Card(
    name="resnet3d-101",
    title="3D-ResNet-101",
    year=2018,
    venue="CVPR",
    status="faithful",
    idea="3D-ResNet-50 with 17 more blocks in its third stage. It added depth alone, and is the "
    "largest 3-D network of the comparison.",
    source=SOURCE,
    diagram=("dark clip -> 3D-ResNet-101 -> mean -> logits",),
    streams=("dark",),
    known="16 frames of 112 x 112, 128 clips per step; 85.27 M parameters for 11 classes, which "
    "the tables print for Dark48 too and round up to 86 for ARID V1.0.",
    unknown="What the reported rows were pre-trained on.",
    ours=OURS,
    choices=CHOICES,
    reported=("3D-ResNet-101",),
    grew_from=("resnet3d-50",),
)

RECIPE = Supervised(
    network=network,
    paper=PAPER,
    load=load_public,
)
