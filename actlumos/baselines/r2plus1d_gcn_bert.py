"""R(2+1)D-GCN+BERT: a graph over the positions of the feature map, between backbone and BERT.

A reconstruction: the paper could not be read, there is no code, and what its parts are called is
all that guides it. The graph network, its size and its place are ours.
"""

from __future__ import annotations

from functools import partial

from actlumos.arms import Card, Choice
from actlumos.baselines.enhancement import take_enhancer
from actlumos.baselines.enhancer_curves import curve_net
from actlumos.baselines.networks.common import TokenNet, token_net
from actlumos.baselines.networks.graph import ResidualGraph
from actlumos.config import Config
from actlumos.stages.supervised import Supervised

TITLE = "as remembered of the abstract; not read"
GRAPH = Choice(
    "graph",
    "2 residual layers over the T' x H' x W' positions, learned edges",
    "ours",
    "unknown; two layers make 67.8 M parameters of the 68 M that are printed",
)


def network(num_classes: int, config: Config) -> TokenNet:
    """The clip that a frozen curve network brightens, through trunk, graph and BERT."""
    return token_net(
        num_classes,
        config,
        ("enhanced",),
        between=ResidualGraph,
        enhancer=partial(curve_net, config),
    )


CARD = Card(
    name="r2plus1d-gcn-bert",
    title="R(2+1)D-GCN+BERT",
    year=2022,
    venue="TAI",
    status="reconstruction",
    idea="A brightened clip goes through R(2+1)D, and a graph lets every position of the map take "
    "in any other before BERT reads the time steps. It added the graph.",
    source="Singh, Suman, Subudhi, Jakhetiya and Ghosh, IEEE TAI 2022: not read; its patent "
    "application US 2024/0312208: opening only; no code",
    diagram=(
        "dark clip -> curve network (frozen) -> R(2+1)D-34 -> GCN -> 8 tokens -> BERT -> logits",
    ),
    streams=("dark",),
    known="The names of its parts, and 68 M parameters, which leave .8 to 1.8 M for the graph. The "
    "patent puts an enhancement before the recogniser and speaks against graphs given in "
    "advance. The ActLumos tables date it 2023.",
    unknown="The graph's nodes, edges, layers and place; the step called min-max sampling; frames, "
    "losses, recipe and starting weights.",
    ours="A curve network of Zero-DCE's shape, trained on this kit's own dark clips and then "
    "frozen; two residual graph layers whose edges the map decides; the network sees the "
    "brightened clip alone. Min-max sampling is left out: what it is is unknown.",
    choices=(
        Choice("enhancement", "enhancer-curves", "ours", f"Zero-DCE, {TITLE}"),
        GRAPH,
        Choice("tokens kept in training", ".8 (demo: all)", "ours", "as R(2+1)D-34 + BERT"),
    ),
    reported=("R(2+1)D-GCN+BERT",),
    grew_from=("r2plus1d-bert",),
)

RECIPE = Supervised(
    network=network,
    support=("baselines/enhancer-curves",),
    begin=take_enhancer,
)
