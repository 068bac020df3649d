"""The systems of the comparison: published sizes, networks that train, complete cards."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import actlumos.report
from actlumos import baselines
from actlumos.arms import OWN
from actlumos.baselines.networks.frame2d import Scores
from actlumos.config import ORIGINS, Config, profile
from actlumos.evaluation.cost import count_gmacs
from actlumos.models import Teacher
from actlumos.models.input_norm import InputNorm
from actlumos.stages import Recipe, find
from actlumos.stages.supervised import cross_entropy
from actlumos.views.streams import STORED, make_streams, train_streams

MINE = (
    *("vgg-ts", "tsn", "i3d-rgb", "i3d-two-stream", "p3d-199", "r2plus1d-34"),
    *("resnet3d-18", "resnet3d-50", "resnet3d-101", "r2plus1d-bert", "darklight-r2plus1d-34"),
    *("darklight-resnext-101", "mran", "md-bert", "actlumos-student", "actlumos-teacher"),
)
OTHERS = ("r2plus1d-gcn-bert", "sci-r2plus1d-gcn", "dtcm", "wiid", "mfdl", "dl-kdd")

# Parameters at 11 classes (millions, or exactly) and 1e9 multiply-adds of one clip, from the fact
# sheets. By hand: the student's 66,655,122; 8 more positions of 512; DFF for two and for three
# streams; a projector 512 - 512 - 128.
STUDENT = 66_655_122
SIZES: dict[str, tuple[float, float | None]] = {
    "vgg-ts": (268.62, None),
    "tsn": (20.58, None),
    "i3d-rgb": (12_298_539, 111.2),
    "i3d-two-stream": (24.58, None),
    "p3d-199": (65.70, 18.4),
    "r2plus1d-34": (63_497_618, 152.4),
    "resnet3d-18": (33.21, 8.3),
    "resnet3d-50": (46.22, 10.1),
    "resnet3d-101": (85.27, 13.9),
    "r2plus1d-bert": (STUDENT, 304.7),
    "darklight-r2plus1d-34": (STUDENT + 8 * 512, 2 * 304.7),
    "darklight-resnext-101": (47.36, None),
    "mran": (STUDENT, 304.7),
    "md-bert": (STUDENT + 332_162 + 129, 3 * 304.7),
    "actlumos-student": (STUDENT, 304.7),
    "actlumos-teacher": (STUDENT + 332_162 + 513 * 512 + 513 * 128, 2 * 304.7),
}


def system(name: str) -> Recipe:
    return find(f"baselines/{name}")


def settings(name: str, scale: str) -> Config:
    return system(name).settings(profile(scale))


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def clips(kind: Recipe, config: Config, batch: int = 2) -> tuple[torch.Tensor, ...]:
    """Streams of random clips in the loader's form: stored channels behind the colours."""
    generator = torch.Generator().manual_seed(0)
    channels = 3 + sum(STORED.get(name, 0) for name in kind.streams)
    size = (batch, config.frames, *config.frame_size, channels)
    clip = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
    return train_streams(clip, kind.streams, config, generator)


@cache
def printed() -> dict[str, list[str]]:
    """Method name to the parameter counts (text, millions) of its rows."""
    path = Path(actlumos.report.__file__).with_name("reported.csv")
    found: dict[str, list[str]] = {}
    for row in csv.DictReader(path.read_text("utf-8").splitlines()):
        found.setdefault(row["method"], []).append(row["params_m"])
    return found


@cache
def paper_size(name: str) -> tuple[int, float]:
    """Parameters, and multiply-adds of a clip, at 11 classes, counted without storage."""
    kind = system(name)
    config = settings(name, "paper")
    with torch.device("meta"):
        model = kind.network(11, config).eval()
        shape = (config.frames, *config.crop_size)
        streams = [torch.empty(1, STORED.get(stream, 3), *shape) for stream in kind.streams]
        output = model(*streams)
        assert getattr(output, "logits", output).shape == (1, 11)
        return parameters(model), count_gmacs(model, *streams)


@pytest.mark.parametrize("name", MINE)
def test_the_published_size(name: str) -> None:
    wanted, gmacs = SIZES[name]
    count, cost = paper_size(name)
    if wanted > 1000:
        assert count == wanted
    else:
        assert count / 1e6 == pytest.approx(wanted, abs=0.005)
    assert gmacs is None or cost == pytest.approx(gmacs, rel=0.005)


