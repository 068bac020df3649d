"""Public weights by path: state dicts of the published names and shapes, and files that differ."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_baselines_cnn2d import bninception_shapes
from test_baselines_state_dicts import Shapes, i3d_shapes, p3d_shapes, resnet_shapes
from torch import Tensor, nn
from torchvision.models import vgg16

from actlumos.baselines.networks.bninception import BNInception
from actlumos.baselines.networks.frame2d import SnippetNet, TwoStream, VggTower
from actlumos.baselines.networks.inception3d import i3d
from actlumos.baselines.networks.p3d import P3D
from actlumos.baselines.networks.resnet3d import ResNet3D
from actlumos.baselines.public_weights import PUBLIC, load_public
from actlumos.config import profile
from actlumos.models import R2Plus1D
from actlumos.stages import find

State = dict[str, Tensor]


def made(shapes: Shapes, seed: int = 0) -> State:
    """Values for names and shapes, no two equal; variances are positive."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.tensor(7) if not shape else torch.rand(shape, generator=generator) + 0.1
        for name, shape in shapes.items()
    }


def shapes_of(network: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


class Behind(nn.Module):
    """As `Normed`: a network inside another module."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network


def assert_taken(network: nn.Module, state: State, but: tuple[str, ...] = ()) -> None:
    own = network.state_dict()
    taken = [name for name in state if not name.startswith(but)]
    assert taken and all(torch.equal(own[name], state[name]) for name in taken)


# Files of the published names and shapes.


def test_i3d_s_two_files_start_its_two_networks(tmp_path: Path) -> None:
    """Real size; as in old files, batch norm's counters are absent."""
    towers = {"rgb": i3d(11), "flow": i3d(11, channels=2)}
    network = Behind(TwoStream(**towers))
    for seed, (name, channels) in enumerate((("rgb", 3), ("flow", 2))):
        listed = {k: s for k, s in i3d_shapes(channels).items() if "num_batches" not in k}
        state = made(listed, seed)
        torch.save(state, tmp_path / f"{name}_imagenet.pt")
        classifier = towers[name].logits.conv3d.weight.clone()
        loaded = load_public(network, "i3d-two-stream", tmp_path / f"{name}_imagenet.pt", name)
        assert loaded.left == ("logits.",)
        assert_taken(towers[name], state, ("logits.",))
        assert torch.equal(towers[name].logits.conv3d.weight, classifier)
    assert "piergiaj" in str(loaded) and "flow_imagenet.pt" in str(loaded)
    with pytest.raises(ValueError, match=r"Conv3d_1a_7x7.conv3d.weight is \(64, 3, 7, 7, 7\), not"):
        load_public(network, "i3d-two-stream", tmp_path / "rgb_imagenet.pt", "flow")


def test_imagenet_s_bninception_expects_blue_first(tmp_path: Path) -> None:
    """Real size, Cadene's names: on an RGB picture the layer answers as on the BGR one."""
    rgb, flow = BNInception(11), BNInception(11, 10)
    network = Behind(TwoStream(SnippetNet(rgb, 3, 25), SnippetNet(flow, 3, 25, length=5), 1.5))
    state = made(bninception_shapes())
    torch.save(state, tmp_path / "bn.pth")
    for tower in ("rgb", "flow"):
        loaded = load_public(network, "tsn", tmp_path / "bn.pth", tower)
        assert loaded.left == ("last_linear.",)
    name = "conv1_7x7_s2.weight"
    assert_taken(rgb, state, ("last_linear.", name))
    assert_taken(flow, state, ("last_linear.", name))
    picture = torch.rand(1, 3, 14, 14)
    bgr = nn.functional.conv2d(picture.flip(1), state[name], state["conv1_7x7_s2.bias"], 2, 3)
    torch.testing.assert_close(rgb.conv1_7x7_s2(picture), bgr)
    mean = state[name].sum(1) / 3
    assert all(torch.allclose(flow.conv1_7x7_s2.weight[:, c], mean) for c in range(10))


def test_imagenet_s_vgg_16_starts_frames_and_flow(tmp_path: Path) -> None:
    """torchvision's names, an eighth as wide."""
    plan = [width if width == "M" else width // 8 for width in VGG_PLAN]
    rgb, flow = (VggTower(11, c, plan=plan, grid=2, hidden=32) for c in (3, 20))
    network = Behind(TwoStream(SnippetNet(rgb, 1, 25), SnippetNet(flow, 1, 25, length=10), 1.5))
    state = made(shapes_of(VggTower(1000, plan=plan, grid=2, hidden=32)))
    with torch.device("meta"):
        assert list(state) == list(vgg16().state_dict())
    torch.save(state, tmp_path / "vgg16.pth")
    head, first = "classifier.6.", "features.0.weight"
    for tower, net in (("rgb", rgb), ("flow", flow)):
        loaded = load_public(network, "vgg-ts", tmp_path / "vgg16.pth", tower)
        assert loaded.left == (head,)
        assert_taken(net, state, (head, first))
    assert torch.equal(rgb.features[0].weight, state[first])
    assert flow.features[0].weight.shape[1] == 20
    assert torch.allclose(flow.features[0].weight[:, 13], state[first].mean(1))


VGG_PLAN = (64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M")


def test_p3d_s_checkpoint_and_a_parallel_wrapper(tmp_path: Path) -> None:
    """The names of the whole P3D at its depth of four blocks; the file wraps them twice."""
    net = P3D((1, 1, 1, 1), num_classes=11)
    state = made(p3d_shapes((1, 1, 1, 1)))
    wrapped = {f"module.{name}": value for name, value in state.items()}
    torch.save({"epoch": 3, "state_dict": wrapped, "best": 0.5}, tmp_path / "p3d.pth.tar")
    loaded = load_public(Behind(net), "p3d-199", tmp_path / "p3d.pth.tar")
    assert loaded.left == ("fc.",)
    assert_taken(net, state, ("fc.",))


def test_a_classifier_of_the_same_size_is_taken_too(tmp_path: Path) -> None:
    net = ResNet3D("basic", (1, 1, 1, 1), (64, 128, 256, 512), num_classes=11)
    state = made(resnet_shapes("basic", (1, 1, 1, 1), 11))
    torch.save(state, tmp_path / "r3d.pth")
    loaded = load_public(Behind(net), "resnet3d-18", tmp_path / "r3d.pth")
    assert loaded.left == () and str(loaded).endswith("left out: nothing")
    assert_taken(net, state)


def test_dark_light_s_resnext_keeps_its_own_last_block(tmp_path: Path) -> None:
    """The old file's names begin with `module.`; FRMB's block is not in it."""
    depths, widths = (1, 1, 1, 2), (256, 512, 1024, 2048)
    net = ResNet3D("resnext", depths, widths, last_width=512)
    before = {k: v.clone() for k, v in net.state_dict().items() if k.startswith("layer4.1.")}
    state = made(resnet_shapes("resnext", depths, 400))
    torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "resnext.pth")
    loaded = load_public(Behind(net), "darklight-resnext-101", tmp_path / "resnext.pth")
    assert loaded.left == ("fc.", "layer4.1.")
    assert_taken(net, state, loaded.left)
    assert_taken(net, before)
    whole = ResNet3D("resnext", depths, widths, num_classes=11)
    load_public(Behind(whole), "dtcm", tmp_path / "resnext.pth")
    assert_taken(whole, state, ("fc.",))


def test_r2plus1d_weights_are_loaded_by_their_own_function(tmp_path: Path) -> None:
    network = find("baselines/r2plus1d-bert").network(5, profile("smoke"))
    assert isinstance(network.backbone, R2Plus1D)
    state = made(shapes_of(network.backbone))
    torch.save(state, tmp_path / "own.pth")
    assert "unknown file" in str(load_public(network, "r2plus1d-bert", tmp_path / "own.pth"))
    assert_taken(network.backbone, state)
    with pytest.raises(FileNotFoundError, match="ig65m"):
        load_public(network, "r2plus1d-bert", tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("name", "tower", "part"),
    [
        ("vgg-ts", "rgb", "network.rgb.net"),
        ("vgg-ts", "flow", "network.flow.net"),
        ("tsn", "rgb", "network.rgb.net"),
        ("tsn", "flow", "network.flow.net"),
        ("i3d-rgb", "rgb", "network"),
        ("i3d-two-stream", "flow", "network.flow"),
        ("p3d-199", "rgb", "network"),
        ("resnet3d-101", "rgb", "network"),
        ("darklight-resnext-101", "rgb", "backbone"),
    ],
)
def test_every_system_s_backbone_is_found(name: str, tower: str, part: str, tmp_path: Path) -> None:
    """A file of the network's own names and other values, at the demo's size."""
    recipe = find(f"baselines/{name}")
    network = recipe.network(5, recipe.settings(profile("demo")))
    target = network.get_submodule(part)
    state = made(shapes_of(target))
    torch.save(state, tmp_path / "own.pth")
    elsewhere = {k: v.clone() for k, v in network.state_dict().items() if not k.startswith(part)}
    load_public(network, name, tmp_path / "own.pth", tower)
    if name == "tsn" and tower == "rgb":
        state["conv1_7x7_s2.weight"] = state["conv1_7x7_s2.weight"].flip(1)
    assert_taken(target, state)
    assert all(torch.equal(network.state_dict()[k], v) for k, v in elsewhere.items())


# Files that do not fit.


@pytest.fixture
def small(tmp_path: Path) -> tuple[Behind, State, Path]:
    net = ResNet3D("basic", (1, 1, 1, 1), (16, 16, 16, 16), stem=16, num_classes=5)
    return Behind(net), made(shapes_of(net)), tmp_path / "weights.pth"


def refused(network: nn.Module, state: object, path: Path, message: str) -> None:
    torch.save(state, path)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=message) as caught:
        load_public(network, "resnet3d-18", path)
    assert str(path) in str(caught.value)
    assert all(torch.equal(network.state_dict()[k], v) for k, v in before.items())


def test_the_first_difference_is_named(small: tuple[Behind, State, Path]) -> None:
    network, state, path = small
    rest = {k: v for k, v in state.items() if k != "layer2.0.conv1.weight"}
    refused(network, rest, path, "difference: layer2.0.conv1.weight is missing.*kenshohara")
    extra = state | {"layer5.0.conv1.weight": torch.rand(3)}
    refused(network, extra, path, "difference: layer5.0.conv1.weight is not of this network")
    wrong = state | {"bn1.weight": torch.rand(3), "layer1.0.bn1.weight": torch.rand(4)}
    refused(network, wrong, path, r"difference: bn1.weight is \(3,\), not \(16,\)")


def test_what_is_no_state_dict_is_refused(small: tuple[Behind, State, Path]) -> None:
    network, state, path = small
    refused(network, {"state_dict": {"a": 1}}, path, "holds no state dict")
    refused(network, state["conv1.weight"], path, "holds no state dict")
    refused(network, {"state_dict": state, "args": Path("x")}, path, "more than tensors")
    path.write_bytes(b"not a file of weights")
    with pytest.raises(ValueError, match="damaged"):
        load_public(network, "resnet3d-18", path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="resnet3d-18 at .*kenshohara"):
        load_public(network, "resnet3d-18", path)


def test_towers_that_a_system_does_not_have(small: tuple[Behind, State, Path]) -> None:
    network, state, path = small
    torch.save(state, path)
    with pytest.raises(ValueError, match="resnet3d-18 has no flow network"):
        load_public(network, "resnet3d-18", path, "flow")
    with pytest.raises(ValueError, match="linear has no rgb network.*not in it"):
        load_public(nn.Linear(2, 2), "linear", path)
    both = Behind(TwoStream(network.network, ResNet3D(layers=(1, 1, 1, 1), num_classes=5)))
    with pytest.raises(ValueError, match="two has no depth network"):
        load_public(both, "two", path, "depth")


def test_every_kind_says_where_its_files_are() -> None:
    for public in PUBLIC.values():
        assert "github.com/" in public.where or "https://" in public.where
        assert public.head.endswith(".") and public.first.endswith(".weight")
