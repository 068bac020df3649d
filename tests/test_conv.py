"""The 2-D form of a factorised convolution against `nn.Conv3d`: values, gradients, layouts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from actlumos.models.conv import FactorisedConv3d

KERNELS = {
    "space": ((1, 3, 3), (1, 2, 2)),
    "space, no stride": ((1, 3, 3), (1, 1, 1)),
    "stem": ((1, 7, 7), (1, 2, 2)),
    "time": ((3, 1, 1), (1, 1, 1)),
    "time with stride": ((3, 1, 1), (2, 1, 1)),
    "shortcut": ((1, 1, 1), (2, 2, 2)),
}


def pair(name: str, inputs: int = 4, outputs: int = 6) -> tuple[FactorisedConv3d, nn.Conv3d]:
    """Ours, and PyTorch's 3-D convolution in float64 with the same weights."""
    kernel, stride = KERNELS[name]
    ours = FactorisedConv3d(inputs, outputs, kernel, stride)
    padding = tuple(side // 2 for side in kernel)
    theirs = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def results(conv: nn.Module, clip: Tensor) -> tuple[Tensor, ...]:
    """Output, gradient of the clip and of the weights, in float64, for fixed output slopes."""
    conv.zero_grad()
    clip = clip.detach().requires_grad_()
    output = conv(clip)
    slopes = torch.linspace(-1, 1, output.numel()).view(output.shape)
    output.backward(slopes.to(output.dtype))
    return tuple(t.double() for t in (output.detach(), clip.grad, conv.weight.grad))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(KERNELS)),
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 9), st.integers(1, 9)),
    st.booleans(),
    st.integers(0, 99),
)
def test_equals_conv3d(
    name: str, shape: tuple[int, int, int, int], channels_last: bool, seed: int
) -> None:
    ours, theirs = pair(name)
    batch, *size = shape
    random = torch.Generator().manual_seed(seed)
    clip = torch.rand(batch, 4, *size, dtype=torch.float64, generator=random)
    if channels_last:
        clip = clip.contiguous(memory_format=torch.channels_last_3d)
    for found, expected in zip(results(ours.double(), clip), results(theirs, clip), strict=True):
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("frames", [1, 2, 3, 12])
@pytest.mark.parametrize("name", sorted(KERNELS))
def test_bfloat16_autocast_differs_by_its_rounding_only(name: str, frames: int) -> None:
    """PyTorch 2.14.1's own 3 x 1 x 1 weight gradient was wrong here at two frames."""
    ours, theirs = pair(name, 16, 32)
    clip = torch.rand(3, 16, frames, 7, 9, generator=torch.Generator().manual_seed(frames))
    expected = results(theirs, clip.double())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = results(ours, clip)
    for mine, exact in zip(found, expected, strict=True):
        assert (mine - exact).norm() < 0.01 * exact.norm()


def test_the_result_is_channels_last_without_a_copy_in_between() -> None:
    clip = torch.rand(2, 16, 6, 8, 10)
    for name in KERNELS:
        ours, _ = pair(name, 16, 32)
        assert ours(clip).is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(("kernel", "stride"), [((3, 3, 3), (1, 1, 1)), ((3, 1, 1), (1, 2, 2))])
def test_refuses_what_is_not_factorised(kernel: tuple[int, ...], stride: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="over space or time, not both"):
        FactorisedConv3d(2, 2, kernel, stride)
