"""Features, their t-SNE map, and numbers for it: kNN accuracy, silhouette."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from threadpoolctl import threadpool_limits
from torch import nn

from actlumos.config import Config
from actlumos.data.clips import Clips
from actlumos.evaluation.evaluate import test_views
from actlumos.runtime.device import autocast, device_of


@torch.no_grad()
def features(
    model: Any, clips: Clips, streams: tuple[str, ...], config: Config
) -> tuple[np.ndarray, np.ndarray]:
    """The classifier's input for each clip: centre crop, middle of the clip.

    Returns:
        Features float32 `[N, D]`, each of unit length, and labels int64 `[N]`.
    """
    model.eval()
    device = device_of(model)
    rows, labels = [], []
    for views, label in test_views(clips, streams, config, device):
        with autocast(device, config.precision):
            rows.append(model.embed(*views[0]).float().cpu())
        labels.append(label)
    return nn.functional.normalize(torch.cat(rows), dim=1).numpy(), torch.cat(labels).numpy()


def tsne(points: np.ndarray, seed: int = 0, perplexity: float = 30.0) -> np.ndarray:
    """Two-dimensional t-SNE map `[N, 2]` (van der Maaten and Hinton 2008), from a PCA start.

    One thread: with several, scikit-learn's sums may differ between calls. The perplexity is cut
    to a third of the points.

    Raises:
        ValueError: fewer than four points.
    """
    if len(points) < 4:
        raise ValueError(f"t-SNE needs at least 4 points, not {len(points)}")
    perplexity = min(perplexity, (len(points) - 1) / 3)
    with threadpool_limits(1):
        return TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(points)


def nearest(points: np.ndarray, k: int) -> np.ndarray:
    """The k nearest other points of each point `[N, D]`, nearest first: indices `[N, k]`."""
    return NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False)


def knn_accuracy(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, labels: np.ndarray, k: int = 10
) -> float:
    """Top-1 in percent of a k-nearest-neighbour vote of the training clips (cosine distance)."""
    voters = KNeighborsClassifier(min(k, len(train)), metric="cosine", algorithm="brute")
    return 100 * float(voters.fit(train, train_labels).score(test, labels))


def silhouette(points: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette (Rousseeuw 1987) under the cosine distance: -1 (mixed) .. 1 (apart).

    NaN where it is undefined: it needs at least two classes, one of which has two points or more.
    """
    if not 2 <= len(np.unique(labels)) < len(points):
        return float("nan")
    return float(silhouette_score(points, labels, metric="cosine"))
