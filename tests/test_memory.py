"""Training memory without a GPU: counts by hand, by autograd's own hooks, by real allocations."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiler

from actlumos.cli import cost
from actlumos.config import Config, profile
from actlumos.runtime.device import channels_last
from actlumos.stages import Recipe, find, memory
from actlumos.stages.memory import Footprint, LiveBytes, training_footprint

GIB = 1024**3


def small(**changes: object) -> Config:
    return profile("smoke", **changes)


def tiny(**changes: object) -> Config:
    """The demo's net on smaller frames: its activations outweigh everything else."""
    return profile("demo", crop_size=(28, 36), precision="fp32", **changes)


def clips(config: Config, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(batch, 3, config.frames, *config.crop_size, generator=generator)


def size_of(numbers: int) -> int:
    return 4 * numbers


# Counting.


def test_two_layers_by_hand() -> None:
    net = nn.Sequential(
        nn.Conv3d(3, 5, 1, bias=False), nn.BatchNorm3d(5), nn.ReLU(inplace=True), nn.Conv3d(5, 2, 1)
    )
    clip = torch.rand(2, 3, 4, 6, 7)
    with LiveBytes() as live:
        live.add(clip, *net.parameters(), *net.buffers())
        before = live.now
        output = net(clip)
        kept = live.now - before
    places = 2 * 4 * 6 * 7
    # what batch norm is given, its result (ReLU works in place), its mean and deviation, the output
    assert kept == size_of(places * 5 + places * 5 + 2 * 5 + places * 2)
    assert output.shape == (2, 2, 4, 6, 7)


def saved_for_backward(net: nn.Module, *inputs: Tensor) -> int:
    """Bytes of the distinct storages that autograd keeps, but for those that were there before."""
    old = {t.untyped_storage().data_ptr() for t in (*net.parameters(), *net.buffers(), *inputs)}
    found: dict[int, int] = {}
    alive = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        alive.append(storage)
        if storage.data_ptr() not in old:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(*inputs)
    return sum(found.values())


@pytest.mark.parametrize("recomputed", [False, True])
@pytest.mark.parametrize("name", ["dark", "teacher"])
def test_activations_per_clip_are_what_autograd_keeps_of_real_tensors(
    name: str, recomputed: bool
) -> None:
    config, recipe = small(checkpoint_activations=recomputed), find(name)
    net = recipe.network(4, config).train()
    two, three = (
        saved_for_backward(net, *(clips(config, batch) for _ in recipe.streams)) for batch in (2, 3)
    )
    estimate = training_footprint(recipe, config, 4)
    # The estimate holds the outputs too, and storages that only the graph's own scalars need.
    outputs = size_of(4) + (size_of(2 * config.projection) if name == "teacher" else 0)
    assert 0 <= estimate.activations - (three - two) <= outputs + 64
    assert three > two > 10_000


def allocations(work: Callable[[], object], path: Path) -> Iterator[int]:
    """Bytes really taken (and given back, negative), in the order of time."""
    with profiler(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        kept = work()
    record.export_chrome_trace(str(path))
    del kept
    events = [e for e in json.loads(path.read_text())["traceEvents"] if e["name"] == "[memory]"]
    yield from (event["args"]["Bytes"] for event in sorted(events, key=lambda event: event["ts"]))


@pytest.mark.parametrize(("recomputed", "most"), [(False, 1.2), (True, 1.35)])
def test_against_bytes_that_were_really_allocated(
    recomputed: bool, most: float, tmp_path: Path
) -> None:
    config = tiny(checkpoint_activations=recomputed)
    estimate = training_footprint(find("dark"), config, 4)
    net, clip = channels_last(find("dark").network(4, config).train()), clips(config, 4)
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def step() -> Tensor:
        return net(clip).sum()

    step().backward()  # what a first call sets up is no part of a step
    kept = sum(allocations(step, tmp_path / "forward.json"))
    assert kept == pytest.approx(4 * estimate.activations, rel=0.01)
    now = highest = 0
    for size in allocations(lambda: step().backward(), tmp_path / "step.json"):
        now += size
        highest = max(highest, now)
    before = 4 * sum(t.nbytes for t in net.parameters()) + sum(t.nbytes for t in net.buffers())
    expected = estimate.peak(4) - before - clip.nbytes
    assert expected - 64 <= highest <= most * expected  # the graph's own scalars are estimated


def test_two_batch_sizes_give_every_other() -> None:
    config, recipe = small(), find("teacher")
    estimate = training_footprint(recipe, config, 4)
    with FakeTensorMode():
        net = recipe.network(4, config)
        for parameter in net.parameters():
            parameter.grad = torch.zeros_like(parameter)
        seven = memory._trace(net, [], recipe, config, 7).curve
    moments = 2 * sum(t.nbytes for t in net.parameters())
    assert estimate.peak(7) == seven.max() + moments
    assert (estimate.constant + 7 * estimate.per_clip == seven + moments).all()


@pytest.mark.parametrize("share", [0.2, 1.0, 3.7])
def test_largest_batch_fits_and_one_more_does_not(share: float) -> None:
    estimate = training_footprint(find("dark"), small(), 4)
    limit = share * estimate.peak(8)
    largest = estimate.largest_batch(limit)
    assert largest == 0 or estimate.peak(largest) <= limit
    assert estimate.peak(largest + 1) > limit
    assert estimate.largest_batch(0) == 0


def test_a_distillation_counts_its_frozen_teacher() -> None:
    config = small()
    alone, taught = (training_footprint(find(name), config, 4) for name in ("dark", "kd"))
    teacher = find("teacher").network(4, config)
    weights = sum(t.nbytes for t in (*teacher.parameters(), *teacher.buffers()))
    assert (taught.params, taught.activations) == (alone.params, alone.activations)
    assert taught.peak(2) >= alone.peak(2) + weights


# The paper's net.


@pytest.fixture(scope="module")
def paper() -> dict[tuple[str, bool], Footprint]:
    dark = find("dark")
    ways = (("fp32", False), ("fp32", True), ("bf16", False))
    return {
        (precision, recomputed): training_footprint(
            dark, profile("paper", precision=precision, checkpoint_activations=recomputed), 11
        )
        for precision, recomputed in ways
    }


def test_the_paper_s_student(paper: dict[tuple[str, bool], Footprint]) -> None:
    assert {found.params for found in paper.values()} == {66_655_122}
    assert {round(found.gmacs, 1) for found in paper.values()} == {304.7}
    # fp32, by hand: the stem's first convolution alone keeps its result and batch norm's.
    stem = size_of(2 * 45 * 64 * 56 * 56)
    assert paper["fp32", False].activations > 10 * stem
    ratio = paper["bf16", False].activations / paper["fp32", False].activations
    assert ratio == pytest.approx(0.5, abs=0.01)
    kept, recomputed = paper["fp32", False], paper["fp32", True]
    assert recomputed.activations < kept.activations / 8
    assert kept.peak(8) > 8 * kept.activations + 16 * kept.params
    assert recomputed.peak(8) < kept.peak(8) / 2


# The command.


def run_command(*words: str) -> None:
    parser = argparse.ArgumentParser()
    cost.add(parser.add_subparsers(dest="command"))
    cost.cost(parser.parse_args(["cost", *words]))


def rows_of(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.split("\n\n")[0].splitlines()[2:]]


def test_one_arm_s_rows(capsys: pytest.CaptureFixture[str]) -> None:
    words = "dark --profile smoke --batch 6 --classes 4 --gpu-memory 1"
    run_command(*words.split())
    rows = rows_of(capsys)
    estimate = training_footprint(find("dark"), small(), 4)
    peak = f"{estimate.peak(6) / GIB:.2f}"
    largest = str(estimate.largest_batch(cost.USABLE * GIB))
    assert rows[0][:2] == ["dark", f"{estimate.params / 1e6:.2f}"]
    activations = f"{estimate.activations / 1e6:.1f}"
    assert rows[0][-7:] == ["fp32", "kept", activations, "6", peak, "yes", largest]
    ways = [[p, a] for p in ("fp32", "bf16") for a in ("kept", "recomputed")]
    assert [row[-7:-5] for row in rows] == ways
    assert int(rows[1][-1]) > int(largest)


def test_default_arms_batches_and_what_does_not_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bytes_of = {"supervised": 2 * GIB, "teacher": 14 * GIB, "pretrain": 3 * GIB}

    def made_up(recipe: Recipe, config: Config, num_classes: int) -> Footprint:
        return Footprint(10**6, 1.0, 10**9, np.array([GIB]), np.array([bytes_of[recipe.stage]]))

    monkeypatch.setattr(memory, "training_footprint", made_up)
    run_command("--gpu-memory", "24")
    first = {row[0]: row[-4:] for row in rows_of(capsys) if row[0] in ("dark", "teacher", "ssl")}
    # 80 % of 24 GiB are 19.2; a teacher needs two clips, and two of these need 29
    assert first == {
        "dark": ["8", "17.00", "yes", "9"],
        "teacher": ["8", "113.00", "no", "none"],
        "ssl": ["8", "25.00", "no", "6"],
    }
    with pytest.raises(ValueError, match="unknown arm 'student'"):
        run_command("student")


def test_help_needs_no_pytorch() -> None:
    code = "import sys, actlumos.cli.cost; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