@pytest.mark.parametrize("name", MINE)
def test_a_printed_size_that_is_not_ours_is_explained(name: str) -> None:
    """A whole number of millions is rounded up or down; decimals are right to a tenth."""
    card = baselines.card(name)
    figures = {figure for method in card.reported for figure in printed()[method] if figure}
    count = paper_size(name)[0] / 1e6
    fits = {
        f: abs(count - float(f)) < (0.1 if f.split(".")[1:] not in ([], ["0"]) else 1)
        for f in figures
    }
    assert bool(card.mismatch) == (not all(fits.values())), fits
    assert card.status != "faithful" or not fits or any(fits.values())


@pytest.mark.parametrize("scale", ["demo", "smoke"])
@pytest.mark.parametrize("name", MINE)
def test_it_trains_on_its_own_streams(name: str, scale: str) -> None:
    torch.manual_seed(0)
    kind = system(name)
    config = settings(name, scale)
    model = kind.network(5, config).train()
    streams = clips(kind, config)
    output = model(*streams)
    assert getattr(output, "logits", output).shape == (2, 5)
    loss = cross_entropy if name in OWN else kind.terms  # ActLumos' own are its stages'
    terms = loss(output, torch.tensor([1, 3]), config)
    terms["loss"].backward()
    assert {"loss", "top1"} <= set(terms) and terms["loss"].isfinite()
    silent = {
        n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()
    }
    assert {n.split(".")[0] for n in silent} <= {"projector"}  # SupCon's, in the arm `teacher`
    vector = model.eval().embed(*streams)
    assert vector.dim() == 2 and len(vector) == 2
    assert 0.02e6 < parameters(model) < 2e6


@pytest.mark.parametrize("name", ["vgg-ts", "tsn", "i3d-two-stream"])
def test_a_two_stream_system_trains_each_network_as_if_alone(name: str) -> None:
    kind = system(name)
    config = settings(name, "demo")
    torch.manual_seed(0)
    model = kind.network(5, config).eval()  # dropout off, so that both ways are comparable
    streams, label = clips(kind, config), torch.tensor([1, 3])
    output = model(*streams)
    assert isinstance(output, Scores)
    terms = kind.terms(output, label, config)
    terms["loss"].backward()
    together = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    alone = 0.0
    for tower, norm, stream in zip(
        (model.network.rgb, model.network.flow), model.norms, streams, strict=True
    ):
        loss = F.cross_entropy(tower(norm(stream)), label)
        loss.backward()
        alone += loss.item()
    assert terms["loss"].item() == pytest.approx(alone, rel=1e-5)
    for one, other in zip(together, model.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad)
    expected = (output.logits.argmax(1) == label).float().mean() * 100
    assert terms["top1"] == expected


def test_frames_show_no_motion_and_the_demo_s_flow_is_not_scaled() -> None:
    for name in ("vgg-ts", "tsn"):
        kind = system(name)
        config = settings(name, "demo")
        model = kind.network(5, config).eval()
        dark, flow = clips(kind, config)
        assert torch.equal(model.norms[1](flow), flow) and flow.shape[1] == 2
        pictures = model.norms[0](dark[:, :, 5:6]), model.norms[0](dark)[:, :, 5:6]
        correlation = torch.corrcoef(torch.stack([p.flatten() for p in pictures]))[0, 1]
        assert correlation > 0.999  # the same picture, whatever the other frames show


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("vgg-ts", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("tsn", (128 / 255, 117 / 255, 104 / 255), (1 / 255,) * 3),
        ("i3d-rgb", (0.5,) * 3, (0.5,) * 3),
        ("i3d-two-stream", (0.5,) * 3, (0.5,) * 3),
        ("p3d-199", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("resnet3d-50", (0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737)),
        ("darklight-resnext-101", (0.4501, 0.4225, 0.3901), (1 / 255,) * 3),
        ("darklight-r2plus1d-34", (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)),
    ],
)
def test_the_norm_is_the_public_weights(name: str, mean: tuple, std: tuple) -> None:
    kind = system(name)
    small = {"frames": 16, "layers": (1, 1, 1, 1), "widths": (16,) * 4, "profile": "demo"}
    model = kind.network(5, settings(name, "paper").with_(**small))
    norms = [norm for norm in model.norms if isinstance(norm, InputNorm)]
    assert len(norms) == len([s for s in kind.streams if s != "flow"])
    for norm in norms:
        assert norm.kind == "fixed"
        assert norm.mean.flatten().tolist() == pytest.approx(mean, abs=1e-4)
        assert norm.std.flatten().tolist() == pytest.approx(std, abs=1e-6)


