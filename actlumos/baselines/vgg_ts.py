"""VGG-TS: one VGG-16 for a frame, one for ten flow fields; their scores are averaged.

    actlumos train baselines/vgg-ts --profile demo      # about 1 minute on two cores

Input: the middle frame of a clip, and the ten flow fields in its middle; 25 of each in testing.
Loss: the sum of both networks' cross-entropies.

The oldest system of the comparison, and the first with motion as a second stream. Built from the
public code that ARID's own archive holds for this row (bryanyzhu's two-stream VGG-16).
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.networks.common import Normed, scale_of
from actlumos.baselines.networks.frame2d import vgg_two_stream
from actlumos.baselines.public_weights import load_public
from actlumos.baselines.two_stream import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    STREAMS,
    late_fusion,
    late_fusion_terms,
)
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import Supervised

CODE = "bryanyzhu/two-stream-pytorch"
FLOW_SCALE = 127 / (255 * 0.226)  # its levels 0..255 go through (level / 255 - .5) / .226


def network(num_classes: int, config: Config) -> Normed:
    """Two VGG-16, for one RGB frame and for ten flow fields."""
    norm = InputNorm("fixed", IMAGENET_MEAN, IMAGENET_STD)
    network = vgg_two_stream(num_classes, scale_of(config))
    return late_fusion(network, config, norm, FLOW_SCALE)


CARD = Card(
    name="vgg-ts",
    title="VGG-TS",
    year=2014,
    venue="NeurIPS",
    status="prior code",
    idea="Two image networks, one for appearance and one for motion. It introduced optical flow "
    "as a second stream, fused at the scores.",
    source="Simonyan and Zisserman, Two-Stream Convolutional Networks, NeurIPS 2014; "
    f"github.com/{CODE} (MIT), as in the archive of ARID's own code",
    diagram=(
        "dark frame -> VGG-16 -> scores -> weighted mean",
        "10 flow fields -> VGG-16 -> scores -> weighted mean",
    ),
    streams=STREAMS,
    known="ARID's archive holds this two-stream VGG-16: a frame and 20 channels of flow, dropouts "
    ".9/.9 and .9/.8, flow's first layer averaged from RGB's. The ActLumos tables date it ICLR "
    "2014; their row equals that of ARID's benchmark page, so it was copied, not retrained.",
    unknown="ARID's own settings: fusion weight, learning rate steps, test protocol, and whether "
    "flow was a field or a coloured picture of one.",
    ours="AdamW at this kit's rate replaces SGD (.001, momentum .9, decay 5e-4, 250 epochs). "
    "Frames and stacks come from one window of the clip, both streams have the same crop, and "
    "logits are averaged, not probabilities. The demo's networks have batch norm, because they "
    "are trained from scratch.",
    choices=(
        Choice("flow fields per stack", "10", "prior code", CODE),
        Choice("dropout, RGB", ".9 / .9", "prior code", CODE),
        Choice("dropout, flow", ".9 / .8", "prior code", CODE),
        Choice("range of the flow", "-2.2..2.2 (demo: -1..1)", "prior code", CODE),
        Choice("weight of flow", "1.5", "ours", "from memory of the original; not read"),
        Choice("snippets", "1 in training, 25 in testing", "ours", "25 from memory; not read"),
    ),
    reported=("VGG-TS",),
    mismatch="144 M is one ImageNet VGG-19 with 1000 classes (143.67 M); a two-stream VGG-16 has "
    "134.31 M for RGB and 134.32 M for flow.",
)

RECIPE = Supervised(
    network=network,
    streams=CARD.streams,
    terms=late_fusion_terms,
    paper={
        "frame_size": (256, 340),
        "crop_size": (224, 224),
        "batch_size": 25,
        "accumulate": 5,
    },
    demo={"norm": "log"},
    load=load_public,
)
