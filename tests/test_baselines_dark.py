"""The dark-video systems: sizes, networks that train, what a gradient reaches, what is darkened."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from actlumos import baselines
from actlumos.arms import SUPPORTING as ARMS
from actlumos.baselines.enhancement_losses import curve_terms, temporal_consistency
from actlumos.baselines.networks.curves import Frozen
from actlumos.baselines.networks.diffusion import enhance
from actlumos.config import ORIGINS, Config, profile
from actlumos.evaluation.cost import count_gmacs
from actlumos.report.paper import reported
from actlumos.stages import Recipe, find

MINE = ("r2plus1d-gcn-bert", "sci-r2plus1d-gcn", "dtcm", "wiid", "mfdl", "dl-kdd")
ENHANCERS = ARMS[:3]

# At 11 classes. By hand: the student's 66,655,122 and its trunk's 63,491,975; two graph layers
# 1,051,136; Zero-DCE 79,416, its separable shape 10,561; SCI 258 and its calibrator 5,619;
# 8 more positions of 512; DFF of two streams 332,162; MLPs 512-512-128 and 128-128-128
# with batch norm.
STUDENT, TRUNK, GRAPH, CLASSIFIER = 66_655_122, 63_491_975, 1_051_136, 513 * 11
SIZES = {
    "r2plus1d-gcn-bert": STUDENT + GRAPH + 79_416,
    "sci-r2plus1d-gcn": TRUNK + CLASSIFIER + GRAPH + 258,
    "dtcm": 47_543_755 + 10_561,
    "wiid": TRUNK + CLASSIFIER + 79_416 + 515 * 512 + 513 * 128 + 131 * 128 + 129 * 128,
    "mfdl": STUDENT + 332_162,
    "dl-kdd": STUDENT,
    "enhancer-sci": 258 + 5_619,
    "enhancer-curves": 79_416,
    "enhancer-diffusion": 148_068,
    "dl-kdd-teacher": STUDENT + 79_416,
}


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def recipe(name: str) -> Recipe:
    return find(f"baselines/{name}")


def made(name: str, scale: str = "demo", classes: int = 5) -> tuple[Recipe, Config, nn.Module]:
    kind = recipe(name)
    torch.manual_seed(0)
    config = kind.settings(profile(scale))
    return kind, config, kind.network(classes, config)


def clips(config: Config, count: int = 1, batch: int = 2, top: float = 0.2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (batch, 3, config.frames, *config.crop_size)
    coarse = [torch.rand(batch, 3, 4, 5, 6, generator=generator) * top for _ in range(count)]
    return [F.interpolate(c, shape[2:], mode="trilinear") for c in coarse]


@cache
def paper_model(name: str) -> nn.Module:
    kind = recipe(name)
    with torch.device("meta"):
        return kind.network(11, kind.settings(profile("paper"))).eval()


@pytest.mark.parametrize("name", MINE + ARMS)
def test_the_published_size(name: str) -> None:
    assert parameters(paper_model(name)) == SIZES[name]


@pytest.mark.parametrize("name", MINE)
def test_a_printed_size_is_ours_or_explained(name: str) -> None:
    card, count = baselines.card(name), parameters(paper_model(name)) / 1e6
    rows = reported()
    printed = rows[rows.method.isin(card.reported)].params_m.dropna()
    assert set(card.reported) <= set(rows.method)
    fits = [abs(count - figure) < (1 if figure == round(figure) else 0.1) for figure in printed]
    assert bool(card.mismatch) == (not all(fits))


def test_dtcm_fits_both_ratios_of_its_abstract() -> None:
    """71.3 % of DarkLight's printed parameters and 6.4 % of its operations."""
    clip = torch.empty(1, 3, 64, 112, 112, device="meta")
    model = paper_model("dtcm")
    assert parameters(model) / 66.73e6 == pytest.approx(0.713, abs=0.001)
    assert count_gmacs(model, clip) / 609.4 == pytest.approx(0.064, abs=0.001)


