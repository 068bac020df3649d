"""What a well-lit picture is like: losses that train an enhancer without a bright original.

Four of Zero-DCE (Guo et al., CVPR 2020): neighbouring regions keep their contrast, regions are
well exposed, colours balance over the picture, tone curves vary smoothly. Two of SCI (Ma et al.,
CVPR 2022): the light resembles the picture, and is smooth. One over time, ours after what is
known of DTCM (Tu et al., IEEE TIP 2023): the enhanced clip moves as the dark one does.

Pure functions of tensors, in float32 at least. Clips are `[B, 3, T, H, W]`, RGB in 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

REGION = 4  # side of Zero-DCE's regions of contrast, in pixels
PATCH = 16  # side of its patches of exposure
WELL_EXPOSED = 0.6
SIGMA = 10.0  # of SCI's edge weights; see `edge_smoothness`
# Rows: Y, Cb, Cr of R, G, B in 0..1, as in ITU-R BT.601 for studio levels.
_YCBCR = ((0.257, 0.504, 0.098), (-0.148, -0.291, 0.439), (0.439, -0.368, -0.071))


def spatial_consistency(bright: Tensor, dark: Tensor) -> Tensor:
    """Neighbouring regions differ in the enhanced clip as they do in the dark one.

    With Y and I the mean grey of 4 x 4 pixel regions, enhanced and dark, and N(i) the up to four
    neighbours of region i (Zero-DCE, its equation for L_spa)::

        L = mean_i  sum_{j in N(i)}  ( |Y_i - Y_j| - |I_i - I_j| )^2

    Rows and columns that fill no region are left out. Returns a scalar >= 0. Raises ValueError
    if the clips differ in shape or are smaller than one region.
    """
    _check_pair(bright, dark)
    if min(bright.shape[-2:]) < REGION:
        raise ValueError(f"frames must be {REGION} pixels high and wide, got {bright.shape}")
    after, before = (F.avg_pool2d(_frames(clip).mean(1), REGION) for clip in (bright, dark))
    total = after.new_zeros(())
    for axis in (-2, -1):
        change = after.diff(dim=axis).abs() - before.diff(dim=axis).abs()
        total = total + 2 * change.square().sum()  # each pair is a neighbour of either side
    return total / after.numel()


def exposure(bright: Tensor, level: float = WELL_EXPOSED) -> Tensor:
    """Mean distance of 16 x 16 patches' grey from a well-exposed level (Zero-DCE, L_exp).

    Patches at the right and lower edge may be smaller. Returns a scalar in 0..1.
    """
    patches = F.avg_pool2d(_frames(bright).mean(1), PATCH, ceil_mode=True)
    return (patches - level).abs().mean()


def colour_constancy(bright: Tensor) -> Tensor:
    """Red, green and blue have like means in each frame: grey world (Zero-DCE, L_col).

    (R - G)^2 + (R - B)^2 + (G - B)^2 of the frame's channel means, averaged over frames.
    """
    red, green, blue = _frames(bright).mean((2, 3)).unbind(1)
    apart = (red - green).square() + (red - blue).square() + (green - blue).square()
    return apart.mean()


def total_variation(bends: Tensor) -> Tensor:
    """Tone curves vary smoothly over the picture (Zero-DCE, L_tvA).

    The mean over rounds and frames of the sum over the three colours of the mean over pixels of
    (|horizontal step| + |vertical step|)^2.

    Args:
        bends: `[B, 3 K, T, H, W]`, as `CurveNet.curves` gives them.

    Raises:
        ValueError: frames of one row or column.
    """
    if min(bends.shape[-2:]) < 2:
        raise ValueError(f"variation needs two rows and columns, got {list(bends.shape)}")
    across = bends[..., :-1, :].diff(dim=-1).abs()
    down = bends[..., :, :-1].diff(dim=-2).abs()
    return 3 * _wide(across + down).square().mean()


def temporal_consistency(bright: Tensor, dark: Tensor) -> Tensor:
    """The enhanced clip changes from frame to frame as the dark clip does, times its gain.

    With E and D the enhanced and the dark clip and s_t = mean(E_t) / mean(D_t) the gain of frame
    t, a number through which no gradient flows::

        L = mean | (E_{t+1} - E_t) - s_t (D_{t+1} - D_t) |

    Zero if every frame is brightened by one factor; flicker and ghosts cost. The idea is DTCM's
    abstract's (the RGB difference of the dark frames keeps the enhanced ones coherent); the
    formula is ours. Returns a scalar >= 0. Raises ValueError if the clips differ in shape or have
    one frame only.
    """
    _check_pair(bright, dark)
    if bright.shape[2] < 2:
        raise ValueError(f"consistency over time needs two frames, got {list(bright.shape)}")
    bright, dark = _wide(bright), _wide(dark)
    level = (1, 3, 4)
    with torch.no_grad():
        gain = bright.mean(level, keepdim=True) / dark.mean(level, keepdim=True).clamp(min=1e-4)
    return (bright.diff(dim=2) - gain[:, :, :-1] * dark.diff(dim=2)).abs().mean()


def edge_smoothness(light: Tensor, seen: Tensor, sigma: float = SIGMA) -> Tensor:
    """SCI's smoothness: the light changes little between pixels that look alike.

    Over all 24 neighbours j of pixel i in a 5 x 5 window, with v the frame's colour in YCbCr::

        L = sum_neighbours  mean_i  exp( -|v_i - v_j|^2 / (2 sigma^2) )  |l_i - l_j|_1

    The published sigma is 10, for colours in 0..1: every weight is then above .98, so the edges
    are in the name only. A sigma of .1 would heed them.

    Args:
        light: illumination `[N, 3, H, W]`.
        seen: the frames that it was estimated from, the same shape.

    Raises:
        ValueError: shapes that differ, or frames smaller than 3 x 3.
    """
    _check_pair(light, seen)
    if min(light.shape[-2:]) < 3:
        raise ValueError(f"smoothness needs frames of 3 x 3 pixels, got {list(light.shape)}")
    light, seen = _wide(light), _wide(seen)
    colour = torch.einsum("dc,nchw->ndhw", seen.new_tensor(_YCBCR), seen)
    total = light.new_zeros(())
    # Half the window: the other half are the same pairs seen from the other pixel.
    for down, right in [(0, 1), (0, 2), *((y, x) for y in (1, 2) for x in range(-2, 3))]:
        alike = (_step(colour, down, right).square().sum(1) / (-2 * sigma**2)).exp()
        total = total + 2 * (alike * _step(light, down, right).abs().sum(1)).mean()
    return total


def curve_terms(
    bright: Tensor, dark: Tensor, bends: Tensor, coherence: float = 0.0
) -> dict[str, Tensor]:
    """How a curve network is trained on unlabelled dark clips: `loss` and its weighted parts.

    loss = spatial + 10 exposure + 5 colour + 2000 variation + coherence * consistency over time.
    The weights are ours, for frames of some 50 pixels: with a tenth of the variation every region
    is lit to one grey, and the picture fades.

    Args:
        bright: `apply_curves(dark, bends)`.
        dark: the clip.
        bends: `net.curves(dark)` of the `CurveNet`.
        coherence: weight of `temporal_consistency`; 0 leaves it out.
    """
    terms = {
        "spatial": spatial_consistency(bright, dark),
        "exposure": 10 * exposure(bright),
        "colour": 5 * colour_constancy(bright),
        "variation": 2000 * total_variation(bends),
    }
    if coherence:
        terms["coherence"] = coherence * temporal_consistency(bright, dark)
    return {"loss": torch.stack(list(terms.values())).sum(), **terms}


def sci_terms(stages: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """How SCI is trained on unlabelled dark clips: `loss`, `fidelity`, `smoothness`.

    loss = sum over stages of 1.5 mse(light, input) + smoothness(light, input). The first part
    pulls the light down to the picture itself, which would leave a white frame: how long SCI
    trains decides how bright it makes a clip.

    Args:
        stages: of `actlumos.baselines.networks.curves.sci_stages`.

    Raises:
        ValueError: no stage.
    """
    if not stages:
        raise ValueError("SCI trains on one stage or more, got none")
    near = [1.5 * F.mse_loss(_wide(light), _wide(seen)) for seen, light in stages]
    smooth = [edge_smoothness(light, seen) for seen, light in stages]
    fidelity, smoothness = torch.stack(near).sum(), torch.stack(smooth).sum()
    return {"loss": fidelity + smoothness, "fidelity": fidelity, "smoothness": smoothness}


def _step(frames: Tensor, down: int, right: int) -> Tensor:
    """Each pixel less the one `down` rows below and `right` columns to the right (or left)."""
    height, width = frames.shape[-2:]
    here = frames[..., : height - down, max(0, -right) : width - max(0, right)]
    there = frames[..., down:, max(0, right) : width - max(0, -right)]
    return here - there


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _frames(clip: Tensor) -> Tensor:
    """`[B, 3, T, H, W]` to `[B * T, 3, H, W]`."""
    if clip.ndim != 5 or clip.shape[1] != 3 or not clip.is_floating_point():
        raise ValueError(f"need a float clip [B, 3, T, H, W], got {clip.dtype} {list(clip.shape)}")
    return _wide(clip).transpose(1, 2).flatten(0, 1)


def _check_pair(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {list(first.shape)} and {list(second.shape)}")
