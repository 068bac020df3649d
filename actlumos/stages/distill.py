"""Distillation: the student on dark frames learns from labels and from the teacher's logits.

    L_student = L_CE + lambda_kd * L_KD                           (form: the paper's figure)

The teacher is frozen and in evaluation mode. Both look at the same crop of the same frames; the
teacher also sees its Retinex copy. At test time the student runs alone.
"""

from __future__ import annotations

from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor, nn

from actlumos.config import Config
from actlumos.data.clips import Batch, Clips
from actlumos.models.losses import classification, distillation
from actlumos.runtime.distributed import gather
from actlumos.runtime.files import load_tensors, save_tensors, sweep
from actlumos.stages.loop import Task, Terms
from actlumos.stages.supervised import validation
from actlumos.stages.teacher import STREAMS
from actlumos.views.streams import train_streams


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
        kept = load_tensors(path) or {}
        self.logits: dict[int, Tensor] = kept["logits"] if kept.get("key") == key else {}
        self.saved = len(self.logits)

    def save(self) -> None:
        """Write what is new."""
        if len(self.logits) > self.saved:
            with FileLock(self.path.with_name(".answers.lock")):
                sweep(self.path)
                save_tensors(self.path, {"key": self.key, "logits": self.logits})
            self.saved = len(self.logits)


def task(
    student: nn.Module,
    teacher: nn.Module,
    train: Clips,
    val: Clips,
    config: Config,
    answers: Answers | None,
    streams: tuple[str, ...] = STREAMS,
) -> Task:
    """Cross-entropy plus distillation of a frozen teacher.

    Args:
        answers: what the teacher has said before; None asks it at every step.
        streams: what the teacher looks at; the first is `dark`, which is all the student sees.
    """
    teacher.eval().requires_grad_(False)

    def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
        """Cross-entropy and distillation of the batch of all processes."""
        clip = batch.clip[:, 0].to(generator.device)
        dark, target = _look(clip, teacher, streams, answers, config, generator)
        logits = gather(network(dark))
        terms = classification(logits, gather(batch.label.to(clip.device)))
        soft = distillation(logits, gather(target), config.temperature)
        total = terms["loss"] + config.lambda_kd * soft
        return {**terms, "loss": total, "ce": terms["loss"], "kd": soft}

    def validate() -> dict[str, float]:
        if answers:
            answers.save()
        return validation(student, val, ("dark",), config)

    epochs, batch_size = config.epochs_distill, config.batch_size
    return Task(student, loss, train, epochs, batch_size, validate=validate)


def _look(
    clip: Tensor,
    teacher: nn.Module,
    streams: tuple[str, ...],
    answers: Answers | None,
    config: Config,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The student's view of a step, and the teacher's answer to it."""
    step = generator.initial_seed()
    known = answers.logits.get(step) if answers else None
    if known is not None and len(known) == len(clip):  # fewer if a clip could not be read once
        (dark,) = train_streams(clip, ("dark",), config, generator)
        return dark, known.to(clip.device)
    seen = train_streams(clip, streams, config, generator)
    with torch.no_grad():
        output = teacher(*seen)
        logits = getattr(output, "logits", output).float()
    if answers:
        answers.logits[step] = logits.cpu()
    return seen[0], logits
