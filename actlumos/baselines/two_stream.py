"""What the systems with one network for RGB and one for flow share.

The published networks are trained apart, on their own cross-entropies. Nothing is shared between
the two, and AdamW treats each weight on its own, so training on the sum of the losses trains
each as if alone.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from actlumos.baselines.networks.common import Normed, norm_of
from actlumos.baselines.networks.frame2d import Scores, TwoStream
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import cross_entropy
from actlumos.stages.task import Terms

STREAMS = ("dark", "flow")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def late_fusion(network: TwoStream, config: Config, norm: InputNorm) -> Normed:
    """Two networks behind their norms; `norm` is that of the RGB network's public weights."""
    return Normed([norm_of("dark", config, norm), norm_of("flow", config)], network)


def late_fusion_terms(output: Scores, label: Tensor, config: Config) -> Terms:
    """The sum of the two cross-entropies as `loss`; Top-1 is that of the weighted mean.

    Args:
        output: of `TwoStream`.
        label: int64 `[B]`.
    """
    loss = sum(F.cross_entropy(logits.float(), label) for logits in output.towers)
    return cross_entropy(output, label, config) | {"loss": loss}
