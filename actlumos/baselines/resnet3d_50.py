"""3D-ResNet-50: bottleneck blocks with one 3 x 3 x 3 convolution each.

    actlumos train baselines/resnet3d-50 --profile demo      # about 1 minute on two cores

Input: 16 dark frames of 112 x 112. Loss: cross-entropy.

Built from the public code (kenshohara); its 46.22 M parameters are what the tables print.
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
    """3D-ResNet-50 behind the norm of its public weights."""
    norm = norm_of("dark", config, InputNorm("fixed", **STATISTICS))
    return Normed([norm], resnet3d(50, num_classes, scale_of(config)))


CARD = Card(
    name="resnet3d-50",
    title="3D-ResNet-50",
    year=2018,
    venue="CVPR",
    status="faithful",
    idea="ResNet-50 with a 3 x 3 x 3 kernel in each bottleneck. It is deeper than 3D-ResNet-18, "
    "with 46 M parameters.",
    source=SOURCE,
    diagram=("dark clip -> 3D-ResNet-50 -> mean -> logits",),
    streams=("dark",),
    known="16 frames of 112 x 112, 128 clips per step; 46.22 M parameters for 11 classes, which "
    "the tables print for Dark48 too. The row for ARID V1.0 equals that of ARID's benchmark page, "
    "so it was copied, not retrained.",
    unknown="What the reported rows were pre-trained on.",
    ours=OURS,
    choices=CHOICES,
    reported=("3D-ResNet-50",),
    grew_from=("resnet3d-18",),
)

RECIPE = Supervised(
    network=network,
    paper=PAPER,
    load=load_public,
)
