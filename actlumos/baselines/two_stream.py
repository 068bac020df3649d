"""What the systems with one network for RGB and one for flow share.

The published networks are trained separately, each with its own cross-entropy. Here both are
trained together on the sum of the two losses. That is the same: they share no weights, and AdamW
updates each weight on its own.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from actlumos.baselines.networks.common import FlowNorm, Normed, norm_of
from actlumos.baselines.networks.frame2d import Scores, TwoStream
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import cross_entropy
from actlumos.stages.task import Terms

STREAMS = ("dark", "flow")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def late_fusion(
    network: TwoStream, config: Config, norm: InputNorm, flow_scale: float = 1.0
) -> Normed:
    """Two networks behind their input norms.

    Args:
        network: for RGB and flow.
        config: its `norm` says whether inputs are those of published weights (`fixed`).
        norm: of the RGB network, for `fixed`.
        flow_scale: factor for a flow in -1..1, for `fixed`: the input range for which public code
            trains its flow network, or starts it from ImageNet weights.
    """
    flow = FlowNorm(flow_scale if config.norm == "fixed" else 1.0)
    return Normed([norm_of("dark", config, norm), flow], network)


def late_fusion_terms(output: Scores, label: Tensor, config: Config) -> Terms:
    """The sum of the two cross-entropies as `loss`; Top-1 is that of the weighted mean.

    Args:
        output: of `TwoStream`.
        label: int64 `[B]`.
    """
    rgb, flow = (F.cross_entropy(logits.float(), label) for logits in output.towers)
    return cross_entropy(output, label, config) | {"loss": rgb + flow}
