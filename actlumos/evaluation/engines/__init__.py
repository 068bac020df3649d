"""Engines: the same trained network, run for inference only, several times faster.

    torch           PyTorch, batch norm folded, channels last, bfloat16 where the CPU or GPU has it
    onnx            ONNX Runtime, float32, on the CPU
    openvino        OpenVINO, bfloat16 where the CPU has it, else float32
    openvino-int8   OpenVINO, 8-bit integers, with ranges measured on training clips

All take what the network takes, one float clip `[B, 3, T, H, W]` in 0..1 per stream, and return
logits. The input norms stay in front, in PyTorch and float32 (`fold.split`). `converted.py` has the
engines that are not PyTorch's; their packages are the optional `actlumos[fast]`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from actlumos.config import Config
from actlumos.evaluation.engines.fold import Core, split
from actlumos.models.actlumos import Recogniser
from actlumos.runtime.device import channels_last, device_of, infers_in_bfloat16
from actlumos.views.streams import channels, test_streams

ENGINES = ("torch", "onnx", "openvino", "openvino-int8")
PACKAGES: dict[str, tuple[str, ...]] = {
    "torch": (),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
    "openvino-int8": ("onnx", "onnxscript", "openvino", "nncf"),
}
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Engine:
    """Float clips `[B, 3, T, H, W]` in 0..1, one per stream, to logits `[B, K]` float32.

    Args:
        name: one of `ENGINES`.
        norms: the network's input norms, one per stream; none where `run` has them.
        run: normalised clips to logits, for any B.
        device: where the clips must be.
    """

    name: str
    norms: list[nn.Module]
    run: Callable[..., Tensor]
    device: torch.device = _CPU

    @torch.inference_mode()
    def __call__(self, *streams: Tensor) -> Tensor:
        return self.run(*_normalised(self.norms, streams))


def build(
    name: str,
    model: nn.Module,
    example: Sequence[Tensor],
    *,
    precision: str = "auto",
    calibration: Iterable[Sequence[Tensor]] = (),
) -> Engine:
    """An engine of a network; a converted network is kept in the cache and found there again.

    Args:
        name: one of `ENGINES`, or `auto`: `openvino` where the cache holds it for this network
            already, else `torch`. Converting takes some seconds, more than a few videos do.
        model: a trained network; it is not changed.
        example: one clip `[1, 3, T, H, W]` per stream, for the shapes and for a comparison.
        precision: as in a `Config`; `fp32` keeps bfloat16 out of it.
        calibration: for int8: clips of the training set, each like `example`; read only where the
            cache lacks it.

    Raises:
        ValueError: an unknown engine, one whose packages are not installed, a network that cannot
            be converted, or int8 without clips.
    """
    if name not in (*ENGINES, "auto"):
        raise ValueError(f"unknown engine {name!r}: choose one of {', '.join(ENGINES)}, auto")
    device = device_of(model)
    norms, core = split(model, len(example))
    if name == "auto":
        name = "openvino" if device == _CPU and _kept(norms, core, example) else "torch"
    if name == "torch":
        bfloat16 = bool(norms) and isinstance(model, Recogniser) and precision != "fp32"
        return Engine(name, norms, _in_torch(core, device, bfloat16), device)
    if not norms:
        raise ValueError(f"a {type(model).__name__} runs in the engine torch only")
    norms = [norm.cpu() for norm in norms]
    every = chain([example], calibration)
    clips = (_normalised(norms, [clip.cpu() for clip in one]) for one in every)
    return Engine(name, norms, _converted(name, core.cpu(), clips, precision))


def _converted(
    name: str, core: Core, clips: Iterator[tuple[Tensor, ...]], precision: str
) -> Callable[..., Tensor]:
    if lacking := missing(name):
        raise ValueError(
            f"the engine {name} needs {', '.join(lacking)}: pip install 'actlumos[fast]', or "
            "choose the engine torch"
        )
    from actlumos.evaluation.engines import converted  # its packages are optional

    return converted.convert(name, core, clips, precision)


def example_clips(streams: tuple[str, ...], config: Config) -> tuple[Tensor, ...]:
    """One dark clip `[1, 3, T, h, w]` of noise per stream, always the same."""
    size = (1, config.frames, *config.frame_size, channels(streams))
    clip = torch.randint(0, 64, size, generator=torch.Generator().manual_seed(0)).byte()
    return test_streams(clip, streams, config)[0]


def missing(name: str) -> list[str]:
    """Packages of an engine that are not installed."""
    return [package for package in PACKAGES[name] if not importlib.util.find_spec(package)]


def _kept(norms: list[nn.Module], core: Core, example: Sequence[Tensor]) -> bool:
    """Whether the cache holds the converted network, for OpenVINO to read."""
    if not norms or missing("openvino"):
        return False
    from actlumos.evaluation.engines import converted

    return converted.exported_path(core, example).exists()


@torch.inference_mode()
def _normalised(norms: list[nn.Module], streams: Sequence[Tensor]) -> tuple[Tensor, ...]:
    if not norms:
        return tuple(streams)
    return tuple(norm(clip) for norm, clip in zip(norms, streams, strict=True))


def _in_torch(core: Core, device: torch.device, bfloat16: bool) -> Callable[..., Tensor]:
    fast = bfloat16 and infers_in_bfloat16(device)
    dtype = torch.bfloat16 if fast else torch.float32
    network = channels_last(core).to(dtype)
    return lambda *clips: network(*(clip.to(dtype) for clip in clips)).float()
