"""The script for a GPU: its order, its budget and its bars, tried on the CPU at tiny size."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gpu
import pytest
import torch
from gpu_parts import PARTS, Job, Part, judged, known, tf32
from torch import nn

from actlumos.data.manifest import Manifest
from actlumos.data.published.folder import folder
from actlumos.runtime.files import read_json
from actlumos.stages.runs import Run, open_run


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("cpu", True, tmp_path, None, time.perf_counter() + 100)


def test_the_whole_script_on_the_cpu(
    tmp_path: Path,
    tiny_videos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a folder of tiny videos in place of the rendered set, which would take seconds."""
    out = tmp_path / "gpu.json"
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path))

    def open_folder(size: str, out: Path, **changes: Any) -> Run:
        return open_run(size, "folder", tiny_videos, out, **changes)

    monkeypatch.setattr("gpu_parts.open_run", open_folder)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device=cpu", "--quick", f"--out={out}"])
    with pytest.raises(SystemExit) as end:
        gpu.main()
    parts = read_json(out)["parts"]
    assert end.value.code == 0 and parts.keys() == PARTS.keys()
    skipped = {name for name, found in parts.items() if "skipped" in found}
    assert skipped == {"memory", "compiled", "zero_shot"}
    checked = {name for name, found in parts.items() if found.get("ok")}
    assert checked == {"streams", "losses", "gradients", "processes"}
    assert parts["gradients"]["values"].keys() == {"dark", "teacher"}
    assert parts["processes"]["backend"] == "gloo" and parts["processes"]["objects"]
    assert parts["teacher"]["n"] == parts["student"]["n"] > 0
    assert "failed or missed a bar: none" in capsys.readouterr().out


def test_memory_is_held_against_the_estimate(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    estimate = SimpleNamespace(peak=lambda batch: 100 * batch)
    monkeypatch.setattr("gpu_parts.training_footprint", lambda *arm: estimate)
    job.kind = "cuda"
    job.found["speed"] = {"dark": {"fp32": {"peak": 840}, "bf16": {"peak": 600}}}
    found = PARTS["memory"].run(job)
    assert found["values"] == pytest.approx({"dark, fp32": 0.05, "dark, bf16": 0.25})
    assert found["ok"] is False


def test_a_wrong_gradient_misses_the_bar(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpu_parts.channels_last", lambda model: _scaled(model))
    assert PARTS["gradients"].run(job)["ok"] is False


def _scaled(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        next(model.parameters()).mul_(1.1)
    return model


def test_parts_that_fail_or_lack_time_do_not_stop_the_others(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(job: Job) -> dict[str, Any]:
        raise RuntimeError("out of memory")

    parts = {
        "a": Part(fails, 1),
        "b": Part(lambda job: {}, 1, ("a",)),
        "c": Part(lambda job: judged({"x": 2.0}, 1.0), 1),
        "d": Part(lambda job: {"found": 1}, 1e6),
    }
    results: dict[str, Any] = {"parts": {}}
    job.quick = False
    assert gpu.run_parts(parts, job, results, tmp_path / "out.json") == ["a", "c"]
    written = read_json(tmp_path / "out.json")["parts"]
    assert written["a"]["failed"] == "RuntimeError: out of memory"
    assert written["b"] == {"skipped": "needs a"} and "1000000 s" in written["d"]["skipped"]


def test_the_budget_ends_a_part_that_takes_too_long(job: Job) -> None:
    before = signal.signal(signal.SIGALRM, gpu._stop)
    try:
        job.end = time.perf_counter() + 1.1
        found = gpu.run_part(Part(lambda job: time.sleep(30) or {}, 1), job)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert found["skipped"] == "the time budget ended here" and found["seconds"] < 5


def test_only_missing_packages_are_installed_and_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(gpu, "PACKAGES", {"cv2": "opencv", "no_such_module": "some-wheel"})
    monkeypatch.setattr(gpu.subprocess, "run", lambda command, check: commands.append(command))
    assert gpu.install(tmp_path) == ["some-wheel"]
    assert {"--no-index", "--find-links", "some-wheel"} <= set(commands[0])
    assert "opencv" not in commands[0]


def test_real_clips_of_unknown_actions_are_left_out(tiny_videos: Path) -> None:
    manifest: Manifest = folder(tiny_videos)
    run: Any = SimpleNamespace(manifest=SimpleNamespace(classes=("Right", "Walk")))
    kept = known(manifest, run)
    assert kept.classes == ("right",) and {clip.label for clip in kept.clips} == {0}
    assert len(kept.clips) == 10 and all("right" in clip.path for clip in kept.clips)


def test_tf32_is_set_for_products_and_convolutions() -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    tf32(False)
    assert not (torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
