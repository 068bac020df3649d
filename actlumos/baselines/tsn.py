"""TSN: snippets from the whole clip, one shared 2-D network, and the mean of its scores.

    actlumos train baselines/tsn --profile demo      # about 2.5 minutes on two cores

Input: three frames and three stacks of five flow fields per clip; 25 of each in testing. Loss: the
sum of both networks' cross-entropies, each of the mean of its scores.

Built from the public code (yjxiong) on BN-Inception, the network of the original. Which backbone
and which streams the ARID row had is not public: those are assumptions, listed in the card.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.networks.common import Normed, scale_of
from actlumos.baselines.networks.frame2d import tsn_two_stream
from actlumos.baselines.public_weights import load_public
from actlumos.baselines.two_stream import STREAMS, late_fusion, late_fusion_terms
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import Supervised

CODE = "yjxiong/tsn-pytorch"
MEAN, STD = (128 / 255, 117 / 255, 104 / 255), (1 / 255,) * 3  # RGB; its levels are 0..255
FLOW_SCALE = 127.0  # its levels 0..255 minus 128, not divided


def network(num_classes: int, config: Config) -> Normed:
    """Two BN-Inceptions, for single RGB frames and for stacks of five flow fields."""
    norm = InputNorm("fixed", MEAN, STD)
    network = tsn_two_stream(num_classes, scale_of(config))
    return late_fusion(network, config, norm, FLOW_SCALE)


CARD = Card(
    name="tsn",
    title="TSN",
    year=2016,
    venue="ECCV",
    status="prior code",
    idea="A clip is cut into segments, and one image network scores a snippet of each. It added "
    "the consensus: the loss is taken of the mean of the scores.",
    source="Wang et al., Temporal Segment Networks, ECCV 2016; "
    f"github.com/{CODE} (BSD-2); BN-Inception as in Cadene/pretrained-models.pytorch (BSD-3)",
    diagram=(
        "3 dark frames -> BN-Inception -> consensus -> weighted mean",
        "3 stacks of 5 flow fields -> BN-Inception -> consensus -> weighted mean",
    ),
    streams=STREAMS,
    known="Three segments, mean of the scores before softmax, dropout .8 for RGB and .7 for flow, "
    "128 clips per step. The tables' row equals that of ARID's benchmark page, so it was copied, "
    "not retrained.",
    unknown="Which backbone and which streams ARID trained, and from what weights.",
    ours="BN-Inception on RGB and flow, as the original. AdamW at this kit's rate replaces "
    "SGD (.001, steps); every batch norm is trained, where the public code freezes all but the "
    "first; snippets come from one window of the clip, and both streams have the same crop.",
    choices=(
        Choice("segments", "3 in training, 25 in testing", "prior code", CODE),
        Choice("flow fields per stack", "5", "prior code", CODE),
        Choice("dropout", ".8 RGB, .7 flow", "prior code", CODE),
        Choice("range of the flow", "-127..127 (demo: -1..1)", "prior code", CODE),
        Choice("weight of flow", "1.5", "ours", "from memory of the original; not read"),
        Choice("mean of the input", "(104, 117, 128) BGR", "prior code", "the public weights'"),
    ),
    reported=("TSN",),
    mismatch="22 M fits no public TSN exactly: two BN-Inceptions have 20.58 M (22.6 M with two "
    "1000-way classifiers), two ResNet-18 22.4 M, one headless Inception-v3 21.8 M.",
    grew_from=("vgg-ts",),
)

RECIPE = Supervised(
    network=network,
    streams=CARD.streams,
    terms=late_fusion_terms,
    paper={"frame_size": (256, 340), "crop_size": (224, 224)},
    demo={"norm": "log"},
    load=load_public,
)
