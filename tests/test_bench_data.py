"""The rows about clips: they run, and both sides of each comparison do the same work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from machine import Machine
from rows import data

from actlumos.config import profile
from actlumos.darkroom.plan import ClipSpec, plan
from actlumos.darkroom.sensor import capture, sample_sensor
from actlumos.data.clips import loader, schedule
from actlumos.data.published.folder import folder
from actlumos.data.video import read_clip

SPEC: ClipSpec = plan("darkroom", {"train": 1}, 0)[3]


def test_every_row_is_measured() -> None:
    limits = Machine(1, 1e11, 2e11, 1e10)
    rows = [measures(limits, True) for measures in data.ROWS.values()]
    assert [row.name for row in rows] == list(data.ROWS)
    assert all(min(row.ours, row.peer, row.ratio) > 0 for row in rows)


def test_capture_in_place_equals_one_step_after_the_other() -> None:
    rng = np.random.default_rng(0)
    radiance = rng.gamma(0.5, 0.2, (4, 30, 40, 3)).astype(np.float32)
    camera = sample_sensor(rng, 0.5)
    both = [
        film(radiance, camera, 18.0, 0.4, np.random.default_rng(1))
        for film in (capture, data.capture_step_by_step)
    ]
    assert np.ptp(both[0]) > 20 and (both[0] == both[1]).all()


def test_frames_from_pictures_are_those_of_the_loader(tiny_videos: Path, tmp_path: Path) -> None:
    listed, config = folder(tiny_videos).select("test"), profile("demo")
    assert data.write_jpgs(listed, tmp_path) > 0
    batches = schedule(len(listed), 3, seed=0, epoch=0, shuffle=True)
    loaded = loader(data.clips_of(config, listed), batches)
    pictures = data.from_jpgs(listed, tmp_path, config, batches)
    for ours, theirs in zip((batch.clip[:, 0].numpy() for batch in loaded), pictures, strict=True):
        assert np.abs(ours.astype(int) - theirs).mean() < 2  # JPEG


def test_the_peer_writes_the_same_clip(tmp_path: Path) -> None:
    dark = data.write_step_by_step(SPEC, tmp_path / "peer")
    record = data.write_dark(SPEC, tmp_path / "ours", "key")
    films = [read_clip(tmp_path / side / SPEC.path, range(len(dark))) for side in ("ours", "peer")]
    assert record.frames == len(dark) and (films[0] == films[1]).all()
