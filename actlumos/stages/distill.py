"""Distillation: the student on dark frames learns from labels and from the teacher's logits.

    L_student = L_CE + lambda_kd * L_KD                           (form: the paper's figure)

The teacher is frozen and in evaluation mode. Both get the same crop of the same frames; the
teacher also gets its Retinex copy. At test time the student runs alone.

    actlumos train ssl-kd --profile demo    # about 7 minutes on two cores: teacher 3, SSL 1, KD 2
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from filelock import FileLock
from torch import Tensor, nn

from actlumos.config import Config, digest
from actlumos.data.clips import Batch, Clips
from actlumos.models import Student
from actlumos.models.losses import classification, distillation
from actlumos.runtime.distributed import gather, world_size
from actlumos.runtime.files import made_again, sweep
from actlumos.runtime.tensors import first_not_finite, load_tensors, save_tensors
from actlumos.stages.recipe import Needed, Trained
from actlumos.stages.runs import Run, result_settings
from actlumos.stages.supervised import Supervised, validation
from actlumos.stages.task import Task, Terms
from actlumos.views.streams import train_streams


@dataclass(frozen=True, kw_only=True)
class Distilled(Supervised):
    """Cross-entropy plus distillation of a frozen teacher.

    Args:
        teacher: the arm whose logits the student learns from; the first of its streams is `dark`.
        init: the pretraining whose backbone the student starts from; empty: `config.weights`, or
            random weights.
    """

    stage: ClassVar[str] = "distill"
    learns_from: ClassVar[str] = "labels of dark clips and the logits of a teacher"

    teacher: str = "teacher"
    init: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """The pretraining, if there is one, and the teacher."""
        return tuple(name for name in (self.init, self.teacher, *self.support) if name)

    @property
    def frozen(self) -> tuple[str, ...]:
        """The teacher."""
        return (self.teacher,)

    def epochs(self, config: Config) -> int:
        """`epochs_distill`."""
        return config.epochs_distill

    def start(self, model: Any, name: str, run: Run, needed: Needed) -> None:
        """Take the backbone of the pretraining, not `config.weights`."""
        if not self.init:
            return super().start(model, name, run, needed)
        pretrained = needed[self.init].model().student.backbone
        model.backbone.load_state_dict(pretrained.state_dict())

    def task(self, model: Any, clips: dict[str, Clips], run: Run, needed: Needed) -> Task:
        """Both losses on the dark stream."""
        config, taught_by = run.config, needed[self.teacher]
        teacher = taught_by.model(run.device).requires_grad_(False)
        streams, logits = taught_by.recipe.streams, _teacher_logits(taught_by, config)

        def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Terms:
            """Cross-entropy and distillation of the batch of all processes."""
            clip = batch.clip[:, 0].to(generator.device)
            dark, target = _views_and_target(clip, teacher, streams, logits, config, generator)
            output = gather(network(dark))
            terms = classification(output, gather(batch.label.to(clip.device)))
            soft = distillation(output, gather(target), config.temperature)
            total = terms["loss"] + config.lambda_kd * soft
            return {**terms, "loss": total, "ce": terms["loss"], "kd": soft}

        def validate() -> dict[str, float]:
            if logits:
                logits.save()
            return validation(model, clips["val"], self.streams, config)

        task = self.labelled(model, loss, clips, config)
        task.validate = validate
        return task


class TeacherLogits:
    """The teacher's logits for each training step, computed once for all students of a run.

    A step's seed decides its clips, moments and crops, so for all students with the
    run's seed the teacher gets the same pixels: the second student reads the first one's logits.

    Args:
        path: where they are kept.
        key: identifies teacher and settings; a file with another key is not used.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        kept = load_tensors(path)
        known = isinstance(kept, dict) and kept.get("key") == key
        self.logits: dict[int, Tensor] = _checked(kept.get("logits"), path) if known else {}
        self.saved = len(self.logits)

    def save(self) -> None:
        """Write what is new."""
        if len(self.logits) > self.saved:
            with FileLock(self.path.with_name(".teacher_logits.lock")):
                sweep(self.path)
                save_tensors(self.path, {"key": self.key, "logits": self.logits})
            self.saved = len(self.logits)


def _checked(logits: Any, path: Path) -> dict[int, Tensor]:
    """Kept logits; none where a file with the right key holds something else."""
    good = isinstance(logits, dict) and all(
        isinstance(value, Tensor) and value.dim() == 2 for value in logits.values()
    )
    if not good or first_not_finite(logits):
        made_again(path, "it does not hold finite logits")
        return {}
    return logits


def _teacher_logits(teacher: Trained, config: Config) -> TeacherLogits | None:
    """The file in the teacher's folder. None with several processes, whose crops differ from
    those of other runs."""
    if world_size() > 1:
        return None
    key = digest(teacher.result["key"], result_settings(config))
    return TeacherLogits(teacher.directory / "teacher_logits.pt", key)


def _views_and_target(
    clip: Tensor,
    teacher: nn.Module,
    streams: tuple[str, ...],
    cache: TeacherLogits | None,
    config: Config,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The student's view of a step, and the teacher's logits for it."""
    step = generator.initial_seed()
    known = cache.logits.get(step) if cache else None
    if known is not None and len(known) == len(clip):  # fewer if a clip could not be read once
        (dark,) = train_streams(clip, ("dark",), config, generator)
        return dark, known.to(clip.device)
    seen = train_streams(clip, streams, config, generator)
    with torch.no_grad():
        output = teacher(*seen)
        logits = getattr(output, "logits", output).float()
    if cache:
        cache.logits[step] = logits.cpu()
    return seen[0], logits


RECIPES: dict[str, Any] = {
    "kd": Distilled(network=Student),
    "ssl-kd": Distilled(network=Student, init="ssl"),
    "ssl-a-kd": Distilled(network=Student, init="ssl-a"),
    "ssl-b-kd": Distilled(network=Student, init="ssl-b"),
    "ssl-spatial-kd": Distilled(network=Student, init="ssl-spatial"),
    "ssl-temporal-kd": Distilled(network=Student, init="ssl-temporal"),
}
