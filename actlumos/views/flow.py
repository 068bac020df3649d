"""Optical flow: how far each pixel moves, as a second input next to the frames, stored on disk.

Flow at frame t is the displacement `(x, y)` in pixels that takes frame t to frame `t + step`:
positive x to the right, positive y down. The last `step` frames repeat the last flow, so a flow
has as many frames as its clip and is read with the same frame numbers.

**Where the formulas are from.** TV-L1 (Zach et al., 2007), DIS (Kroeger et al., 2016) and
Farneback (2003) are OpenCV's (TV-L1 from its contrib modules), RAFT (Teed and Deng, 2020) is
torchvision's, with weights from a path. Clipping at 20 pixels and scaling to -1..1 is I3D's
convention, from memory of its paper.

**Flow in the dark is mostly noise**, so what is done to the frames first is part of the
settings: any method of `actlumos.views.enhance`. Measured on darkroom at 42 x 56 as the correlation
with DIS flow of the same clips in normal light (12 clips): .69 from the dark frames, .70 after
gamma, .70 after Retinex, because enhancement scales the noise along with the picture; blurring
first made it worse. A longer step helps more, because motion adds up and noise does not: with
gamma .81 over 2 frames, .86 over 4. TV-L1 reached .70 and, with gamma, .72, in 20 to 40 times
the time.

**Bounds.** 20 pixels belong to frames of some 256 rows. Smaller frames need a smaller bound, in
proportion, or all motion falls into a few of the levels: in darkroom at 42 x 56 a clip's 99.9th
percentile is 1.6 pixels over one frame and 4.4 over four, on average.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from actlumos.runtime.files import sha256
from actlumos.runtime.tensors import read_tensors
from actlumos.views import enhance
from actlumos.views.augment import Crop, apply_crop
from actlumos.views.frames import enhance_frames

METHODS = ("tvl1", "dis", "farneback", "raft")
BOUND = 20.0  # pixels; see the module's top
_SMALLEST = 16  # rows and columns; DIS stops at 12 with an error of its own


@dataclass(frozen=True)
class FlowSettings:
    """All settings that decide a stored flow.

    Args:
        method: one of METHODS.
        enhancement: of the frames, first: `none` or a key of `actlumos.views.enhance.METHODS`.
        step: frames from one picture to the other.
        bound: pixels at which the flow is clipped when it is kept, > 0.
        options: of the enhancement function, as `{"sigmas": [4, 12, 36]}`.
        weights: for `raft`, path of torchvision's weights.

    Raises:
        ValueError: unknown method or enhancement, a step below 1, a bound that is not positive.
    """

    method: str = "tvl1"
    enhancement: str = "none"
    step: int = 1
    bound: float = BOUND
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""

    def __post_init__(self) -> None:
        _check_choice(self.method, self.enhancement, self.step)
        _check_bound(self.bound)

    @property
    def name(self) -> str:
        """Method, enhancement and a digest of everything: the name of the cache's folder.

        RAFT's weights enter by content. Raises FileNotFoundError if they are not there.
        """
        digest = sha256(_raft_weights(self.weights)) if self.method == "raft" else ""
        parts = self.method, self.enhancement, self.step, self.bound, dict(self.options), digest
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.method}-{self.enhancement}-{key}"

    def levels(self, frames: np.ndarray) -> np.ndarray:
        """Frames uint8 `[T, H, W, 3]` to the flow's levels, uint8 `[T, H, W, 2]`."""
        how: dict[str, Any] = {
            "step": self.step, "options": self.options, "weights": self.weights
        }
        return to_levels(flow(frames, self.method, self.enhancement, **how), self.bound)


def flow(
    frames: np.ndarray,
    method: str = "tvl1",
    enhancement: str = "none",
    *,
    step: int = 1,
    options: Mapping[str, Any] | None = None,
    weights: str | Path = "",
) -> np.ndarray:
    """The displacement from each frame to the one `step` later.

    Args:
        frames: uint8 `[T, H, W, 3]`, RGB; at least 16 pixels high and wide.
        method, enhancement, step, options, weights: see `FlowSettings`.

    Returns:
        float32 `[T, 2, H, W]`: x, y in pixels, not clipped. The last `step` frames repeat the
        last flow; a clip of `step` frames or fewer has flow 0.

    Raises:
        ValueError: bad frames, unknown method or enhancement, a step below 1.
        FileNotFoundError: RAFT's weights are not there.
        RuntimeError: TV-L1 without OpenCV's contrib modules.
    """
    _check_choice(method, enhancement, step)
    _check_frames(frames)
    if enhancement != "none":
        how = dict(options or {})
        frames = enhance_frames(frames, lambda clip: enhance.enhance(clip, enhancement, **how))
    moved = np.zeros((len(frames), 2, *frames.shape[1:3]), np.float32)
    if len(frames) <= step:
        return moved
    moved[:-step] = (
        _raft(frames, step, weights) if method == "raft" else _opencv(frames, step, method)
    )
    moved[-step:] = moved[-step - 1]
    return moved


def scale_flow(pixels: np.ndarray, bound: float = BOUND) -> np.ndarray:
    """Clip at `bound` pixels either way and divide by it: any shape, to -1..1.

    Raises ValueError if the bound is not positive.
    """
    _check_bound(bound)
    return np.clip(pixels, -bound, bound) / np.float32(bound)


