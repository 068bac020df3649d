"""Distillation: the student on dark frames learns from labels and from the teacher's logits.

    L_student = L_CE + lambda_kd * L_KD                           (form: the paper's figure)

The teacher is frozen and in evaluation mode. Both look at the same crop of the same frames; the
teacher also sees its Retinex copy. At test time the student runs alone.
"""

from __future__ import annotations

import torch

from actlumos.clips import Batch, Clips
from actlumos.config import Config
from actlumos.losses import distillation
from actlumos.models import Student, Teacher
from actlumos.stages.loop import Task, Terms
from actlumos.stages.supervised import classification, validation
from actlumos.stages.teacher import STREAMS
from actlumos.streams import train_streams


def task(student: Student, teacher: Teacher, train: Clips, val: Clips, config: Config) -> Task:
    """Cross-entropy plus distillation of a frozen teacher."""
    teacher.eval().requires_grad_(False)

    def loss(batch: Batch, generator: torch.Generator) -> Terms:
        label = batch.label.to(generator.device)
        clip = batch.clip[:, 0].to(generator.device)
        streams = train_streams(clip, STREAMS, config, generator)
        with torch.no_grad():
            target = teacher(*streams).logits
        logits = student(streams[0])
        terms = classification(logits, label)
        soft = distillation(logits, target, config.temperature)
        total = terms["loss"] + config.lambda_kd * soft
        return {**terms, "loss": total, "ce": terms["loss"], "kd": soft}

    return Task(
        model=student,
        loss=loss,
        clips=train,
        epochs=config.epochs_distill,
        batch_size=config.batch_size,
        validate=lambda: validation(student, val, ("dark",), config),
    )
