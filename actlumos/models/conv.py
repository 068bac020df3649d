"""The two halves of a factorised 3-D convolution, computed as 2-D convolutions.

In memory of the order batch, time, height, width, channels (`torch.channels_last_3d`) a clip is,
without a copy, a batch of B * T frames, and also a batch of B pictures of T rows and H * W columns:

    1 x k x k over [B, C, T, H, W]   =   k x k over [B * T, C, H, W]
    k x 1 x 1 over [B, C, T, H, W]   =   k x 1 over [B, C, T, H * W]

The arithmetic is the same; the 2-D kernels of CPUs and GPUs are faster than the 3-D ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FactorisedConv3d(nn.Conv3d):
    """A convolution over space (1 x k x k) or over time (k x 1 x 1), padded with k // 2 zeros.

    Weights have the shape and name of those of `nn.Conv3d`, and the values are the same within
    rounding. The result is in channels-last order, whatever the order of the clip.

    Args:
        inputs, outputs: channel counts.
        kernel: its size, odd: `(1, k, k)`, or `(k, 1, 1)` with k above 1.
        stride: of the three axes; along an axis of 1 in a kernel over time it must be 1.

    Raises:
        ValueError: the kernel reaches over space and time, or the strides do not fit it.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int, int],
        stride: tuple[int, int, int] = (1, 1, 1),
    ) -> None:
        time, *space = kernel
        if time > 1 and (space != [1, 1] or stride[1:] != (1, 1)):
            raise ValueError(f"kernel {kernel} with stride {stride}: over space or time, not both")
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        super().__init__(inputs, outputs, kernel, stride, padding, bias=False)

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to `[B, C', T', H', W']`."""
        clip = clip.contiguous(memory_format=torch.channels_last_3d)
        return self._over_space(clip) if self.kernel_size[0] == 1 else self._over_time(clip)

    def _over_space(self, clip: Tensor) -> Tensor:
        clip = clip[:, :, :: self.stride[0]]
        frames = clip.transpose(1, 2).flatten(0, 1)
        padding = self.kernel_size[1] // 2, self.kernel_size[2] // 2
        frames = F.conv2d(frames, self.weight.squeeze(2), self.bias, self.stride[1:], padding)
        return frames.unflatten(0, (-1, clip.shape[2])).transpose(1, 2)

    def _over_time(self, clip: Tensor) -> Tensor:
        stride, padding = (self.stride[0], 1), (self.kernel_size[0] // 2, 0)
        steps = F.conv2d(clip.flatten(3), self.weight.squeeze(4), self.bias, stride, padding)
        return steps.unflatten(3, clip.shape[3:])
