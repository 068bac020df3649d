"""3D-ResNet-18: residual blocks of two 3 x 3 x 3 convolutions, the shallowest 3-D ResNet here.

    actlumos train baselines/resnet3d-18 --profile demo      # about 1 minute on two cores

Input: 16 dark frames of 112 x 112. Loss: cross-entropy.

Built from the public code (kenshohara). The newer public weights fit it, whose shortcuts are
convolutions.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.networks.common import Normed, norm_of, scale_of
from actlumos.baselines.networks.resnet3d import resnet3d
from actlumos.baselines.public_weights import load_public
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import Supervised

CODE = "kenshohara/3D-ResNets-PyTorch"
STATISTICS = {"mean": (0.4345, 0.4051, 0.3775), "std": (0.2768, 0.2713, 0.2737)}
PAPER = {"frames": 16}
SOURCE = (
    "Hara, Kataoka and Satoh, Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and "
    f"ImageNet?, CVPR 2018; github.com/{CODE} (MIT)"
)
OURS = (
    "AdamW at this kit's rate replaces SGD (.1, momentum .9, decay 1e-3); the multi-scale "
    "crops of LateTemporalModeling3DCNN for random ones down to a quarter; ten crops of one window "
    "for the mean over all windows."
)
CHOICES = (Choice("clips per step", "8 x 16 = 128", "prior code", CODE),)


def network(num_classes: int, config: Config) -> Normed:
    """3D-ResNet-18 behind the norm of its public weights."""
    norm = norm_of("dark", config, InputNorm("fixed", **STATISTICS))
    return Normed([norm], resnet3d(18, num_classes, scale_of(config)))


CARD = Card(
    name="resnet3d-18",
    title="3D-ResNet-18",
    year=2018,
    venue="CVPR",
    status="faithful",
    idea="ResNet with two 3 x 3 x 3 kernels per block. It showed that a 3-D network of that depth "
    "can be trained from scratch with enough clips.",
    source=SOURCE,
    diagram=("dark clip -> 3D-ResNet-18 -> mean -> logits",),
    streams=("dark",),
    known="16 frames of 112 x 112, 128 clips per step; the count, 33.21 M, rounds to the printed "
    "33.",
    unknown="Which net the reported row is: ARID's code takes torchvision's r3d_18, which has "
    "another stem and no max-pool and also rounds to 33 M. Its pre-training is unknown.",
    ours=OURS,
    choices=CHOICES,
    reported=("3D-ResNet-18",),
)

RECIPE = Supervised(
    network=network,
    paper=PAPER,
    load=load_public,
)
