"""Pre-trained backbone weights: which files are known, what net each fits, and loading them.

Two releases hold weights of this family of nets, with the same state-dict names:

    IG-65M        R(2+1)D-34, github.com/moabitcoin/ig65m-pytorch (MIT), four files
    torchvision   R(2+1)D-18, trained on Kinetics-400, one file

A file's name ends with the first eight hex digits of its SHA-256. Both releases were trained on
clips normalised with Kinetics' mean and standard deviation. Which weights the paper starts from,
if any, is unknown; prior code starts from the first of IG-65M's. Nothing is downloaded here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from actlumos.models.input_norm import KINETICS_MEAN, KINETICS_STD
from actlumos.models.r2plus1d import Midplanes, R2Plus1D
from actlumos.runtime.files import sha256
from actlumos.runtime.tensors import first_not_finite, read_tensors

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Release:
    """A published file of weights and the net that it fits.

    Args:
        source: what it was trained on, and by whom it was published.
        classes: rows of its classifier.
        page: web page of the file.
        layers, midplanes, bn_eps: of `R2Plus1D`; everything else is that class's default.
        mean, std: of the clips it was trained on, RGB in 0..1.
    """

    source: str
    classes: int
    page: str
    layers: tuple[int, int, int, int]
    midplanes: Midplanes
    bn_eps: float
    mean: Triple = KINETICS_MEAN
    std: Triple = KINETICS_STD


def _ig65m(source: str, classes: int) -> Release:
    page = "https://github.com/moabitcoin/ig65m-pytorch/releases/tag/v1.0.0"
    return Release(f"{source} (ig65m-pytorch)", classes, page, (3, 4, 6, 3), "ig65m", 1e-3)


_TORCHVISION_PAGE = (
    "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.video.r2plus1d_18"
    ".html (the file itself: https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth)"
)

KNOWN: dict[str, Release] = {
    "r2plus1d_34_clip32_ig65m_from_scratch-449a7af9.pth": _ig65m("IG-65M, 32 frames", 359),
    "r2plus1d_34_clip32_ft_kinetics_from_ig65m-ade133f1.pth": _ig65m(
        "IG-65M, then Kinetics-400, 32 frames", 400
    ),
    "r2plus1d_34_clip8_ig65m_from_scratch-9bae36ae.pth": _ig65m("IG-65M, 8 frames", 487),
    "r2plus1d_34_clip8_ft_kinetics_from_ig65m-0aa0550b.pth": _ig65m(
        "IG-65M, then Kinetics-400, 8 frames", 400
    ),
    "r2plus1d_18-91a641e6.pth": Release(
        "Kinetics-400 (torchvision)", 400, _TORCHVISION_PAGE, (2, 2, 2, 2), "torchvision", 1e-5
    ),
}
"""Every file that fits, by the name under which it is published."""

_OTHER_NETS = {
    "r3d_18": "its 3-D convolutions are not split into space and time",
    "mc3_18": "its convolutions are 3-D and 2-D, not split into space and time",
    "s3d": "a separable Inception, not a residual R(2+1)D",
    "mvit_": "a transformer",
    "swin3d_": "a transformer",
}


@dataclass(frozen=True)
class Pretrained:
    """What a backbone was loaded with.

    Args:
        file: the file's name.
        source: what the weights were trained on; empty for a file that is not in `KNOWN`.
        classes: rows of the file's classifier, which is left out; 0 if it has none.
        mean, std: the normalisation the weights were trained with; None where unknown.
        verified: whether the file's SHA-256 is the published one.
    """

    file: str
    source: str
    classes: int
    mean: Triple | None
    std: Triple | None
    verified: bool

    def __str__(self) -> str:
        if self.verified:
            return f"{self.file}: {self.source}, {self.classes} classes, SHA-256 as published"
        return (
            f"{self.file}: an unknown file whose names and shapes fit; its digest could not be "
            "checked, and its normalisation is not known"
        )


def find_pretrained(path: str | Path) -> Release | None:
    """The release that a file belongs to by its name; None for a name that is not published.

    Raises:
        FileNotFoundError: no such file; the message says where to get one.
        ValueError: the file is of another kind of net.
    """
    path = Path(path)
    for name, reason in _OTHER_NETS.items():
        if path.name.startswith(name):
            raise ValueError(f"{path} is of another net ({reason}): use {', '.join(KNOWN)}")
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: {_where_to_get(path.name)}")
    return KNOWN.get(path.name)


def settings_for(path: str | Path) -> dict[str, Any]:
    """The settings with which a profile's backbone and its input fit a published file.

    Returns:
        Fields of `Config` with their values; empty for a file that is not in `KNOWN`, which
        has to fit the profile's own net.

    Raises:
        FileNotFoundError, ValueError: as `find_pretrained`.
    """
    release = find_pretrained(path)
    if release is None:
        return {}
    return {
        "layers": release.layers,
        "widths": (64, 128, 256, 512),
        "stem": 45,
        "temporal_strides": (1, 2, 2, 2),
        "midplanes": release.midplanes,
        "bn_eps": release.bn_eps,
        "norm": "fixed",
        "norm_enhanced": "fixed",
    }


def load_pretrained(backbone: R2Plus1D, path: str | Path) -> Pretrained:
    """Copy the weights of a file into a backbone, whose own classifier (if any) stays as it is.

    Names may be those of the releases, or have the prefixes of other code: `module.`
    of a parallel wrapper, `features.0.` to `features.4.` of a net cut into a sequence.

    Args:
        backbone: for a published file, with the sizes of `settings_for(path)`.
        path: a state dict; any folder will do, but a published file must keep its name for its
            digest to be checked.

    Raises:
        FileNotFoundError: no such file; the message says where to get one.
        ValueError: a file of another net, a damaged file, weights of another shape, or a
            backbone whose batch norm has another eps than the published weights.
    """
    path = Path(path)
    release = find_pretrained(path)
    if release and not sha256(path).startswith(path.stem.rsplit("-", 1)[1]):
        raise ValueError(
            f"{path} is damaged (its SHA-256 is not the one in its name): get it again from "
            f"{release.page}"
        )
    state = {_plain(name): value for name, value in _read(path).items()}
    classifier = state.get("fc.weight", torch.empty(0))
    state = {name: value for name, value in state.items() if not name.startswith("fc.")}
    _check_shapes(backbone, state, path)
    _check_eps(backbone, release, path)
    backbone.load_state_dict(state, strict=False)
    if release is None:
        return Pretrained(path.name, "", len(classifier), None, None, False)
    about = release.source, release.classes, release.mean, release.std
    return Pretrained(path.name, *about, True)


def _where_to_get(name: str) -> str:
    """The page of a published name, or every known file with its page."""
    offers: dict[str, list[str]] = {}
    for known in [name] if name in KNOWN else KNOWN:
        offers.setdefault(KNOWN[known].page, []).append(known)
    listed = "; or ".join(f"{' or '.join(names)} from {page}" for page, names in offers.items())
    return f"get {listed}; put it in any folder and give its path (--weights PATH)"


def _plain(name: str) -> str:
    """The releases' name of a tensor."""
    parts = ("stem", "layer1", "layer2", "layer3", "layer4")
    name = name.removeprefix("module.")
    return re.sub(r"^features\.([0-4])\.", lambda found: f"{parts[int(found[1])]}.", name)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = read_tensors(path)
    except ValueError as error:
        raise ValueError(f"{error}; it is not a PyTorch state dict") from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path} holds no plain state dict (names to tensors)")
    check_finite(state, path)
    return state


