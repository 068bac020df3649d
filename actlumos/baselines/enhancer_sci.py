"""SCI: a frame is divided by its illumination, which 258 parameters estimate.

    actlumos train baselines/enhancer-sci --profile demo     # less than a minute on two cores

Input: one whole frame of each dark clip. Loss: 1.5 fidelity + smoothness, summed over three stages
(`enhancement_losses.sci_terms`). Systems take the trained network frozen (`take_enhancer`).
"""

from __future__ import annotations

from torch import Tensor, nn

from actlumos.arms import Card, Choice
from actlumos.baselines.enhancement import Enhancer
from actlumos.baselines.enhancement_losses import sci_terms
from actlumos.baselines.networks.curves import SciCalibrator, SciEnhancer, sci_stages
from actlumos.config import Config
from actlumos.stages.task import Terms

CODE = "vis-opt-group/SCI"


class SciLearner(nn.Module):
    """SCI in training, with its calibrator."""

    def __init__(self) -> None:
        super().__init__()
        self.enhancer, self.calibrator = SciEnhancer(), SciCalibrator()

    def forward(self, dark: Tensor) -> tuple[tuple[Tensor, Tensor], ...] | Tensor:
        """A dark clip to what `sci_terms` takes or, in evaluation mode, to the enhanced clip."""
        if not self.training:
            return self.enhancer(dark)
        return tuple(sci_stages(self.enhancer, self.calibrator, dark))


def network(num_classes: int, config: Config) -> SciLearner:
    """The enhancer and its calibrator; every profile has the published size."""
    return SciLearner()


def terms(output: tuple[tuple[Tensor, Tensor], ...], label: None, config: Config) -> Terms:
    """Fidelity and smoothness over the three stages."""
    return sci_terms(output)


CARD = Card(
    name="enhancer-sci",
    title="SCI, trained here",
    year=2022,
    venue="CVPR",
    status="prior code",
    idea="The illumination of a frame is estimated with 258 parameters, and the frame is divided "
    "by it. A second network is used in training only.",
    source="Ma et al., Toward Fast, Flexible, and Robust Low-Light Image Enhancement, CVPR 2022; "
    f"github.com/{CODE} (MIT)",
    diagram=("dark clip -> illumination -> division -> enhanced clip",),
    streams=("dark",),
    known="Networks, three stages and losses; Adam at 3e-4, batch 1, 1000 epochs. Public weights "
    "exist.",
    unknown="Which weights the dark-video systems used.",
    ours="AdamW, this kit's batches and epochs, and a high learning rate in the demo. The length "
    "and rate of the training decide how bright a clip becomes: two to four times as bright in "
    "the demo. The colours in the edge weights are those of each pixel, where the public code's "
    "reshape mixes pixels.",
    choices=(
        Choice("stages", "3", "prior code", CODE),
        Choice("green in the luma of the edge weights", ".564 (BT.601: .504)", "prior code", CODE),
    ),
)

RECIPE = Enhancer(
    network=network,
    terms=terms,
    paper={"frames": 1, "accumulate": 1, "learning_rate": 3e-4, "weight_decay": 3e-4},
    demo={"frames": 1, "epochs_pretrain": 4, "learning_rate": 3e-2},
)
