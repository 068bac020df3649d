"""Fewer vertices and faces for a mesh whose zones have colours of their own."""

from __future__ import annotations

import fast_simplification
import networkx
import numpy as np

RIDGE = 0.03  # metres: height of the ridges between zones
FLAT = 0.5  # least cosine between the normals of two triangles that become one face


def means(faces: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrix `[N, M]` that takes vertices to the mean of the neighbours of each of `which` `[N]`,
    and the M vertices that it needs: `which` and their neighbours, sorted."""
    edges = np.concatenate([faces[:, [i, (i + 1) % 4]] for i in range(4)])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    edges = edges[np.isin(edges[:, 0], which)]
    around = np.union1d(edges[:, 1], which)
    share = np.zeros((len(which), len(around)))
    order = np.argsort(which)
    rows = order[np.searchsorted(which, edges[:, 0], sorter=order)]
    share[rows, np.searchsorted(around, edges[:, 1])] = 1
    return share / share.sum(1, keepdims=True), around


def half(
    points: np.ndarray, faces: np.ndarray, zones: np.ndarray, first: dict[int, int], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Reduce the right half: the kept vertices, and triangles `[F, 3]` that count in them.

    The reduction keeps what is sharp, so it sees the borders of zones as ridges.

    Args:
        points: vertices `[V, 3]`; those with x = 0 stay there.
        faces: quadrilaterals `[F, 4]`.
        zones: of the vertices, `[V]`.
        first: for some zones, the number of triangles to which they are reduced beforehand.
        count: number of triangles at the end.
    """
    triangles = np.concatenate([faces[:, :3], faces[:, [0, 2, 3]]])
    x = points[:, 0][triangles]
    triangles = triangles[(x > -1e-5).all(1) & (x > 1e-5).any(1)]
    seen = points + RIDGE * ridges(points, faces, zones)[:, None] * outward(points, faces)
    seen[np.abs(points[:, 0]) < 1e-5, 0] = 0
    for zone, few in first.items():
        mine = (zones[triangles] == zone).all(1)
        less = reduced(seen, triangles[mine], few, preserve_border=True)
        triangles = np.concatenate([triangles[~mine], less])
    triangles = reduced(seen, triangles, count)
    chosen, corners = np.unique(triangles, return_inverse=True)
    return chosen, corners.reshape(-1, 3)


def reduced(
    points: np.ndarray, triangles: np.ndarray, count: int, preserve_border: bool = False
) -> np.ndarray:
    """About `count` triangles `[F, 3]` between some of the vertices of the given ones."""
    kept = np.unique(triangles)
    places, corners = fast_simplification.simplify(
        points[kept].astype(np.float32), np.searchsorted(kept, triangles).astype(np.int32),
        target_count=count, preserve_border=preserve_border,
    )  # fmt: skip
    distance = ((places[:, None] - points[kept]) ** 2).sum(-1)
    middle = np.abs(places[:, 0]) < 1e-6
    distance[middle[:, None] != (points[kept, 0] == 0)] = np.inf
    nearest = np.zeros(len(places), int)
    for i in np.argsort(distance.min(1)):
        nearest[i] = distance[i].argmin()
        distance[:, nearest[i]] = np.inf  # taken
    return kept[nearest][corners]


def ridges(points: np.ndarray, faces: np.ndarray, zones: np.ndarray) -> np.ndarray:
    """Which vertices `[V]` have a neighbour in a zone of a higher number."""
    out = np.zeros(len(points), bool)
    for a, b in ((0, 1), (1, 2), (2, 3), (3, 0)):
        for start, end in ((faces[:, a], faces[:, b]), (faces[:, b], faces[:, a])):
            out[start[zones[start] < zones[end]]] = True
    return out


def outward(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals `[V, 3]`, outward."""
    a, b, c, d = (points[faces[:, i]] for i in range(4))
    flat, total = np.cross(c - a, d - b), np.zeros_like(points)
    for i in range(4):
        np.add.at(total, faces[:, i], flat)
    total *= np.sign(np.einsum("fi,fi", a, flat))
    return total / np.linalg.norm(total, axis=1, keepdims=True)


def quads_of(
    points: np.ndarray, triangles: np.ndarray, zones: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Join pairs of triangles of one zone that are nearly in one plane; `[F, 4]`, outward, others
    repeat the last corner. Also returns the zones `[F]`."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    volume = np.einsum("fi,fi", a, normals)
    if volume < 0:
        triangles, normals = triangles[:, ::-1], -normals
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    edges: dict[tuple[int, int], tuple[int, int]] = {}
    graph = networkx.Graph()
    for number, corners in enumerate(triangles):
        for i in range(3):
            start, end, far = (int(corners[(i + j) % 3]) for j in range(3))
            edges[start, end] = number, far
            other, beyond = edges.get((end, start), (number, far))
            quad = [far, start, beyond, end]
            flat = flatness(points[quad], normals[[number, other]])
            if other != number and flat > FLAT and zones[number] == zones[other]:
                graph.add_edge(number, other, weight=flat, quad=quad)
    pairs = networkx.max_weight_matching(graph, maxcardinality=True)
    joined = [(int(zones[a]), *graph.edges[a, b]["quad"]) for a, b in pairs]
    single = sorted(set(range(len(triangles))) - {number for pair in pairs for number in pair})
    joined += [(int(zones[i]), *triangles[i], triangles[i][-1]) for i in single]
    quads = np.array(sorted(joined))
    return quads[:, 1:], quads[:, 0]


def flatness(corners: np.ndarray, normals: np.ndarray) -> float:
    """Cosine between two triangles' normals; -1 if the quadrilateral of both is not convex."""
    sides = np.roll(corners, -1, 0) - corners
    turns = np.cross(sides, np.roll(sides, -1, 0)) @ normals.sum(0)
    return float(normals[0] @ normals[1]) if (turns > 0).all() else -1.0
