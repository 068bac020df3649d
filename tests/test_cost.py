"""Cost of a clip: counts against arithmetic; the time is only checked to be positive."""

from __future__ import annotations

import torch
from torch import nn

from actlumos.config import profile
from actlumos.evaluation import cost
from actlumos.stages import find


def test_gmacs_are_multiply_adds_not_operations() -> None:
    conv = nn.Conv3d(3, 5, (1, 3, 3), bias=False)
    outputs = 2 * 6 * 6  # T x H x W of the result
    expected = outputs * 5 * 3 * 9 / 1e9
    assert cost.count_gmacs(conv, torch.zeros(1, 3, 2, 8, 8)) == expected


def test_teacher_costs_two_students() -> None:
    config = profile("smoke")
    student = cost.measure(find("kd").network(4, config), ("dark",), config, repeats=1)
    teacher = cost.measure(
        find("teacher").network(4, config), ("dark", "retinex"), config, repeats=1
    )
    assert 0.45 < student.gmacs / teacher.gmacs < 0.55
    assert student.params < teacher.params
    assert student.milliseconds > 0 and teacher.milliseconds > 0


def test_measuring_leaves_the_network_as_it_was() -> None:
    config = profile("smoke")
    network = find("dark").network(4, config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    cost.measure(network, ("dark",), config, repeats=1)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
