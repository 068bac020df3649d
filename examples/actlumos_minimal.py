"""ActLumos in one file: clips, Retinex, teacher, pretraining, distillation, test.

    python examples/actlumos_minimal.py    # a minute and a half on two cores, no GPU

It renders 485 short clips, trains the teacher, pretrains the student, distils, and tests on 165
clips of people and rooms that it was not trained on (chance 9.1 %). Measured, seed 0:

    teacher 38.8 %, student 41.2 %

95 % intervals are about 7 points either way, and another processor rounds differently. Plain
PyTorch over the package's models, losses and clips. The package's own stages (`actlumos/stages/`)
add validation, checkpoints, several processes and reports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos.config import NetworkConfig
from actlumos.darkroom.build import render
from actlumos.data.cache import build_cache
from actlumos.data.clips import Batch, Clips, loader, schedule
from actlumos.data.manifest import Manifest, concat
from actlumos.models import Pretrainer, Student, Teacher
from actlumos.models.losses import distillation, nt_xent, supervised_contrastive
from actlumos.runtime.files import home
from actlumos.views import augment
from actlumos.views.enhance import multi_scale_retinex

FRAME, CROP = (42, 56), (36, 48)  # height and width: as stored, and as the network sees them
SIZES = NetworkConfig(  # R(2+1)D with one block per stage; the paper's is R(2+1)D-34 at 64 frames
    frames=12, layers=(1, 1, 1, 1), widths=(16, 32, 64, 128), stem=16,
    temporal_strides=(2, 2, 1, 1), midplanes="multiple16", bn_momentum=0.1, bn_eps=1e-3,
    norm="motion", norm_enhanced="motion-linear", fusion_reduction=4, projection=64,
    bert_layers=1, bert_heads=8, token_keep=1.0, bert_dropout=0.0, bert_start="mean",
    classifier_dropout=0.0, checkpoint_activations=False,
)  # fmt: skip


# 1. Clips: rendered dark videos of eleven actions, decoded once to uint8 [T, H, W, 3].


def dark_clips(name: str, split: str, count: int) -> Clips:
    """`count` clips per action of one split; labels are read from the manifest."""
    root = home() / "data" / f"minimal-{name}"
    manifest = Manifest.read(render(root / split, domain=name, counts={split: count}), root / split)
    return as_clips(manifest.select(split))


def as_clips(manifest: Manifest) -> Clips:
    """Twelve frames of each clip, every fourth one, so that they cover 1.5 seconds."""
    cache = build_cache(manifest, FRAME, home() / "data" / "cache")
    return Clips(manifest, frames=12, stride=4, short_clips="span", size=FRAME, cache=cache)


def batches(clips: Clips, size: int, epoch: int, views: int = 1) -> Iterator[Batch]:
    """One epoch in random order; each clip is seen at `views` random moments."""
    return loader(clips, schedule(len(clips), size, seed=0, epoch=epoch, shuffle=True, views=views))


def random_crop(batch: int, generator: torch.Generator) -> augment.Crop:
    """One box and one flip per clip."""
    return augment.multi_scale_crop(batch, FRAME, CROP, generator, (1, 0.875), 0.5)


def dark_and_retinex(frames: Tensor, crop: augment.Crop) -> tuple[Tensor, Tensor]:
    """uint8 `[B, T, H, W, 3]` to the two streams, float `[B, 3, T, h, w]`: same pixels, same crop.

    Retinex comes before the crop, so a stream's brightness does not depend on the crop.
    """
    dark = augment.to_float(frames)
    retinex = multi_scale_retinex(dark, (4, 12, 36))
    return augment.apply_crop(dark, crop, CROP), augment.apply_crop(retinex, crop, CROP)


def two_views(frames: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 `[B, 2, T, H, W, 3]`, two moments of each clip, to 2 B views with their own crop."""
    views = []
    for moment in frames.unbind(1):
        crop = augment.multi_scale_crop(len(frames), FRAME, CROP, generator, (1, 0.875, 0.75), 0.5)
        view = augment.apply_crop(augment.to_float(moment), crop, CROP)
        views.append(augment.photometric(view, generator, strength=0.5))
    return torch.cat(views)


# 2. The three losses: teacher, pretraining, student.


def teacher_loss(teacher: Teacher, batch: Batch, generator: torch.Generator) -> Tensor:
    """CE + 0.1 SupCon over the features of both streams."""
    streams = dark_and_retinex(batch.clip[:, 0], random_crop(len(batch.label), generator))
    output = teacher(*streams)
    contrast = supervised_contrastive(output.projections, batch.label, temperature=0.1)
    return F.cross_entropy(output.logits, batch.label) + 0.1 * contrast


