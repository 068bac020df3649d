"""Distillation: the student on dark frames learns from labels and from the teacher's logits.

    L_student = L_CE + lambda_kd * L_KD                           (form: the paper's figure)

The teacher is frozen and in evaluation mode. Both look at the same crop of the same frames; the
teacher also sees its Retinex copy. At test time the student runs alone.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from actlumos.clips import Batch, Clips
from actlumos.config import Config
from actlumos.files import atomic_write
from actlumos.losses import distillation
from actlumos.models import Student, Teacher
from actlumos.stages.loop import Task, Terms
from actlumos.stages.supervised import classification, validation
from actlumos.stages.teacher import STREAMS
from actlumos.streams import train_streams


class Answers:
    """The teacher's logits for each training step, worked out once for all students of a run.

    A step's seed decides its clips, moments and crops, so students that share the run's seed
    show their teacher the same pixels: the second student reads what the first one asked.

    Args:
        path: where the answers are kept.
        key: identifies teacher and settings; answers under another key are not used.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        kept = torch.load(path, weights_only=True) if path.exists() else {}
        self.logits: dict[int, Tensor] = kept["logits"] if kept.get("key") == key else {}
        self.saved = len(self.logits)

    def save(self) -> None:
        """Write what is new."""
        if len(self.logits) > self.saved:
            with atomic_write(self.path) as temporary:
                torch.save({"key": self.key, "logits": self.logits}, temporary)
            self.saved = len(self.logits)


def task(
    student: Student,
    teacher: Teacher,
    train: Clips,
    val: Clips,
    config: Config,
    answers: Answers,
) -> Task:
    """Cross-entropy plus distillation of a frozen teacher."""
    teacher.eval().requires_grad_(False)

    def loss(batch: Batch, generator: torch.Generator) -> Terms:
        """Cross-entropy and distillation of one batch."""
        label = batch.label.to(generator.device)
        clip = batch.clip[:, 0].to(generator.device)
        dark, target = _look(clip, teacher, answers, config, generator)
        logits = student(dark)
        terms = classification(logits, label)
        soft = distillation(logits, target, config.temperature)
        total = terms["loss"] + config.lambda_kd * soft
        return {**terms, "loss": total, "ce": terms["loss"], "kd": soft}

    def validate() -> dict[str, float]:
        answers.save()
        return validation(student, val, ("dark",), config)

    epochs, batch_size = config.epochs_distill, config.batch_size
    return Task(student, loss, train, epochs, batch_size, validate=validate)


def _look(
    clip: Tensor, teacher: Teacher, answers: Answers, config: Config, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The student's view of a step, and the teacher's answer to it."""
    step = generator.initial_seed()
    if step in answers.logits:
        (dark,) = train_streams(clip, ("dark",), config, generator)
    else:
        dark, enhanced = train_streams(clip, STREAMS, config, generator)
        with torch.no_grad():
            answers.logits[step] = teacher(dark, enhanced).logits.float().cpu()
    return dark, answers.logits[step].to(clip.device)
