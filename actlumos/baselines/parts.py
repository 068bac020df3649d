"""Networks that several systems share: a trunk behind its input norm, with a head.

    streams -> norm -> shared trunk -> [map module] -> tokens of all streams -> BERT or mean -> K

The trunk comes first, so after one seed every system on the same trunk starts from the same
weights, those of the ActLumos student.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from actlumos.baselines.networks.curves import Frozen
from actlumos.config import Config
from actlumos.models import R2Plus1D
from actlumos.models.bert_head import BertHead
from actlumos.models.input_norm import InputNorm


class FlowNorm(nn.Module):
    """The identity: a flow is in -1..1 already."""

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, 2, T, H, W]`, unchanged."""
        return clip


def norm_of(stream: str, config: Config, norm: InputNorm | None = None) -> nn.Module:
    """The input norm of a stream: `norm` of the dark one, `norm_enhanced` of an enhanced one.

    `norm` stands in for `fixed`, where the published weights have another mean.
    """
    if stream == "flow":
        return FlowNorm()
    kind = config.norm if stream == "dark" else config.norm_enhanced
    return norm if norm is not None and kind == "fixed" else InputNorm(kind)


def r2plus1d(config: Config) -> R2Plus1D:
    """The backbone that teacher and student have, without a classifier."""
    return R2Plus1D(
        config.layers,
        config.widths,
        stem=config.stem,
        temporal_strides=config.temporal_strides,
        midplanes=config.midplanes,
        bn_momentum=config.bn_momentum,
        bn_eps=config.bn_eps,
        checkpoint_activations=config.checkpoint_activations,
    )


class Normed(nn.Module):
    """A network over normalised clips, behind its norms.

    Args:
        norms: one a stream.
        network: a normalised clip a stream to its output; `embed` gives what it classifies.
    """

    def __init__(self, norms: Sequence[nn.Module], network: nn.Module) -> None:
        super().__init__()
        self.norms, self.network = nn.ModuleList(norms), network

    def _normalised(self, clips: Sequence[Tensor]) -> list[Tensor]:
        return [norm(clip) for norm, clip in zip(self.norms, clips, strict=True)]

    def embed(self, *clips: Tensor) -> Tensor:
        """A clip `[B, C, T, H, W]` a stream to the vector `[B, D]` that is classified."""
        return self.network.embed(*self._normalised(clips))

    def forward(self, *clips: Tensor) -> Any:
        """A clip `[B, C, T, H, W]` a stream to logits, or something with `.logits`."""
        return self.network(*self._normalised(clips))


class TokenNet(nn.Module):
    """Streams through one shared trunk; the time steps of all of them are the head's tokens.

    Args:
        trunk: normalised clip to a map `[B, C, T', H', W']`, with `width` and `output_frames`.
        num_classes: K.
        config: sizes of the head, frames of a clip.
        norms: an input norm a stream.
        between: makes, from the trunk's width, what a map goes through before its mean over
            space is taken.
        head: `bert` or `mean`.
        enhancer: makes a network that enhances a clip, is trained beforehand and not again. What
            it gives of the first clip is the last of the streams; a single norm is for it alone.
    """

    def __init__(
        self,
        trunk: nn.Module,
        num_classes: int,
        config: Config,
        norms: Sequence[nn.Module],
        *,
        between: Callable[[int], nn.Module] | None = None,
        head: str = "bert",
        enhancer: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.norms = trunk, nn.ModuleList(norms)
        self.head = _head(trunk, config, len(norms)) if head == "bert" else None
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(trunk.width, num_classes)
        nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)
        self.between = between(trunk.width) if between else nn.Identity()
        self.enhancer = Frozen(enhancer()) if enhancer else None

    def streams(self, *clips: Tensor) -> tuple[Tensor, ...]:
        """What the trunk sees: the clips, and behind them or alone what the enhancer makes."""
        if self.enhancer is None:
            return clips
        return (*clips, self.enhancer(clips[0]))[-len(self.norms) :]

    def embed(self, *clips: Tensor) -> Tensor:
        """A clip `[B, 3, T, H, W]` in 0..1 a stream, to the vector `[B, C]` that is classified."""
        pairs = zip(self.norms, self.streams(*clips), strict=True)
        maps = self.between(self.backbone(torch.cat([norm(clip) for norm, clip in pairs])))
        tokens = maps.mean((3, 4)).transpose(1, 2).chunk(len(self.norms))
        joined = torch.cat(tokens, dim=1)
        return joined.mean(1) if self.head is None else self.head(joined)

    def forward(self, *clips: Tensor) -> Tensor:
        """A clip `[B, 3, T, H, W]` in 0..1 a stream, to logits `[B, K]`."""
        return self.classifier(self.dropout(self.embed(*clips)))


def _head(trunk: nn.Module, config: Config, streams: int) -> BertHead:
    return BertHead(
        trunk.width,
        streams * trunk.output_frames(config.frames),
        config.bert_layers,
        config.bert_heads,
        config.token_keep,
        config.bert_dropout,
        config.bert_start,
    )


def token_net(
    num_classes: int, config: Config, streams: Sequence[str], **options: object
) -> TokenNet:
    """`TokenNet` on the R(2+1)D backbone, with the norms of the streams' names."""
    norms = [norm_of(stream, config) for stream in streams]
    return TokenNet(r2plus1d(config), num_classes, config, norms, **options)