def test_the_family_starts_from_the_student_s_weights() -> None:
    """ActLumos' nets are those of the arms, and R(2+1)D-34 + BERT is the student's."""
    config = profile("smoke")

    def state(make: object) -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        return make().state_dict()

    student = state(lambda: find("ssl-kd").network(5, config))
    teacher = state(lambda: find("teacher").network(5, config))
    pairs = {"actlumos-student": student, "r2plus1d-bert": student, "actlumos-teacher": teacher}
    for name, wanted in pairs.items():
        found = state(lambda name=name: system(name).network(5, config))
        assert list(found) == list(wanted)
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    md_bert = state(lambda: system("md-bert").network(5, config))
    assert all(torch.equal(md_bert[key], student[key]) for key in student)


def test_md_bert_is_the_three_stream_teacher_without_a_projector() -> None:
    kind, config = system("md-bert"), profile("smoke")
    model = kind.network(5, config).eval()
    streams = ("dark", "gamma", "histogram")
    teacher = Teacher(5, config, fusion="dff-sigmoid", streams=streams).eval()
    kinds = [norm.kind for norm in model.norms]
    assert kinds == [config.norm, config.norm_enhanced, config.norm_enhanced]
    missing, surplus = teacher.load_state_dict(model.state_dict(), strict=False)
    assert not surplus and all(name.startswith("projector.") for name in missing)
    streams = clips(kind, config)
    torch.testing.assert_close(model(*streams), teacher(*streams).logits)


def test_darklight_reads_both_streams_as_one_sequence() -> None:
    """The order of the streams matters through positions alone; both share one trunk."""
    kind = system("darklight-r2plus1d-34")
    config = settings("darklight-r2plus1d-34", "demo")
    torch.manual_seed(0)
    model = kind.network(5, config).eval()
    dark, brightened = clips(kind, config)
    tokens = [
        model.backbone(norm(clip)).mean((3, 4)).transpose(1, 2)
        for norm, clip in zip(model.norms, (dark, brightened), strict=True)
    ]
    vector = model.head(torch.cat(tokens, 1))
    found, wanted = model(dark, brightened), model.classifier(vector)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    for scale in ("paper", "demo"):
        made = make_streams(dark, kind.streams, settings("darklight-r2plus1d-34", scale))
        torch.testing.assert_close(made[1], dark ** (1 / 1.8))
    with torch.device("meta"):
        trunks = [
            system(name).network(11, settings(name, "paper")).backbone.output_frames(64)
            for name in ("darklight-r2plus1d-34", "darklight-resnext-101")
        ]
    assert trunks == [8, 4]


# Descriptions.


@pytest.mark.parametrize("name", MINE)
def test_the_description_is_complete(name: str) -> None:
    card = baselines.card(name)
    assert card.name == name and set(card.reported) <= set(printed())
    for text in (card.title, card.idea, card.source, card.known, card.unknown, card.ours):
        assert len(text) > 2 and "  " not in text
    assert 1 <= len(re.findall(r"[.](?: |$)", card.idea)) <= 3
    assert set(card.grew_from) <= {*MINE, *OTHERS} - {name}
    assert all(baselines.card(parent).year <= card.year for parent in card.grew_from)
    assert len(card.diagram) == len(card.streams) and all(" -> " in row for row in card.diagram)
    assert card.streams == system(name).streams
    assert {choice.origin for choice in card.choices} <= set(ORIGINS) and card.choices
    for scale in ("paper", "demo"):
        settings(name, scale)


@pytest.mark.parametrize("name", MINE)
def test_nothing_reconstructed_is_called_the_authors(name: str) -> None:
    card = baselines.card(name)
    module = import_module(f"actlumos.baselines.{name.replace('-', '_')}")
    text = " ".join([module.__doc__ or "", card.title, card.idea, card.known, card.ours])
    assert not re.search(r"(?i)\b(authors'|official|original (code|model|weights))", text)
    assert ("reconstruction" in (module.__doc__ or "")) == (card.status == "reconstruction")
    if card.status == "reconstruction":
        assert card.unknown and re.search(
            r"\bno code|no commit|opening only", text + card.source + card.unknown, re.IGNORECASE
        )


def test_equal_conditions_in_the_demo() -> None:
    """No system has another number of frames, another size, or another recipe than the profile."""
    for name in MINE:
        changed = set(system(name).differing("demo"))
        assert changed <= {"norm", "gamma", "frames", "stride", "short_clips"}
        plain, own = profile("demo"), settings(name, "demo")
        assert own.frames == plain.frames and own.crop_size == plain.crop_size
    assert [n for n in MINE if settings(n, "demo").stride != profile("demo").stride] == [
        "mran"
    ]