def pretraining_loss(pretrainer: Pretrainer, batch: Batch, generator: torch.Generator) -> Tensor:
    """NT-Xent: each view finds the other view of its clip. No label is read."""
    first, second = pretrainer(two_views(batch.clip, generator)).chunk(2)
    return nt_xent(first, second, temperature=0.2)


def student_loss(teacher: Teacher) -> Callable[..., Tensor]:
    """CE + KD against the frozen teacher, which also sees the Retinex copy of the same crop."""
    teacher.eval().requires_grad_(False)

    def loss(student: Student, batch: Batch, generator: torch.Generator) -> Tensor:
        streams = dark_and_retinex(batch.clip[:, 0], random_crop(len(batch.label), generator))
        logits, target = student(streams[0]), teacher(*streams).logits
        return F.cross_entropy(logits, batch.label) + distillation(logits, target, temperature=4.0)

    return loss


# 3. One loop for all of them, and the test.


def train(
    model: nn.Module, loss: Callable[..., Tensor], clips: Clips, size: int, epochs: int,
    views: int = 1,
) -> None:  # fmt: skip
    """AdamW with a cosine schedule after 10 % of linear warm-up."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=3e-3, weight_decay=2e-2)
    steps, step = epochs * math.ceil(len(clips) / size), 0
    generator = torch.Generator().manual_seed(0)
    model.train()
    for epoch in range(epochs):
        for batch in batches(clips, size, epoch, views):
            done = step / steps
            rate = done / 0.1 if done < 0.1 else 0.5 * (1 + math.cos(math.pi * (done - 0.1) / 0.9))
            optimizer.param_groups[0]["lr"] = 3e-3 * max(rate, 0.01)
            optimizer.zero_grad()
            value = loss(model, batch, generator)
            value.backward()
            optimizer.step()
            step += 1
        print(f"  epoch {epoch + 1}/{epochs}  loss {value.item():.3f}", flush=True)


@torch.no_grad()
def test(model: nn.Module, clips: Clips, streams: int) -> float:
    """Top-1 over clips in percent: the middle of each clip, centre crop."""
    model.eval()
    hits = 0
    for batch in loader(clips, schedule(len(clips), 32, seed=0, epoch=0, shuffle=False)):
        crop = augment.center_crop(len(batch.label), FRAME, CROP)
        output = model(*dark_and_retinex(batch.clip[:, 0], crop)[:streams])
        logits = getattr(output, "logits", output)
        hits += int((logits.argmax(1) == batch.label).sum())
    return 100 * hits / len(clips)


def main(train_clips: int = 20, test_clips: int = 15, epochs: int = 10, seed: int = 0) -> dict:
    """The whole method; returns Top-1 of teacher and student in percent."""
    labelled = dark_clips("darkroom", "train", train_clips)
    other = dark_clips("darkroom-b", "train", train_clips // 2)
    unlabelled = as_clips(concat(labelled.manifest.unlabeled(), other.manifest.unlabeled()))
    tested = dark_clips("darkroom", "test", test_clips)
    classes = len(labelled.manifest.classes)

    print("teacher: dark and Retinex streams, DFF, BERT head")
    torch.manual_seed(seed)
    teacher = Teacher(classes, SIZES)
    train(teacher, teacher_loss, labelled, size=16, epochs=epochs)

    print("pretraining: two views of unlabelled dark clips")
    torch.manual_seed(seed)
    student = Student(classes, SIZES)
    pretrainer = Pretrainer(student, SIZES.projection)
    for part in (student.head, student.classifier):
        part.requires_grad_(False)
    train(pretrainer, pretraining_loss, unlabelled, size=32, epochs=max(1, epochs // 3), views=2)

    print("student: dark stream alone, from the pretrained backbone, with the teacher's logits")
    student.requires_grad_(True)
    train(student, student_loss(teacher), labelled, size=16, epochs=epochs)

    top1 = {"teacher": test(teacher, tested, 2), "student": test(student, tested, 1)}
    print(f"Top-1 of {len(tested)} test clips, {classes} actions, chance {100 / classes:.1f} %:")
    print("  " + ", ".join(f"{name} {value:.1f} %" for name, value in top1.items()))
    return top1


if __name__ == "__main__":
    main()
