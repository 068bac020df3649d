"""`actlumos data`: what each action prints and writes, and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_rebuild import make_sources
from test_verify import make_copy

from actlumos.cli import build_parser, main
from actlumos.cli.data import data
from actlumos.cli.data_actions import ACTIONS
from actlumos.cli.options import DataError
from actlumos.data.manifest import Manifest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def copy(tmp_path: Path, tiny_videos: Path) -> Path:
    return make_copy(tmp_path / "ARID", tiny_videos)


def run(*words: object) -> None:
    data(build_parser().parse_args(["data", *map(str, words)]))


@pytest.mark.parametrize("action", ["", *ACTIONS])
def test_every_action_has_help_with_an_example(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["data", *filter(None, [action]), "--help"])
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert f"actlumos data {action}" in shown.split("example")[1]


def test_help_imports_no_torch() -> None:
    check = (
        "import sys\nfrom actlumos.cli import main\n"
        "try:\n    main(['data', 'verify', '--help'])\n"
        "finally:\n    assert not {'torch', 'av', 'numpy', 'cv2'} & set(sys.modules)\n"
    )
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert answer.returncode == 0 and "--report" in answer.stdout, answer.stderr


def test_a_complete_copy_is_reported_as_complete(
    copy: Path,
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("verify", "arid-layout", "--root", copy)
    shown = capsys.readouterr().out
    assert f"arid-layout in {copy}: whole" in shown
    report = Path(shown.split("report: ")[1].strip())
    assert report.parent == home / "data" / "verify"
    assert json.loads(report.read_text("utf-8"))["ok"] is True


def test_a_copy_that_is_not_whole_is_code_1(
    copy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = tmp_path / "here.json"
    words = ["verify", "arid-v1.0", "--root", copy, "--split", 1, "--report", report]
    with pytest.raises(DataError, match=r"is not whole; .*here\.json names every file"):
        run(*words)
    shown = capsys.readouterr().out
    assert "NOT whole" in shown and "2288 were published" in shown
    assert main(["data", *map(str, words)]) == 1
    assert "is not whole" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify", "arid-v1.0"], "needs --root"),
        (["verify", "folder", "--root", "x"], "folder comes without lists; those with: arid-v1.0"),
        (["verify", "darkroom", "--root", "x"], "darkroom comes without lists; those with: arid"),
        (["leaks", "darkroom-b=x"], "darkroom-b comes without lists"),
        (["leaks", "darkroom=x:1"], "darkroom comes without lists"),
        (["verify", "arid-v1.0", "--root", "/nowhere"], "/nowhere"),
        (["verify", "nope", "--root", "x"], "unknown data set 'nope'"),
        (["prepare", "arid-v1.0", "--root", "x", "--split", "7"], "7"),
        (["prepare", "folder"], "needs a root"),
        (["leaks", "dark48"], "is not NAME=DIR"),
        (["rebuild", "dark48", "--lists", "x", "--out", "y"], "at least one source"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("size", ["112", "0x5", "112x", "axb", "-3x4"])
def test_a_frame_size_is_height_x_width(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["data", "prepare", "folder", f"--frame-size={size}"])
    assert raised.value.code == 2 and "must be like 128x171" in capsys.readouterr().err


def test_prepare_writes_the_manifest_and_the_frames(
    tiny_videos: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("prepare", "folder", "--root", tiny_videos, "--frame-size", "24x32")
    shown = capsys.readouterr().out
    assert "20 clips at 24x32" in shown
    path = Path(shown.split("manifest: ")[1].splitlines()[0])
    assert path.parent == home / "data" / "manifests"
    manifest = Manifest.read(path, tiny_videos)
    assert len(manifest) == 20 and manifest.digest in shown
    assert len(list((home / "data" / "cache").rglob("*.npy"))) == 20


def test_prepare_leaves_bad_clips_out_only_on_request(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (copy / "clips_v1" / "Run" / "Run_1_2.mp4").write_text("not a video")
    words = ["prepare", "arid-layout", "--root", str(copy)]
    assert main(["data", *words]) == 2
    assert "Run_1_2.mp4: cannot be decoded" in capsys.readouterr().err
    run(*words, "--on-bad-clip", "skip")
    shown = capsys.readouterr().out
    assert "left out as unreadable or missing: 1 clips\n  Run/Run_1_2.avi\n" in shown


def test_leaks_are_listed(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("leaks", f"arid-layout={copy}:1")
    assert "nothing is shared within or between arid-layout split 1" in capsys.readouterr().out
    lists = copy / "list_cvt"
    rows = (lists / "ARID_split1_test.txt").read_text() + "9\t5\tRun/Run_1_7.avi\n"
    (lists / "ARID_split1_test.txt").write_text(rows)
    with pytest.raises(DataError, match=r"1 leak\(s\) in arid-layout split 1"):
        run("leaks", f"arid-layout={copy}:1")
    assert "1 clips whose take or source video is in" in capsys.readouterr().out


def test_rebuild_links_and_names_the_missing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sources = make_sources(tmp_path)
    places = ["--kinetics", sources / "k700", "--mit", sources / "mit"]
    run("rebuild", "dark48", *places, "--lists", sources / "lists", "--out", sources / "made")
    assert "6 of 8 clips of Dark48" in capsys.readouterr().out
    report = json.loads((sources / "made" / "rebuild.json").read_text("utf-8"))
    assert sorted(report["missing"]) == [
        "spelunking/gone_000001_000011.mp4",
        "turning/none_4.mp4",
    ]