@pytest.mark.parametrize("scale", ["demo", "smoke"])
@pytest.mark.parametrize("name", [n for n in MINE + ARMS[3:] if n != "wiid"])
def test_it_trains_on_its_own_streams(name: str, scale: str) -> None:
    kind, config, model = made(name, scale)
    streams = clips(config, len(kind.streams))
    output = model.train()(*streams)
    assert getattr(output, "logits", output).shape == (2, 5)
    terms = kind.terms(output, torch.tensor([1, 3]), config)
    terms["loss"].backward()
    assert {"loss", "top1"} <= set(terms) and terms["loss"].isfinite()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.requires_grad == (".enhancer." not in f".{parameter_name}") or (
            name == "dtcm"
        )
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all()
    vector = model.eval().embed(*streams)
    assert vector.dim() == 2 and len(vector) == 2
    assert parameters(model) < 2e6


def test_the_family_starts_from_the_student_s_weights() -> None:
    _, _, student = made("r2plus1d-bert")
    for name in ("r2plus1d-gcn-bert", "dl-kdd", "dl-kdd-teacher", "mfdl"):
        found = made(name)[2].state_dict()
        assert all(torch.equal(found[k], v) for k, v in student.state_dict().items()), name
    found = made("sci-r2plus1d-gcn")[2].state_dict()
    trunk = {k: v for k, v in student.state_dict().items() if k.startswith("backbone.")}
    assert trunk and all(torch.equal(found[k], v) for k, v in trunk.items())


# Inputs of the networks.


def test_the_graph_systems_are_their_parts_in_a_row() -> None:
    _, config, model = made("r2plus1d-gcn-bert")
    for layer in model.between.layers:
        nn.init.ones_(layer.norm.weight)  # at zero the graph is the identity
    (dark,) = clips(config)
    bright = model.eval().enhancer.net(dark)
    tokens = model.between(model.backbone(model.norms[0](bright))).mean((3, 4)).transpose(1, 2)
    torch.testing.assert_close(model(dark), model.classifier(model.head(tokens)))
    assert len(model.norms) == 1 and model.norms[0].kind == config.norm_enhanced

    _, config, model = made("sci-r2plus1d-gcn")
    for layer in model.between.layers:
        nn.init.ones_(layer.norm.weight)
    model.eval()
    seen = dark, model.enhancer.net(dark)
    maps = [model.between(model.backbone(n(c))) for n, c in zip(model.norms, seen, strict=True)]
    vector = torch.stack([m.mean((2, 3, 4)) for m in maps]).mean(0)
    torch.testing.assert_close(model(dark), model.classifier(vector), rtol=1e-4, atol=1e-5)
    assert model.head is None and [n.kind for n in model.norms] == [
        config.norm, config.norm_enhanced
    ]  # fmt: skip


def test_mfdl_takes_the_clip_that_its_diffusion_model_enhances() -> None:
    kind, config, model = made("mfdl")
    assert kind.streams == ("dark", "enhanced") and kind.needs == (kind.stored_enhancer,)
    dark, enhanced = clips(config, 2)
    first = model.eval()(dark, enhanced)
    for other in ((dark, dark), (enhanced, enhanced), (enhanced, dark)):
        assert not torch.allclose(first, model(*other))


def test_dtcm_is_trained_by_labels_enhancement_and_consistency() -> None:
    kind, config, model = made("dtcm")
    (dark,) = clips(config)
    label = torch.tensor([1, 3])
    output = model.eval()(dark)
    assert torch.equal(output.dark, dark)
    torch.testing.assert_close(output.logits, model.recogniser(model.enhancer(dark)))
    terms = kind.terms(output, label, config)
    enhancement = curve_terms(output.enhanced, dark, output.curve_maps)["loss"]
    wanted = F.cross_entropy(output.logits, label) + 0.1 * enhancement
    wanted = wanted + temporal_consistency(output.enhanced, dark)
    torch.testing.assert_close(terms["loss"], wanted)
    assert {"ce", "enhancement", "consistency"} <= set(terms)
    F.cross_entropy(output.logits, label).backward()
    assert all(p.grad.abs().sum() > 0 for p in model.enhancer.parameters())  # labels alone reach it


# Enhancers.


@pytest.mark.parametrize("name", ENHANCERS)
@pytest.mark.parametrize("scale", ["demo", "smoke"])
def test_an_enhancer_trains_without_labels(name: str, scale: str) -> None:
    kind, config, model = made(name, scale)
    streams = clips(config, len(kind.streams), batch=4)
    if name == "enhancer-diffusion":
        nn.init.normal_(model.enhancer.before.second.weight, std=0.02)
    terms = kind.terms(model.train()(*streams), None, config)
    terms["loss"].backward()
    used = [p.grad is not None and p.grad.isfinite().all() for p in model.parameters()]
    assert all(used) and terms["loss"].isfinite() and kind.stage == "enhance"
    bright = model.eval()(streams[0])
    assert bright.shape == streams[0].shape and bright.min() >= 0 and bright.max() <= 1
    torch.testing.assert_close(model(streams[0]), bright)


