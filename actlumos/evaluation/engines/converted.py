"""Networks in ONNX, for ONNX Runtime and OpenVINO, and in 8-bit integers.

PyTorch exports the folded network once (`.onnx`); both runtimes read that file. int8 is made of it
by NNCF (`.xml` and `.bin`). The files are in `<home>/data/cache/engines`, named after the network's
weights, the shapes of its clips and the versions of the packages, so nothing stale is ever read.
A file is written only after the converted network gave the network's own logits.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from actlumos.config import digest
from actlumos.evaluation.engines.fold import Core
from actlumos.runtime.device import infers_in_bfloat16
from actlumos.runtime.files import atomic_write, first_line, home

Clips = tuple[Tensor, ...]
TOLERANCE = {"onnx": 1e-3, "openvino": 0.1}
"""Largest difference to the network's own logits, relative to the largest of them (at least 1)."""
LEFT_IN_FLOAT = 2
"""Convolutions at the input that int8 leaves out, see `_quantised`."""


def convert(
    name: str, core: Core, normalised: Iterator[Clips], precision: str
) -> Callable[..., Tensor]:
    """The network in the engine `name`, from the cache or made now.

    Args:
        core: the network behind its input norms.
        normalised: first an example, `[1, C, T, H, W]` per stream, then the clips for int8.
        precision: `fp32` keeps bfloat16 out of it.

    Raises:
        ValueError: it cannot be exported, the result differs, or int8 lacks clips.
    """
    with _signal_stack_kept():
        return _converted(name, core, normalised, precision)


def _converted(
    name: str, core: Core, normalised: Iterator[Clips], precision: str
) -> Callable[..., Tensor]:
    example = next(normalised)
    exported = exported_path(core, example)
    if not exported.exists():
        _export(core, example, exported)
    if name == "onnx":
        return _in_onnxruntime(exported)
    path = exported
    if name == "openvino-int8":
        made_by = digest(version("nncf"), version("openvino"), LEFT_IN_FLOAT)
        path = exported.with_name(f"{exported.stem}-int8-{made_by}.xml")
        if not path.exists():
            _quantise(exported, list(normalised), path)
    run = _in_openvino(path, precision)
    if name == "openvino":
        _compare(core, example, run, TOLERANCE[name])
    return run


@contextmanager
def _signal_stack_kept() -> Iterator[None]:
    """Put back the stack on which this thread handles signals.

    OpenVINO 2026.4 replaces it for each network, and frees it with the network: the next signal
    after that, such as the end of a subprocess, would be a segmentation fault.
    """
    if sys.platform == "win32":
        yield
        return
    kept = ctypes.create_string_buffer(64)  # a stack_t
    sigaltstack = ctypes.CDLL(None).sigaltstack
    sigaltstack(None, kept)
    try:
        yield
    finally:
        sigaltstack(kept, None)


def exported_path(core: Core, example: Sequence[Tensor]) -> Path:
    """Where the ONNX file of a network is kept: named after its weights, parts and clips."""
    weights = hashlib.sha256()
    for name, tensor in core.state_dict().items():
        weights.update(name.encode())
        weights.update(tensor.contiguous().flatten().numpy().data)
    shapes = [list(clip.shape[1:]) for clip in example]
    versions = version("torch"), version("onnxscript")
    key = digest(weights.hexdigest(), repr(core), shapes, versions)
    return home() / "data" / "cache" / "engines" / f"{key}.onnx"


def _export(core: Core, example: Clips, path: Path) -> None:
    for part in core.modules():
        if isinstance(part, nn.Conv3d):
            part.__class__ = nn.Conv3d  # the runtimes have their own way to run a factorised one
    pairs = tuple(clip.repeat(2, 1, 1, 1, 1) for clip in example)  # one clip would fix B at 1
    any_number = {0: torch.export.Dim("batch")}
    names = [f"clip{number}" for number in range(len(example))]
    with atomic_write(path) as temporary:
        try:
            torch.onnx.export(
                core, pairs, temporary, input_names=names, output_names=["logits"],
                dynamic_shapes={"clips": (any_number,) * len(example)},
                external_data=False, verbose=False,
            )  # fmt: skip
        except torch.onnx.errors.OnnxExporterError as error:
            raise ValueError(f"the network cannot be exported: {first_line(error)}") from error
        _compare(core, pairs, _in_onnxruntime(temporary), TOLERANCE["onnx"])


def _compare(core: Core, clips: Clips, run: Callable[..., Tensor], tolerance: float) -> None:
    with torch.inference_mode():
        wanted = core(*clips)
    apart = float((run(*clips) - wanted).abs().max() / wanted.abs().max().clamp_min(1))
    if not apart <= tolerance:
        raise ValueError(
            f"the converted network's logits differ by {apart:.2g} of the largest, more than "
            f"{tolerance:g}: use the engine torch"
        )


def _in_onnxruntime(path: Path) -> Callable[..., Tensor]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]

    def run(*clips: Tensor) -> Tensor:
        feed = dict(zip(names, (clip.numpy() for clip in clips), strict=True))
        return torch.from_numpy(session.run(None, feed)[0])

    return run


def _in_openvino(path: Path, precision: str) -> Callable[..., Tensor]:
    ov = _openvino()
    bfloat16 = precision != "fp32" and infers_in_bfloat16(torch.device("cpu"))
    how = {
        "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    network = ov.Core().compile_model(path, "CPU", how)

    def run(*clips: Tensor) -> Tensor:
        return torch.from_numpy(np.array(network([clip.numpy() for clip in clips])[0]))

    return run


def _openvino() -> Any:
    """The package; its usage statistics, which it would send unasked, stay off."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _quantise(exported: Path, calibration: Sequence[Clips], path: Path) -> None:
    """Write the int8 network: post-training quantisation of weights and activations."""
    if not calibration:
        raise ValueError(
            "int8 needs clips of the training set once, for the ranges of its activations: run "
            "`actlumos evaluate ARM --engine openvino-int8` in the run of this checkpoint first"
        )
    ov = _openvino()
    network = _quantised(ov.Core().read_model(exported), calibration)
    with atomic_write(path) as xml, atomic_write(path.with_suffix(".bin")) as weights:
        ov.serialize(network, xml, weights)


def _quantised(network: Any, calibration: Sequence[Clips]) -> Any:
    """An OpenVINO network in int8, except for the stem's convolutions and the temporal head.

    Measured with the demo's student (seed 0) on 338 clips that calibration had not seen, 250 of
    them training and 88 validation clips, as the share with float32's class: ranges from the least
    to the greatest value of all clips 98.2 %, NNCF's default, their mean over clips, 95.6 %; the
    stem in float 98.5 %, its second convolution in int8 97.0 %.
    """
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    nncf.set_log_level(logging.ERROR)
    parts = network.get_ordered_ops()
    convolutions = (part for part in parts if part.get_type_name() == "Convolution")
    products = [part for part in parts if part.get_type_name() == "MatMul"]
    kept = [*islice(convolutions, LEFT_IN_FLOAT), *products]
    return nncf.quantize(
        network,
        nncf.Dataset([[clip.numpy() for clip in clips] for clips in calibration]),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(calibration),
        ignored_scope=nncf.IgnoredScope(names=[part.get_friendly_name() for part in kept]),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
        ),
    )
