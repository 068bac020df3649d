"""Teacher and student of ActLumos, and the network that pretrains the student's backbone.

    student:  dark clip -> backbone -> tokens -> BERT -> CLS -> logits
    teacher:  dark and Retinex clips -> one shared backbone -> DFF -> tokens -> BERT -> logits
                                                   `-> projector, per stream -> SupCon

Source: the architecture figure of ActLumos (arXiv 2502.03724 v2). Sizes that the paper does not
give are those of the public code it builds on; see `bert_head.py` and `fusion.py`.

Backbone, head and classifier are built first and in this order by both, so after the same
`torch.manual_seed` teacher and student (and every ablation of them) start from the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos.config import NetworkConfig, profile
from actlumos.models.bert_head import BertHead
from actlumos.models.fusion import build_fusion
from actlumos.models.input_norm import InputNorm
from actlumos.models.r2plus1d import R2Plus1D

Head = Literal["bert", "mean"]


class Recogniser(nn.Module):
    """What every network of the family has: backbone, temporal head, dropout, linear classifier.

    Args:
        num_classes: K.
        config: sizes of all parts; None takes the published ones.
        backbone: normalised clip to a map `[B, C, T', H', W']`, with `width` (C) and
            `output_frames`; None builds the R(2+1)D of `config`.
        streams: number of maps whose time steps the head reads, one map after the other.
        head: `bert`, or `mean` over all time steps.

    Raises:
        ValueError: sizes that fit no network (see `R2Plus1D` and `BertHead`), or `num_classes`
            below 1.
    """

    backbone: Any
    head: Any

    def __init__(
        self,
        num_classes: int,
        config: NetworkConfig | None = None,
        *,
        backbone: nn.Module | None = None,
        streams: int = 1,
        head: Head = "bert",
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}: need at least 1")
        config = config or profile("paper")
        self.num_classes = num_classes
        self.backbone = build_backbone(config) if backbone is None else backbone
        width, steps = self.backbone.width, self.backbone.output_frames(config.frames)
        self.head = _bert_head(config, width, streams * steps) if head == "bert" else None
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(width, num_classes)
        nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def summarise(self, *maps: Tensor) -> Tensor:
        """Feature maps `[B, C, T', H', W']` to one vector `[B, C]`: mean over space, then head."""
        tokens = torch.cat([m.mean((3, 4)).transpose(1, 2) for m in maps], dim=1)
        return tokens.mean(1) if self.head is None else self.head(tokens)

    def classify(self, vector: Tensor) -> Tensor:
        """The head's vector `[B, C]` to logits `[B, K]`."""
        return self.classifier(self.dropout(vector))


def build_backbone(config: NetworkConfig) -> R2Plus1D:
    """The backbone that teacher, student and most baselines share, without a classifier."""
    return R2Plus1D(
        config.layers,
        config.widths,
        stem=config.stem,
        temporal_strides=config.temporal_strides,
        midplanes=config.midplanes,  # type: ignore[arg-type]  # R2Plus1D checks it
        bn_momentum=config.bn_momentum,
        bn_eps=config.bn_eps,
        checkpoint_activations=config.checkpoint_activations,
    )


def _bert_head(config: NetworkConfig, width: int, tokens: int) -> BertHead:
    return BertHead(
        width,
        tokens,
        config.bert_layers,
        config.bert_heads,
        config.token_keep,
        config.bert_dropout,
        config.bert_start,  # type: ignore[arg-type]  # BertHead checks it
    )


class Student(Recogniser):
    """Dark clip in, logits out: the only network that runs after training.

    66,655,122 parameters for 11 classes and 66,674,103 for 48, at 64 frames and full size.

    Args:
        num_classes: K.
        config: sizes of all parts; None takes the published ones.
        stream: name of its input, which decides its input norm (`config.norm_of`).
    """

    def __init__(
        self, num_classes: int, config: NetworkConfig | None = None, *, stream: str = "dark"
    ) -> None:
        config = config or profile("paper")
        super().__init__(num_classes, config)
        self.norm = InputNorm(config.norm_of(stream))

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

    logits: `[B, K]`; projections: `[B, S, D]` of length 1, one per stream, from before the
    fusion; weights: `[B, S, T', H', W']`, or None for a fusion without weights.
    """

    logits: Tensor
    projections: Tensor
    weights: Tensor | None


class Teacher(Recogniser):
    """Several renderings of the same clip in, logits and what SupCon needs out.

    Args:
        num_classes: K.
        config: sizes of all parts; None takes the published ones.
        streams: names of the S renderings; each has its own input norm (`config.norm_of`).
        fusion: a name for `build_fusion`.
    """

    def __init__(
        self,
        num_classes: int,
        config: NetworkConfig | None = None,
        *,
        streams: Sequence[str] = ("dark", "retinex"),
        fusion: str = "dff",
    ) -> None:
        config = config or profile("paper")
        super().__init__(num_classes, config)
        width = self.backbone.width
        self.norms = nn.ModuleList(InputNorm(config.norm_of(stream)) for stream in streams)
        self.fusion = build_fusion(fusion, width, len(streams), config.fusion_reduction)
        self.projector = Projector(width, config.projection)

    def feature_maps(self, *streams: Tensor) -> tuple[Tensor, ...]:
        """S clips `[B, 3, T, H, W]` in 0..1 to S maps `[B, C, T', H', W']`.

        The streams go through the shared backbone as one batch of S * B clips. Batch norm then
        trains on the mixture that its running statistics describe in evaluation; one pass per
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
    paper draws no projector; using one is our choice.

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
    """The student's backbone with a projector: what self-supervised pretraining trains.

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
