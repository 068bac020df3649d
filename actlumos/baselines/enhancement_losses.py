"""Losses that train an enhancer without a reference image.

Four of Zero-DCE (Guo et al., CVPR 2020): spatial consistency, exposure control, colour constancy,
illumination smoothness (total variation of the curve maps). Two of SCI (Ma et al., CVPR 2022):
fidelity and smoothness of the illumination. One over time, ours after what is known of DTCM (Tu
et al., IEEE TIP 2023): the enhanced clip changes from frame to frame as the dark clip does.

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
# Rows: Y, Cb, Cr of R, G, B in 0..1, with SCI's coefficients. They are those of ITU-R BT.601 for
# studio levels, except for green in Y: .564 in SCI's code, .504 in the standard.
_YCBCR = ((0.257, 0.564, 0.098), (-0.148, -0.291, 0.439), (0.439, -0.368, -0.071))


def spatial_consistency(enhanced: Tensor, dark: Tensor) -> Tensor:
    """Contrast between neighbouring regions is kept from the dark to the enhanced clip.

    With Y and I the mean grey of 4 x 4 pixel regions, enhanced and dark, and N(i) the up to four
    neighbours of region i (Zero-DCE, its equation for L_spa)::

        L = mean_i  sum_{j in N(i)}  ( |Y_i - Y_j| - |I_i - I_j| )^2

    Rows and columns beyond the last whole region are left out. Returns a scalar >= 0. Raises
    ValueError if the clips differ in shape or are smaller than one region.
    """
    _check_pair(enhanced, dark)
    if min(enhanced.shape[-2:]) < REGION:
        raise ValueError(f"frames must be {REGION} pixels high and wide, got {enhanced.shape}")
    after, before = (F.avg_pool2d(_frames(clip).mean(1), REGION) for clip in (enhanced, dark))
    total = after.new_zeros(())
    for axis in (-2, -1):
        change = after.diff(dim=axis).abs() - before.diff(dim=axis).abs()
        total = total + 2 * change.square().sum()  # both regions of a pair count it
    return total / after.numel()


def exposure(enhanced: Tensor, level: float = WELL_EXPOSED) -> Tensor:
    """Mean distance of 16 x 16 patches' grey from a well-exposed level (Zero-DCE, L_exp).

    Patches at the right and lower edge may be smaller. Returns a scalar in 0..1.
    """
    patches = F.avg_pool2d(_frames(enhanced).mean(1), PATCH, ceil_mode=True)
    return (patches - level).abs().mean()


def colour_constancy(enhanced: Tensor) -> Tensor:
    """Red, green and blue have similar means in each frame: grey world (Zero-DCE, L_col).

    (R - G)^2 + (R - B)^2 + (G - B)^2 of the frame's channel means, averaged over frames.
    """
    red, green, blue = _frames(enhanced).mean((2, 3)).unbind(1)
    apart = (red - green).square() + (red - blue).square() + (green - blue).square()
    return apart.mean()


def total_variation(curve_maps: Tensor) -> Tensor:
    """Curve maps vary smoothly over the frame (Zero-DCE, L_tvA).

    The mean over iterations and frames of the sum over the three colours of the mean over pixels of
    (|horizontal step| + |vertical step|)^2.

    Args:
        curve_maps: `[B, 3 K, T, H, W]`, from `CurveNet.curve_maps`.

    Raises:
        ValueError: frames of one row or column.
    """
    if min(curve_maps.shape[-2:]) < 2:
        raise ValueError(f"variation needs two rows and columns, got {list(curve_maps.shape)}")
    across = curve_maps[..., :-1, :].diff(dim=-1).abs()
    down = curve_maps[..., :, :-1].diff(dim=-2).abs()
    return 3 * _wide(across + down).square().mean()


def temporal_consistency(enhanced: Tensor, dark: Tensor) -> Tensor:
    """The enhanced clip changes from frame to frame as the dark clip does, times its gain.

    With E and D the enhanced and the dark clip and s_t = mean(E_t) / mean(D_t) the gain of frame
    t, without gradient::

        L = mean | (E_{t+1} - E_t) - s_t (D_{t+1} - D_t) |

    Zero if every frame is brightened by the same factor; larger with flicker. The idea is from
    DTCM's abstract (the RGB difference of the dark frames makes the enhanced ones coherent over
    time); the formula is ours. Returns a scalar >= 0. Raises ValueError if the clips differ in
    shape or have one frame only.
    """
    _check_pair(enhanced, dark)
    if enhanced.shape[2] < 2:
        raise ValueError(f"consistency over time needs two frames, got {list(enhanced.shape)}")
    enhanced, dark = _wide(enhanced), _wide(dark)
    level = (1, 3, 4)
    with torch.no_grad():
        gain = enhanced.mean(level, keepdim=True) / dark.mean(level, keepdim=True).clamp(min=1e-4)
    return (enhanced.diff(dim=2) - gain[:, :, :-1] * dark.diff(dim=2)).abs().mean()


def edge_smoothness(illumination: Tensor, frames: Tensor, sigma: float = SIGMA) -> Tensor:
    """SCI's smoothness: the illumination changes little between pixels of similar colour.

    Over all 24 neighbours j of pixel i in a 5 x 5 window, with v the frame's colour in YCbCr::

        L = sum_neighbours  mean_i  exp( -|v_i - v_j|^2 / (2 sigma^2) )  |l_i - l_j|_1

    The published sigma is 10, for colours in 0..1: every weight is then above .98, and edges
    have little effect. With a sigma of .1 they would.

    Args:
        illumination: `[N, 3, H, W]`.
        frames: what it was estimated from, the same shape.

    Raises:
        ValueError: shapes that differ, or frames smaller than 3 x 3.
    """
    _check_pair(illumination, frames)
    if min(frames.shape[-2:]) < 3:
        raise ValueError(f"smoothness needs frames of 3 x 3 pixels, got {list(frames.shape)}")
    illumination, frames = _wide(illumination), _wide(frames)
    colour = torch.einsum("dc,nchw->ndhw", frames.new_tensor(_YCBCR), frames)
    total = illumination.new_zeros(())
    # Half the window: the other half holds the same pairs.
    for down, right in [(0, 1), (0, 2), *((y, x) for y in (1, 2) for x in range(-2, 3))]:
        alike = (_step(colour, down, right).square().sum(1) / (-2 * sigma**2)).exp()
        total = total + 2 * (alike * _step(illumination, down, right).abs().sum(1)).mean()
    return total


def curve_terms(
    enhanced: Tensor, dark: Tensor, curve_maps: Tensor, consistency: float = 0.0
) -> dict[str, Tensor]:
    """How a curve network is trained on unlabelled dark clips: `loss` and its weighted parts.

    loss = spatial + 10 exposure + 5 colour + 2000 variation + `consistency` * consistency in time.
    The weights are ours, for frames of some 50 pixels: with a tenth of the variation's weight all
    regions are brightened to the same grey, and contrast is lost.

    Args:
        enhanced: `apply_curves(dark, curve_maps)`.
        dark: the clip.
        curve_maps: `net.curve_maps(dark)` of the `CurveNet`.
        consistency: weight of `temporal_consistency`; 0 leaves it out.
    """
    terms = {
        "spatial": spatial_consistency(enhanced, dark),
        "exposure": 10 * exposure(enhanced),
        "colour": 5 * colour_constancy(enhanced),
        "variation": 2000 * total_variation(curve_maps),
    }
    if consistency:
        terms["consistency"] = consistency * temporal_consistency(enhanced, dark)
    return {"loss": torch.stack(list(terms.values())).sum(), **terms}


def sci_terms(stages: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """How SCI is trained on unlabelled dark clips: `loss`, `fidelity`, `smoothness`.

    loss = sum over stages of 1.5 mse(illumination, input) + smoothness(illumination, input). The
    first part is smallest where the illumination equals the frame, which would make the result
    white: how long SCI is trained decides how bright it makes a clip.

    Args:
        stages: of `actlumos.baselines.networks.curves.sci_stages`.

    Raises:
        ValueError: no stage.
    """
    if not stages:
        raise ValueError("SCI trains on one stage or more, got none")
    near = [1.5 * F.mse_loss(_wide(estimate), _wide(frames)) for frames, estimate in stages]
    smooth = [edge_smoothness(estimate, frames) for frames, estimate in stages]
    fidelity, smoothness = torch.stack(near).sum(), torch.stack(smooth).sum()
    return {"loss": fidelity + smoothness, "fidelity": fidelity, "smoothness": smoothness}


def _step(frames: Tensor, down: int, right: int) -> Tensor:
    """Each pixel minus the one `down` rows below and `right` columns to the right (or left)."""
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