def check_finite(state: dict[str, Tensor], path: Path) -> None:
    """Refuse weights with NaN or infinity in them, of which training and tests say nothing.

    Raises:
        ValueError: names the file and the first such tensor.
    """
    if name := first_not_finite(state):
        raise ValueError(f"{path} has numbers in {name} that are not finite (NaN or infinity)")


def _check_shapes(backbone: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """The backbone and the file have the same names with the same shapes, `fc` aside."""
    wanted = {k: v.shape for k, v in backbone.state_dict().items() if not k.startswith("fc.")}
    found = {k: v.shape for k, v in state.items()}
    problems = [f"{k} is missing" for k in wanted if k not in found and not _is_counter(k)]
    problems += [f"{k} is not of this net" for k in found if k not in wanted]
    problems += [
        f"{k} is {tuple(found[k])}, not {tuple(wanted[k])}"
        for k in wanted
        if k in found and found[k] != wanted[k]
    ]
    if problems:
        raise ValueError(
            f"{path} does not fit this backbone ({len(problems)} differences, the first: "
            f"{problems[0]}): {_fitting(path.name)}"
        )


def _check_eps(backbone: nn.Module, release: Release | None, path: Path) -> None:
    """Compare batch norm's eps: no shape shows it, and a wrong one changes every activation."""
    found = {m.eps for m in backbone.modules() if isinstance(m, nn.BatchNorm3d)}
    if release and found != {release.bn_eps}:
        raise ValueError(
            f"{path} was trained with bn_eps {release.bn_eps}, this backbone has "
            f"{sorted(found)}: {_fitting(path.name)}"
        )


def _is_counter(name: str) -> bool:
    """Batch norm's count of batches, which old files lack and which a momentum makes unused."""
    return name.endswith(".num_batches_tracked")


def _fitting(name: str) -> str:
    if name not in KNOWN:
        return f"published files are {', '.join(KNOWN)}"
    release = KNOWN[name]
    return (
        f"it takes layers={release.layers}, midplanes={release.midplanes!r}, "
        f"bn_eps={release.bn_eps} and R2Plus1D's other defaults (what settings_for gives)"
    )
