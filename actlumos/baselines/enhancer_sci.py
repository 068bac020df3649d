"""SCI: 258 parameters that estimate a frame's illumination and divide it away.

    actlumos train baselines/enhancer-sci --profile demo
"""

from __future__ import annotations

from torch import Tensor, nn

from actlumos.arms import Card, Choice
from actlumos.baselines.enhancement import Enhancer
from actlumos.baselines.enhancement_losses import sci_terms
from actlumos.baselines.networks.curves import SciCalibrator, SciEnhancer, sci_stages
from actlumos.config import Config
from actlumos.stages.task import Terms


class SciLearner(nn.Module):
    """SCI with the calibrator that it has while it learns from dark clips alone."""

    def __init__(self) -> None:
        super().__init__()
        self.enhancer, self.calibrator = SciEnhancer(), SciCalibrator()

    def forward(self, dark: Tensor) -> tuple[tuple[Tensor, Tensor], ...] | Tensor:
        """A dark clip to what `sci_terms` takes or, in evaluation mode, to the enhanced one."""
        if not self.training:
            return self.enhancer(dark)
        return tuple(sci_stages(self.enhancer, self.calibrator, dark))


def network(num_classes: int, config: Config) -> SciLearner:
    """The enhancer and its calibrator, of one size."""
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
    idea="Estimate a frame's illumination and divide it away, with 258 parameters. A second "
    "network helps while it learns, and is thrown away.",
    source="Ma et al., Toward Fast, Flexible, and Robust Low-Light Image Enhancement, CVPR 2022; "
    "github.com/vis-opt-group/SCI (MIT)",
    diagram=("dark clip -> illumination -> division -> enhanced clip",),
    streams=("dark",),
    known="Networks, three stages and losses; Adam at 3e-4, batch 1, 1000 epochs. Public weights "
    "exist and load by path.",
    unknown="Which weights the dark-video systems used.",
    ours="AdamW, this kit's batches and epochs, and a high rate in the demo. How long and how fast "
    "it learns decides how bright a clip becomes: two to four times as bright in the demo.",
    choices=(Choice("stages", "3", "prior code", "vis-opt-group/SCI"),),
)

RECIPE = Enhancer(
    network=network,
    terms=terms,
    paper={"frames": 1, "accumulate": 1, "learning_rate": 3e-4, "weight_decay": 3e-4},
    demo={"frames": 1, "epochs_pretrain": 4, "learning_rate": 3e-2},
)
