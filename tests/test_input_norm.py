"""Input normalisation by hand, its invariance to exposure, and clips with nothing in them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from actlumos.models.input_norm import KINETICS_MEAN, KINETICS_STD, InputNorm, median_in_time


def dark_clip(batch: int = 2) -> Tensor:
    return 0.3 * torch.rand(batch, 3, 5, 20, 28, generator=torch.Generator().manual_seed(5))


def test_fixed_norm_uses_kinetics_values_by_channel() -> None:
    clip = dark_clip()
    found = InputNorm()(clip)
    for c in range(3):
        expected = (clip[:, c] - KINETICS_MEAN[c]) / KINETICS_STD[c]
        torch.testing.assert_close(found[:, c], expected)
    assert not InputNorm().state_dict()


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 1.0), st.integers(1, 5), st.integers(0, 99))
def test_standardised_clips_have_mean_0_and_deviation_1(
    exposure: float, frames: int, seed: int
) -> None:
    clip = torch.rand(2, 3, frames, 6, 7, generator=torch.Generator().manual_seed(seed))
    plain = InputNorm("standardise")(exposure * clip)
    torch.testing.assert_close(plain.mean((1, 2, 3, 4)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(plain.std((1, 2, 3, 4), correction=0), torch.ones(2))
    torch.testing.assert_close(plain, InputNorm("standardise")(clip), atol=2e-4, rtol=1e-3)
    logs = InputNorm("log")(clip)
    numpy_logs = (1 + 255 * clip.double()).log()
    expected = (numpy_logs[0] - numpy_logs[0].mean()) / numpy_logs[0].std(correction=0)
    torch.testing.assert_close(logs[0].double(), expected, atol=1e-5, rtol=1e-4)


def test_motion_planes_by_hand() -> None:
    clip = dark_clip(1)
    grey = 0.299 * clip[0, 0] + 0.587 * clip[0, 1] + 0.114 * clip[0, 2]
    for kind, plane in (("motion", (1 + 255 * grey).log()), ("motion-linear", grey)):
        first, step, moving = InputNorm(kind)(clip)[0]
        expected = (plane - plane.mean()) / plane.std(correction=0)
        torch.testing.assert_close(first, expected, atol=1e-5, rtol=1e-5)
        change = torch.cat([torch.zeros_like(expected[:1]), expected[1:] - expected[:-1]])
        spread = change.square().mean().sqrt()
        torch.testing.assert_close(step, change / spread, atol=1e-4, rtol=1e-4)
        middle = expected.sort(0).values[2]
        torch.testing.assert_close(moving, expected - middle, atol=1e-5, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 9), st.integers(0, 99))
def test_the_median_in_time_is_torchs_with_and_without_ties(
    frames: int, levels: int, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    for clip in (
        torch.rand(2, 1, frames, 3, 4, generator=random),
        torch.randint(levels, (2, 1, frames, 3, 4), generator=random).float(),
    ):
        assert torch.equal(median_in_time(clip), clip.median(dim=2, keepdim=True).values)


@pytest.mark.parametrize("kind", InputNorm.KINDS)
def test_a_black_still_clip_stays_finite(kind: str) -> None:
    assert InputNorm(kind)(torch.zeros(2, 3, 4, 6, 6)).isfinite().all()
