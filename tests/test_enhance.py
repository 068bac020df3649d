"""Enhancement against per-frame OpenCV and numpy, its limits, and what every method guarantees."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rows.enhance import frame_by_frame, msr_frame
from torch import Tensor

from actlumos.views.enhance import (
    METHODS,
    SIGMAS,
    enhance,
    gamma,
    gaussian_blur,
    histogram_equalise,
    msrcr,
    multi_scale_retinex,
    sci_form,
    single_scale_retinex,
    stretch,
)


def msr_with_opencv(frames: np.ndarray, sigmas: Sequence[float] = SIGMAS) -> np.ndarray:
    """[T, H, W, 3] as the benchmark's peer computes it."""
    return frame_by_frame(frames, lambda frame: msr_frame(frame, sigmas))


def dark_clip(batch: int = 1, frames: int = 2, size: tuple[int, int] = (54, 72), seed: int = 0,
              brightest: int = 60) -> Tensor:
    """Blotchy 8-bit frames, dark as night videos are, as floats [B, 3, T, H, W] in 0..1."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((batch * frames, 5, 6, 3), dtype=np.float32)
    smooth = np.stack([cv2.resize(frame, size[::-1]).reshape(*size, 3) for frame in coarse])
    noisy = smooth**2 * brightest + rng.normal(0, 2, smooth.shape)
    levels = noisy.clip(0, 255).round().reshape(batch, frames, *size, 3) / 255
    return torch.from_numpy(levels.astype(np.float32)).permute(0, 4, 1, 2, 3).contiguous()


def as_frames(clip: Tensor) -> np.ndarray:
    """[B, 3, T, H, W] -> [B * T, H, W, 3]."""
    return np.ascontiguousarray(clip.permute(0, 2, 3, 4, 1).flatten(0, 1).numpy())


sizes = st.tuples(st.integers(1, 24), st.integers(1, 24))


@settings(deadline=None, max_examples=60)
@given(sizes, st.floats(0.3, 300), st.integers(0, 2**31))
def test_blur_is_opencvs_also_where_the_kernel_outgrows_the_frame(
    size: tuple[int, int], sigma: float, seed: int
) -> None:
    clip = dark_clip(1, 1, size, seed)
    expected = cv2.GaussianBlur(as_frames(clip)[0], (0, 0), sigma).reshape(*size, 3)
    np.testing.assert_allclose(as_frames(gaussian_blur(clip, sigma))[0], expected, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 2), st.integers(1, 3), st.tuples(st.integers(8, 40), st.integers(8, 40)),
       st.lists(st.floats(2, 90), min_size=1, max_size=4), st.integers(0, 2**31))
def test_msr_is_the_per_frame_opencv_one(batch, frames, size, sigmas, seed) -> None:
    clip = dark_clip(batch, frames, size, seed)
    expected = msr_with_opencv(as_frames(clip), sigmas)
    np.testing.assert_allclose(as_frames(multi_scale_retinex(clip, sigmas)), expected, atol=1e-4)


@pytest.mark.parametrize("size", [(112, 112), (54, 72)])
def test_msr_with_the_usual_sigmas(size: tuple[int, int]) -> None:
    clip = dark_clip(1, 2, size)
    got = as_frames(multi_scale_retinex(clip))
    np.testing.assert_allclose(got, msr_with_opencv(as_frames(clip)), atol=1e-4)
    assert (got == 0).mean() == pytest.approx(0.01, abs=0.003)
    assert (got == 1).mean() == pytest.approx(0.01, abs=0.003)
    single = as_frames(single_scale_retinex(clip, 80))
    np.testing.assert_allclose(single, msr_with_opencv(as_frames(clip), (80,)), atol=1e-4)


def slow_msrcr(frame: np.ndarray, sigmas: tuple[float, ...]) -> np.ndarray:
    """MSRCR of one frame [H, W, 3] in 0..1, in float64, with the constants in use."""
    light = frame.astype(np.float64) * 255 + 1
    ratio = np.mean([np.log10(light) - np.log10(cv2.GaussianBlur(light, (0, 0), s))
                     for s in sigmas], axis=0)
    colour = 46 * (np.log10(125 * light) - np.log10(light.sum(axis=2, keepdims=True)))
    restored = 5 * (ratio * colour + 25)
    low, high = np.percentile(restored, [1, 99], axis=(0, 1))
    return np.clip((restored - low) / (high - low), 0, 1)


def test_msrcr_is_the_formula_and_its_scale_cancels() -> None:
    clip = dark_clip(1, 2)
    expected = np.stack([slow_msrcr(frame, (5, 20)) for frame in as_frames(clip)])
    result = msrcr(clip, (5, 20))
    np.testing.assert_allclose(as_frames(result), expected, atol=1e-4)
    torch.testing.assert_close(
        msrcr(clip, (5, 20), beta=1, gain=1, offset=0), result, atol=1e-4, rtol=0
    )
    assert (msrcr(clip, (5, 20), alpha=10) - result).abs().max() > 0.05


def opencv_equalised(frame: np.ndarray) -> np.ndarray:
    luma, cr, cb = cv2.split(cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb))
    merged = cv2.merge((cv2.equalizeHist(luma), cr, cb))
    return cv2.cvtColor(merged, cv2.COLOR_YCrCb2RGB)


@settings(deadline=None, max_examples=60)
@given(st.tuples(st.integers(1, 40), st.integers(2, 40)), st.integers(0, 255),
       st.integers(0, 2**31))
def test_histogram_equalisation_is_opencvs(size, brightest: int, seed: int) -> None:
    clip = dark_clip(2, 2, size, seed, brightest)
    levels = (as_frames(clip) * 255).round().astype(np.uint8)
    expected = np.stack([opencv_equalised(frame) for frame in levels])
    got = as_frames(histogram_equalise(clip)) * 255
    np.testing.assert_allclose(got, expected, atol=1e-3)  # level for level


def test_equalised_saturated_colours_and_flat_frames() -> None:
    colours = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]])
    clip = colours.float().T[None, :, None, :, None].repeat(1, 1, 1, 1, 2)
    expected = opencv_equalised((as_frames(clip) * 255).astype(np.uint8)[0])
    np.testing.assert_allclose(as_frames(histogram_equalise(clip))[0] * 255, expected, atol=1e-3)
    flat = torch.full((1, 3, 2, 4, 4), 20 / 255)
    torch.testing.assert_close(histogram_equalise(flat), flat)


def test_pointwise_curves() -> None:
    clip = dark_clip()
    np.testing.assert_allclose(gamma(clip), clip.numpy() ** 0.4, rtol=1e-6)
    torch.testing.assert_close(gamma(clip, 1.0), clip)
    np.testing.assert_allclose(sci_form(clip), clip.numpy() / (clip.numpy() + 0.15), rtol=1e-6)
    assert sci_form(torch.ones(1, 3, 1, 1, 1)).max().item() == pytest.approx(1 / 1.15)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 0.49), st.integers(0, 2**31))
def test_stretch_uses_numpys_percentiles(height, width, tail, seed) -> None:
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, height, width)))
    low, high = np.percentile(values, [100 * tail, 100 - 100 * tail], axis=(1, 2), keepdims=True)
    expected = np.clip((values.numpy() - low) / np.maximum(high - low, 1e-4), 0, 1)
    np.testing.assert_allclose(stretch(values, tail), expected, atol=1e-6)
    torch.testing.assert_close(stretch(3 * values + 5, tail, 3e-4), stretch(values, tail))


@pytest.mark.parametrize("level", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("method", ["ssr", "msr", "msrcr"])
def test_flat_frames_do_not_become_noise(method: str, level: float) -> None:
    assert enhance(torch.full((1, 3, 1, 40, 40), level), method).max() < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_its_guarantees(method: str) -> None:
    clip = dark_clip(2, 3, (20, 26))
    before = clip.clone()
    result = enhance(clip, method)
    assert torch.equal(clip, before)
    assert result.shape == clip.shape and result.dtype == clip.dtype
    assert result.min() >= 0 and result.max() <= 1
    assert result.mean() > clip.mean()
    one_frame = enhance(clip[1:, :, 2:], method)  # frames are independent
    torch.testing.assert_close(one_frame, result[1:, :, 2:], atol=1e-5, rtol=0)
    mirrored = enhance(clip.flip(-1), method)
    torch.testing.assert_close(mirrored.flip(-1), result, atol=1e-4, rtol=0)
    strided = enhance(clip.mT.contiguous().mT, method)
    torch.testing.assert_close(strided, result, atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_precision_does_not_depend_on_the_surroundings(method: str) -> None:
    clip = dark_clip(1, 2, (20, 26))
    expected = enhance(clip, method)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(enhance(clip, method), expected)
    with torch.inference_mode():
        torch.testing.assert_close(enhance(clip, method), expected)
    torch.testing.assert_close(enhance(clip.double(), method).float(), expected, atol=1e-4, rtol=0)
    assert enhance(clip.bfloat16(), method).dtype == torch.bfloat16


def test_a_matrix_made_in_inference_mode_works_in_training() -> None:
    with torch.inference_mode():
        gaussian_blur(dark_clip(size=(9, 11)), 3.25)
    clip = dark_clip(size=(9, 11)).requires_grad_()
    gaussian_blur(clip, 3.25).sum().backward()
    assert clip.grad.sum().item() == pytest.approx(clip.numel(), rel=1e-4)


def test_graph_for_the_compiler_has_no_breaks() -> None:
    traced = torch.compile(multi_scale_retinex, backend="eager", fullgraph=True)
    for size in ((20, 26), (24, 26), (28, 30)):  # the later ones with symbolic sizes
        clip = dark_clip(1, 2, size)
        torch.testing.assert_close(traced(clip, (4, 12)), multi_scale_retinex(clip, (4, 12)))


@pytest.mark.parametrize("clip", [
    torch.zeros(3, 2, 4, 4), torch.zeros(1, 2, 4, 4, 3), torch.zeros(1, 3, 0, 4, 4),
    torch.zeros(1, 3, 2, 4, 4, dtype=torch.uint8),
])
@pytest.mark.parametrize("method", METHODS)
def test_bad_clips_are_refused(method: str, clip: Tensor) -> None:
    with pytest.raises(ValueError, match=r"floating clip \[B, 3, T, H, W\]"):
        enhance(clip, method)


@pytest.mark.parametrize(("call", "message"), [
    (lambda clip: enhance(clip, "retinex"), "choose from gamma, histogram"),
    (lambda clip: gamma(clip, 0.0), "gamma must be positive"),
    (lambda clip: sci_form(clip, -0.1), "c must be positive"),
    (lambda clip: gaussian_blur(clip, 0.0), "sigma must be positive"),
    (lambda clip: single_scale_retinex(clip, math.inf), "sigma must be positive and finite"),
    (lambda clip: multi_scale_retinex(clip, ()), "at least one sigma"),
    (lambda clip: multi_scale_retinex(clip, (15, -1)), "sigma must be positive"),
    (lambda clip: msrcr(clip, alpha=0), "alpha, beta, gain must be positive"),
    (lambda clip: stretch(clip, 0.5), r"tail must be in \[0, 0.5\)"),
    (lambda clip: stretch(clip, 0.1, 0.0), "flattest must be positive"),
])
def test_bad_options_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(dark_clip())
