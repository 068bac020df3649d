"""`actlumos baselines`: what each action prints, trains and refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_report import first, record

from actlumos import baselines, stages
from actlumos.arms import STATUS, SUPPORTING, arm_of
from actlumos.baselines.size import Size, published_size
from actlumos.cli import baselines_actions, build_parser, main
from actlumos.cli.baselines_actions import ACTIONS
from actlumos.evaluation import cost
from actlumos.runtime.files import read_json, write_json

FEW = ("resnet3d-18", "darklight-r2plus1d-34", "mran")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the arms that were asked for; each gets a result, and nothing is trained."""
    asked: list[str] = []

    def ensure(run: object, name: str) -> None:
        asked.append(name)
        path = run.directory / "results.json"
        about = {"run": "r", "dataset": run.dataset, "profile": run.config.profile, "seed": 0}
        done = read_json(path)["arms"] if path.exists() else {}
        write_json(path, about | {"arms": done | {name: record(first(10 * len(asked)))}})

    monkeypatch.setattr(baselines_actions, "ensure", ensure)
    return asked


def shown(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What the command printed, on one line and without repeated blanks."""
    assert main(["baselines", *words]) == code
    printed = capsys.readouterr()
    return " ".join((printed.err if code else printed.out).split())


@pytest.mark.parametrize("action", ["", *ACTIONS])
def test_every_action_has_help_with_an_example(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["baselines", *filter(None, [action]), "--help"])
    assert raised.value.code == 0
    assert f"actlumos baselines {action}" in capsys.readouterr().out.split("example")[1]


def test_help_imports_no_torch() -> None:
    check = (
        "import sys\nfrom actlumos.cli import main\n"
        "try:\n    main(['baselines', 'train', '--help'])\n"
        "finally:\n    assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)\n"
    )
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert answer.returncode == 0 and "--only" in answer.stdout, answer.stderr


def test_the_size_from_shapes_is_that_of_a_real_network() -> None:
    network = baselines.build("resnet3d-18", 11).eval()
    clip = torch.zeros(1, 3, 16, 112, 112)
    size = published_size("resnet3d-18")
    assert size.params == sum(p.numel() for p in network.parameters()) == 33_209_547
    assert size.gmacs == pytest.approx(cost.count_gmacs(network, clip), abs=1e-9)
    assert published_size("enhancer-diffusion").gmacs > 0  # it draws noise


def test_list_counts_prints_and_marks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(baselines, "names", lambda: FEW)
    text = shown(capsys, "list")
    assert "resnet3d-18 2018 dark faithful 33.21 33 8.3 – 31.16 –" in text
    assert (
        "darklight-r2plus1d-34 2021 dark + gamma faithful 66.66 63, 66.73 * 609.5 94.04 84.13 39.08"
    ) in text
    assert "mran 2021 dark reconstruction 66.66 – 304.7 93.73 – –" in text
    for meaning in STATUS.values():
        assert meaning in text


@pytest.mark.parametrize("name", [*baselines.names(), *SUPPORTING])
def test_describe_prints_the_whole_sheet(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(baselines_actions, "published_size", lambda system: Size(12_345_678, 9.87))
    text, system = shown(capsys, "describe", name), baselines.card(name)
    parts = (system.title, system.idea, system.known, system.unknown, system.ours, system.mismatch)
    needs = [need.removeprefix("baselines/") for need in stages.find(arm_of(name)).needs]
    for part in (*parts, *system.diagram, STATUS[system.status], *needs):
        assert " ".join(part.split()) in text
    assert "12,345,678 parameters counted" in text
    for choice in system.choices:
        row = f"{choice.name} {choice.value} {choice.origin} {choice.source}"
        assert " ".join(row.split()) in text
    assert ("in none of the tables" in text) == (not system.reported)


def test_describe_names_anomalies_and_changed_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, "describe", "i3d-rgb")
    assert "ARID V1.0: I3D-RGB, Top-1 68.29, Top-5 97.69, 12 M" in text
    assert "benchmark page gives 54.68" in text and "12,298,539 parameters counted" in text
    assert "paper: crop_size [112, 112] -> [224, 224]" in text and "frames 12 -> 12" not in text
    text = shown(capsys, "describe", "wiid")
    assert "labels of clips in normal light, and dark clips without labels" in text
    assert "loss: CE(normal) + CE(darkened)" in text
    assert "as the arm ssl-kd" in shown(capsys, "describe", "actlumos-student")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["describe", "vgg"], "unknown system 'vgg'"),
        (["train", "--only", "tsn,vgg"], "unknown system 'vgg'"),
        (["compare"], "no results at"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in shown(capsys, *words, code=2)


def test_train_goes_through_the_systems_in_order_and_compares(
    trained: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, "train", "--profile", "smoke", "--only", "tsn,wiid,actlumos-teacher")
    assert trained == ["one-frame", "ssl-kd", "baselines/tsn", "baselines/wiid", "teacher"]
    assert "[3/5] baselines/tsn" in text and "left out" not in text
    assert "Measured here on darkroom, smoke profile, seed 0" in text
    assert "TSN prior code dark + flow 30.00" in text
    figures = home / "figures" / "darkroom-smoke-s0"
    for name in ("measured", "differences", "beside"):
        for suffix in ("md", "csv", "tex"):
            assert (figures / f"baselines-{name}.{suffix}").is_file()
    again = shown(capsys, "compare", "--profile", "smoke")
    assert again in text and len(trained) == 5


def test_train_means_every_system_and_names_what_a_data_set_cannot_have(
    trained: list[str], capsys: pytest.CaptureFixture[str], tiny_videos: Path
) -> None:
    options = ["--profile", "smoke", "--dataset", "folder", "--data-root", str(tiny_videos)]
    text = shown(capsys, "train", *options)
    assert len(trained) == len(set(trained)) == 21  # 22 less wiid and mfdl, and the floor
    assert "left out: wiid, which learns from clips in normal light; folder has none" in text
    assert "left out: mfdl" in text


def test_a_run_without_a_system_has_nothing_to_compare(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = home / "runs" / "darkroom-smoke-s0"
    write_json(run / "results.json", {"arms": {"dark": record(first(10))}})
    assert "has no system yet" in shown(capsys, "compare", "--profile", "smoke", code=2)
    assert build_parser().parse_args(["baselines", "compare"]).profile == "demo"
