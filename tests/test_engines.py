"""Engines for inference: the same logits as the network, kept converted networks, and errors."""

from __future__ import annotations

import copy
import ctypes
import gc
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from actlumos import cli
from actlumos.baselines.networks.common import TokenNet
from actlumos.config import Config, profile
from actlumos.evaluation import engines
from actlumos.evaluation.engines import Engine, build, example_clips
from actlumos.evaluation.engines.fold import folded, split
from actlumos.models import Student, Teacher
from actlumos.models.input_norm import InputNorm

CLASSES = 5


def tiny(**changes: object) -> Config:
    sizes = {"frames": 4, "crop_size": (16, 16), "frame_size": (18, 20), "bert_heads": 2}
    return profile("smoke", widths=(16, 16, 16, 16), **(sizes | changes))


def trained(model: nn.Module, seed: int = 0) -> nn.Module:
    """Batch norms with statistics and factors of their own, as a training leaves them."""
    torch.manual_seed(seed)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm3d):
            part.running_mean.normal_(0, 0.3)
            part.running_var.uniform_(0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0, 0.3)
    return model.eval()


def clips(config: Config, batch: int, streams: int = 1) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    size = (batch, 3, config.frames, *config.crop_size)
    return tuple(torch.rand(size, generator=generator) / 4 for _ in range(streams))


def student(config: Config, seed: int = 0) -> Student:
    torch.manual_seed(seed)
    return trained(Student(CLASSES, config), seed)


def needs(name: str) -> None:
    if lacking := engines.missing(name):
        pytest.skip(f"needs {', '.join(lacking)}: pip install -e '.[fast]'")


@pytest.mark.parametrize("norm", InputNorm.KINDS)
@pytest.mark.parametrize("rule", ["ig65m", "torchvision", "multiple16"])
def test_a_folded_student_is_the_same_function(norm: str, rule: str) -> None:
    model = student(tiny(norm=norm, midplanes=rule, layers=(1, 2, 1, 1))).double()
    (clip,) = clips(tiny(), 2)
    (norm_in_front,), core = split(model, 1)
    assert not any(isinstance(part, nn.BatchNorm3d) for part in core.modules())
    with torch.no_grad():
        normalised = model.norm(clip).double()  # some norms give float32 always
        wanted = model.classify(model.summarise(model.backbone(normalised)))
        torch.testing.assert_close(core(norm_in_front(clip).double()), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("fusion", ["dff", "dff-sigmoid", "mean", "concat", "retinex"])
def test_a_folded_teacher_is_the_same_function(fusion: str) -> None:
    model = trained(Teacher(CLASSES, tiny(), fusion=fusion)).double()
    streams = [clip.double() for clip in clips(tiny(), 2, 2)]
    with torch.no_grad():
        ours, theirs = folded(model)(*streams), model(*streams)
    torch.testing.assert_close(ours.logits, theirs.logits, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.projections, theirs.projections, rtol=0, atol=1e-6)


def test_folding_leaves_the_model_as_it_was() -> None:
    model = student(tiny())
    before = copy.deepcopy(model.state_dict())
    build("torch", model, clips(tiny(), 1))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert isinstance(model.norm, InputNorm) and next(model.parameters()).requires_grad


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-5), ("auto", 0.1)])
def test_the_torch_engine_gives_the_networks_logits(precision: str, apart: float) -> None:
    model, clip = student(tiny(norm="motion")), clips(tiny(), 3)
    ours = build("torch", model, clips(tiny(), 1), precision=precision)(*clip)
    with torch.no_grad():
        theirs = model(*clip)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=0, atol=apart)


def test_norms_that_are_not_the_first_step_stay_inside() -> None:
    """The stream of an enhancer is normalised after the enhancer."""
    config = tiny()
    model = trained(TokenNet(CLASSES, config, [InputNorm("motion")], enhancer=nn.Identity))
    clip = clips(config, 2)
    engine = build("torch", model, clips(config, 1))
    assert not engine.norms
    with torch.no_grad():
        torch.testing.assert_close(engine(*clip), model(*clip), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="in the engine torch only"):
        build("onnx", model, clips(config, 1))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the converted networks of these tests are kept: exporting takes seconds."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def model(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Student:
    monkeypatch.setenv("ACTLUMOS_HOME", str(kept))
    return student(tiny(norm="motion"))


