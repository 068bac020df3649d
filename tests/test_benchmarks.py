"""The benchmarks run, at toy size, and print times and ratios."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def run(name: str, *options: str) -> None:
    before, threads = sys.argv, torch.get_num_threads()
    sys.argv = [name, *options]
    try:
        runpy.run_path(str(FOLDER / name), run_name="__main__")
    finally:
        sys.argv = before
        torch.set_num_threads(threads)


def test_training_step(capsys: pytest.CaptureFixture[str]) -> None:
    run("training_step.py", "--profile=smoke", "--batch=2", "--repeats=1", "--threads=1")
    printed = capsys.readouterr().out
    assert re.search(r"(?m)^cpu +float32, contiguous +[\d.]+ ms per step +1\.00 x$", printed)
    assert re.search(r"(?m)^cpu +bfloat16, channels last +[\d.]+ ms per step +[\d.]+ x$", printed)


def test_decoding(tiny_videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("decord")
    run("decoding.py", str(tiny_videos), "--clips=3", "--minutes=0.2")
    printed = capsys.readouterr().out
    assert re.search(r"(?m)^3 clips, up to 64 frames each, one thread$", printed)
    assert re.search(r"(?m)^ratio .* [\d.]+; frames differ in 0 \[\]$", printed)
    late = printed[printed.index("0.2 minutes, 64 frames from 150 of 300 on") :]
    for name in ("pyav, from the first frame", "pyav", "decord", "decord alone"):
        assert re.search(rf"(?m)^{name} +[\d.]+ ms$", late)
