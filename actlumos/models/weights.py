"""Pre-trained backbone weights: IG-65M's, as released for PyTorch.

The four files are on the release page v1.0.0 of github.com/moabitcoin/ig65m-pytorch (MIT). Each
name ends with the first eight hex digits of the file's SHA-256. Which of them the paper starts
from, if any, is unknown; its lineage starts from the first.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from actlumos.files import sha256
from actlumos.models.r2plus1d import R2Plus1D

# file name: number of classes of its `fc`
IG65M = {
    "r2plus1d_34_clip32_ig65m_from_scratch-449a7af9.pth": 359,
    "r2plus1d_34_clip32_ft_kinetics_from_ig65m-ade133f1.pth": 400,
    "r2plus1d_34_clip8_ig65m_from_scratch-9bae36ae.pth": 487,
    "r2plus1d_34_clip8_ft_kinetics_from_ig65m-0aa0550b.pth": 400,
}
RELEASE = "https://github.com/moabitcoin/ig65m-pytorch/releases/tag/v1.0.0"


def load_ig65m(backbone: R2Plus1D, path: str | Path) -> None:
    """Copy IG-65M weights from `path` into `backbone`; the file's classifier is left out.

    Args:
        backbone: `r2plus1d_34()` or a net of another size whose weights are in the file.
        path: a state dict with IG-65M's names.

    Raises:
        FileNotFoundError: no such file; the message says where to get one.
        ValueError: a damaged file, or weights of another shape than the backbone's.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: get {next(iter(IG65M))} from {RELEASE}")
    _check_download(path)
    state = {name: value for name, value in _read(path).items() if not name.startswith("fc.")}
    _check_shapes(backbone, state, path)
    backbone.load_state_dict(state, strict=False)


def _check_download(path: Path) -> None:
    if path.name in IG65M and not sha256(path).startswith(path.stem.rsplit("-", 1)[1]):
        raise ValueError(f"{path} is damaged (its SHA-256 is not the one in its name): get it anew")


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is not a PyTorch state dict ({error})") from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path} holds no plain state dict (names to tensors)")
    return state


def _check_shapes(backbone: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """The backbone and the file have the same names with the same shapes, `fc` aside."""
    wanted = {k: v.shape for k, v in backbone.state_dict().items() if not k.startswith("fc.")}
    found = {k: v.shape for k, v in state.items()}
    problems = [f"{k} is missing" for k in wanted if k not in found]
    problems += [f"{k} is not of this net" for k in found if k not in wanted]
    problems += [
        f"{k} is {tuple(found[k])}, not {tuple(wanted[k])}"
        for k in wanted
        if k in found and found[k] != wanted[k]
    ]
    if problems:
        raise ValueError(
            f"{path} does not fit this backbone ({len(problems)} differences, the first: "
            f"{problems[0]}): IG-65M's files fit r2plus1d_34(), and are {', '.join(IG65M)}"
        )
