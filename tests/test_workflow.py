"""The workflow on a copy of the project: its plan, a real run, what runs again after a change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from actlumos.runtime.files import read_json

ROOT = Path(__file__).resolve().parents[1]


def copy_project(place: Path) -> Path:
    """What a plan and a run need, with the compiled modules; both leave files behind."""
    for name in ("actlumos", "notebooks", "workflow"):
        shutil.copytree(ROOT / name, place / name)
    return place


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all tests that only plan."""
    return copy_project(tmp_path_factory.mktemp("project"))


def snakemake(place: Path, *options: str, code: int = 0) -> str:
    pytest.importorskip("snakemake")
    command = [sys.executable, "-m", "snakemake", "-s", "workflow/Snakefile", "--cores", "2"]
    own = {"ACTLUMOS_HOME": str(place), "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        [*command, *options], cwd=place, env=os.environ | own, capture_output=True, text=True
    )
    assert answer.returncode == code, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def planned(text: str) -> dict[str, int]:
    """Jobs of a dry run by rule, `all` and the total left out."""
    rows = re.findall(r"(?m)^(\w+) +(\d+)$", text)
    return {rule: int(count) for rule, count in rows if rule not in ("all", "total")}


def test_a_plan_holds_every_split_seed_and_arm_once(project: Path) -> None:
    settings = ["profile=smoke", "datasets=arid-v1.0", "splits=1,3", "seeds=0,1", "arms=dark,kd"]
    text = snakemake(project, "-n", "--config", *settings)
    # kd needs the teacher; the clips of a split are listed once for both seeds
    assert planned(text) == {"data": 2, "train": 12, "notebooks": 4, "tables": 1}
    assert "runs/arid-v1.0-split3-smoke-s1/teacher/result.json" in text
    assert "split2" not in text


def test_all_systems_are_planned_with_what_they_need(project: Path) -> None:
    text = snakemake(project, "-n", "--config", "profile=smoke", "arms=baselines")
    # 22 systems, three enhancers, a teacher to learn from, and the student's pretraining
    assert planned(text) == {"data": 1, "train": 27, "notebooks": 1, "tables": 1}
    assert "runs/darkroom-smoke-s0/baselines/dl-kdd-teacher/result.json" in text


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("dataset=darkroom", "unknown setting ['dataset']"),
        ("splits=4", "darkroom has no split [4]"),
        ("arms=wizard", "unknown arm 'wizard'"),
    ],
)
def test_a_wrong_setting_is_named(project: Path, setting: str, message: str) -> None:
    assert message in snakemake(project, "-n", "--config", setting, code=1)


def test_slurm_profile_asks_for_gpus_and_torchrun_uses_them(project: Path) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm")
    options = ("-n", "-p", "--profile", "workflow/profiles/slurm")
    text = snakemake(project, *options, "--config", "profile=smoke", "arms=dark", "gpus=2")
    job = re.search(r"(?ms)^rule train:.*?Shell command: (.*?)$", text)
    assert job and "gpu=2" in job[0] and "slurm_partition=gpu" in job[0]
    assert "torch.distributed.run --standalone --nproc-per-node 2 -m actlumos train" in job[1]


def test_a_run_repeats_nothing_but_what_changed(tiny_videos: Path, tmp_path: Path) -> None:
    place = copy_project(tmp_path)
    settings = {
        "profile": "smoke",
        "datasets": {"folder": str(tiny_videos)},
        "arms": ["dark"],
        "only": ["00"],
        "options": {"short-clips": "pad"},
    }
    (place / "settings.yaml").write_text(yaml.safe_dump(settings))
    run = place / "runs" / "folder-smoke-s0"
    # After a notebook has failed, its executed copy and the trained arms are still there.
    broken = place / "notebooks" / "00_start_here.ipynb"
    whole = broken.read_text("utf-8")
    broken.write_text(whole.replace("from actlumos", "raise OSError(5)\\nfrom actlumos", 1))
    snakemake(place, "--configfile", "settings.yaml", code=1)
    assert "OSError" in (run / "notebooks" / broken.name).read_text("utf-8")
    result = read_json(run / "dark" / "result.json")
    assert result["config"]["short_clips"] == "pad"
    broken.write_text(whole)
    text = snakemake(place, "--configfile", "settings.yaml")
    assert "epoch" not in text and (place / "runs" / "tables" / "folder-smoke.md").is_file()
    assert read_json(run / "dark" / "result.json") == result
    assert "Nothing to be done" in snakemake(place, "--configfile", "settings.yaml")

    def after_a_change_of(name: str) -> dict[str, int]:
        """The plan for this one change, which is taken back."""
        source = place / "actlumos" / name
        content, times = source.read_bytes(), source.stat()
        source.write_bytes(content + b"# changed\n")
        plan = planned(snakemake(place, "-n", "--configfile", "settings.yaml"))
        source.write_bytes(content)
        os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
        return plan

    shown = {"notebooks": 1, "tables": 1}
    assert after_a_change_of("cli/commands.py") == {"notebooks": 1}
    assert after_a_change_of("report/tables.py") == after_a_change_of("cli/tables.py") == shown
    assert after_a_change_of("models/losses.py") == {"train": 1} | shown
    assert after_a_change_of("data/video.py") == {"data": 1, "train": 1} | shown
