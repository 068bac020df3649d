"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from tiny import TINY

from actlumos.stages.runs import Run, open_run

FIRST = (
    "test_smoke.py", "test_workflow.py", "test_smoke_real_clips.py", "test_darkroom_build.py",
    "test_resume.py", "test_smoke_few_clips.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: with two processes, both then end at about the same time."""
    order = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


torch.set_num_threads(1)  # tiny tensors: threads would cost more than they save


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the package keeps (measurements, caches, runs) goes to a folder of this test session."""
    os.environ["ACTLUMOS_HOME"] = str(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def real_root() -> Path:
    """Folder with real ARID clips and official lists; the test is skipped where there is none."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "real"
    root = Path(os.environ.get("ACTLUMOS_REAL", beside))
    if not (root / "arid_mini").is_dir():
        pytest.skip(f"no real clips at {root}: set ACTLUMOS_REAL to a folder that holds arid_mini/")
    return root


@pytest.fixture(scope="session")
def tiny_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two classes, ten short clips each: a bright square moving left or right."""
    root = tmp_path_factory.mktemp("videos")
    for label, name in enumerate(("left", "right")):
        for number in range(10):
            path = root / name / f"{name}_{number}_1.mp4"
            path.parent.mkdir(exist_ok=True)
            _write_square(path, label, np.random.default_rng([label, number]))
    return root


def _write_square(path: Path, label: int, rng: np.random.Generator) -> None:
    top, start = rng.integers(4, 24), rng.integers(10, 30)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for time in range(16):
            frame = rng.integers(10, 30, (48, 64, 3), dtype=np.uint8)
            left = int(start + (1 if label else -1) * time) % 50
            frame[top : top + 14, left : left + 12] = 120
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())


@pytest.fixture
def open_tiny(
    tiny_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Run]:
    """Opens tiny runs on the tiny videos, by name, seed and settings, in the test's folder."""
    monkeypatch.setenv("ACTLUMOS_HOME", str(tmp_path))

    def make(name: str = "run", seed: int = 0, **changes: object) -> Run:
        return open_run("smoke", "folder", tiny_videos, tmp_path / name, seed, **TINY | changes)

    return make
