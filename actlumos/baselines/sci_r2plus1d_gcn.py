"""SCI + R(2+1)D-GCN: dark clip and SCI-enhanced clip, one backbone, a graph, no BERT.

    actlumos train baselines/sci-r2plus1d-gcn --profile demo      # about 1.5 minutes on two cores,
                                                                  # and before it enhancer-sci

Input: 64 dark frames of 112 x 112, and the same frames enhanced by a frozen SCI. Loss:
cross-entropy.

A reconstruction: little more than the title of the student abstract is certain, and only SCI's
code is public. SCI's 258 parameters are trained on the run's own dark clips.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.enhancement import take_enhancer
from actlumos.baselines.networks.common import TokenNet, token_net
from actlumos.baselines.networks.curves import SciEnhancer
from actlumos.baselines.networks.graph import ResidualGraph
from actlumos.baselines.r2plus1d_gcn_bert import GRAPH, TITLE
from actlumos.config import Config
from actlumos.stages.supervised import Supervised


def network(num_classes: int, config: Config) -> TokenNet:
    """Dark and SCI-enhanced clip through one trunk and one graph; the mean of their tokens."""
    return token_net(
        num_classes,
        config,
        ("dark", "enhanced"),
        between=ResidualGraph,
        head="mean",
        enhancer=SciEnhancer,
    )


CARD = Card(
    name="sci-r2plus1d-gcn",
    title="SCI + R(2+1)D-GCN",
    year=2023,
    venue="AAAI",
    status="reconstruction",
    idea="Backbone and graph of R(2+1)D-GCN+BERT without BERT, on the dark clip and its SCI "
    "version, in our reading of the title. It added an enhancer of 258 parameters.",
    source="The group of R(2+1)D-GCN+BERT, AAAI 2023 student abstract "
    "(ojs.aaai.org/index.php/AAAI/article/view/27030); SCI of Ma et al., CVPR 2022 (MIT); no "
    "code of the recogniser",
    diagram=(
        "dark clip -> R(2+1)D-34 (shared) -> GCN (shared) -> mean of 16 tokens -> logits",
        "dark clip -> SCI (frozen) -> R(2+1)D-34 (shared) -> GCN (shared) -> mean of 16 tokens",
    ),
    streams=("dark",),
    known="The title: SCI, R(2+1)D, GCN. SCI itself is public in full.",
    unknown="How the two streams are fused, the graph, frames, losses, recipe, and which weights "
    "SCI had.",
    ours="Both streams share trunk and graph, one pass each, with edges of their own; the mean "
    "over the time steps of both is classified. SCI is trained on the run's own dark clips and "
    "then frozen.",
    choices=(
        Choice("streams", "dark, SCI", "ours", TITLE),
        Choice("enhancement", "enhancer-sci", "ours", "trained here; public weights exist"),
        GRAPH,
        Choice("head", "mean of the tokens of both streams", "ours", f"no BERT, {TITLE}"),
    ),
    reported=("SCI + R(2+1)D-GCN",),
    grew_from=("r2plus1d-gcn-bert",),
)

RECIPE = Supervised(
    network=network,
    support=("baselines/enhancer-sci",),
    begin=take_enhancer,
)
