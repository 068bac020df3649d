"""Build an arm's network from the settings.

Backbone and head are made first and in one order, so with one seed every student, teacher and
pretraining of a run starts from the same backbone weights.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from actlumos.config import Config
from actlumos.models import Pretrainer, Student, Teacher
from actlumos.stages.arms import Arm


def build(arm: Arm, config: Config, num_classes: int) -> nn.Module:
    """The untrained network of an arm: `Student`, `Teacher` or `Pretrainer`."""
    norms = tuple(config.norm if name == "dark" else config.norm_enhanced for name in arm.streams)
    if arm.stage == "teacher":
        return Teacher(
            num_classes,
            fusion=arm.fusion,
            streams=len(arm.streams),
            reduction=config.fusion_reduction,
            projection=config.projection,
            norms=norms,
            **dial(config),
        )
    student = Student(num_classes, norm=norms[0], **dial(config))
    if arm.stage == "pretrain":
        return Pretrainer(student, config.projection)
    return student


def dial(config: Config) -> dict[str, Any]:
    """The size settings that student and teacher share."""
    return {
        "frames": config.frames,
        "layers": config.layers,
        "widths": config.widths,
        "stem": config.stem,
        "temporal_strides": config.temporal_strides,
        "midplanes": config.midplanes,
        "bn_momentum": config.bn_momentum,
        "bert_layers": config.bert_layers,
        "heads": config.bert_heads,
        "keep": config.token_keep,
        "bert_dropout": config.bert_dropout,
        "bert_start": config.bert_start,
        "dropout": config.classifier_dropout,
    }
