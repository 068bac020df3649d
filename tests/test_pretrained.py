"""Pre-trained weights: which file fits which net, what is copied, and what is refused and why."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import get_model_weights, list_models, video
from torchvision.models.video import R2Plus1D_18_Weights

from actlumos.config import profile
from actlumos.models import R2Plus1D, pretrained
from actlumos.models.input_norm import InputNorm
from actlumos.models.pretrained import (
    KNOWN,
    Release,
    find_pretrained,
    load_pretrained,
    settings_for,
)
from actlumos.stages import find
from actlumos.stages.recipe import load_backbone
from actlumos.stages.runs import open_run

EIGHTEEN = "r2plus1d_18-91a641e6.pth"
IG65M = [name for name in KNOWN if name != EIGHTEEN]


def net(num_classes: int | None = None, width: int = 8, seed: int = 0) -> R2Plus1D:
    torch.manual_seed(seed)
    return R2Plus1D((1, 1, 1, 1), (width,) * 4, stem=5, num_classes=num_classes)


def saved(path: Path, state: dict[str, Tensor] | None = None) -> Path:
    torch.save(net(359).state_dict() if state is None else state, path)
    return path


def publish(monkeypatch: pytest.MonkeyPatch, path: Path, eps: float = 1e-3) -> Path:
    """The same file under a name with its own digest, entered as if it had been released."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    named = path.rename(path.with_name(f"tiny-{digest[:8]}.pth"))
    entry = Release("a test", 359, "https://example.org", (1, 1, 1, 1), "ig65m", eps)
    monkeypatch.setitem(pretrained.KNOWN, named.name, entry)
    return named


def same(backbone: R2Plus1D, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in backbone.state_dict().items())


# What is known, against torchvision itself and the numbers of the release.


def test_torchvision_s_file_and_normalisation_are_torchvision_s_own() -> None:
    theirs, ours = R2Plus1D_18_Weights.DEFAULT, KNOWN[EIGHTEEN]
    assert theirs.url.endswith(f"/{EIGHTEEN}") and theirs.url in ours.page
    assert ours.classes == len(theirs.meta["categories"])
    assert list(ours.mean) == theirs.transforms().mean
    assert list(ours.std) == theirs.transforms().std


def test_ig65m_files_have_the_release_s_numbers_of_classes() -> None:
    assert [KNOWN[name].classes for name in IG65M] == [359, 400, 487, 400]
    assert {(KNOWN[n].layers, KNOWN[n].bn_eps) for n in IG65M} == {((3, 4, 6, 3), 1e-3)}
    norm = InputNorm("fixed")
    for entry in KNOWN.values():
        assert entry.mean == pytest.approx(norm.mean.flatten().tolist())
        assert entry.std == pytest.approx(norm.std.flatten().tolist())


def test_every_video_net_of_torchvision_is_known_or_refused_with_a_reason(tmp_path: Path) -> None:
    urls = [w.url for name in list_models(module=video) for w in get_model_weights(name)]
    assert len(urls) == 10
    for name in {url.rsplit("/", 1)[1] for url in urls} - {EIGHTEEN}:
        with pytest.raises(ValueError, match=rf"{name} is of another net \(.+\): use r2plus1d"):
            find_pretrained(tmp_path / name)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
def test_settings_make_the_net_that_each_known_file_fits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One stored number stands for each whole tensor: the shapes of 254 MB in a small file.
    with torch.device("meta"):
        if name == EIGHTEEN:
            theirs = video.r2plus1d_18(weights=None)
        else:
            theirs = R2Plus1D(num_classes=KNOWN[name].classes)
    state = {
        k: torch.zeros((), dtype=v.dtype).expand(v.shape) for k, v in theirs.state_dict().items()
    }
    path = saved(tmp_path / name, state)
    monkeypatch.setattr(pretrained, "sha256", lambda path: Path(path).stem.rsplit("-", 1)[1] + "0")
    for start in ("demo", "paper"):
        config = profile(start).with_(**settings_for(path))
        with torch.device("meta"):
            backbone = find("dark").network(11, config).backbone
        loaded = load_pretrained(backbone, path)
        assert loaded.verified and loaded.classes == KNOWN[name].classes
        assert (config.norm, config.norm_enhanced) == ("fixed", "fixed")


def test_torchvision_s_net_is_ours_name_by_name_and_number_by_number() -> None:
    torch.manual_seed(0)
    theirs = video.r2plus1d_18(weights=None)
    clip = torch.rand(2, 3, 5, 24, 40)
    theirs(clip)  # moves the running statistics from 0 and 1
    release = KNOWN[EIGHTEEN]
    ours = R2Plus1D(
        release.layers, midplanes=release.midplanes, bn_eps=release.bn_eps, num_classes=400
    )
    shapes = {name: value.shape for name, value in ours.state_dict().items()}
    assert shapes == {name: value.shape for name, value in theirs.state_dict().items()}
    assert sum(p.numel() for p in ours.parameters()) == 31_505_325
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours.eval()(clip), theirs.eval()(clip), rtol=1e-5, atol=1e-5)


# What is copied.


