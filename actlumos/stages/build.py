"""Build an arm's network from the settings, and start it from pre-trained weights.

Backbone and head are made first and in one order, so with one seed every student, teacher and
pretraining of a run starts from the same backbone weights.
"""

from __future__ import annotations

from torch import nn

from actlumos import baselines
from actlumos.config import Config
from actlumos.models import Pretrainer, Student, Teacher
from actlumos.models.pretrained import Pretrained, load_pretrained
from actlumos.stages.arms import Arm


def build(arm: Arm, config: Config, num_classes: int) -> nn.Module:
    """The untrained network of an arm: `Student`, `Teacher`, `Pretrainer`, or a system's own."""
    if arm.system:
        return baselines.find(arm.system).network(num_classes, config)
    norms = tuple(config.norm if name == "dark" else config.norm_enhanced for name in arm.streams)
    if arm.stage == "teacher":
        return Teacher(
            num_classes,
            fusion=arm.fusion,
            streams=len(arm.streams),
            reduction=config.fusion_reduction,
            projection=config.projection,
            norms=norms,
            **config.dial(),
        )
    student = Student(num_classes, norm=norms[0], **config.dial())
    if arm.stage == "pretrain":
        return Pretrainer(student, config.projection)
    return student


def load_weights(network: nn.Module, config: Config) -> Pretrained | None:
    """Start the backbone of a network from the file `config.weights`; None where that is empty.

    Not part of `build`, which a trained checkpoint is rebuilt with: it has its own weights.

    Raises:
        FileNotFoundError, ValueError: as `load_pretrained`.
    """
    if not config.weights:
        return None
    owner = network.student if isinstance(network, Pretrainer) else network
    return load_pretrained(owner.backbone, config.weights)
