"""Two processes on the CPU train as one does: losses, gradients, weights, metrics, skipped clips.

The processes start once and do all their work (`two_processes.py`); each test checks one part of
what they returned.
"""

from __future__ import annotations

import multiprocessing
import socket
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from two_processes import LOSSES, TRAINED, one_process

from actlumos.runtime import distributed
from actlumos.stages import loop


@pytest.fixture(scope="module")
def outcomes(tiny_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process returns when it is alone, and what each of two returns."""
    home, homes = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["actlumos.stages"])
    jobs = [(0, 0, home), (0, port, homes), (1, port, homes)]
    processes = [context.Process(target=one_process, args=(*job, tiny_videos)) for job in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    names = "alone", "first", "second"
    files = (place / f"{rank}.pt" for rank, _, place in jobs)
    return {n: torch.load(f, weights_only=False) for n, f in zip(names, files, strict=True)}


def assert_close(first: dict[str, Any], second: dict[str, Any], atol: float) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=atol, msg=name)


@pytest.fixture(params=["first", "second"])
def one_of_two(outcomes: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    return outcomes[request.param]


@pytest.mark.parametrize("arm", LOSSES)
def test_loss_and_gradients_are_those_of_one_process(
    outcomes: dict[str, Any], one_of_two: dict[str, Any], arm: str
) -> None:
    """Cross-entropy, SupCon, NT-Xent and distillation over half of the batch each."""
    alone, shared = outcomes["alone"]["losses"][arm], one_of_two["losses"][arm]
    assert_close(alone["terms"], shared["terms"], 1e-12)
    assert_close(alone["gradients"], shared["gradients"], 1e-11)
    assert_close(alone["buffers"], shared["buffers"], 1e-12)
    assert alone["names"] == shared["names"]


@pytest.mark.parametrize("kind", ["3d", "1d"])
def test_batch_norm_uses_the_whole_batch(
    outcomes: dict[str, Any], one_of_two: dict[str, Any], kind: str
) -> None:
    """PyTorch's own over eight clips is the oracle, with its weights' and the clips' gradients."""
    assert_close(outcomes["alone"]["norms"][kind], one_of_two["norms"][kind], 1e-14)


@pytest.mark.parametrize("arm", TRAINED)
def test_two_processes_train_as_one(
    outcomes: dict[str, Any], one_of_two: dict[str, Any], arm: str
) -> None:
    alone, shared = outcomes["alone"]["arms"][arm], one_of_two["arms"][arm]
    assert_close(alone["weights"], shared["weights"], 1e-9)
    assert_same_metrics(alone, shared)
    assert (alone["result"]["processes"], shared["result"]["processes"]) == (1, 2)


def assert_same_metrics(alone: dict[str, Any], shared: dict[str, Any]) -> None:
    for name in ("top1", "top5", "n", "interval", "confusion", "per_clip", "params", "skipped"):
        assert alone["result"].get(name) == shared["result"].get(name)
    pd.testing.assert_frame_equal(alone["history"], shared["history"], rtol=1e-9)


def test_accumulated_passes_are_divided(
    outcomes: dict[str, Any], one_of_two: dict[str, Any]
) -> None:
    """8 clips x 2 passes alone, and 4 x 4 divided into 4 x 2 each, are the same two passes of 8."""
    alone, shared = outcomes["alone"]["passes"], one_of_two["passes"]
    assert_close(alone["weights"], shared["weights"], 1e-9)


def test_skipped_clips_are_counted_by_all(
    outcomes: dict[str, Any], one_of_two: dict[str, Any]
) -> None:
    """Shares of four and three clips weigh as seven, and every missing clip reaches the result."""
    alone, shared = outcomes["alone"]["skipping"], one_of_two["skipping"]
    missing = {split: [f"gone/{split}.mp4"] for split in ("train", "val", "test")}
    assert shared["result"]["skipped"] == missing
    assert shared["result"]["n"] == 3
    assert_close(alone["weights"], shared["weights"], 1e-9)
    assert_same_metrics(alone, shared)


def test_evaluation_divides_batches_and_changes_no_bit(
    outcomes: dict[str, Any], one_of_two: dict[str, Any]
) -> None:
    """Three batches of 8, 8 and 4 clips for two processes; and one batch, so the second idles."""
    for size, (logits, labels) in outcomes["alone"]["logits"].items():
        assert torch.equal(one_of_two["logits"][size][0], logits), size
        assert torch.equal(one_of_two["logits"][size][1], labels)
        assert len(labels) == 20


def test_values_travel_in_the_order_of_the_processes(one_of_two: dict[str, Any]) -> None:
    assert one_of_two["rows"].tolist() == [[n, n] for n in (0, 1, 2, 0, 1, 2, 3)]
    assert one_of_two["exchanged"] == ["process 0", "process 1"]
    assert one_of_two["main"] == "from 0"


def test_only_the_first_process_writes(outcomes: dict[str, Any]) -> None:
    """Two processes write what one does, except the teacher's logits: only one alone keeps them."""
    alone, both = set(outcomes["alone"]["files"]), set(outcomes["second"]["files"])
    assert alone - both == {
        "run/teacher/teacher_logits.pt",
        "run/teacher/.teacher_logits.lock",
    }
    assert not both - alone


@pytest.mark.parametrize(
    ("step", "processes", "expected"),
    [
        ((8, 16), 1, (8, 16)),
        ((8, 16), 2, (8, 8)),
        ((8, 16), 16, (8, 1)),
        ((8, 16), 32, (4, 1)),
        ((16, 1), 2, (8, 1)),
        ((8, 6), 4, (4, 3)),
        ((1, 4), 1, (1, 4)),
    ],
)
def test_a_step_is_divided(
    step: tuple[int, int], processes: int, expected: tuple[int, int]
) -> None:
    assert distributed.share(*step, processes) == expected


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 24))
def test_a_step_keeps_its_size_or_is_refused_with_what_fits(
    batch_size: int, accumulate: int, processes: int
) -> None:
    try:
        clips, passes = distributed.share(batch_size, accumulate, processes)
    except ValueError as error:
        fits = [int(n) for n in str(error).split("use ")[1].split(" processes")[0].split(", ")]
        assert processes not in fits and 1 in fits
        for count in fits:
            clips, passes = distributed.share(batch_size, accumulate, count)
            assert count * clips * passes == batch_size * accumulate
    else:
        assert processes * clips * passes == batch_size * accumulate
        assert clips >= 2 or processes == 1


