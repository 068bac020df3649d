"""R(2+1)D-GCN+BERT: a graph over the positions of the feature map, between backbone and BERT.

    actlumos train baselines/r2plus1d-gcn-bert --profile demo      # about 1.5 minutes on two cores,
                                                                   # and before it enhancer-curves

Input: 64 dark frames of 112 x 112, enhanced by a frozen curve network. Loss: cross-entropy.

A reconstruction: the paper could not be read and there is no code; only the names of its parts are
known. The graph network, its size and its place are ours.
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

TITLE = "from memory of the abstract; not read"
GRAPH = Choice(
    "graph",
    "2 residual layers over the T' x H' x W' positions, learned edges",
    "ours",
    "unknown; with two layers the system has 67.8 M parameters, printed are 68 M",
)


def network(num_classes: int, config: Config) -> TokenNet:
    """A frozen curve network, then trunk, graph and BERT."""
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
    idea="A brightened clip goes through R(2+1)D, and a graph network relates all positions of the "
    "map before BERT reads the time steps. It added the graph.",
    source="Singh, Suman, Subudhi, Jakhetiya and Ghosh, IEEE TAI 2022: not read; its patent "
    "application US 2024/0312208: opening only; no code",
    diagram=(
        "dark clip -> curve network (frozen) -> R(2+1)D-34 -> GCN -> 8 tokens -> BERT -> logits",
    ),
    streams=("dark",),
    known="The names of its parts, and 68 M parameters, which leave .8 to 1.8 M for the graph. The "
    "patent puts an enhancement before the recogniser and criticises predefined graphs. The "
    "ActLumos tables date it 2023.",
    unknown="The graph's nodes, edges, layers and place; the step called min-max sampling; frames, "
    "losses, recipe and starting weights.",
    ours="A curve network of Zero-DCE's shape, trained on the run's own dark clips and then "
    "frozen; two residual graph layers with edges computed from the map; only the brightened clip "
    "as input. Min-max sampling is left out, because its definition is unknown.",
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
