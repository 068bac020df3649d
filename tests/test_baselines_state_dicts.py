"""Names and shapes of the public state dicts of 3D-ResNet, 3D-ResNeXt, P3D and I3D, as listed in
the fact sheets of the public code."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from actlumos.baselines.networks.inception3d import i3d
from actlumos.baselines.networks.p3d import p3d_199
from actlumos.baselines.networks.resnet3d import resnet3d, resnext3d_101

Shapes = dict[str, tuple[int, ...]]


def shapes(model: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The five tensors of a batch norm."""
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (width,)
    yield f"{name}.num_batches_tracked", ()


def resnet_shapes(block: str, depths: tuple[int, ...], classes: int) -> Shapes:
    """kenshohara's: planes 64..512 x 1 or 4; ResNeXt 128..1024 x 2 in 32 groups."""
    listed: Shapes = {"conv1.weight": (64, 3, 7, 7, 7), **dict(norm("bn1", 64))}
    expansion = {"basic": 1, "bottleneck": 4, "resnext": 2}[block]
    before = 64
    for stage, depth in enumerate(depths):
        planes = (128 if block == "resnext" else 64) * 2**stage
        outputs = planes * expansion
        groups = 32 if block == "resnext" else 1
        for n in range(depth):
            name = f"layer{stage + 1}.{n}"
            if block == "basic":
                convs = [(planes, before, 3), (planes, planes, 3)]
            else:
                convs = [(planes, before, 1), (planes, planes // groups, 3), (outputs, planes, 1)]
            for number, (out, into, k) in enumerate(convs, 1):
                listed[f"{name}.conv{number}.weight"] = (out, into, k, k, k)
                listed.update(norm(f"{name}.bn{number}", out))
            if n == 0 and before != outputs:
                listed[f"{name}.downsample.0.weight"] = (outputs, before, 1, 1, 1)
                listed.update(norm(f"{name}.downsample.1", outputs))
            before = outputs
    return listed | {"fc.weight": (classes, before), "fc.bias": (classes,)}


def test_kenshohara_s_state_dicts_fit() -> None:
    with torch.device("meta"):
        assert shapes(resnet3d(18, 700)) == resnet_shapes("basic", (2, 2, 2, 2), 700)
        assert shapes(resnet3d(50, 1139)) == resnet_shapes("bottleneck", (3, 4, 6, 3), 1139)
        assert shapes(resnet3d(101, 700)) == resnet_shapes("bottleneck", (3, 4, 23, 3), 700)
        assert shapes(resnext3d_101(400)) == resnet_shapes("resnext", (3, 4, 23, 3), 400)


def p3d_shapes(depths: tuple[int, ...] = (3, 8, 36, 3)) -> Shapes:
    """qijiezhao's names; the last stage has no time."""
    listed: Shapes = {"conv1_custom.weight": (64, 3, 1, 7, 7), **dict(norm("bn1", 64))}
    before = 64
    for stage, depth in enumerate(depths):
        p = 64 * 2**stage
        one = (1, 1) if stage == 3 else (1, 1, 1)
        for n in range(depth):
            name = f"layer{stage + 1}.{n}"
            listed[f"{name}.conv1.weight"] = (p, before, *one)
            if stage == 3:
                listed[f"{name}.conv_normal.weight"] = (p, p, 3, 3)
                listed.update(norm(f"{name}.bn_normal", p))
            else:
                listed[f"{name}.conv2.weight"] = (p, p, 1, 3, 3)
                listed[f"{name}.conv3.weight"] = (p, p, 3, 1, 1)
                listed.update([*norm(f"{name}.bn2", p), *norm(f"{name}.bn3", p)])
            listed[f"{name}.conv4.weight"] = (4 * p, p, *one)
            listed.update([*norm(f"{name}.bn1", p), *norm(f"{name}.bn4", 4 * p)])
            if n == 0:
                listed[f"{name}.downsample.0.weight"] = (4 * p, before, *one)
                listed.update(norm(f"{name}.downsample.1", 4 * p))
            before = 4 * p
    return listed | {"fc.weight": (400, 2048), "fc.bias": (400,)}


def i3d_shapes(channels: int) -> Shapes:
    """piergiaj's names, from the published channel table."""
    convs = {
        "Conv3d_1a_7x7": (64, channels, 7),
        "Conv3d_2b_1x1": (64, 64, 1),
        "Conv3d_2c_3x3": (192, 64, 3),
    }
    table = {
        "3b": (192, 64, 96, 128, 16, 32, 32),
        "3c": (256, 128, 128, 192, 32, 96, 64),
        "4b": (480, 192, 96, 208, 16, 48, 64),
        "4c": (512, 160, 112, 224, 24, 64, 64),
        "4d": (512, 128, 128, 256, 24, 64, 64),
        "4e": (512, 112, 144, 288, 32, 64, 64),
        "4f": (528, 256, 160, 320, 32, 128, 128),
        "5b": (832, 256, 160, 320, 32, 128, 128),
        "5c": (832, 384, 192, 384, 48, 128, 128),
    }
    for name, (inputs, b0, b1a, b1b, b2a, b2b, b3b) in table.items():
        row = {"b0": (b0, inputs, 1), "b1a": (b1a, inputs, 1), "b1b": (b1b, b1a, 3)}
        row |= {"b2a": (b2a, inputs, 1), "b2b": (b2b, b2a, 3), "b3b": (b3b, inputs, 1)}
        convs |= {f"Mixed_{name}.{branch}": shape for branch, shape in row.items()}
    listed: Shapes = {"logits.conv3d.weight": (400, 1024, 1, 1, 1), "logits.conv3d.bias": (400,)}
    for name, (out, into, k) in convs.items():
        listed[f"{name}.conv3d.weight"] = (out, into, k, k, k)
        listed.update(norm(f"{name}.bn", out))
    return listed


def test_p3d_s_and_i3d_s_state_dicts_fit() -> None:
    with torch.device("meta"):
        assert shapes(p3d_199(400)) == p3d_shapes()
        assert shapes(i3d(400)) == i3d_shapes(3) and len(i3d_shapes(3)) == 344
        assert shapes(i3d(400, channels=2)) == i3d_shapes(2)


def test_a_public_state_dict_without_batch_counters_loads() -> None:
    model = i3d(400)
    listed = {k: s for k, s in i3d_shapes(3).items() if not k.endswith("num_batches_tracked")}
    state = {name: torch.full(shape, 0.25) for name, shape in listed.items()}
    missing, surplus = model.load_state_dict(state, strict=False)
    assert not surplus and all(name.endswith("num_batches_tracked") for name in missing)
    assert all((p == 0.25).all() for p in model.parameters())
