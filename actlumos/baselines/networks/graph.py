"""Graph convolution over a feature map, with edges computed from the map.

The positions of the map are the nodes. One layer, over nodes x_1 .. x_N of C channels:

    A = softmax_j( theta(x_i) . phi(x_j) / sqrt(D) )     N x N, each row sums to 1
    x <- ReLU( x + norm( W A x ) )

so every position can use the features of all others, anywhere in space and time, before the
temporal head reads the map.

**What is known.** R(2+1)D-GCN+BERT (Singh et al., IEEE TAI 2022) and its SCI variant (AAAI 2023)
put a graph network after R(2+1)D; a patent on the work criticises predefined graphs; 68 M
parameters in total leave 0.8 to 1.8 M for it. Nodes, edges, number and width of the layers, and
the place of the graph are unknown. **Ours**: everything above. Two layers of width 512 with
D = C / 2 have 1.05 M parameters, which makes 67.7 M with trunk and head.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

Nodes = Literal["positions", "frames"]


class GraphLayer(nn.Module):
    """One residual graph convolution; 525,568 parameters for 512 channels.

    The norm's scale starts at zero (ours): the layer is then the identity on non-negative
    features, so that a pre-trained trunk starts unchanged.

    Args:
        width: C of the nodes.
        inner: D, the width in which nodes are compared; C / 2 if None.

    Raises:
        ValueError: a width below 1.
    """

    def __init__(self, width: int, inner: int | None = None) -> None:
        super().__init__()
        inner = max(1, width // 2) if inner is None else inner
        if min(width, inner) < 1:
            raise ValueError(f"width and inner must be at least 1, got {width} and {inner}")
        self.theta = nn.Linear(width, inner)
        self.phi = nn.Linear(width, inner, bias=False)  # a bias would cancel in the softmax
        self.weight = nn.Linear(width, width, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.relu = nn.ReLU()
        nn.init.zeros_(self.norm.weight)

    def adjacency(self, nodes: Tensor) -> Tensor:
        """Edges `[B, N, N]` of nodes `[B, N, C]`: row i has the weights of all nodes for node i."""
        scores = self.theta(nodes) @ self.phi(nodes).transpose(1, 2)
        return (scores.float() / self.theta.out_features**0.5).softmax(dim=2)

    def forward(self, nodes: Tensor) -> Tensor:
        """`[B, N, C]` to the same shape."""
        gathered = self.weight(self.adjacency(nodes).to(nodes.dtype) @ nodes)
        return self.relu(nodes + self.norm(gathered.transpose(1, 2)).transpose(1, 2))


class ResidualGraph(nn.Module):
    """Graph layers over the feature map of a 3-D trunk; 1,051,136 parameters for 512 channels.

    Maps of several streams can be concatenated along time: their positions are then nodes of one
    graph.

    Args:
        width: C of the map.
        layers: number of graph layers.
        inner: see `GraphLayer`.
        nodes: `positions`, each of T' x H' x W'; or `frames`, each time step's mean over space.

    Raises:
        ValueError: no layer, or unknown nodes.
    """

    def __init__(
        self, width: int, layers: int = 2, inner: int | None = None, nodes: Nodes = "positions"
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"layers is {layers}: need at least 1")
        if nodes not in get_args(Nodes):
            raise ValueError(f"nodes is {nodes!r}: choose one of {', '.join(get_args(Nodes))}")
        self.nodes = nodes
        self.layers = nn.ModuleList(GraphLayer(width, inner) for _ in range(layers))

    def forward(self, features: Tensor) -> Tensor:
        """`[B, C, T', H', W']` to the same shape, or to `[B, C, T', 1, 1]` with `frames`.

        Raises:
            ValueError: not a 5-D map.
        """
        if features.ndim != 5:
            raise ValueError(f"need a map [B, C, T, H, W], got {list(features.shape)}")
        if self.nodes == "frames":
            features = features.mean((3, 4), keepdim=True)
        nodes = features.flatten(2).transpose(1, 2)
        for layer in self.layers:
            nodes = layer(nodes)
        return nodes.transpose(1, 2).reshape(features.shape)
