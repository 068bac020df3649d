"""The command line: fast help, one line per error, exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from actlumos import cli, config
from actlumos.arms import ARMS
from actlumos.cli import main, options
from actlumos.data.published import load_manifest
from actlumos.data.video import POLICIES
from actlumos.notebooks import NotebookError
from actlumos.runtime.files import read_json

ROOT = Path(__file__).resolve().parents[1]


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.endswith("\n"), error
    return error.strip()


def usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    return error_line(capsys)


def test_help_is_shown_fast_and_without_torch() -> None:
    check = (
        "import sys\nfrom actlumos.cli import main\n"
        "try:\n    main(['reproduce', '--help'])\n"
        "finally:\n    assert not {'torch', 'pandas', 'papermill'} & set(sys.modules)\n"
    )
    before = os.times()
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    after = os.times()
    assert answer.returncode == 0 and "--only" in answer.stdout, answer.stderr
    busy = after.children_user + after.children_system
    assert busy - before.children_user - before.children_system < 0.3


def test_waiting_threads_give_their_cores_away_unless_the_user_says_otherwise() -> None:
    """The variable has to be set before torch loads its OpenMP library."""
    check = (
        "import os, sys\nfrom actlumos.cli import main\n"
        "try:\n    main(['--version'])\n"
        "finally:\n    assert 'torch' not in sys.modules; print(os.environ['GOMP_SPINCOUNT'])\n"
    )
    given = {name: text for name, text in os.environ.items() if name != "GOMP_SPINCOUNT"}
    for own, expected in ({}, "1000"), ({"GOMP_SPINCOUNT": "300000"}, "300000"):
        answer = subprocess.run(
            [sys.executable, "-c", check], capture_output=True, text=True, env=given | own
        )
        assert answer.stdout.split()[-1] == expected, answer.stderr


def test_commands_start_without_what_only_notebooks_need() -> None:
    code = (
        "import sys, actlumos.cli.commands\n"
        "heavy = {'papermill', 'nbformat', 'IPython', 'matplotlib', 'sklearn', 'torchvision'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr


def test_module_is_the_command() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "actlumos", "--version"], capture_output=True, text=True, cwd=ROOT
    )
    assert answer.stdout.startswith("actlumos 0.") and answer.returncode == 0


@pytest.mark.parametrize(
    "command", [[], ["reproduce"], ["data"], ["train"], ["evaluate"], ["predict"], ["figures"]]
)
def test_every_help_text_has_an_example(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main([*command, "--help"])
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert "example" in shown and "actlumos " in shown.split("example")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["bogus"], "invalid choice: 'bogus'"),
        (["reproduce", "--profile", "huge"], "invalid choice: 'huge'"),
        (["reproduce", "--seed", "x"], "invalid int value: 'x'"),
        (["reproduce", "--sead", "1"], "unrecognized arguments: --sead 1"),
        (["train"], "STAGE"),
        (["predict", "a.mp4"], "--checkpoint"),
        (["predict", "a.mp4", "--checkpoint", "b", "--top", "0"], "must be 1 or more"),
        (["data"], "ACTION"),
    ],
)
def test_bad_usage_is_one_line_and_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in usage_error(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "wizard"], "unknown arm 'wizard': choose one of one-frame,"),
        (["train", "dark", "--dataset", "nope"], "unknown data set 'nope'"),
        (["train", "dark", "--seed", "-1"], "seed -1 is negative"),
        (["reproduce", "--only", "77"], "no notebook '77'"),
        (["data", "make", "--dataset", "folder"], "folder needs a root"),
        (["data", "make", "--dataset", "folder", "--data-root", "/nowhere"], "/nowhere"),
        (["predict", "a.mp4", "--checkpoint", "none.pt"], "no checkpoint at none.pt"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [] if arguments[0] == "predict" else ["--out", str(tmp_path / "run")]
    assert main([*arguments, *out]) == 2
    assert message in error_line(capsys)


def test_an_untrained_run_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path)]
    assert main(["evaluate", "dark", *out]) == 2
    assert "no checkpoint at" in error_line(capsys)
    assert main(["figures", *out]) == 2
    assert "holds no results.json" in error_line(capsys)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotebookError("03: cell 4 raised\nValueError"), 1),
        (OSError(28, "No space left on device"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_failures_while_running_are_one_line(
    error: BaseException,
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from actlumos.cli import commands

    def fail(_: object) -> None:
        raise error

    monkeypatch.setitem(commands.COMMANDS, "figures", fail)
    assert main(["figures"]) == code
    assert error_line(capsys).startswith("actlumos: ")


def test_a_defect_of_the_package_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from actlumos.cli import commands

    monkeypatch.setitem(commands.COMMANDS, "figures", lambda _: np.zeros(3).reshape(2, 2))
    with pytest.raises(ValueError, match="reshape"):
        main(["figures"])


def test_help_names_every_arm_and_profile() -> None:
    listed = cli.ARMS_HELP.split("\n", 1)[1].split()
    assert set(ARMS) <= set(listed)
    assert config.PROFILES == options.PROFILES and POLICIES == options.POLICIES


@pytest.fixture(scope="module")
def trained(tiny_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Options of a run on two classes of videos, with one student and one pretraining."""
    place = tmp_path_factory.mktemp("cli")
    patch = pytest.MonkeyPatch()
    patch.setenv("ACTLUMOS_HOME", str(place))
    run = ["--profile", "smoke", "--dataset", "folder", "--data-root", str(tiny_videos)]
    run += ["--out", str(place / "run")]
    assert main(["train", "dark", *run]) == 0 and main(["train", "ssl-a", *run]) == 0
    yield run
    patch.undo()


