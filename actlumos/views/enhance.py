"""Making dark clips visible: gamma, histogram equalisation, and the Retinex family.

Every function takes a float clip [B, 3, T, H, W], RGB in 0..1, on any device, and returns a clip
of the same shape, type and range. Each frame is processed on its own.

Retinex (Land & McCann, 1971) models an image as reflectance times illumination. Illumination is
smooth, so a wide blur estimates it; dividing by it (subtracting logarithms) leaves the
reflectance, which does not depend on the light.

**Two readings.** The paper says that its second stream is "Retinex-enhanced", without details. Its
figures do not agree on what that is. In the picture of the contrastive loss, three of the four
enhanced panels look like classical multi-scale Retinex: three blurs of 15, 80 and some 200-250
pixels, and each colour channel stretched until one per cent of its pixels clips at either end, so
that red, green and blue have nearly equal means. In the drawing of the architecture and the
comparison of inputs, all panels follow one fixed curve instead, I / (I + 0.15), in every scene and
colour: division by an illumination that is the picture itself plus a constant, the form of the
learned enhancer SCI. Both are offered, as `multi_scale_retinex` and `sci_form`. The first is what
the word usually means, and is this kit's default.

**Speed.** A Gaussian blur with its border rule is linear in the rows and in the columns, so for
small frames it is two matrix products: exact, and far cheaper than sliding a kernel that at
sigma 250 has 2001 taps.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

SIGMAS = (15.0, 80.0, 250.0)
TAIL = 0.01  # the part of a channel's pixels that the stretch clips at either end
FLATTEST = 1e-4  # range in log10 below which a channel counts as flat: rounding makes some 1e-7


def _checked(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Check the clip, compute in float32 or wider with autocast off, return the clip's type."""

    @functools.wraps(function)
    def wrapped(clip: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if clip.ndim != 5 or clip.shape[1] != 3 or 0 in clip.shape or not clip.is_floating_point():
            raise ValueError(
                f"{function.__name__} needs a floating clip [B, 3, T, H, W] in 0..1 with no empty "
                f"axis, got {clip.dtype} {list(clip.shape)}"
            )
        with torch.autocast(clip.device.type, enabled=False):
            wide = clip.to(torch.promote_types(clip.dtype, torch.float32))
            return function(wide, *args, **kwargs).to(clip.dtype)

    return wrapped


@_checked
def gamma(clip: Tensor, gamma: float = 2.5) -> Tensor:
    """Brighten by clip ** (1 / gamma); gamma must be positive, and above 1 it brightens.

    The paper's first version states 2.5; a figure of the second measures 1.5. Raises ValueError
    if gamma is not positive, or on a bad clip.
    """
    if not gamma > 0:
        raise ValueError(f"gamma must be positive, got {gamma}")
    return clip.clamp(min=0) ** (1 / gamma)  # resizing may leave -1e-9, whose root is NaN


@_checked
def sci_form(clip: Tensor, c: float = 0.15) -> Tensor:
    """I / (I + c): the tone curve measured in two of the paper's figures (see the module's top).

    Not rescaled: white maps to 1 / (1 + c), 0.87 at the default. Raises ValueError if c is not
    positive, or on a bad clip.
    """
    if not c > 0:
        raise ValueError(f"c must be positive, got {c}")
    return clip / (clip + c)


@_checked
def histogram_equalise(clip: Tensor) -> Tensor:
    """Equalise each frame's luma (Y of YCrCb) on 256 levels; colour differences stay.

    In 8-bit integers throughout, step by step as OpenCV's cvtColor, equalizeHist and cvtColor
    back, so the levels agree with it. Raises ValueError on a bad clip.
    """
    levels = (clip.clamp(0, 1) * 255).round().int()
    red, green, blue = levels.unbind(1)
    luma = _fixed_point(4899 * red + 9617 * green + 1868 * blue)
    # OpenCV stores these two as bytes, with 128 added: hence the limits.
    cr = _fixed_point(11682 * (red - luma)).clamp(-128, 127)
    cb = _fixed_point(9241 * (blue - luma)).clamp(-128, 127)
    luma = _equalise(luma)
    red = luma + _fixed_point(22987 * cr)
    green = luma + _fixed_point(-11698 * cr - 5636 * cb)
    blue = luma + _fixed_point(29049 * cb)
    return torch.stack((red, green, blue), dim=1).clamp(0, 255).to(clip.dtype) / 255


def _fixed_point(scaled: Tensor) -> Tensor:
    """Round scaled / 2**14 to the nearest integer: OpenCV's colour coefficients have 14 bits."""
    return (scaled + 2**13) >> 14


def _equalise(luma: Tensor) -> Tensor:
    """Map levels [B, T, H, W] in 0..255 through each frame's cumulative histogram, onto 0..255."""
    frames = luma.flatten(0, 1).flatten(1).long()
    count, pixels = frames.shape
    own_bins = frames + 256 * torch.arange(count, device=luma.device)[:, None]
    histogram = torch.bincount(own_bins.flatten(), minlength=256 * count).view(count, 256)
    darkest = frames.amin(dim=1, keepdim=True)
    below = histogram.gather(1, darkest)  # the darkest level maps to 0, so its pixels do not count
    # Tensor by tensor: number / tensor rounds twice, and OpenCV's ties would fall the other way.
    scale = torch.tensor(255.0, device=luma.device) / (pixels - below)
    table = ((histogram.cumsum(1) - below).float() * scale).round().int()
    table = torch.where(below == pixels, darkest.int(), table)  # a flat frame stays as it is
    return table.gather(1, frames).view_as(luma)


@_checked
def gaussian_blur(clip: Tensor, sigma: float) -> Tensor:
    """Blur each frame as OpenCV's GaussianBlur(frame, (0, 0), sigma) does on float32 frames.

    Sigma, in pixels, must be positive; raises ValueError if not, or on a bad clip. The kernel
    reaches 4 sigma; frames are mirrored at their edge pixels as often as it takes.
    """
    return next(_blurs(clip, (sigma,)))


def single_scale_retinex(clip: Tensor, sigma: float = 80.0) -> Tensor:
    """Retinex with one blur (Jobson et al., 1997, IEEE TIP 6:3), stretched per channel.

    Small sigmas bring out detail and grey the large areas; wide ones keep tone and make halos.
    Raises ValueError as `multi_scale_retinex`, which this is with a single scale.
    """
    return multi_scale_retinex(clip, (sigma,))


@_checked
def multi_scale_retinex(clip: Tensor, sigmas: Sequence[float] = SIGMAS) -> Tensor:
    """Multi-scale Retinex (Jobson et al., 1997, IEEE TIP 6:7), then stretched to 0..1.

    With I = 255 clip + 1 and G_s a Gaussian blur of s pixels::

        R = mean_s ( log10 I - log10 G_s * I )

    Then `stretch` per frame and channel, as public implementations do: our choice, the paper does
    not say. Sigmas are in pixels of the given frame: smaller frames need smaller ones.

    Args:
        clip: float [B, 3, T, H, W] in 0..1.
        sigmas: blur radii in pixels, at least one, all > 0.

    Returns:
        [B, 3, T, H, W] in 0..1. An evenly coloured frame becomes black.

    Raises:
        ValueError: on a bad clip or bad sigmas.
    """
    return stretch(_log_ratio(clip, sigmas))


@_checked
def msrcr(
    clip: Tensor,
    sigmas: Sequence[float] = SIGMAS,
    alpha: float = 125.0,
    beta: float = 46.0,
    gain: float = 5.0,
    offset: float = 25.0,
) -> Tensor:
    """Multi-scale Retinex with colour restoration (Jobson et al., 1997), then stretched.

    With R of `multi_scale_retinex` and I = 255 clip + 1::

        gain * ( R * beta * ( log10(alpha I) - log10(I_red + I_green + I_blue) ) + offset )

    Alpha sets how much of the colour that R removes is restored. Beta, gain and offset set an
    absolute scale, which the stretch undoes: here for comparison with the formulas in use.

    Raises:
        ValueError: on a bad clip, bad sigmas, or alpha, beta or gain that is not positive.
    """
    if min(alpha, beta, gain) <= 0:
        raise ValueError(f"alpha, beta, gain must be positive, got {(alpha, beta, gain)}")
    intensity = 255 * clip + 1
    colour = beta * (alpha * intensity / intensity.sum(dim=1, keepdim=True)).log10()
    restored = gain * (_log_ratio(clip, sigmas) * colour + offset)
    return stretch(restored, flattest=gain * beta * FLATTEST)


def stretch(values: Tensor, tail: float = TAIL, flattest: float = FLATTEST) -> Tensor:
    """Map each frame's and channel's 1st..99th percentile to 0..1 and clip the rest.

    Percentiles interpolate linearly between order statistics, numpy's default.

    Args:
        values: float [..., H, W], any range.
        tail: the part clipped at either end, 0 <= tail < 0.5.
        flattest: the least distance between percentiles that is stretched fully, > 0. Without
            it, an evenly black frame would become its own rounding noise at full contrast.

    Returns:
        The same shape in 0..1. Raises ValueError if tail or flattest is out of range.
    """
    if not flattest > 0:
        raise ValueError(f"flattest must be positive, got {flattest}")
    if not 0 <= tail < 0.5:
        raise ValueError(f"tail must be in [0, 0.5), got {tail}")
    low = _percentile(values, tail, largest=False)
    high = _percentile(values, tail, largest=True)
    return ((values - low) / (high - low).clamp(min=flattest)).clamp_(0, 1)


def _percentile(values: Tensor, tail: float, *, largest: bool) -> Tensor:
    """The value [..., 1, 1] that a share `tail` of each frame is beyond; sorts only that share."""
    pixels = values.flatten(-2)
    position = tail * (pixels.shape[-1] - 1)
    rank = int(position)
    outermost = pixels.topk(min(rank + 2, pixels.shape[-1]), largest=largest).values
    return outermost[..., rank, None, None].lerp(outermost[..., -1:, None], position - rank)


def _log_ratio(clip: Tensor, sigmas: Sequence[float]) -> Tensor:
    """R of multi-scale Retinex: log10 I - mean_s log10 G_s * I, with I = 255 clip + 1."""
    if len(sigmas) == 0:
        raise ValueError("Retinex needs at least one sigma, got none")
    intensity = 255 * clip + 1
    ratio = intensity.log10()
    for blurred in _blurs(intensity, sigmas):
        ratio.sub_(blurred.log10_(), alpha=1 / len(sigmas))  # in place: memory is the bottleneck
    return ratio


def _blurs(clip: Tensor, sigmas: Sequence[float]) -> Iterator[Tensor]:
    """Blur over the last two axes with each sigma: rows matrix @ frame @ columns matrix."""
    for sigma in map(float, sigmas):
        rows, columns = (
            torch.ops.actlumos.blur_matrix(size, sigma, clip.detach()) for size in clip.shape[-2:]
        )
        yield rows @ (clip @ columns.T)


# A custom operator, because torch.compile ignores caches and would build the matrix every time.
_BLUR_MATRIX = "actlumos::blur_matrix"
torch.library.define(_BLUR_MATRIX, "(SymInt size, float sigma, Tensor like) -> Tensor")


@torch.library.register_fake(_BLUR_MATRIX)
def _blur_matrix_shape(size: int, sigma: float, like: Tensor) -> Tensor:
    return like.new_empty(size, size)


@torch.library.impl(_BLUR_MATRIX, "CompositeExplicitAutograd")
def _blur_matrix(size: int, sigma: float, like: Tensor) -> Tensor:
    return _cached_blur_matrix(size, sigma, like.dtype, like.device).clone()


@functools.lru_cache(maxsize=64)
def _cached_blur_matrix(size: int, sigma: float, dtype: torch.dtype, device: torch.device):
    """[size, size] matrix M, so that M @ x is x mirrored at its end samples and then blurred.

    OpenCV's choices for float images: an odd kernel that reaches 4 sigma, and BORDER_REFLECT_101
    (c b [a b c] b a), mirrored again and again where the kernel is longer than that.
    """
    if not 0 < sigma < float("inf"):
        raise ValueError(f"sigma must be positive and finite, got {sigma}")
    radius = (round(8 * sigma + 1) | 1) // 2
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    period = max(2 * (size - 1), 1)
    source = (np.arange(size)[:, None] + offsets) % period
    source = np.minimum(source, period - source) if size > 1 else 0 * source
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], source), kernel / kernel.sum())
    return torch.from_numpy(matrix).to(device, dtype)


METHODS: dict[str, Callable[..., Tensor]] = {
    "gamma": gamma,
    "histogram": histogram_equalise,
    "ssr": single_scale_retinex,
    "msr": multi_scale_retinex,
    "msrcr": msrcr,
    "sci": sci_form,
}


def enhance(clip: Tensor, method: str, **options: Any) -> Tensor:
    """Apply the enhancement of that name, a key of METHODS, to a clip [B, 3, T, H, W] in 0..1.

    Options are that function's own, as `enhance(clip, "msr", sigmas=(4, 12, 36))`. Raises
    ValueError on an unknown method, and what the function raises.
    """
    if method not in METHODS:
        raise ValueError(f"no enhancement {method!r}; choose from {', '.join(METHODS)}")
    return METHODS[method](clip, **options)
