"""Teacher and student of ActLumos, and the net that pre-trains the student's backbone.

    student:  dark clip -> backbone -> tokens -> BERT -> CLS -> logits
    teacher:  dark and Retinex clips -> one shared backbone -> DFF -> tokens -> BERT -> logits
                                                   `-> projector, a stream -> SupCon

Source: the architecture figure of ActLumos (arXiv 2502.03724 v2). Sizes the paper leaves out
are the lineage's; see `temporal.py` and `fusion.py`.

Backbone, head and classifier are built first and in this order by both, so after the same
`torch.manual_seed` teacher and student (and every ablation of them) start from the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos.models.bert_head import BertHead, Start
from actlumos.models.fusion import build_fusion
from actlumos.models.input_norm import InputNorm
from actlumos.models.r2plus1d import Midplanes, R2Plus1D


class Dial(TypedDict, total=False):
    """Sizes that teacher and student share; `Recogniser` says what they mean."""

    frames: int
    layers: Sequence[int]
    widths: Sequence[int]
    stem: int
    temporal_strides: Sequence[int]
    midplanes: Midplanes
    bert_layers: int
    heads: int
    keep: float
    bert_dropout: float
    bert_start: Start
    dropout: float
    bn_momentum: float
    bn_eps: float
    checkpoint_activations: bool


class Recogniser(nn.Module):
    """The parts every recogniser has: backbone, BERT head, dropout, classifier.

    Args:
        num_classes: K.
        frames: frames T of a clip; the backbone's strides turn them into T' tokens.
        layers, widths, stem, temporal_strides, midplanes, bn_momentum, bn_eps,
            checkpoint_activations: of `R2Plus1D`.
        bert_layers, heads, keep, bert_dropout, bert_start: of `BertHead`.
        dropout: of the CLS vector before the classifier, 0..1 (.8 in the lineage).

    Raises:
        ValueError: a dial that fits no net (see `R2Plus1D` and `BertHead`), or `num_classes`
            below 1.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        frames: int = 64,
        layers: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (64, 128, 256, 512),
        stem: int = 45,
        temporal_strides: Sequence[int] = (1, 2, 2, 2),
        midplanes: Midplanes = "ig65m",
        bert_layers: int = 1,
        heads: int = 8,
        keep: float = 0.8,
        bert_dropout: float = 0.1,
        bert_start: Start = "random",
        dropout: float = 0.8,
        bn_momentum: float = 0.1,
        bn_eps: float = 1e-3,
        checkpoint_activations: bool = False,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}: need at least 1")
        self.num_classes = num_classes
        self.backbone = R2Plus1D(
            layers,
            widths,
            stem=stem,
            temporal_strides=temporal_strides,
            midplanes=midplanes,
            bn_momentum=bn_momentum,
            bn_eps=bn_eps,
            checkpoint_activations=checkpoint_activations,
        )
        width, tokens = self.backbone.width, self.backbone.output_frames(frames)
        self.head = BertHead(width, tokens, bert_layers, heads, keep, bert_dropout, bert_start)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, num_classes)
        nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def summarise(self, features: Tensor) -> Tensor:
        """Feature map `[B, C, T', H', W']` to the CLS vector `[B, C]`: mean over space, BERT."""
        return self.head(features.mean((3, 4)).transpose(1, 2))

    def classify(self, vector: Tensor) -> Tensor:
        """CLS vector `[B, C]` to logits `[B, K]`."""
        return self.classifier(self.dropout(vector))


class Student(Recogniser):
    """Dark clip in, logits out: the only net that runs after training.

    66,655,122 parameters for 11 classes and 66,674,103 for 48, at 64 frames and full size.

    Args:
        num_classes: K.
        norm: kind of `InputNorm`.
        **dial: see `Recogniser`.
    """

    def __init__(self, num_classes: int, *, norm: str = "fixed", **dial: Unpack[Dial]) -> None:
        super().__init__(num_classes, **dial)
        self.norm = InputNorm(norm)

    def feature_map(self, clip: Tensor) -> Tensor:
        """Clip `[B, 3, T, H, W]` in 0..1 to the backbone's map `[B, C, T', H', W']`."""
        return self.backbone(self.norm(clip))

    def embed(self, clip: Tensor) -> Tensor:
        """Clip to the CLS vector `[B, C]`, before dropout and classifier."""
        return self.summarise(self.feature_map(clip))

    def forward(self, clip: Tensor) -> Tensor:
        """Clip `[B, 3, T, H, W]` in 0..1 to logits `[B, K]`."""
        return self.classify(self.embed(clip))


