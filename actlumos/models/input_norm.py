"""The backbone's input: the only place where a clip in 0..1 is normalised.

Five kinds. `fixed` belongs to the pre-trained weights. The others are ours, for nets
trained from scratch on dark clips: in the dark, how a clip is scaled matters as much as how it
is enhanced, so a fair dark baseline needs the same choice as the Retinex stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
LUMA = (0.299, 0.587, 0.114)


class InputNorm(nn.Module):
    """Normalise a clip `[B, 3, T, H, W]`, RGB in 0..1, to the same shape.

    Args:
        kind:
            `fixed`: (x - mean) / std, by channel.
            `standardise`: each clip to mean 0 and standard deviation 1, over all its values.
            `log`: log(1 + 255 x), then `standardise`. Exposure is a factor; after the
                logarithm it is an offset, which standardising takes away.
            `motion`: three planes of the log luma (BT.601): standardised; its difference to
                the previous frame (0 for the first), in standard deviations; and standardised
                minus its median over time (of an even number of frames the lower one).
            `motion-linear`: the same of the luma itself, for a stream that is a logarithm
                already, as Retinex is.
        mean, std: three values each, for `fixed`. Kinetics' by default: IG-65M's loader and the
            public R(2+1)D + BERT code use them.

    Raises:
        ValueError: unknown kind.
    """

    mean: Tensor
    std: Tensor
    luma: Tensor

    KINDS = ("fixed", "standardise", "log", "motion", "motion-linear")

    def __init__(
        self,
        kind: str = "fixed",
        mean: Sequence[float] = KINETICS_MEAN,
        std: Sequence[float] = KINETICS_STD,
    ) -> None:
        super().__init__()
        if kind not in self.KINDS:
            raise ValueError(f"norm is {kind!r}: choose one of {', '.join(self.KINDS)}")
        self.kind = kind
        for name, values in (("mean", mean), ("std", std), ("luma", LUMA)):
            column = torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1, 1)
            self.register_buffer(name, column, persistent=False)

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, 3, T, H, W]` in 0..1 to the same shape, float32, normalised."""
        if clip.dim() != 5 or clip.shape[1] != 3 or not clip.is_floating_point():
            raise ValueError(
                f"expected a float clip [B, 3, T, H, W] in 0..1, got {clip.dtype} "
                f"{tuple(clip.shape)}"
            )
        clip = clip.float()
        if self.kind == "fixed":
            return (clip - self.mean) / self.std
        if self.kind == "standardise":
            return standardise(clip)
        if self.kind == "log":
            return standardise(torch.log1p(255 * clip))
        luma = (clip * self.luma).sum(1, keepdim=True)
        return motion_planes(luma if self.kind == "motion-linear" else torch.log1p(255 * luma))


def motion_planes(luma: Tensor) -> Tensor:
    """`[B, 1, T, H, W]` to `[B, 3, T, H, W]`: the three planes of `InputNorm`'s `motion`."""
    grey = standardise(luma)
    step = torch.diff(grey, dim=2, prepend=grey[:, :, :1])
    # Without the floor a still clip's sensor noise would be amplified to full contrast.
    step = step / step.square().mean((1, 2, 3, 4), keepdim=True).sqrt().clamp_min(0.05)
    return torch.cat([grey, step, grey - median_in_time(grey)], dim=1)


def median_in_time(clip: Tensor) -> Tensor:
    """`[B, C, T, H, W]` to its median over T, `[B, C, 1, H, W]`; the lower one if T is even.

    The same values as `clip.median(dim=2)`, which sorts pixel by pixel and takes 20 times as long.
    """
    frames = list(clip.unbind(2))
    for one, other in sorting_network(len(frames)):
        low, high = frames[one], frames[other]
        frames[one], frames[other] = torch.minimum(low, high), torch.maximum(low, high)
    return frames[(len(frames) - 1) // 2].unsqueeze(2)


@cache
def sorting_network(n: int) -> tuple[tuple[int, int], ...]:
    """Pairs of places that sort n values if each pair in turn is put in order.

    Source: Batcher's merge exchange sort (Knuth, The Art of Computer Programming 3, 5.2.2 M).
    """
    pairs = []
    powers = [2**i for i in reversed(range((n - 1).bit_length()))]
    for power in powers:
        rounds = [(power, 0), *((larger - power, power) for larger in powers if larger > power)]
        for step, rest in rounds:
            pairs += [(i, i + step) for i in range(n - step) if i & power == rest]
    return tuple(pairs)


def standardise(clip: Tensor) -> Tensor:
    """Each clip of `[B, ...]` minus its mean, divided by its standard deviation (at least 1e-3)."""
    axes = tuple(range(1, clip.dim()))
    centred = clip - clip.mean(axes, keepdim=True)
    return centred / centred.square().mean(axes, keepdim=True).sqrt().clamp_min(1e-3)