def test_everything_but_the_classifier_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = net(359)
    source(torch.rand(2, 3, 4, 16, 16))
    path = publish(monkeypatch, saved(tmp_path / "a.pth", source.state_dict()))
    backbone = net(seed=1)
    loaded = load_pretrained(backbone, path)
    assert same(backbone, source.state_dict())
    assert (loaded.source, loaded.classes, loaded.verified) == ("a test", 359, True)
    assert "SHA-256 as published" in str(loaded)


def test_an_unknown_name_loads_and_says_what_it_could_not_check(tmp_path: Path) -> None:
    path = saved(tmp_path / "mine.pth")
    backbone = net(seed=1)
    loaded = load_pretrained(backbone, path)
    assert same(backbone, net(359).state_dict())
    assert (loaded.classes, loaded.verified, loaded.mean) == (359, False, None)
    assert "digest could not be checked" in str(loaded)
    assert settings_for(path) == {} and find_pretrained(path) is None


@pytest.mark.parametrize("prefix", ["module.", "features", "module.features"])
def test_names_with_the_prefixes_of_other_code(tmp_path: Path, prefix: str) -> None:
    order = {"stem": 0, "layer1": 1, "layer2": 2, "layer3": 3, "layer4": 4}

    def renamed(name: str) -> str:
        first, rest = name.split(".", 1)
        if prefix == "module.":
            return f"module.{name}"
        return f"{prefix}.{order[first]}.{rest}"

    path = saved(tmp_path / "cut.pth", {renamed(k): v for k, v in net().state_dict().items()})
    backbone = net(seed=1)
    assert load_pretrained(backbone, path).classes == 0
    assert same(backbone, net().state_dict())


def test_a_file_without_batch_norm_s_counters_loads(tmp_path: Path) -> None:
    state = {k: v for k, v in net().state_dict().items() if not k.endswith("num_batches_tracked")}
    backbone = net(seed=1)
    load_pretrained(backbone, saved(tmp_path / "old.pth", state))
    assert all(torch.equal(backbone.state_dict()[k], v) for k, v in state.items())


def test_the_backbone_s_own_classifier_is_left_alone(tmp_path: Path) -> None:
    backbone = net(11, seed=1)
    before = backbone.fc.weight.detach().clone()
    load_pretrained(backbone, saved(tmp_path / "pretrained.pth"))
    assert torch.equal(backbone.fc.weight, before)
    assert torch.equal(backbone.stem[0].weight, net(359).stem[0].weight)


@pytest.mark.parametrize("name", ["dark", "teacher", "ssl"])
def test_the_settings_weights_reach_every_kind_of_network(name: str, tmp_path: Path) -> None:
    config, recipe = profile("smoke"), find(name)
    plain = find("dark").network(4, config).backbone.state_dict()
    path = str(saved(tmp_path / "start.pth", plain))
    network = recipe.network(4, config)
    backbone = getattr(network, "student", network).backbone
    recipe.start(network, name, open_run("smoke"), {})
    assert not same(backbone, plain)
    recipe.start(network, name, open_run("smoke", weights=path), {})
    assert same(backbone, plain)
    assert load_backbone(network, name, path).file == "start.pth"


# What is refused.


def test_missing_file_says_which_one_to_get_and_where(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        load_pretrained(net(), tmp_path / "none.pth")
    text = str(error.value)
    assert all(name in text and entry.page in text for name, entry in KNOWN.items())
    assert "--weights PATH" in text
    with pytest.raises(FileNotFoundError) as error:
        settings_for(tmp_path / EIGHTEEN)
    assert "download.pytorch.org" in str(error.value) and "ig65m" not in str(error.value)


@pytest.mark.parametrize("name", KNOWN)
def test_a_damaged_download_is_recognised_by_its_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="damaged"):
        load_pretrained(net(), saved(tmp_path / name))


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_a_file_that_is_no_state_dict(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a PyTorch state dict"):
        load_pretrained(net(), path)


def test_a_checkpoint_around_a_state_dict(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({"weights": net().state_dict(), "epoch": 3}, path)
    with pytest.raises(ValueError, match="no plain state dict"):
        load_pretrained(net(), path)


def test_another_shape_names_the_first_difference(tmp_path: Path) -> None:
    path = saved(tmp_path / "wide.pth", net(width=16).state_dict())
    backbone = net()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    with pytest.raises(ValueError, match=r"stem\.3\.weight is \(16, 5, 3, 1, 1\), not \(8, 5"):
        load_pretrained(backbone, path)
    assert same(backbone, before)


def test_a_published_file_on_a_net_of_another_shape_or_eps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = publish(monkeypatch, saved(tmp_path / "a.pth"), eps=1e-5)
    with pytest.raises(ValueError, match=r"bn_eps 1e-05, this backbone has \[0.001\]"):
        load_pretrained(net(), path)
    with pytest.raises(ValueError, match=r"it takes layers=\(1, 1, 1, 1\), midplanes='ig65m'"):
        load_pretrained(net(width=16), path)


def test_other_names_are_listed(tmp_path: Path) -> None:
    path = saved(tmp_path / "f.pth", {f"head.{k}": v for k, v in net().state_dict().items()})
    with pytest.raises(ValueError, match="stem.0.weight is missing"):
        load_pretrained(net(), path)