class TeacherOutput(NamedTuple):
    """What the teacher's two losses and its pictures need.

    logits: `[B, K]`; projections: `[B, S, D]` of length 1, a stream each, from before the
    fusion; weights: `[B, S, T', H', W']`, or None for a fusion without weights.
    """

    logits: Tensor
    projections: Tensor
    weights: Tensor | None


class Teacher(Recogniser):
    """Several renderings of the same clip in, logits and what SupCon needs out.

    Args:
        num_classes: K.
        fusion: name for `build_fusion`.
        streams: number S of streams (dark, Retinex).
        reduction: of DFF's bottlenecks.
        projection: D of the projected vectors.
        norms: kind of `InputNorm` for each stream.
        **dial: see `Recogniser`.

    Raises:
        ValueError: `norms` does not have one kind a stream.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        fusion: str = "dff",
        streams: int = 2,
        reduction: int = 4,
        projection: int = 128,
        norms: Sequence[str] = ("fixed", "fixed"),
        **dial: Unpack[Dial],
    ) -> None:
        super().__init__(num_classes, **dial)
        if len(norms) != streams:
            raise ValueError(f"{len(norms)} norms {tuple(norms)} for {streams} streams")
        self.norms = nn.ModuleList(InputNorm(kind) for kind in norms)
        self.fusion = build_fusion(fusion, self.backbone.width, streams, reduction)
        self.projector = Projector(self.backbone.width, projection)

    def feature_maps(self, *streams: Tensor) -> tuple[Tensor, ...]:
        """S clips `[B, 3, T, H, W]` in 0..1 to S maps `[B, C, T', H', W']`.

        The streams go through the shared backbone as one batch of S * B clips. Batch norm then
        trains on the mixture that its running statistics describe in evaluation; one pass a
        stream would train on each stream's own statistics and evaluate on neither's.
        """
        if len(streams) != len(self.norms):
            raise ValueError(f"{len(streams)} streams given, this teacher has {len(self.norms)}")
        normalised = [norm(clip) for norm, clip in zip(self.norms, streams, strict=True)]
        return self.backbone(torch.cat(normalised)).chunk(len(streams))

    def embed(self, *streams: Tensor) -> Tensor:
        """S clips to the CLS vector `[B, C]` of their fused map."""
        fused, _ = self.fusion(self.feature_maps(*streams))
        return self.summarise(fused)

    def forward(self, *streams: Tensor) -> TeacherOutput:
        """S clips `[B, 3, T, H, W]` in 0..1 of the same videos, in the order of `norms`."""
        maps = self.feature_maps(*streams)
        fused, weights = self.fusion(maps)
        pooled = torch.stack([m.mean((2, 3, 4)) for m in maps], dim=1)
        return TeacherOutput(self.classify(self.summarise(fused)), self.projector(pooled), weights)


class Projector(nn.Module):
    """Linear - ReLU - linear onto the unit sphere, for a contrastive loss; dropped afterwards.

    Source: the head of supervised contrastive learning (Khosla et al., NeurIPS 2020); the
    paper draws no projector, so that there is one is our choice.

    Args:
        width: of the vectors.
        out: of their projections.
    """

    def __init__(self, width: int, out: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, out)
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """`[..., width]` to `[..., out]`, float32, each of length 1."""
        return F.normalize(self.layers(vectors).float(), dim=-1)


class Pretrainer(nn.Module):
    """The student's backbone with a projector: what self-supervised pre-training trains.

    The figure shows the bare backbone in this stage, no BERT. The student is shared, not
    copied: training this trains its backbone and leaves its head and classifier as they are.

    Args:
        student: whose backbone and input norm are used.
        projection: width of the projected vectors.
    """

    def __init__(self, student: Student, projection: int = 128) -> None:
        super().__init__()
        self.student = student
        self.projector = Projector(student.backbone.width, projection)

    def embed(self, view: Tensor) -> Tensor:
        """One view, `[B, 3, T, H, W]` in 0..1, to the backbone's pooled features `[B, C]`."""
        return self.student.feature_map(view).mean((2, 3, 4))

    def forward(self, view: Tensor) -> Tensor:
        """One view of each clip, `[B, 3, T, H, W]` in 0..1, to `[B, projection]` of length 1."""
        return self.projector(self.embed(view))
