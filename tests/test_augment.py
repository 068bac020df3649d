"""Crops against prior code's numbers, OpenCV and a slow bilinear; light changes against bounds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from actlumos.views.augment import (
    Crop,
    apply_crop,
    center_crop,
    crop_offsets,
    crop_sizes,
    multi_scale_crop,
    photometric,
    ten_crop,
    to_float,
)

FRAME, SIZE = (128, 170), (112, 112)
SCALES = (1, 0.875, 0.75, 0.66)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=seeded(seed))


def one_box(*box: int, flip: bool = False) -> Crop:
    return Crop(torch.tensor([box]), torch.tensor([flip]))


def test_to_float_is_the_one_place_that_divides_by_255() -> None:
    clip = torch.arange(2 * 3 * 4 * 5 * 3, dtype=torch.uint8).reshape(2, 3, 4, 5, 3)
    result = to_float(clip)
    assert result.shape == (2, 3, 3, 4, 5) and result.is_contiguous()
    assert result[1, 2, 0, 3, 4].item() == pytest.approx(clip[1, 0, 3, 4, 2].item() / 255)
    with pytest.raises(ValueError, match="uint8"):
        to_float(clip.float())


def test_sizes_are_those_of_prior_code() -> None:
    side = {128: 0, 112: 1, 96: 2, 84: 3}
    pairs = crop_sizes(FRAME, SIZE, SCALES)
    assert len(pairs) == len(set(pairs)) == 10
    assert {length for pair in pairs for length in pair} == set(side)
    assert all(abs(side[height] - side[width]) <= 1 for height, width in pairs)


def test_a_side_near_the_crops_own_snaps_to_it() -> None:
    assert crop_sizes(FRAME, SIZE, (0.89,)) == [(112, 112)]
    assert crop_sizes(FRAME, SIZE, (0.9,)) == [(115, 115)]


def test_the_thirteen_offsets_are_those_of_prior_code() -> None:
    offsets = crop_offsets(FRAME, SIZE)
    corners = {(0, 0), (0, 56), (16, 0), (16, 56)}
    middles = {(0, 28), (8, 0), (8, 28), (8, 56), (16, 28)}
    quarters = {(4, 14), (4, 42), (12, 14), (12, 42)}
    assert len(offsets) == 13 and set(offsets) == corners | middles | quarters


def test_every_size_and_offset_is_drawn_equally_often() -> None:
    crop = multi_scale_crop(26000, FRAME, SIZE, seeded(0))
    boxes, counts = np.unique(crop.box.numpy(), axis=0, return_counts=True)
    assert counts.sum() == 26000
    offsets, how_often = np.unique(boxes[:, :2], axis=0, return_counts=True)
    assert len(offsets) == 13 and how_often.max() <= 10
    per_offset = [(crop.box[:, :2].numpy() == offset).all(1).sum() for offset in offsets]
    assert np.abs(np.array(per_offset) - 2000).max() < 5 * 2000**0.5
    assert abs(crop.flip.float().mean().item() - 0.5) < 0.02


def test_a_box_that_leaves_the_frame_is_cut_at_the_border() -> None:
    """The size is drawn first, so a box of 128 at the lowest offset keeps 112 rows."""
    box = multi_scale_crop(4000, FRAME, SIZE, seeded(1), scales=(1,)).box
    lowest = box[(box[:, 0] == 16) & (box[:, 1] == 56)]
    assert len(lowest) and (lowest == torch.tensor([16, 56, 112, 114])).all()
    topmost = box[(box[:, 0] == 0) & (box[:, 1] == 0)]
    assert (topmost[:, 2:] == 128).all()


@settings(deadline=None)
@given(
    st.tuples(st.integers(8, 90), st.integers(8, 90)),
    st.floats(0.3, 1),
    st.floats(0.3, 1),
    st.integers(0, 99),
)
def test_every_box_lies_in_the_frame(
    frame: tuple[int, int], high: float, wide: float, seed: int
) -> None:
    crop_size = max(int(frame[0] * high), 1), max(int(frame[1] * wide), 1)
    box, flip = multi_scale_crop(20, frame, crop_size, seeded(seed))
    assert box.dtype == torch.int64 and flip.dtype == torch.bool
    assert (box[:, :2] >= 0).all() and (box[:, 2:] >= 1).all()
    assert (box[:, :2] + box[:, 2:] <= torch.tensor(frame)).all()
    again = multi_scale_crop(20, frame, crop_size, seeded(seed))
    assert torch.equal(box, again.box) and torch.equal(flip, again.flip)


def test_a_wide_crop_keeps_its_shape() -> None:
    assert crop_sizes((48, 64), (42, 56), (1, 0.875)) == [(48, 64), (48, 56), (42, 64), (42, 56)]


def test_flip_probability() -> None:
    assert not multi_scale_crop(50, FRAME, SIZE, seeded(0), flip=0).flip.any()
    assert multi_scale_crop(50, FRAME, SIZE, seeded(0), flip=1).flip.all()


def test_centre_is_at_8_29_and_ten_crops_are_the_corners_mirrored() -> None:
    assert center_crop(2, FRAME, SIZE).box.tolist() == [[8, 29, 112, 112]] * 2
    crops = ten_crop(3, FRAME, SIZE)
    at = [tuple(crop.box[2, :2].tolist()) for crop in crops]
    assert at == [(0, 0), (0, 58), (16, 0), (16, 58), (8, 29)] * 2
    assert [bool(crop.flip.all()) for crop in crops] == [False] * 5 + [True] * 5
    assert all((crop.box[:, 2:] == 112).all() for crop in crops)


def test_a_crop_larger_than_the_frame_is_refused() -> None:
    for call in (center_crop, ten_crop):
        with pytest.raises(ValueError, match="does not fit"):
            call(1, (100, 100), (112, 90))
    with pytest.raises(ValueError, match="does not fit"):
        multi_scale_crop(1, (100, 100), (90, 112), seeded(0))


def test_the_whole_frame_comes_back_unchanged() -> None:
    clip = noise(2, 3, 4, 128, 170)
    whole = Crop(torch.tensor([[0, 0, 128, 170]] * 2), torch.tensor([False, True]))
    result = apply_crop(clip, whole, FRAME)
    torch.testing.assert_close(result[0], clip[0], atol=0, rtol=0)
    torch.testing.assert_close(result[1], clip[1].flip(-1), atol=0, rtol=0)


@given(st.integers(0, 16), st.integers(0, 58), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_box_of_the_target_size_is_a_slice(top: int, left: int, flip: bool) -> None:
    clip = noise(1, 3, 2, 128, 170)
    result = apply_crop(clip, one_box(top, left, 112, 112, flip=flip), SIZE)
    piece = clip[..., top : top + 112, left : left + 112]
    torch.testing.assert_close(result, piece.flip(-1) if flip else piece, atol=0, rtol=0)


def slow_bilinear(image: np.ndarray, box: tuple[int, ...], size: tuple[int, int]) -> np.ndarray:
    """One channel, one pixel at a time, in double precision."""
    top, left, height, width = box
    out = np.empty(size)
    for i in range(size[0]):
        for j in range(size[1]):
            y = top + min(max((i + 0.5) * height / size[0] - 0.5, 0), max(height - 1, 0))
            x = left + min(max((j + 0.5) * width / size[1] - 0.5, 0), max(width - 1, 0))
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, len(image) - 1), min(x0 + 1, image.shape[1] - 1)
            above = image[y0, x0] * (x0 + 1 - x) + image[y0, x1] * (x - x0)
            below = image[y1, x0] * (x0 + 1 - x) + image[y1, x1] * (x - x0)
            out[i, j] = above * (y0 + 1 - y) + below * (y - y0)
    return out


@given(
    st.tuples(st.integers(0, 8), st.integers(0, 10), st.integers(1, 12), st.integers(1, 14)),
    st.tuples(st.integers(1, 15), st.integers(1, 15)),
)
@settings(max_examples=40, deadline=None)
def test_any_box_equals_the_slow_bilinear(box: tuple[int, ...], size: tuple[int, int]) -> None:
    clip = noise(1, 3, 2, 20, 24)
    result = apply_crop(clip, one_box(*box), size)[0, 1, 1]
    oracle = slow_bilinear(clip[0, 1, 1].double().numpy(), box, size)
    np.testing.assert_allclose(result.numpy(), oracle, atol=5e-6)


@pytest.mark.parametrize("box", [(0, 0, 128, 128), (4, 14, 96, 84), (16, 56, 112, 114)])
def test_a_whole_pixel_box_equals_opencv(box: tuple[int, ...]) -> None:
    clip = noise(1, 3, 1, 128, 170)
    top, left, height, width = box
    image = clip[0, :, 0].permute(1, 2, 0).numpy()[top : top + height, left : left + width]
    oracle = cv2.resize(np.ascontiguousarray(image), (112, 112), interpolation=cv2.INTER_LINEAR)
    result = apply_crop(clip, one_box(*box), SIZE)[0, :, 0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(result, oracle, atol=1e-5)


def test_streams_and_frames_of_a_clip_share_one_crop() -> None:
    still = noise(4, 3, 1, 128, 170).expand(4, 3, 6, 128, 170)
    crop = multi_scale_crop(4, FRAME, SIZE, seeded(3))
    dark, doubled = apply_crop(still, crop, SIZE), apply_crop(still * 2, crop, SIZE)
    torch.testing.assert_close(doubled, dark * 2)
    torch.testing.assert_close(dark, dark[:, :, :1].expand_as(dark), atol=0, rtol=0)
    assert len(np.unique(crop.box.numpy(), axis=0)) > 1
    alone = apply_crop(still[2:3], Crop(crop.box[2:3], crop.flip[2:3]), SIZE)
    torch.testing.assert_close(alone, dark[2:3])


def test_apply_crop_lets_gradients_through_and_ignores_autocast() -> None:
    clip = noise(1, 3, 2, 20, 24).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = apply_crop(clip, one_box(2, 3, 11, 13), (8, 8))
    assert result.dtype == torch.float32
    result.sum().backward()
    assert clip.grad is not None and clip.grad.sum().item() == pytest.approx(3 * 2 * 64, rel=1e-5)


@pytest.mark.parametrize("box", [(-1, 0, 5, 5), (0, 0, 21, 5), (0, 20, 5, 5)])
def test_a_box_outside_the_frame_is_refused(box: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="leaves the frame of 20 x 24"):
        apply_crop(noise(1, 3, 1, 20, 24), one_box(*box), (4, 4))
    with pytest.raises(ValueError, match="1 boxes for 2 clips"):
        apply_crop(noise(2, 3, 1, 20, 24), one_box(0, 0, 4, 4), (4, 4))


@given(st.floats(0, 2), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_light_changes_stay_in_range_and_follow_the_seed(strength: float, seed: int) -> None:
    clip = noise(3, 3, 4, 6, 8)
    result = photometric(clip, seeded(seed), strength)
    assert result.shape == clip.shape and result.min() >= 0 and result.max() <= 1
    assert torch.equal(result, photometric(clip, seeded(seed), strength))


def test_light_changes_are_drawn_once_per_clip() -> None:
    """Averaged over noise, a grey clip stays even in space and time, and clips differ."""
    clip = torch.full((4, 3, 8, 32, 32), 0.3)
    result = photometric(clip, seeded(0), 1.0)
    assert result.mean((3, 4)).std(2).max() < 0.002
    assert result.mean((1, 2, 3, 4)).std() > 0.02


def test_light_changes_of_no_strength_do_nothing() -> None:
    clip = noise(2, 3, 2, 4, 4)
    assert torch.equal(photometric(clip, seeded(0), 0.0), clip)
    with pytest.raises(ValueError, match="negative"):
        photometric(clip, seeded(0), -0.1)


def test_light_changes_stay_within_the_documented_range() -> None:
    clip = torch.full((2000, 3, 1, 1, 1), 0.2)
    level = photometric(clip, seeded(0), 1.0)
    darkest, brightest = 0.2**1.65 * np.exp(-0.85), 0.2**0.606 * np.exp(0.85)
    assert level.min() > darkest - 5 * 5 / 255 and level.max() < brightest + 5 * 5 / 255
    assert level.median().item() == pytest.approx(0.2, abs=0.02)
