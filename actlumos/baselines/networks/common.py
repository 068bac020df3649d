"""What the networks of several systems share: an input norm before, a head behind a trunk.

    streams -> norm -> shared trunk -> [module on the map] -> tokens of all streams -> head -> K

`TokenNet` has the base of ActLumos' own student: the trunk is built first, so after one seed all
systems on the same trunk start from the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from actlumos.baselines.networks.curves import Frozen
from actlumos.baselines.networks.resnet3d import Scale
from actlumos.config import Config
from actlumos.models.actlumos import Head, Recogniser
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
    kind = config.norm_of(stream)
    return norm if norm is not None and kind == "fixed" else InputNorm(kind)


def scale_of(config: Config) -> Scale:
    """The size of network that a configuration asks for: demo and smoke share the small one."""
    return "paper" if config.profile == "paper" else "demo"


class Normed(nn.Module):
    """A network over normalised clips, behind its norms.

    Args:
        norms: one per stream.
        network: one normalised clip per stream to its output; `embed` gives what it classifies.
    """

    def __init__(self, norms: Sequence[nn.Module], network: nn.Module) -> None:
        super().__init__()
        self.norms, self.network = nn.ModuleList(norms), network

    def _normalised(self, clips: Sequence[Tensor]) -> list[Tensor]:
        return [norm(clip) for norm, clip in zip(self.norms, clips, strict=True)]

    def embed(self, *clips: Tensor) -> Tensor:
        """One clip `[B, C, T, H, W]` per stream to the vector `[B, D]` that is classified."""
        return self.network.embed(*self._normalised(clips))

    def forward(self, *clips: Tensor) -> Any:
        """One clip `[B, C, T, H, W]` per stream to logits, or something with `.logits`."""
        return self.network(*self._normalised(clips))


class TokenNet(Recogniser):
    """Streams through one shared trunk; the time steps of all of them are the head's tokens.

    Args:
        num_classes: K.
        config: sizes of the head, frames of a clip, and of the trunk where none is given.
        norms: one input norm per stream.
        trunk: normalised clip to a map `[B, C, T', H', W']`, with `width` and `output_frames`;
            None is the R(2+1)D of `config`.
        between: makes, from the trunk's width, what a map goes through before its mean over
            space is taken.
        head: `bert` or `mean`.
        enhancer: makes a network that enhances a clip; it is trained beforehand and frozen here.
            Its output for the first clip is the last of the streams; a single norm is for it.
    """

    def __init__(
        self,
        num_classes: int,
        config: Config,
        norms: Sequence[nn.Module],
        *,
        trunk: nn.Module | None = None,
        between: Callable[[int], nn.Module] | None = None,
        head: Head = "bert",
        enhancer: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__(num_classes, config, backbone=trunk, streams=len(norms), head=head)
        self.norms = nn.ModuleList(norms)
        self.between = between(self.backbone.width) if between else nn.Identity()
        self.enhancer = Frozen(enhancer()) if enhancer else None

    def streams(self, *clips: Tensor) -> tuple[Tensor, ...]:
        """What the trunk sees: the clips, and behind them or alone the enhancer's output."""
        if self.enhancer is None:
            return clips
        return (*clips, self.enhancer(clips[0]))[-len(self.norms) :]

    def embed(self, *clips: Tensor) -> Tensor:
        """One clip `[B, 3, T, H, W]` in 0..1 per stream, to the vector `[B, C]` classified."""
        pairs = zip(self.norms, self.streams(*clips), strict=True)
        maps = self.between(self.backbone(torch.cat([norm(clip) for norm, clip in pairs])))
        return self.summarise(*maps.chunk(len(self.norms)))

    def forward(self, *clips: Tensor) -> Tensor:
        """One clip `[B, 3, T, H, W]` in 0..1 per stream, to logits `[B, K]`."""
        return self.classify(self.embed(*clips))


def token_net(
    num_classes: int, config: Config, streams: Sequence[str], **options: Any
) -> TokenNet:
    """`TokenNet` on the R(2+1)D backbone, with the norms of the streams' names."""
    return TokenNet(num_classes, config, [norm_of(s, config) for s in streams], **options)
