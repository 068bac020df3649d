"""A killed training resumes: same bits, nothing trained twice, no temporary file left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from torch.optim.swa_utils import AveragedModel

from actlumos import stages
from actlumos.runtime import distributed
from actlumos.stages import loop
from actlumos.stages.checkpoint import Checkpoint, State
from actlumos.stages.runs import Run
from actlumos.stages.train import begin

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SETTINGS = {
    "batch_size": 2,
    "ssl_batch_size": 2,
    "accumulate": 2,
    "epochs_supervised": 2,
    "epochs_teacher": 2,
    "epochs_distill": 2,
    "epochs_pretrain": 2,
    "classifier_dropout": 0.5,
    "token_keep": 0.7,
    "checkpoint_minutes": 0.0,
}


@pytest.fixture
def make_run(open_tiny: Callable[..., Run]) -> Callable[..., Run]:
    return lambda *place, **changes: open_tiny(*place, **SETTINGS | changes)


class Interrupt:
    """Replaces `seed_step`: stops before one pass, and records all that were begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[tuple[int, int]] = []
        self.stop: tuple[int, int] | None = None
        self.original = loop.seed_step
        monkeypatch.setattr(loop, "seed_step", self)

    def __call__(self, seed: int, epoch: int, step: int, device: torch.device) -> Any:
        if (epoch, step) == self.stop:
            raise KeyboardInterrupt
        self.begun.append((epoch, step))
        return self.original(seed, epoch, step, device)


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    return Interrupt(monkeypatch)


def assert_same(first: stages.Trained, second: stages.Trained) -> None:
    theirs = second.model().state_dict()
    for name, value in first.model().state_dict().items():
        assert torch.equal(value, theirs[name]), name
    assert first.history.drop(columns="seconds").equals(second.history.drop(columns="seconds"))
    assert first.result.get("per_clip") == second.result.get("per_clip")


@pytest.mark.parametrize(
    ("arm", "stop", "again"),
    [
        ("dark", (0, 3), (0, 2)),  # between the two passes of a step: the first is done again
        ("teacher", (1, 4), (1, 4)),
        ("ssl-a", (1, 0), (1, 0)),
        ("kd", (1, 3), (1, 2)),
    ],
)
def test_a_stopped_arm_ends_with_the_same_bits(
    make_run: Callable[..., Run],
    interrupt: Interrupt,
    arm: str,
    stop: tuple[int, int],
    again: tuple[int, int],
) -> None:
    for need in stages.find(arm).needs:  # train these without a stop
        stages.ensure(make_run("whole"), need), stages.ensure(make_run("broken"), need)
    whole = stages.ensure(make_run("whole"), arm)
    interrupt.stop = stop
    with pytest.raises(KeyboardInterrupt):
        stages.ensure(make_run("broken"), arm)
    directory = make_run("broken").directory / arm
    assert (directory / "last.pt").exists() and not (directory / "result.json").exists()
    interrupt.stop, interrupt.begun = None, []
    resumed = stages.ensure(make_run("broken"), arm)
    assert_same(whole, resumed)
    assert interrupt.begun[0] == again and list(resumed.history["epoch"]) == [1, 2]
    assert not (directory / "last.pt").exists()