def test_data_counts_and_writes_the_manifest(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "list"]) == 0
    assert {"darkroom", "folder"} <= set(capsys.readouterr().out.split())
    assert main(["data", "make", *trained]) == 0
    shown = capsys.readouterr().out
    counts = {line.split()[0]: line.split()[1:] for line in shown.splitlines()[1:4]}
    assert sum(map(int, counts["left"])) == sum(map(int, counts["right"])) == 10
    assert sum(map(int, counts["together"])) == 20
    manifest = Path(shown.split("manifest: ")[1].splitlines()[0])
    assert manifest.read_text("utf-8").count(".mp4") == 20


def test_evaluate_repeats_what_training_measured(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "dark", *trained]) == 0
    measured = capsys.readouterr().out.split("dark: ")[1].splitlines()[0]
    assert main(["evaluate", "dark", *trained]) == 0
    shown = capsys.readouterr().out
    assert measured in shown
    assert main(["evaluate", "dark", "--clips", "all", *trained]) == 0
    assert "20 clips" in capsys.readouterr().out


def test_all_clips_of_a_folder_too_small_to_divide_are_tested(
    trained: list[str], tiny_videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        for number in range(2):
            shutil.copy(tiny_videos / name / f"{name}_{number}_1.mp4", tmp_path / name)
    elsewhere = ["--on", "folder", "--on-root", str(tmp_path)]
    assert main(["evaluate", "dark", *elsewhere, "--clips", "all", *trained]) == 0
    assert "4 clips" in capsys.readouterr().out
    assert main(["evaluate", "dark", *elsewhere, *trained]) == 2
    assert "too few" in error_line(capsys)


def test_elsewhere_only_shared_classes_count(
    trained: list[str], tiny_videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source, target in (("right", "RIGHT"), ("left", "jump")):
        (tmp_path / target).mkdir()
        for number in range(5):
            video = tiny_videos / source / f"{source}_{number}_1.mp4"
            shutil.copy(video, tmp_path / target / f"{target}_{number}_1.mp4")
    elsewhere = ["--on", "folder", "--on-root", str(tmp_path), "--clips", "all"]
    assert main(["evaluate", "dark", *elsewhere, *trained]) == 0
    shown = capsys.readouterr().out
    assert "Top-1 100.0 %" in shown and "5 clips" in shown  # one shared class: nothing to mistake
    shutil.rmtree(tmp_path / "RIGHT")
    assert main(["evaluate", "dark", *elsewhere, *trained]) == 2
    assert "no clip of a class of the model: left, right" in error_line(capsys)


def test_predict_agrees_with_the_test(
    trained: list[str], tiny_videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(trained[-1])
    result = read_json(run / "dark" / "result.json")
    manifest = load_manifest("folder", tiny_videos).select("test")
    videos = [str(manifest.path(index)) for index in range(len(manifest))]
    assert main(["predict", *videos, "--checkpoint", str(run / "dark" / "checkpoint.pt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[::3] == videos
    assert [line.split()[-1] for line in lines[1::3]] == [
        result["classes"][label] for label in result["per_clip"]["predictions"]
    ]
    for first, second in zip(lines[1::3], lines[2::3], strict=True):
        assert float(first.split()[0]) + float(second.split()[0]) == pytest.approx(100, abs=0.2)


def test_predict_and_evaluate_refuse_what_they_cannot_use(
    trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(trained[-1])
    text = tmp_path / "not_a_video.mp4"
    text.write_text("hello")
    weights = ["--checkpoint", str(run / "dark" / "checkpoint.pt")]
    for video in (text, tmp_path / "missing.mp4"):
        assert main(["predict", str(video), *weights]) == 2
        assert video.name in error_line(capsys)
    assert main(["predict", str(text), "--checkpoint", str(text)]) == 2
    assert "is not a checkpoint" in error_line(capsys)
    pretrained = str(run / "ssl-a" / "checkpoint.pt")
    assert main(["predict", str(text), "--checkpoint", pretrained]) == 2
    assert "is a pretraining" in error_line(capsys)
    assert main(["evaluate", "ssl-a", *trained]) == 2
    assert "is a pretraining" in error_line(capsys)
