"""DL-KDD: a student on dark clips distils a teacher that is trained on enhanced clips.

    actlumos train baselines/dl-kdd --profile demo      # about 1 minute on two cores, and before it
                                                        # dl-kdd-teacher (1.5), enhancer-curves

Input: 64 dark frames of 112 x 112; the teacher gets the same frames enhanced. Loss: cross-entropy
and distillation of the teacher's logits, with the ledger's temperature and weight.

The published system closest to ActLumos, missing from its tables. A reconstruction from the
abstract and a second-hand summary: there is no code. It has no fusion of two streams, no
contrastive loss and no pre-training, so it shows the effect of distillation alone.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.networks.common import TokenNet, token_net
from actlumos.config import Config
from actlumos.stages.distill import Distilled

SOURCE = "Chang, Chen and Tseng, DL-KDD, arXiv 2406.02468, 2024: abstract only; no code"


def network(num_classes: int, config: Config) -> TokenNet:
    """The network of R(2+1)D-34 + BERT and of ActLumos' student."""
    return token_net(num_classes, config, ("dark",))


CARD = Card(
    name="dl-kdd",
    title="DL-KDD",
    year=2024,
    venue="arXiv",
    status="reconstruction",
    idea="A teacher is trained on enhanced clips, a student on dark clips with their labels and "
    "the teacher's soft targets. It added distillation, so nothing is enhanced at test time.",
    source=SOURCE,
    diagram=("dark clip -> R(2+1)D-34 -> 8 tokens -> BERT -> logits",),
    streams=("dark",),
    known="Teacher on enhanced video; student on the original with labels and the teacher's soft "
    "targets; the original alone at test time; up to 4.18 points gained on Dark48. A summary "
    "by others names Zero-DCE as the enhancer.",
    unknown="Backbone, temperature, weight and form of the distillation, frames, recipe, and its "
    "accuracy: the ActLumos tables leave it out.",
    ours="Backbone and head of ActLumos' student, so that only the training differs; Hinton's "
    "distillation with this kit's temperature and weight; as enhancer a curve network of "
    "Zero-DCE's shape, trained on the run's own dark clips.",
    choices=(
        Choice("temperature, weight", "those of the ledger", "ours", "unknown"),
        Choice("teacher", "dl-kdd-teacher", "ours", "one enhanced stream; its backbone unknown"),
    ),
    grew_from=("r2plus1d-bert",),
)

RECIPE = Distilled(
    network=network,
    teacher="baselines/dl-kdd-teacher",
)