def to_levels(pixels: np.ndarray, bound: float = BOUND) -> np.ndarray:
    """Flow `[T, 2, H, W]` in pixels to 255 levels, uint8 `[T, H, W, 2]`: 1..255, and 128 is 0.

    Symmetric, unlike the usual 0..255: no motion stays no motion, and a mirrored flow has
    mirrored levels. One level is `bound / 127` pixels. Raises ValueError on a bad bound.
    """
    return (128 + np.rint(127 * scale_flow(pixels, bound))).astype(np.uint8).transpose(0, 2, 3, 1)


def from_levels(levels: Tensor) -> Tensor:
    """Levels uint8 `[B, T, H, W, 2]` to network input: float `[B, 2, T, H, W]` in -1..1."""
    if levels.dtype != torch.uint8 or levels.ndim != 5 or levels.shape[-1] != 2:
        raise ValueError(f"need uint8 [B, T, H, W, 2], got {levels.dtype} {list(levels.shape)}")
    return (levels.permute(0, 4, 1, 2, 3).contiguous().float() - 128) / 127


def flip_flow(moved: Tensor) -> Tensor:
    """Mirror a flow `[..., 2, T, H, W]` left to right: what moved right now moves left."""
    x, y = moved.flip(-1).unbind(-4)
    return torch.stack((-x, y), dim=-4)


def apply_flow_crop(moved: Tensor, crop: Crop, size: tuple[int, int]) -> Tensor:
    """`augment.apply_crop` for a flow `[B, 2, T, H, W]`: where the clip is flipped, x changes sign.

    Values stay pixels of the whole frame, over the bound, however the box is resized: as public
    two-stream code does.
    """
    unflipped = apply_crop(moved, crop._replace(flip=torch.zeros_like(crop.flip)), size)
    flip = crop.flip.to(moved.device)[:, None, None, None, None]
    return torch.where(flip, flip_flow(unflipped), unflipped)


def _check_choice(method: str, enhancement: str, step: int) -> None:
    if method not in METHODS:
        raise ValueError(f"no flow method {method!r}; choose from {', '.join(METHODS)}")
    if enhancement != "none" and enhancement not in enhance.METHODS:
        known = ", ".join(["none", *enhance.METHODS])
        raise ValueError(f"no enhancement {enhancement!r}; choose from {known}")
    if step < 1:
        raise ValueError(f"step must be at least 1, got {step}")


def _check_frames(frames: np.ndarray) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames):
        raise ValueError(f"flow needs uint8 [T, H, W, 3], got {frames.dtype} {frames.shape}")
    if min(frames.shape[1:3]) < _SMALLEST:
        raise ValueError(f"flow needs frames of {_SMALLEST} pixels or more, got {frames.shape}")


def _check_bound(bound: float) -> None:
    if not bound > 0:
        raise ValueError(f"bound must be positive, got {bound}")


def _opencv(frames: np.ndarray, step: int, method: str) -> np.ndarray:
    """Flows `[T - step, 2, H, W]` by one of OpenCV's methods."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    calculate = _algorithm(method)
    pairs = zip(grey, grey[step:], strict=False)
    return np.stack([calculate(first, second).transpose(2, 0, 1) for first, second in pairs])


def _algorithm(method: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Two grey frames to a flow `[H, W, 2]`; made once per clip, because threads must not share
    its buffers."""
    if method == "farneback":
        how: Any = {"pyr_scale": 0.5, "levels": 3, "winsize": 15, "iterations": 3}
        how |= {"flow": None, "poly_n": 5, "poly_sigma": 1.2, "flags": 0}
        return lambda a, b: cv2.calcOpticalFlowFarneback(a, b, **how)
    algorithm: Any
    if method == "dis":
        algorithm = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        algorithm.setFinestScale(0)  # the preset stops at half size: too coarse for small frames
    elif hasattr(cv2, "optflow"):
        algorithm = cv2.optflow.DualTVL1OpticalFlow.create()
    else:
        raise RuntimeError(
            "TV-L1 is in OpenCV's contrib modules: install opencv-contrib-python-headless in "
            "place of opencv-python-headless, or choose method 'dis'"
        )
    return lambda a, b: algorithm.calc(a, b, None)


def _raft_weights(path: str | Path) -> Path:
    if not path or not Path(path).is_file():
        from torchvision.models.optical_flow import Raft_Small_Weights

        url = Raft_Small_Weights.DEFAULT.url
        raise FileNotFoundError(f"no RAFT weights at {str(path)!r}: give the path of {url}")
    return Path(path)


@torch.inference_mode()
def _raft(frames: np.ndarray, step: int, weights: str | Path) -> np.ndarray:
    """RAFT-small at sides that are multiples of 8 and at least 128, which the network needs."""
    from torchvision.models.optical_flow import raft_small  # a second to import, and rarely used

    network = raft_small().eval()
    try:
        network.load_state_dict(read_tensors(_raft_weights(weights)))
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"{weights} holds other weights than RAFT-small's") from error
    height, width = frames.shape[1:3]
    size = [max(128, -(-side // 8) * 8) for side in (height, width)]
    back = torch.tensor([width / size[1], height / size[0]]).view(1, 2, 1, 1)
    clip = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    clip = F.interpolate(clip, size, mode="bilinear", antialias=True)
    flows = [
        F.interpolate(network(a, b)[-1], (height, width), mode="bilinear") * back
        for a, b in zip(clip[:-step].split(8), clip[step:].split(8), strict=True)
    ]
    return torch.cat(flows).numpy()
