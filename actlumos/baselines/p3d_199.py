"""P3D-199: a deep residual network whose 3-D kernels are split into space and time.

    actlumos train baselines/p3d-199 --profile demo      # about 1.5 minutes on two cores

Input: 16 frames, a crop of 160 x 160 from 256 x 340. Loss: cross-entropy.

Built from the public PyTorch port (qijiezhao), which has 65.70 M parameters, not the 62 M of the
tables.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.networks.common import Normed, norm_of, scale_of
from actlumos.baselines.networks.p3d import p3d_199
from actlumos.baselines.public_weights import load_public
from actlumos.baselines.two_stream import IMAGENET_MEAN, IMAGENET_STD
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import Supervised

CODE = "qijiezhao/pseudo-3d-pytorch"
AUTHOR = "ZhaofanQiu/pseudo-3d-residual-networks"


def network(num_classes: int, config: Config) -> Normed:
    """P3D-199 behind ImageNet's norm."""
    norm = norm_of("dark", config, InputNorm("fixed", IMAGENET_MEAN, IMAGENET_STD))
    return Normed([norm], p3d_199(num_classes, scale_of(config)))


CARD = Card(
    name="p3d-199",
    title="P3D-199",
    year=2017,
    venue="ICCV",
    status="prior code",
    idea="A residual network as deep as ResNet-152 whose 3 x 3 x 3 kernels are split into a "
    "spatial and a temporal one. It added the split, and three ways to combine the two in turn.",
    source="Qiu, Yao and Mei, Pseudo-3D Residual Networks, ICCV 2017; "
    f"github.com/{CODE} (MIT), github.com/{AUTHOR} (MIT)",
    diagram=("dark clip -> P3D blocks A, B, C in turn -> 2-D res5 -> mean -> logits",),
    streams=("dark",),
    known="16 frames of 160 x 160 cut from 256 x 340, so a crop has 62 % of the height; ImageNet's "
    "mean and standard deviation; 128 clips per step. The paper itself is quoted with frames of "
    "182 x 242 for its training on UCF101.",
    unknown="Where 62 M comes from, and who trained the reported row and from what weights.",
    ours="AdamW at this kit's rate; the port has no training code, so training crops are 160 x 160 "
    "like the test's. Dropout is the port's; the paper's author names .9. Users report that the "
    "released weights are weak: check their accuracy before building on them.",
    choices=(
        Choice("dropout", ".5", "prior code", CODE),
        Choice("frame before the crop", "256 x 340", "prior code", f"{CODE} (scale_size)"),
        Choice("clips per step", "8 x 16 = 128", "prior code", f"the author, {AUTHOR} issue 12"),
    ),
    reported=("P3D-199",),
    mismatch="62 M fits no public build: the public code counts 65.70 M for 11 classes and "
    "66.49 M for Kinetics' 400.",
)

RECIPE = Supervised(
    network=network,
    paper={
        "frames": 16,
        "frame_size": (256, 340),
        "crop_size": (160, 160),
        "crop_scales": (0.625,),
    },
    load=load_public,
)