def test_the_diffusion_model_enhances_any_number_of_frames_from_the_same_noise() -> None:
    _, _, model = made("enhancer-diffusion")
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.05)
    frames = np.random.default_rng(0).integers(0, 60, (70, 12, 16, 3), np.uint8)
    enhanced = model.train().enhance_frames(frames)  # 64 frames at a time
    assert enhanced.dtype == np.uint8 and enhanced.shape == frames.shape
    np.testing.assert_array_equal(enhanced[65:], model.enhance_frames(frames[65:]))
    clip = torch.from_numpy(frames[:3]).permute(3, 0, 1, 2)[None] / 255
    wanted = enhance(model.enhancer, clip, model.steps, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(enhanced[:3] / 255, wanted[0].permute(1, 2, 3, 0), atol=0.51 / 255)


USERS = [n for n in (*MINE, "dl-kdd-teacher") if recipe(n).begin]


@pytest.mark.parametrize("name", USERS)
def test_a_trained_enhancer_is_copied_in_and_stays_as_it_is(name: str) -> None:
    kind, config, model = made(name)
    (need,) = kind.needs
    trained = find(need).network(5, config)
    for parameter in trained.parameters():
        nn.init.normal_(parameter, std=0.1)
    kind.begin(model, {need: trained})
    wanted = {k: v.clone() for k, v in trained.enhancer.state_dict().items()}
    assert isinstance(model.enhancer, Frozen)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 0.1)
    streams = clips(config, 2 if name == "wiid" else 1)
    for _ in range(2):
        loss = kind.terms(model.train()(*streams), torch.tensor([1, 3]), config)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert not any(part.training for part in model.enhancer.modules())
    found = model.enhancer.net.state_dict()
    assert list(found) == list(wanted) and all(torch.equal(found[k], wanted[k]) for k in wanted)
    assert all(p.grad is None for p in model.enhancer.parameters())


def test_what_is_needed_exists_and_comes_first() -> None:
    for name in MINE + ARMS:
        kind = recipe(name)
        assert set(kind.needs) <= {f"baselines/{arm}" for arm in ARMS if arm != name}
        assert kind.begin is None or len(kind.needs) == 1
        assert kind.stored_enhancer in ("", *kind.needs)
        assert ("enhanced" in kind.streams) == bool(kind.stored_enhancer)
    assert hasattr(made("enhancer-diffusion")[2], "enhance_frames")
    assert not set(ARMS) & set(baselines.names())


# Descriptions.


@pytest.mark.parametrize("name", MINE + ARMS)
def test_the_description_is_complete(name: str) -> None:
    card = baselines.card(name)
    assert card.name == name
    for text in (card.title, card.idea, card.source, card.known, card.unknown, card.ours):
        assert len(text) > 2 and "  " not in text
    assert 1 <= len(re.findall(r"[.](?: |$)", card.idea)) <= 3
    assert set(card.grew_from) <= set(baselines.names()) - {name}
    assert all(baselines.card(parent).year <= card.year for parent in card.grew_from)
    assert {choice.origin for choice in card.choices} <= set(ORIGINS) and card.choices
    assert all(" -> " in row for row in card.diagram)
    for scale in ("paper", "demo"):
        recipe(name).settings(profile(scale))


@pytest.mark.parametrize("name", MINE)
def test_nothing_reconstructed_is_called_the_authors(name: str) -> None:
    card = baselines.card(name)
    module = import_module(f"actlumos.baselines.{name.replace('-', '_')}")
    text = " ".join([module.__doc__ or "", card.title, card.idea, card.known, card.ours])
    assert card.status == "reconstruction" and "reconstruction" in (module.__doc__ or "")
    assert not re.search(r"(?i)\b(authors'|official|original (code|model|weights))", text)
    assert re.search(r"(?i)\bno code|never released", text + card.source)
    assert not recipe(name).differing("demo")  # equal conditions: the profile's own recipe
