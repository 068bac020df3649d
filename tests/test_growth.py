"""How cost grows: exponents, and points that are measured in a process of their own."""

from __future__ import annotations

from pathlib import Path

import growth
import pytest

from actlumos.config import profile
from actlumos.runtime.files import read_json

COMMITTED = Path(growth.__file__).with_name("growth.json")


def test_the_exponent_is_the_power() -> None:
    values = [1.0, 2.0, 5.0, 9.0]
    assert growth.exponent(values, [3 * v**1.7 for v in values]) == pytest.approx(1.7)
    found = growth.curve("frames", [1, 2], [(0.5, 10), (1.0, 40)])
    assert found["seconds"] == [0.5, 1.0] and found["bytes"] == [10, 40]
    assert (found["exponent_seconds"], found["exponent_bytes"]) == pytest.approx((1.0, 2.0))


def test_one_setting_changes_at_a_time() -> None:
    base = profile("demo")
    for name, (_, points) in growth.variants(base, quick=False).items():
        assert len(points) == 4 and list(points) == sorted(points)
        for value, (config, streams) in points.items():
            sizes = {
                "frames": config.frames,
                "size": config.crop_size[0] * config.crop_size[1],
                "batch": config.batch_size,
                "streams": streams,
            }
            assert sizes[name] == value
            assert name == "frames" or config.frames == base.frames


def test_a_step_of_a_stage_is_measured_in_a_fresh_process() -> None:
    """The weights, their gradients and both moments must be in it; no library is."""
    base = profile("smoke", precision="fp32", batch_size=4)
    measured = growth.alone(growth.stage_point, "kd", base)
    weights = sum(p.numel() for p in growth.Student(growth.CLASSES, base).parameters())
    assert 16 * weights < measured < 200e6


def test_the_committed_curves_have_their_exponents() -> None:
    curves = read_json(COMMITTED)["curves"]
    assert curves.keys() == {"frames", "size", "batch", "streams", "clips"}
    for curve in curves.values():
        for cost in ("seconds", "bytes"):
            exponent = growth.exponent(curve["values"], curve[cost])
            assert exponent == pytest.approx(curve[f"exponent_{cost}"])