def largest_difference(engine: Engine, model: nn.Module, batch: int) -> float:
    clip = clips(tiny(), batch)
    with torch.no_grad():
        return float((engine(*clip) - model(*clip)).abs().max())


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_converted_networks_give_the_networks_logits_for_any_batch(
    name: str, model: Student
) -> None:
    needs(name)
    engine = build(name, model, clips(tiny(), 1), precision="fp32")
    assert max(largest_difference(engine, model, batch) for batch in (1, 3)) < 1e-5


def test_openvino_in_bfloat16(model: Student) -> None:
    needs("openvino")
    engine = build("openvino", model, clips(tiny(), 1))
    assert largest_difference(engine, model, 2) < 0.1


def test_the_command_line_knows_the_engines() -> None:
    """It has its own list, because `--help` loads no torch."""
    assert cli.ENGINES == engines.ENGINES


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_openvino_leaves_the_stack_of_signals_alone(model: Student) -> None:
    """Freed with the network, it would make the next signal a segmentation fault."""
    needs("openvino")
    stacks = [ctypes.create_string_buffer(64) for _ in range(3)]
    sigaltstack = ctypes.CDLL(None).sigaltstack
    sigaltstack(None, stacks[0])
    engine = build("openvino", model, clips(tiny(), 1))
    engine(*clips(tiny(), 2))
    sigaltstack(None, stacks[1])
    del engine
    gc.collect()
    sigaltstack(None, stacks[2])
    assert stacks[0].raw == stacks[1].raw == stacks[2].raw


def test_int8_needs_training_clips_once(model: Student, kept: Path) -> None:
    needs("openvino-int8")
    example = clips(tiny(), 1)
    with pytest.raises(ValueError, match="clips of the training set"):
        build("openvino-int8", model, example)
    some = [clips(tiny(), 1), *[(clip[None],) for clip in clips(tiny(), 4)[0]]]
    made = build("openvino-int8", model, example, calibration=some)
    assert 0 < largest_difference(made, model, 4) < 0.3  # 8 bits, and not the network itself
    again = build("openvino-int8", model, example)
    assert torch.equal(made(*clips(tiny(), 2)), again(*clips(tiny(), 2)))


def test_a_converted_network_is_kept(
    model: Student, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("openvino")
    from actlumos.evaluation.engines import converted

    example = clips(tiny(), 1)
    first = build("onnx", model, example)
    exports: list[Path] = []
    monkeypatch.setattr(converted, "_export", lambda core, clips, path: exports.append(path))
    assert torch.equal(build("onnx", model, example)(*example), first(*example))
    assert not exports and build("auto", model, example).name == "openvino"
    other = student(tiny(norm="motion"), seed=1)
    assert build("auto", other, example).name == "torch"
    with pytest.raises(Exception, match="doesn't exist|No such file|File"):
        build("onnx", other, example)  # the export was replaced: nothing was written
    assert len(exports) == 1 and not exports[0].exists()


def test_a_conversion_that_differs_is_not_kept(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnx")
    from actlumos.evaluation.engines import converted

    example = clips(tiny(), 1)
    with pytest.raises(ValueError, match="differ by .* use the engine torch"):
        converted._compare(split(student(tiny()), 1)[1], example, lambda clip: clip.sum(), 1e-3)


@pytest.mark.parametrize("name", ["onnx", "openvino", "openvino-int8"])
def test_a_missing_package_is_named_with_the_extra(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda package: None)
    with pytest.raises(ValueError, match=rf"{name} needs .*: pip install 'actlumos\[fast\]'"):
        build(name, student(tiny()), clips(tiny(), 1))
    assert build("auto", student(tiny()), clips(tiny(), 1)).name == "torch"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown engine 'tensorrt'"):
        build("tensorrt", student(tiny()), clips(tiny(), 1))


def test_the_example_is_one_dark_clip_per_stream() -> None:
    config = tiny()
    example = example_clips(("dark", "retinex"), config)
    assert [clip.shape for clip in example] == [(1, 3, 4, 16, 16)] * 2
    assert example[0].max() < 0.25
