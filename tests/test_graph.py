"""The graph layer equals a loop over nodes; its size fits the published bound."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from actlumos.baselines.networks.graph import GraphLayer, ResidualGraph


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def awake(module: torch.nn.Module) -> torch.nn.Module:
    """With scales of batch norm that are not zero, so that the graph does something."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.uniform_(part.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(part.running_var, 0.5, 2)
    return module


def node_by_node(layer: GraphLayer, nodes: Tensor) -> Tensor:
    """One clip's nodes `[N, C]`, by the definition, one node and one edge at a time."""
    out = []
    for node in nodes:
        query = layer.theta.weight @ node + layer.theta.bias
        scores = [
            float(query @ (layer.phi.weight @ other)) / math.sqrt(len(query)) for other in nodes
        ]
        total = sum(math.exp(score) for score in scores)
        mixed = sum(
            math.exp(score) / total * other for score, other in zip(scores, nodes, strict=True)
        )
        gathered = layer.weight.weight @ mixed
        norm = layer.norm
        spread = torch.sqrt(norm.running_var + norm.eps)
        normed = (gathered - norm.running_mean) / spread * norm.weight + norm.bias
        out.append(torch.clamp(node + normed, min=0))
    return torch.stack(out)


def test_parameters_are_counted_and_fit_the_published_bound() -> None:
    inner, width = 256, 512
    layer = 2 * width * inner + inner + width * width + 2 * width
    assert count(GraphLayer(width)) == layer == 525_568
    assert count(ResidualGraph(width)) == 1_051_136
    assert 0.8e6 < count(ResidualGraph(width)) < 1.8e6
    assert round((66_663_314 + count(ResidualGraph(width))) / 1e6) == 68


@torch.no_grad()
def test_a_map_is_read_as_its_nodes_one_by_one() -> None:
    torch.manual_seed(0)
    graph = awake(ResidualGraph(6, layers=2, inner=4)).eval()
    features = torch.randn(2, 6, 3, 2, 2)
    result = graph(features)
    for clip, found in zip(features, result, strict=True):
        nodes = torch.stack(
            [clip[:, t, y, x] for t in range(3) for y in range(2) for x in range(2)]
        )
        for layer in graph.layers:
            nodes = node_by_node(layer, nodes)
        torch.testing.assert_close(found.flatten(1).T, nodes, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_frames_as_nodes_are_the_means_over_space() -> None:
    torch.manual_seed(0)
    graph = awake(ResidualGraph(6, layers=1, nodes="frames")).eval()
    features = torch.randn(2, 6, 3, 4, 5)
    result = graph(features)
    assert result.shape == (2, 6, 3, 1, 1)
    expected = node_by_node(graph.layers[0], features[1].mean((2, 3)).T)
    torch.testing.assert_close(result[1, :, :, 0, 0].T, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_it_starts_as_the_identity_and_edges_are_shares() -> None:
    features = torch.rand(2, 8, 2, 3, 3)
    graph = ResidualGraph(8)
    torch.testing.assert_close(graph(features), features)
    edges = graph.layers[0].adjacency(torch.randn(2, 7, 8))
    torch.testing.assert_close(edges.sum(2), torch.ones(2, 7))
    assert edges.min() > 0 and not torch.allclose(edges, edges.transpose(1, 2))


@torch.no_grad()
def test_reordered_positions_give_reordered_results() -> None:
    torch.manual_seed(1)
    layer = awake(GraphLayer(8)).eval()
    nodes, order = torch.randn(1, 9, 8), torch.randperm(9)
    torch.testing.assert_close(layer(nodes[:, order]), layer(nodes)[:, order])


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    graph = awake(ResidualGraph(8))
    graph(torch.randn(3, 8, 2, 2, 2)).square().sum().backward()
    for name, parameter in graph.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 1e-6, name


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="layers"):
        ResidualGraph(8, layers=0)
    with pytest.raises(ValueError, match="width"):
        GraphLayer(0)
    with pytest.raises(ValueError, match="choose one of positions, frames"):
        ResidualGraph(8, nodes="joints")
    with pytest.raises(ValueError, match=r"\[B, C, T, H, W\]"):
        ResidualGraph(8)(torch.zeros(2, 8, 4))
