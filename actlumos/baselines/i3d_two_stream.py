"""I3D two-stream: one I3D for frames, one for flow, and the mean of their scores.

    actlumos train baselines/i3d-two-stream --profile demo      # about 2.5 minutes on two cores

Input: 64 frames of 224 x 224 and their flow, both in -1..1. Loss: the sum of both networks'
cross-entropies.

Built from the public code (piergiaj), which has weights for both networks. That both scores have
the same weight is from memory of the paper, not read.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.i3d_rgb import CLIPS_PER_STEP, CODE, DEMO, HALVES, PAPER
from actlumos.baselines.networks.common import Normed, scale_of
from actlumos.baselines.networks.inception3d import i3d_two_stream
from actlumos.baselines.public_weights import load_public
from actlumos.baselines.two_stream import STREAMS, late_fusion, late_fusion_terms
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import Supervised


def network(num_classes: int, config: Config) -> Normed:
    """An I3D for RGB and one for flow."""
    norm = InputNorm("fixed", **HALVES)
    return late_fusion(i3d_two_stream(num_classes, scale_of(config)), config, norm)


CARD = Card(
    name="i3d-two-stream",
    title="I3D Two-stream",
    year=2017,
    venue="CVPR",
    status="faithful",
    idea="Two I3D networks, one for frames and one for flow, trained separately. It combined 3-D "
    "kernels with the flow stream of two-stream image networks.",
    source="Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017; "
    f"github.com/{CODE} (Apache-2.0)",
    diagram=(
        "dark clip -> Inception-v1 in 3-D -> scores -> mean",
        "flow clip -> Inception-v1 in 3-D -> scores -> mean",
    ),
    streams=STREAMS,
    known="Both networks, their input (64 frames of 224 x 224 in -1..1) and public weights for "
    "each. The row for ARID V1.0 equals that of ARID's benchmark page, so it was copied, not "
    "retrained.",
    unknown="Which of ARID's two I3D networks gave its row, and what its flow was: the released "
    "script writes coloured pictures of the flow, with the raw fields commented out.",
    ours="AdamW at this kit's rate replaces SGD (.1, momentum .9, decay 1e-7). Flow is a "
    "setting of the run; both streams have the same crop.",
    choices=(
        Choice("weight of flow", "1", "ours", "from memory of the paper; not read"),
        Choice("dropout", ".5", "prior code", CODE),
        CLIPS_PER_STEP,
    ),
    reported=("I3D Two-stream",),
    grew_from=("i3d-rgb", "vgg-ts"),
)

RECIPE = Supervised(
    network=network,
    streams=CARD.streams,
    terms=late_fusion_terms,
    paper=PAPER,
    demo=DEMO,
    load=load_public,
)
