"""I3D-RGB: Inception-v1 with its 2-D kernels inflated to 3-D.

    actlumos train baselines/i3d-rgb --profile demo      # about 1.5 minutes on two cores

Input: 64 frames of 224 x 224 in -1..1. Loss: cross-entropy of the scores' mean over time.

Built from the public code (piergiaj), whose parameter count for 11 classes, 12.30 M, is what the
tables print. Two sources disagree on its reported accuracy on ARID V1.0; see the card.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.networks.common import Normed, norm_of, scale_of
from actlumos.baselines.networks.inception3d import i3d
from actlumos.baselines.public_weights import load_public
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import Supervised

CODE = "piergiaj/pytorch-i3d"
HALVES = {"mean": (0.5,) * 3, "std": (0.5,) * 3}  # 0..1 to -1..1
# Smoke's 8 frames are too few for the mean over two of T / 8 time steps; the demo has 12 anyway.
DEMO = {"frames": 12}
PAPER = {
    "frame_size": (256, 340),
    "crop_size": (224, 224),
    "crop_scales": (0.875,),
    "batch_size": 10,
    "accumulate": 16,
}
CLIPS_PER_STEP = Choice(
    "clips per step", "10 x 16 = 160", "prior code", f"{CODE}: four passes of 40 (8 x 5) clips"
)


def network(num_classes: int, config: Config) -> Normed:
    """One I3D behind the norm of its public weights."""
    norm = norm_of("dark", config, InputNorm("fixed", **HALVES))
    return Normed([norm], i3d(num_classes, scale_of(config)))


CARD = Card(
    name="i3d-rgb",
    title="I3D-RGB",
    year=2017,
    venue="CVPR",
    status="faithful",
    idea="An image network becomes a clip network: each k x k kernel of Inception-v1 turns into "
    "k x k x k. It added 3-D kernels that can start from ImageNet weights.",
    source="Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017; "
    f"github.com/{CODE} (Apache-2.0)",
    diagram=("dark clip -> Inception-v1 in 3-D -> mean over time -> logits",),
    streams=("dark",),
    known="64 frames of 224 x 224 in -1..1, SAME padding, scores averaged over time. The 12.29 M "
    "beside Dark48 in the tables is the figure for 11 classes, so it was not counted there.",
    unknown="Who trained the 68.29 of the ActLumos table: ARID's benchmark page gives 54.68 with "
    "the same Top-5. ARID's code holds two I3D networks, and which one it used is unknown.",
    ours="AdamW at this kit's rate replaces SGD (.1, momentum .9, decay 1e-7), cross-entropy "
    "for the public code's losses on Charades; the frame size before the crop, and ten crops of "
    "one window for the test.",
    choices=(
        Choice("dropout", ".5", "prior code", CODE),
        CLIPS_PER_STEP,
    ),
    reported=("I3D-RGB",),
)

RECIPE = Supervised(
    network=network,
    paper=PAPER,
    demo=DEMO,
    load=load_public,
)
