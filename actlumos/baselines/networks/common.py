"""Parts that several networks share: input norms, and a temporal head on a shared trunk.

    streams -> norm -> shared trunk -> [module on the map] -> tokens of all streams -> head -> K

`TokenNet` and ActLumos' student have the same base class, which builds the trunk first: after the
same seed all systems on one trunk start from the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from actlumos.baselines.networks.curves import Frozen
from actlumos.baselines.networks.resnet3d import Scale
from actlumos.config import Config
from actlumos.models.actlumos import Head, Recogniser
from actlumos.models.input_norm import InputNorm


class FlowNorm(nn.Module):
    """A flow in -1..1, times the factor that its network's weights expect.

    Args:
        scale: the factor.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, 2, T, H, W]` in -1..1 to the same shape in -scale..scale."""
        return self.scale * clip


def norm_of(stream: str, config: Config, norm: InputNorm | None = None) -> InputNorm:
    """The input norm of a stream of frames, as `config.norm_of` names it.

    Args:
        stream: its name.
        config: the settings.
        norm: for `fixed`, where the published weights have another mean than Kinetics'.
    """
    kind = config.norm_of(stream)
    return norm if norm is not None and kind == "fixed" else InputNorm(kind)


def scale_of(config: Config) -> Scale:
    """`paper` for the published size of a network, `demo` for the small one (demo and smoke)."""
    return "paper" if config.profile == "paper" else "demo"


class Normed(nn.Module):
    """A network over normalised clips, behind its norms.

    Args:
        norms: one per stream.
        network: takes one normalised clip per stream; `embed` gives the classifier's input.
    """

    network: Any

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
    """A shared trunk for all streams; the head reads the time steps of all streams as tokens.

    Each stream goes through the trunk on its own, as in the public code of DarkLight: batch norm
    uses the statistics of one stream at a time in training.

    Args:
        num_classes: K.
        config: sizes of the head, frames of a clip, and of the trunk where none is given.
        norms: one input norm per stream.
        trunk: normalised clip to a map `[B, C, T', H', W']`, with `width` and `output_frames`;
            None is the R(2+1)D of `config`.
        between: trunk's width to a module that a map goes through before its mean over space.
        head: `bert` or `mean`.
        enhancer: makes a network that enhances a clip; trained before, frozen here. Its output
            for the first clip is the last stream, or the only one if there is a single norm.
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
        """The trunk's inputs: the clips, followed or replaced by the enhancer's output."""
        if self.enhancer is None:
            return clips
        return (*clips, self.enhancer(clips[0]))[-len(self.norms) :]

    def embed(self, *clips: Tensor) -> Tensor:
        """One clip `[B, 3, T, H, W]` in 0..1 per stream, to the vector `[B, C]` classified."""
        pairs = zip(self.norms, self.streams(*clips), strict=True)
        return self.summarise(*(self.between(self.backbone(norm(clip))) for norm, clip in pairs))

    def forward(self, *clips: Tensor) -> Tensor:
        """One clip `[B, 3, T, H, W]` in 0..1 per stream, to logits `[B, K]`."""
        return self.classify(self.embed(*clips))


def token_net(
    num_classes: int, config: Config, streams: Sequence[str], **options: Any
) -> TokenNet:
    """`TokenNet` on the R(2+1)D backbone, with the norms of the streams' names."""
    return TokenNet(num_classes, config, [norm_of(s, config) for s in streams], **options)