def test_what_is_done_is_not_loaded_again(
    make_run: Callable[..., Run], interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six batches per epoch: after four of them the resumed epoch loads two."""
    interrupt.stop = (0, 4)
    with pytest.raises(KeyboardInterrupt):
        stages.ensure(make_run(), "dark")
    loaded, loader = [], loop.loader

    def watched(clips: Any, batches: list, workers: int) -> Any:
        loaded.append(len(batches))
        return loader(clips, batches, workers)

    monkeypatch.setattr(loop, "loader", watched)
    interrupt.stop = None
    stages.ensure(make_run(), "dark")
    assert loaded == [2, 6]


def test_a_stop_between_the_last_pass_and_the_validation(
    make_run: Callable[..., Run], interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stages.ensure(make_run("whole"), "dark")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("actlumos.stages.supervised.validation", lambda *_: interrupt_now())
        stages.ensure(make_run("broken"), "dark")
    interrupt.begun = []
    assert_same(whole, stages.ensure(make_run("broken"), "dark"))
    assert interrupt.begun[0] == (1, 0)


def interrupt_now() -> None:
    raise KeyboardInterrupt


def test_further_parts_of_a_stage_are_restored(
    make_run: Callable[..., Run], interrupt: Interrupt, tmp_path: Path
) -> None:
    """An average of the weights, updated after each step, as a mean teacher would be."""

    def fit(name: str) -> AveragedModel:
        run, recipe = make_run(), stages.find("dark")
        task = begin(run, "dark", recipe, recipe.clips(run, {}), {})
        average = AveragedModel(task.model)
        task.parts["average"] = average
        task.after_step = lambda: average.update_parameters(task.model)
        place = {"device": run.device, "directory": tmp_path / name, "key": "k"}
        loop.fit(task, run.config, seed=0, **place)
        return average

    whole = fit("whole").state_dict()
    interrupt.stop = (1, 2)
    with pytest.raises(KeyboardInterrupt):
        fit("broken")
    interrupt.stop = None
    resumed = fit("broken").state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert whole["n_averaged"] == 6


def test_saves_inside_an_epoch_keep_their_distance(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three steps per epoch, one minute per look at the clock: saves after two and at the ends."""
    saved, clock = [], iter(range(0, 100_000, 60))
    monkeypatch.setattr("actlumos.stages.checkpoint.time.monotonic", lambda: next(clock))
    monkeypatch.setattr(
        "actlumos.stages.checkpoint.save_tensors",
        lambda path, content: saved.append((content["state"]["epoch"], content["state"]["step"])),
    )
    stages.ensure(make_run(checkpoint_minutes=2.0), "dark")
    assert saved == [(0, 4), (1, 0), (1, 4), (2, 0)]


def checkpoint(directory: Path, key: str = "k") -> Checkpoint:
    return Checkpoint(directory / "last.pt", key, {"model": torch.nn.Linear(1, 1)}, 1.0)


def test_a_foreign_checkpoint_is_not_used(tmp_path: Path) -> None:
    checkpoint(tmp_path).save(State(epoch=3))
    assert checkpoint(tmp_path).resume().epoch == 3
    assert checkpoint(tmp_path, "other").resume().epoch == 0


def test_the_middle_of_an_epoch_needs_as_many_processes(tmp_path: Path) -> None:
    checkpoint(tmp_path).save(State(epoch=3, step=5, processes=4))
    with pytest.raises(ValueError, match="by 4 processes and cannot go on with 1"):
        checkpoint(tmp_path).resume()
    checkpoint(tmp_path).save(State(epoch=3, processes=4))
    assert checkpoint(tmp_path).resume().processes == distributed.world_size() == 1


def test_a_damaged_checkpoint_is_reported_and_replaced(
    make_run: Callable[..., Run], interrupt: Interrupt, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt.stop = (1, 0)
    with pytest.raises(KeyboardInterrupt):
        stages.ensure(make_run(), "dark")
    last = make_run().directory / "dark" / "last.pt"
    last.write_bytes(last.read_bytes()[:-1000])
    interrupt.stop, interrupt.begun = None, []
    stages.ensure(make_run(), "dark")
    assert "last.pt is damaged and made again (" in capsys.readouterr().out
    assert interrupt.begun[0] == (0, 0)


def test_leftovers_of_killed_writes_go_at_the_next_start(make_run: Callable[..., Run]) -> None:
    directory = make_run().directory / "dark"
    directory.mkdir(parents=True)
    left = [directory / name for name in (".last-abcd_123.pt", ".result-12345678.json")]
    others = [directory / name for name in (".teacher_logits-abcdefgh.pt", "last-abcd_123.pt")]
    for path in left + others:
        path.write_bytes(b"half")
    stages.ensure(make_run(), "dark")
    assert [path.exists() for path in left] == [False, False]
    assert all(path.exists() for path in others)


def test_a_second_program_waits_and_then_loads(
    make_run: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    trained = stages.ensure(make_run(), "dark")
    result = trained.directory / "result.json"
    kept = result.read_bytes()
    result.unlink()  # as if the first program were still training
    done = []
    with FileLock(trained.directory / ".lock"):
        second = threading.Thread(target=lambda: done.append(stages.ensure(make_run(), "dark")))
        second.start()
        second.join(0.5)
        assert second.is_alive() and not done
        result.write_bytes(kept)
    second.join(30)
    assert done[0].result == trained.result
    assert "dark: another program trains it, waiting" in capsys.readouterr().out


def test_kill_minus_nine_three_times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The benchmark's own loop with real SIGKILLs, at its smallest."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import kill_resume

    arms = ("dark", "ssl-a")
    videos = kill_resume.make_videos(tmp_path / "videos")
    kill_resume.torture(tmp_path / "whole", videos, arms, 0, 0.0, 0)
    kills = kill_resume.torture(tmp_path / "killed", videos, arms, 3, 0.05, 1)
    assert [kill.mode for kill in kills] == list(kill_resume.MODES)
    assert kill_resume.differences(tmp_path / "whole", tmp_path / "killed", arms) == []
