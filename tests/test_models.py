"""Backbone, student, teacher, pretrainer: exact sizes, oracles for the arithmetic, shared seeds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

from actlumos.config import NetworkConfig, profile
from actlumos.models import Pretrainer, R2Plus1D, Student, Teacher, r2plus1d_34
from actlumos.models.input_norm import InputNorm
from actlumos.models.r2plus1d import midplanes

CONVS = ("conv1", "conv2")


def small(**changes: object) -> NetworkConfig:
    """The published choices (dropout, kept tokens, start of the head, norms) on a small network."""
    sizes = {
        "frames": 6,
        "layers": (1, 1, 1, 1),
        "widths": (16, 16, 16, 32),
        "stem": 16,
        "midplanes": "multiple16",
        "bert_heads": 4,
    }
    return profile("paper", **sizes | changes)


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def small_clip(batch: int = 2, frames: int = 6) -> Tensor:
    return torch.rand(batch, 3, frames, 20, 28, generator=torch.Generator().manual_seed(5))


# Sizes, counted without storage on the meta device.


def test_parameter_counts_are_those_of_the_papers_networks() -> None:
    with torch.device("meta"):
        assert parameters(r2plus1d_34()) == 63_491_975
        assert parameters(r2plus1d_34(11)) == 63_497_618
        assert parameters(r2plus1d_34(359)) == 63_676_142
        assert parameters(Student(11)) == 66_655_122
        assert parameters(Student(48)) == 66_674_103
        assert parameters(Teacher(11).fusion) == 332_162


def test_student_costs_304_7_gmacs_and_gives_8_time_steps() -> None:
    with torch.device("meta"):
        student = Student(11).eval()
        clip = torch.empty(1, 3, 64, 112, 112)
    with FlopCounterMode(display=False) as counter:
        logits = student(clip)
    assert logits.shape == (1, 11)
    assert student.feature_map(clip).shape == (1, 512, 8, 7, 7)
    assert counter.get_total_flops() / 2 == pytest.approx(304.7e9, abs=0.05e9)


def test_ig65m_planes_and_names() -> None:
    with torch.device("meta"):
        state = r2plus1d_34(359).state_dict()
        theirs = VideoResNet(BasicBlock, [Conv2Plus1D] * 4, [3, 4, 6, 3], R2Plus1dStem, 359)
    assert len(state) == 416 and list(state) == list(theirs.state_dict())
    planes = [state[f"layer{n}.0.{conv}.0.0.weight"].shape[0] for n in (2, 3, 4) for conv in CONVS]
    assert planes == [230, 288, 460, 576, 921, 1152]
    assert state["stem.0.weight"].shape == (45, 3, 1, 7, 7)
    assert state["stem.3.weight"].shape == (64, 45, 3, 1, 1)
    assert state["layer3.5.conv2.0.3.weight"].shape == (256, 576, 3, 1, 1)
    assert state["layer4.0.downsample.0.weight"].shape == (512, 256, 1, 1, 1)
    assert state["fc.weight"].shape == (359, 512)


@given(st.integers(1, 512), st.integers(1, 512))
def test_factorising_keeps_the_number_of_weights(inputs: int, outputs: int) -> None:
    middle = midplanes(inputs, outputs)
    whole = 27 * inputs * outputs
    assert middle * (9 * inputs + 3 * outputs) <= whole < (middle + 1) * (9 * inputs + 3 * outputs)
    rounded = midplanes(inputs, outputs, "multiple16")
    assert rounded % 16 == 0 and rounded >= 16 and abs(rounded - max(middle, 16)) <= 8


def test_a_small_config_gives_only_multiples_of_16() -> None:
    student = Student(11, small())
    convolutions = [m for m in student.backbone.modules() if isinstance(m, nn.Conv3d)]
    assert all(m.out_channels % 16 == 0 for m in convolutions)
    assert all(m.in_channels % 16 == 0 for m in convolutions[1:])


def test_batch_norm_has_ig65m_eps_and_the_given_momentum() -> None:
    net = R2Plus1D((1, 1, 1, 1), (16, 16, 16, 16), stem=16, bn_momentum=0.9)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm3d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.9)}


# Arithmetic against a slow second version that reads the state dict by name.


def reference_backbone(state: dict[str, Tensor], clip: Tensor, strides: tuple[int, ...]) -> Tensor:
    """Evaluation-mode R(2+1)D with one block per stage, from 2-D and 1-D convolutions."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        scale = state[f"{name}.weight"] / (var + 1e-3).sqrt()
        column = (1, -1, 1, 1, 1)
        return (x - mean.view(column)) * scale.view(column) + state[f"{name}.bias"].view(column)

    def spatial(x: Tensor, name: str, stride: int) -> Tensor:
        weight = state[f"{name}.weight"][:, :, 0]
        frames = [F.conv2d(f, weight, None, stride, weight.shape[-1] // 2) for f in x.unbind(2)]
        return torch.stack(frames, 2)

    def temporal(x: Tensor, name: str, stride: int) -> Tensor:
        weight = state[f"{name}.weight"][..., 0, 0]
        padded = F.pad(x, (0, 0, 0, 0, 1, 1))
        steps = [
            torch.einsum("bcthw,oct->bohw", padded[:, :, t : t + 3], weight)
            for t in range(0, x.shape[2], stride)
        ]
        return torch.stack(steps, 2)

    x = norm(spatial(clip, "stem.0", 2), "stem.1").relu()
    x = norm(temporal(x, "stem.3", 1), "stem.4").relu()
    for stage, time in enumerate(strides, 1):
        name, space = f"layer{stage}.0", 1 if stage == 1 else 2
        y = norm(spatial(x, f"{name}.conv1.0.0", space), f"{name}.conv1.0.1").relu()
        y = norm(temporal(y, f"{name}.conv1.0.3", time), f"{name}.conv1.1").relu()
        y = norm(spatial(y, f"{name}.conv2.0.0", 1), f"{name}.conv2.0.1").relu()
        y = norm(temporal(y, f"{name}.conv2.0.3", 1), f"{name}.conv2.1")
        if f"{name}.downsample.0.weight" in state:
            weight = state[f"{name}.downsample.0.weight"][..., 0, 0, 0]
            short = torch.einsum("bcthw,oc->bothw", x[:, :, ::time, ::space, ::space], weight)
            x = norm(short, f"{name}.downsample.1")
        x = (x + y).relu()
    return x


@pytest.mark.parametrize("strides", [(1, 2, 2, 2), (2, 1, 2, 1)])
def test_backbone_equals_the_slow_version(strides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net = R2Plus1D((1, 1, 1, 1), (8, 8, 12, 16), stem=5, temporal_strides=strides).double()
    for _ in range(3):
        net(torch.randn(2, 3, 7, 18, 22, dtype=torch.float64))
    for name, value in net.state_dict().items():
        if name.endswith((".weight", ".bias")) and value.dim() == 1:
            value.add_(0.3 * torch.randn_like(value))
    net.eval()
    clip = torch.randn(2, 3, 7, 18, 22, dtype=torch.float64)
    expected = reference_backbone(net.state_dict(), clip, strides)
    assert expected.shape[2] == net.output_frames(7)
    torch.testing.assert_close(net(clip), expected, rtol=1e-9, atol=1e-9)


def test_classifier_is_mean_pooling_and_a_linear_layer() -> None:
    torch.manual_seed(0)
    net = R2Plus1D((1, 1, 1, 1), (8, 8, 8, 8), stem=5, num_classes=3).eval()
    clip = torch.rand(2, 3, 4, 16, 16)
    logits = net(clip)
    state = {k: v for k, v in net.state_dict().items() if not k.startswith("fc.")}
    pooled = reference_backbone(state, clip, (1, 2, 2, 2)).mean((2, 3, 4))
    torch.testing.assert_close(logits, pooled @ net.fc.weight.T + net.fc.bias)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 17), st.tuples(*[st.integers(1, 3)] * 4))
def test_output_frames_tells_the_map_s_length(frames: int, strides: tuple[int, ...]) -> None:
    with torch.device("meta"):
        net = R2Plus1D((1, 1, 1, 1), (16,) * 4, stem=16, temporal_strides=strides)
        assert net(torch.empty(2, 3, frames, 8, 8)).shape[2] == net.output_frames(frames)


def test_channels_last_gives_the_same_numbers() -> None:
    torch.manual_seed(0)
    student = Student(5, small()).eval()
    clip = small_clip()
    expected = student(clip)
    student.to(memory_format=torch.channels_last_3d)
    found = student(clip.to(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


# Student, teacher, pretrainer.


def test_every_model_of_a_seed_starts_from_the_same_weights() -> None:
    fusions = ("dff", "dff-sigmoid", "mean", "concat", "dark", "retinex")
    torch.manual_seed(3)
    student = Student(5, small(norm="log")).state_dict()
    for fusion in fusions:
        torch.manual_seed(3)
        teacher = Teacher(5, small(), fusion=fusion).state_dict()
        assert all(torch.equal(value, teacher[name]) for name, value in student.items())
    torch.manual_seed(3)
    pretrainer = Pretrainer(Student(5, small())).student.state_dict()
    assert all(torch.equal(value, pretrainer[name]) for name, value in student.items())


def test_student_is_norm_backbone_pooling_head_classifier() -> None:
    torch.manual_seed(0)
    student = Student(5, small(norm="motion")).eval()
    clip = small_clip()
    features = student.backbone(InputNorm("motion")(clip))
    tokens = features.flatten(3).mean(-1).transpose(1, 2)
    vector = student.head(tokens)
    torch.testing.assert_close(student.feature_map(clip), features)
    torch.testing.assert_close(student.embed(clip), vector)
    expected = vector @ student.classifier.weight.T + student.classifier.bias
    torch.testing.assert_close(student(clip), expected)
    assert tokens.shape == (2, student.backbone.output_frames(6), 32)


def test_one_frame_is_a_clip_too() -> None:
    student = Student(5, small(norm="motion", frames=1))
    logits = student(small_clip(frames=1))
    assert logits.shape == (2, 5) and logits.isfinite().all()


@pytest.mark.parametrize("streams", [2, 3])
def test_teacher_output(streams: int) -> None:
    torch.manual_seed(0)
    config = small(projection=24, norm="log", norm_enhanced="log")
    teacher = Teacher(5, config, streams=("dark", "retinex", "gamma")[:streams])
    clips = [small_clip() ** (1 + s) for s in range(streams)]
    output = teacher(*clips)
    assert output.logits.shape == (2, 5)
    assert output.projections.shape == (2, streams, 24)
    torch.testing.assert_close(output.projections.norm(dim=-1), torch.ones(2, streams))
    steps, height, width = teacher.feature_maps(*clips)[0].shape[2:]
    assert output.weights.shape == (2, streams, steps, height, width)
    teacher.eval()
    torch.testing.assert_close(
        teacher(*clips).logits, teacher.classify(teacher.embed(*clips)), rtol=1e-5, atol=1e-6
    )


def test_teacher_streams_share_one_backbone_and_keep_their_own_norm() -> None:
    torch.manual_seed(0)
    teacher = Teacher(5, small(norm="fixed", norm_enhanced="log")).eval()
    dark, bright = small_clip(), small_clip().sqrt()
    first, second = teacher.feature_maps(dark, bright)
    torch.testing.assert_close(first, teacher.backbone(InputNorm("fixed")(dark)))
    torch.testing.assert_close(second, teacher.backbone(InputNorm("log")(bright)))


@pytest.mark.parametrize(("fusion", "stream"), [("dark", 0), ("retinex", 1)])
def test_teacher_with_one_selected_stream_is_a_student_on_it(fusion: str, stream: int) -> None:
    torch.manual_seed(0)
    teacher = Teacher(5, small(), fusion=fusion).eval()
    student = Student(5, small()).eval()
    student.load_state_dict(teacher.state_dict(), strict=False)
    clips = (small_clip(), small_clip().sqrt())
    torch.testing.assert_close(teacher(*clips).logits, student(clips[stream]))
    assert teacher(*clips).weights is None


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    teacher = Teacher(5, small())
    output = teacher(small_clip(), small_clip().sqrt())
    anchor = torch.randn(output.projections.shape)
    (output.logits.square().sum() + (output.projections * anchor).sum()).backward()
    assert [n for n, p in teacher.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in teacher.parameters())


def test_pretrainer_trains_the_student_s_own_backbone() -> None:
    torch.manual_seed(0)
    student = Student(5, small())
    pretrainer = Pretrainer(student, projection=24)
    projections = pretrainer(small_clip())
    torch.testing.assert_close(projections.norm(dim=-1), torch.ones(2))
    projections[:, 0].sum().backward()
    assert all(p.grad is not None for p in student.backbone.parameters())
    assert all(p.grad is None for p in student.head.parameters())


def test_bad_input_is_named() -> None:
    cases = [
        (lambda: R2Plus1D((1, 1, 1)), "four integers"),
        (lambda: R2Plus1D(temporal_strides=(1, 2, 2, 0)), "temporal_strides"),
        (lambda: R2Plus1D(midplanes="odd"), "multiple16"),
        (lambda: Student(0), "num_classes"),
        (lambda: Student(5, small(norm="zscore")), "motion"),
        (lambda: Student(5, small(bert_heads=5)), "heads"),
        (lambda: Teacher(5, small(), streams=("dark",)), "streams=1"),
        (lambda: Teacher(5, small(), fusion="sum"), "concat"),
        (lambda: Teacher(5, small())(small_clip()), "1 streams given"),
        (lambda: Student(5, small())(small_clip(frames=12)), "number of frames"),
        (lambda: Student(5, small())(torch.zeros(2, 6, 20, 28, 3)), "B, 3, T, H, W"),
        (lambda: InputNorm()(torch.zeros(1, 3, 2, 4, 4, dtype=torch.uint8)), "float clip"),
    ]
    for build, message in cases:
        with pytest.raises(ValueError, match=message), torch.device("cpu"):
            build()
