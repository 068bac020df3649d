"""Loading IG-65M state dicts: what fits is copied unchanged, what does not is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from actlumos.models import R2Plus1D
from actlumos.models.weights import IG65M, load_ig65m


def net(num_classes: int | None = None, width: int = 8, seed: int = 0) -> R2Plus1D:
    torch.manual_seed(seed)
    return R2Plus1D((1, 1, 1, 1), (width,) * 4, stem=5, num_classes=num_classes)


def test_a_file_with_a_classifier_of_any_size_loads(tmp_path: Path) -> None:
    source = net(359)
    source(torch.rand(2, 3, 4, 16, 16))
    path = tmp_path / "pretrained.pth"
    torch.save(source.state_dict(), path)
    backbone = net(seed=1)
    load_ig65m(backbone, path)
    loaded, wanted = backbone.state_dict(), source.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in loaded.items())


def test_the_backbone_s_own_classifier_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "pretrained.pth"
    torch.save(net(359).state_dict(), path)
    backbone = net(11, seed=1)
    before = backbone.fc.weight.detach().clone()
    load_ig65m(backbone, path)
    assert torch.equal(backbone.fc.weight, before)
    assert torch.equal(backbone.stem[0].weight, net(359).stem[0].weight)


def test_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="releases/tag/v1.0.0"):
        load_ig65m(net(), tmp_path / "none.pth")


def test_a_damaged_download_is_recognised_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / next(iter(IG65M))
    torch.save(net(359).state_dict(), path)
    with pytest.raises(ValueError, match="damaged"):
        load_ig65m(net(), path)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_a_file_that_is_no_state_dict(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a PyTorch state dict"):
        load_ig65m(net(), path)


def test_a_checkpoint_around_a_state_dict(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({"weights": net().state_dict(), "epoch": 3}, path)
    with pytest.raises(ValueError, match="no plain state dict"):
        load_ig65m(net(), path)


def test_another_shape_names_the_first_difference(tmp_path: Path) -> None:
    path = tmp_path / "wide.pth"
    torch.save(net(width=16).state_dict(), path)
    backbone = net()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    with pytest.raises(ValueError, match=r"stem\.3\.weight is \(16, 5, 3, 1, 1\), not \(8, 5"):
        load_ig65m(backbone, path)
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())


def test_other_names_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "features.pth"
    torch.save({f"features.{k}": v for k, v in net().state_dict().items()}, path)
    with pytest.raises(ValueError, match="stem.0.weight is missing"):
        load_ig65m(net(), path)
