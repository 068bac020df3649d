"""The method in one file runs, trains what it says, and gives the same numbers again."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from actlumos.config import profile

FILE = Path(__file__).resolve().parents[1] / "examples" / "actlumos_minimal.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("actlumos_minimal", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_network_is_that_of_the_demo(example) -> None:
    config = profile("demo")
    for field, value in vars(example.SIZES).items():
        assert getattr(config, field) == value, field
    assert (config.frame_size, config.crop_size) == (example.FRAME, example.CROP)


def test_the_whole_method_runs_small_and_repeats_itself(example, capsys) -> None:
    first = example.main(train_clips=2, test_clips=1, epochs=1)
    text = capsys.readouterr().out
    for stage in ("teacher:", "pretraining:", "student:", "Top-1 of 11 test clips, 11 actions"):
        assert stage in text
    assert first.keys() == {"teacher", "student"} and all(0 <= v <= 100 for v in first.values())
    assert example.main(train_clips=2, test_clips=1, epochs=1) == first


def test_the_student_loss_trains_the_student_alone(example) -> None:
    torch.manual_seed(0)
    teacher, student = example.Teacher(3, example.SIZES), example.Student(3, example.SIZES)
    loss = example.student_loss(teacher)
    clip = torch.randint(0, 60, (2, 1, 12, *example.FRAME, 3), dtype=torch.uint8)
    batch = example.Batch(clip, torch.tensor([0, 2]), torch.arange(2), torch.empty(0))
    loss(student, batch, torch.Generator().manual_seed(0)).backward()
    assert all(weight.grad is None for weight in teacher.parameters())
    assert all(weight.grad is not None for weight in student.parameters())
