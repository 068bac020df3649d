"""What goes wrong at the command line is said once, plainly, with the right exit code."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from actlumos.cli import commands as carried_out
from actlumos.cli import main, options
from actlumos.notebooks import execute
from actlumos.runtime.files import read_json, write_json
from actlumos.runtime.tensors import load_tensors, save_tensors

COMMAND = [sys.executable, "-m", "actlumos"]
ROOT = Path(__file__).resolve().parents[1]


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines on stderr, each of which begins with the program's name."""
    lines = capsys.readouterr().err.splitlines()
    assert lines and all(line.startswith("actlumos") for line in lines), lines
    return lines


@pytest.fixture(scope="module")
def trained(tiny_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Options of a run on two classes of videos, with one student."""
    place = tmp_path_factory.mktemp("cli")
    patch = pytest.MonkeyPatch()
    patch.setenv("ACTLUMOS_HOME", str(place))
    run = ["--profile", "smoke", "--dataset", "folder", "--data-root", str(tiny_videos)]
    run += ["--set", "epochs_supervised=1", "--out", str(place / "run")]
    assert main(["train", "dark", *run]) == 0
    yield run
    patch.undo()


def test_every_wrong_setting_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ("flip=7", "epochs_teacher=x", "crop_size=28", "nonsense=1", "workers", "warmup=0.1")
    arguments = [part for text in wrong for part in ("--set", text)]
    assert main(["train", "dark", "--profile", "smoke", *arguments]) == 2
    lines = said(capsys)
    assert len(lines) == 5
    expected = (
        "epochs_teacher is int, which 'x' is not",
        "unknown setting 'nonsense'",
        "--set 'workers': write NAME=VALUE",
        "crop_size is 28: it has to be 2 numbers",
        "flip is 7.0: it has to be a number in 0..1",
    )
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(f"actlumos: {beginning}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "dark", "--split", "mean"], "--split mean is for `actlumos reproduce`"),
        (["evaluate", "dark", "--split", "mean"], "--split mean is for `actlumos reproduce`"),
        (["data", "make", "--split", "mean"], "--split mean is for `actlumos reproduce`"),
        (["train", "dark", "--seed", "1" + "0" * 26], "is too large: use 0 to 4294967295"),
        (["train", "ssl", "--set", "ssl_batch_size=1"], "ssl_batch_size is 1: it has to be"),
        (["train", "kd", "--set", "batch_size=1"], "teacher needs 2 clips per batch or more"),
        (["evaluate", "kd"], "train it first (`actlumos train kd` with these options)"),
    ],
)
def test_each_of_these_is_one_line_and_code_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--profile", "smoke", "--out", str(tmp_path / "run")]) == 2
    (line,) = said(capsys)
    assert message in line


@pytest.mark.parametrize("text", ["", ",", " , "])
@pytest.mark.parametrize("command", [["reproduce"], ["baselines", "train"]])
def test_only_nothing_is_refused(
    text: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main([*command, "--only", text])
    assert raised.value.code == 2
    (line,) = said(capsys)
    assert "--only: names nothing: leave it out to mean all" in line


def test_weights_of_another_kind_are_one_line(
    tiny_videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "weights.txt"
    text.write_text("not weights\n" * 20)
    run = ["--profile", "smoke", "--dataset", "folder", "--data-root", str(tiny_videos)]
    run += ["--out", str(tmp_path / "run"), "--weights", str(text)]
    assert main(["train", "dark", *run]) == 2
    (line,) = said(capsys)
    assert "weights.txt is damaged, or not a file of tensors" in line and "weights_only" not in line


def test_a_home_in_quotes_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert options.place("~/a b.mp4") == str(tmp_path / "a b.mp4")
    assert options.place("") == "" and options.place("a/~b") == "a/~b"
    assert main(["predict", "~/a.mp4", "--checkpoint", "~/none.pt"]) == 2
    assert f"no checkpoint at {tmp_path}/none.pt" in said(capsys)[0]
    with pytest.raises(SystemExit):
        main(["predict", "~nobody-of-that-name/a.mp4", "--checkpoint", "c.pt"])
    assert "~nobody-of-that-name is not a user's home here" in said(capsys)[0]


def test_another_runs_folder_is_refused(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    place = Path(trained[-1]) / "results.json"
    before = place.read_bytes()
    assert main(["train", "dark", "--profile", "smoke", "--out", trained[-1]]) == 2
    (line,) = said(capsys)
    assert "holds results with dataset folder, and this run has dataset darkroom" in line
    assert main(["train", "dark", *trained, "--seed", "4"]) == 2
    assert "with seed 0, and this run has seed 4" in said(capsys)[0]
    assert place.read_bytes() == before
    assert main(["train", "dark", *trained]) == 0


def test_predict_names_the_good_ones_then_the_bad(
    trained: list[str], tiny_videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = sorted(tiny_videos.rglob("*.mp4"))[:2]
    empty, missing = tmp_path / "empty.mp4", tmp_path / "missing.mp4"
    empty.touch()
    weights = ["--checkpoint", str(Path(trained[-1]) / "dark" / "checkpoint.pt")]
    videos = [str(path) for path in (first, empty, missing, second)]
    assert main(["predict", *videos, *weights]) == 2
    shown = capsys.readouterr()
    assert [line for line in shown.out.splitlines() if ".mp4" in line] == [str(first), str(second)]
    assert "empty.mp4" in shown.err.splitlines()[0] and "missing.mp4" in shown.err.splitlines()[1]
    assert main(["predict", str(first), str(second), *weights]) == 0


def test_a_name_is_no_command_to_the_terminal(
    trained: list[str], tiny_videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(trained[-1]) / "dark" / "checkpoint.pt"
    content = load_tensors(path)
    content["classes"] = ["left\x1b[2J", "right\u202e\nx"]
    save_tensors(tmp_path / "c.pt", content)
    video = tmp_path / "a\x1b]0;title\x07.mp4"
    shutil.copy(next(tiny_videos.rglob("*.mp4")), video)
    bad = tmp_path / "bad\x1b[31m.mp4"
    bad.touch()
    assert main(["predict", str(video), str(bad), "--checkpoint", str(tmp_path / "c.pt")]) == 2
    shown = capsys.readouterr()
    assert r"left\x1b[2J" in shown.out and r"right\u202e\nx" in shown.out
    assert r"a\x1b]0;title\x07.mp4" in shown.out and r"bad\x1b[31m.mp4" in shown.err
    assert all(char.isprintable() or char == "\n" for char in shown.out + shown.err)


def test_a_training_without_finite_numbers_is_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise FloatingPointError("dark: the loss is nan in epoch 1, pass 2")

    monkeypatch.setitem(carried_out.COMMANDS, "train", fail)
    assert main(["train", "dark"]) == 1
    assert said(capsys) == ["actlumos: dark: the loss is nan in epoch 1, pass 2"]


@pytest.mark.parametrize("name", ["{me} x", "a{0}b} {seed}"])
def test_braces_in_the_runs_folder_are_only_braces(tmp_path: Path, name: str) -> None:
    head = new_code_cell("seed = 0", metadata={"tags": ["parameters"]})
    (tmp_path / name).mkdir()
    notebook = tmp_path / name / "in.ipynb"
    nbformat.write(new_notebook(cells=[head, new_code_cell("seed + 1")]), notebook)
    copy = execute(notebook, tmp_path / name / "run" / "a.ipynb", {"seed": 41}, timeout=60)
    assert copy == (tmp_path / name / "run" / "a.ipynb").resolve() and copy.is_file()
    assert nbformat.read(copy, as_version=4).cells[-1].outputs[0].data["text/plain"] == "42"


def test_a_reader_who_stops_ends_the_command_silently() -> None:
    """As `actlumos data list | head -n 0` does, whatever is still to be printed."""
    process = subprocess.Popen(
        [*COMMAND, "data", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    process.stdout.close()
    error = process.stderr.read().decode()
    assert process.wait() == 141 and error == "", error


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("seconds", [0.05, 0.5])
def test_ctrl_c_while_it_starts_is_silent(seconds: float) -> None:
    check = (
        "import os, signal, sys, threading\n"
        "from actlumos.cli import main\n"
        f"threading.Timer({seconds}, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "sys.exit(main(['predict', 'a.mp4', '--checkpoint', 'none.pt']))\n"
    )
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, cwd=ROOT)
    assert answer.returncode == 130 and not answer.stderr, answer.stderr


def test_a_terminal_without_letters_gets_question_marks() -> None:
    answer = subprocess.run(
        [*COMMAND, "reproduce", "--profile", "größe"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=ROOT,
    )
    assert answer.returncode == 2 and "gr??e" in answer.stderr, answer.stderr
    assert "codec" not in answer.stderr and answer.stderr.count("\n") == 1


def test_interrupted_work_says_what_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once a command has begun, Ctrl-C is an exception again: locks and files are cleaned up."""

    def work(_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    monkeypatch.setitem(carried_out.COMMANDS, "figures", work)
    # A shell starts what runs in the background with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["figures"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "continues from the last finished step" in said(capsys)[0]


def test_a_broken_summary_does_not_stop_the_command(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    place = Path(trained[-1]) / "results.json"
    whole = read_json(place)
    for content in ([1], {"arms": 3}):
        write_json(place, content)
        assert main(["train", "dark", *trained]) == 0
        assert read_json(place) == whole
    assert "Traceback" not in capsys.readouterr().err
