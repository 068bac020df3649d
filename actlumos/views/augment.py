"""Crops, flips and light changes, on the device, one batch at a time.

A crop is drawn once for each clip and then applied to every stream made from that clip, so the
dark and the enhanced view show the same pixels. Drawing and applying are two functions for
this reason. Scales and offsets are those of the public two-stream code that the method builds on
(MultiScaleCrop with 13 fixed offsets); the light changes are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Crop(NamedTuple):
    """What to cut out of each clip: `box` int64 `[B, 4]` holds top, left, height and width in
    pixels of the frame; `flip` bool `[B]` mirrors left and right afterwards."""

    box: Tensor
    flip: Tensor


def to_float(clip: Tensor) -> Tensor:
    """uint8 `[B, T, H, W, 3]` in 0..255 -> float32 `[B, 3, T, H, W]` in 0..1."""
    if clip.dtype != torch.uint8 or clip.ndim != 5 or clip.shape[-1] != 3:
        raise ValueError(f"need uint8 [B, T, H, W, 3], not {clip.dtype} {tuple(clip.shape)}")
    return clip.permute(0, 4, 1, 2, 3).contiguous().float().div_(255)


def crop_sizes(
    frame: tuple[int, int], crop: tuple[int, int], scales: Sequence[float]
) -> list[tuple[int, int]]:
    """The (height, width) pairs that `multi_scale_crop` chooses from.

    Sides are `scales` times the largest box of the crop's shape that fits into the frame; one
    within 2 pixels of the crop's own side becomes that side. Height and width may be one step
    of the scales apart, which bends the aspect a little: 10 pairs for 4 scales.
    """
    _check_fits(frame, crop)
    fit = min(frame[0] / crop[0], frame[1] / crop[1])
    drawn = [[int(side * fit * scale + 1e-6) for scale in scales] for side in crop]
    sides = [[o if abs(d - o) < 3 else d for d in row] for row, o in zip(drawn, crop, strict=True)]
    steps = range(len(scales))
    return [(sides[0][i], sides[1][j]) for i, j in product(steps, steps) if abs(i - j) <= 1]


def crop_offsets(frame: tuple[int, int], crop: tuple[int, int]) -> list[tuple[int, int]]:
    """The 13 fixed (top, left) offsets: corners, edge middles, centre, and the four between.

    They are quarters of the room that a box of the crop's own size has in the frame.
    """
    rows, columns = (frame[0] - crop[0]) // 4, (frame[1] - crop[1]) // 4
    grid = [*product((0, 2, 4), (0, 2, 4)), *product((1, 3), (1, 3))]
    return [(i * rows, j * columns) for i, j in grid]


def multi_scale_crop(
    batch: int,
    frame: tuple[int, int],
    crop: tuple[int, int],
    generator: torch.Generator,
    scales: Sequence[float] = (1, 0.875, 0.75, 0.66),
    flip: float = 0.5,
) -> Crop:
    """Draw a random box and a flip for each of `batch` clips.

    A box that would leave the frame is cut at its border, as in that code: at 128 x 170 the
    128-pixel box loses up to 16 rows.

    Args:
        batch: number of clips.
        frame: height and width of the frames.
        crop: height and width that the box will be resized to; at most the frame.
        generator: source of every draw.
        scales: 1 is the largest box that fits.
        flip: probability of a mirror image.

    Raises:
        ValueError: the crop does not fit into the frame.
    """
    sizes = torch.tensor(crop_sizes(frame, crop, scales))
    offsets = torch.tensor(crop_offsets(frame, crop))
    draw: dict[str, Any] = {"generator": generator, "device": generator.device}
    size = sizes[torch.randint(len(sizes), (batch,), **draw).cpu()]
    offset = offsets[torch.randint(len(offsets), (batch,), **draw).cpu()]
    size = torch.minimum(size, torch.tensor(frame) - offset)
    return Crop(torch.cat([offset, size], 1), torch.rand(batch, **draw).cpu() < flip)


def center_crop(batch: int, frame: tuple[int, int], crop: tuple[int, int]) -> Crop:
    """The same box in the middle of every clip, at the crop's own size, not flipped."""
    _check_fits(frame, crop)
    return _fixed(batch, ((frame[0] - crop[0]) // 2, (frame[1] - crop[1]) // 2), crop, False)


def ten_crop(batch: int, frame: tuple[int, int], crop: tuple[int, int]) -> list[Crop]:
    """Four corners and the centre, each as it is and flipped: the test views of prior code."""
    _check_fits(frame, crop)
    down, right = frame[0] - crop[0], frame[1] - crop[1]
    corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    return [_fixed(batch, at, crop, flip) for flip in (False, True) for at in corners]


def apply_crop(clip: Tensor, crop: Crop, size: tuple[int, int]) -> Tensor:
    """Cut each clip's box out, resize it and flip it: the same for all frames of a clip.

    Bilinear with pixel centres at .5, clamped at the edge of the box and without smoothing
    first: what OpenCV does to the cut-out frame. A box of the target size is an exact slice.

    Args:
        clip: float `[B, 3, T, H, W]`.
        crop: boxes inside the frame, one per clip.
        size: height and width of the result.

    Returns:
        float `[B, 3, T, h, w]` on the clip's device.

    Raises:
        ValueError: as many boxes as clips are needed, and each must be inside the frame.
    """
    height, width = clip.shape[-2:]
    end = crop.box[:, :2] + crop.box[:, 2:]
    if len(crop.box) != len(clip):
        raise ValueError(f"{len(crop.box)} boxes for {len(clip)} clips")
    if (crop.box < 0).any() or (end[:, 0] > height).any() or (end[:, 1] > width).any():
        raise ValueError(f"a crop box leaves the frame of {height} x {width} pixels")
    boxes = zip(clip, crop.box.tolist(), crop.flip.tolist(), strict=True)
    return torch.stack([_cut(frames, box, flip, size) for frames, box, flip in boxes])


def photometric(clip: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Change the light of each clip at random: tone, exposure, colour cast and sensor noise.

    One draw per clip, so that motion is unchanged; the noise is drawn for every pixel. At
    strength 1: gamma e^±.5, exposure e^±.7, each colour e^±.15, noise of up to 5 levels in 255.
    Our choice; the paper's augmentations are unknown.

    Args:
        clip: float `[B, 3, T, H, W]` in 0..1.
        generator: source of every draw; fastest on the clip's device.
        strength: 0 changes nothing; 1 is the range above.

    Returns:
        The same shape, in 0..1.

    Raises:
        ValueError: `strength` is negative.
    """
    if strength < 0:
        raise ValueError(f"strength must not be negative, not {strength}")
    if strength == 0:
        return clip
    draw: dict[str, Any] = {"generator": generator, "device": generator.device}
    spread = (torch.rand(6, len(clip), 1, 1, 1, 1, **draw).to(clip) * 2 - 1) * strength
    gain = torch.exp(0.7 * spread[1] + 0.15 * torch.cat(list(spread[2:5]), 1))
    sigma = 5 / 255 * strength * torch.rand(len(clip), 1, 1, 1, 1, **draw).to(clip)
    noise = torch.randn(clip.shape, **draw).to(clip)
    toned = clip.pow(torch.exp(0.5 * spread[0])).mul_(gain)
    return toned.add_(noise.mul_(sigma)).clamp_(0, 1)


def _cut(frames: Tensor, box: Sequence[int], flip: bool, size: tuple[int, int]) -> Tensor:
    """One clip `[3, T, H, W]` -> `[3, T, h, w]`."""
    top, left, height, width = box
    piece = frames[..., top : top + height, left : left + width]
    if (height, width) != tuple(size):
        piece = F.interpolate(piece, size=tuple(size), mode="bilinear", align_corners=False)
    return piece.flip(-1) if flip else piece


def _fixed(batch: int, at: tuple[int, int], crop: tuple[int, int], flip: bool) -> Crop:
    box = torch.tensor([[*at, *crop]])
    return Crop(box.repeat(batch, 1), torch.full((batch,), flip))


def _check_fits(frame: tuple[int, int], crop: tuple[int, int]) -> None:
    if not (0 < crop[0] <= frame[0] and 0 < crop[1] <= frame[1]):
        raise ValueError(f"a crop of {crop} does not fit into a frame of {frame} (height, width)")