@pytest.mark.parametrize("n", [23, 10])
def test_the_processes_share_the_batches_of_one_schedule(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """23 clips: a batch of 12, 4 each; 10: a single short batch, 3 each and one left out."""
    task = loop.Task(nn.Identity(), None, range(n), epochs=1, batch_size=12, views=2)
    share = distributed.Share(4, 1)
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares.append(loop.epoch_batches(task, share, seed=1, epoch=2))
    monkeypatch.undo()
    whole = loop.epoch_batches(task, distributed.Share(12, 1), seed=1, epoch=2)
    for step, batch in enumerate(whole):
        size = 4 if n == 23 else 3
        assert sum((theirs[step] for theirs in shares), []) == batch[: 3 * size]
    assert len(whole) == 1 and {len(theirs) for theirs in shares} == {1}


def test_too_few_clips_for_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    task = loop.Task(nn.Identity(), None, range(5), epochs=1, batch_size=12)
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    with pytest.raises(ValueError, match="5 clips are too few for 3 processes"):
        loop.epoch_batches(task, distributed.Share(4, 1), seed=0, epoch=0)


def test_one_process_sends_nothing() -> None:
    rows = torch.ones(2, 3)
    assert distributed.gather(rows) is rows and distributed.total(rows) is rows
    assert distributed.exchange("here") == ["here"] and distributed.from_main(lambda: 7) == 7
    model = nn.BatchNorm3d(2)
    assert distributed.wrap(model) is model and type(model) is nn.BatchNorm3d
    assert distributed.is_main() and distributed.world_size() == 1
