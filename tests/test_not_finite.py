"""NaN and infinity end a training, are never kept, never loaded and never scored."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from actlumos import stages
from actlumos.baselines.networks.resnet3d import resnet3d
from actlumos.baselines.public_weights import load_public
from actlumos.evaluation.evaluate import score
from actlumos.models.pretrained import load_pretrained
from actlumos.models.r2plus1d import R2Plus1D
from actlumos.runtime.tensors import first_not_finite, load_tensors, save_tensors
from actlumos.stages import loop
from actlumos.stages.checkpoint import State
from actlumos.stages.recipe import load_checkpoint
from actlumos.stages.runs import Run

NAN, INF = math.nan, math.inf
SETTINGS = {
    "ssl_batch_size": 4,
    "epochs_supervised": 2,
    "epochs_pretrain": 1,
}


@pytest.fixture
def make_run(open_tiny: Callable[..., Run]) -> Callable[..., Run]:
    return lambda *place, **changes: open_tiny(*place, **SETTINGS | changes)


@pytest.mark.parametrize("number", [NAN, INF, -INF])
def test_the_first_broken_tensor_is_named(number: float) -> None:
    whole = {
        "a": torch.ones(3), "n": torch.tensor([1, 2]), "b": [torch.ones(2, 2).half(), "x", 3.0],
        "empty": torch.zeros(0), "inf": INF,
    }  # fmt: skip
    assert first_not_finite(whole) == "" and first_not_finite({}) == ""
    whole["b"][0][1, 0] = number
    assert first_not_finite(whole) == "b.0"
    assert first_not_finite(torch.tensor([1.0, number])) == "" != first_not_finite([whole])


def test_large_numbers_whose_sum_is_too_large_are_finite() -> None:
    assert first_not_finite({"w": torch.full((100,), 3e38)}) == ""
    assert first_not_finite({"w": torch.full((100,), 6e4, dtype=torch.float16)}) == ""
    assert first_not_finite({"w": torch.full((100,), 1e300, dtype=torch.float64)}) == ""


def test_a_training_ends_at_the_first_loss_that_is_none(make_run: Callable[..., Run]) -> None:
    run = make_run(learning_rate=1e30, schedule="plateau")
    where = r"^dark: .* in epoch \d, pass \d: training stops \(probably learning_rate 1e\+30 is"
    with pytest.raises(FloatingPointError, match=where):
        stages.ensure(run, "dark")
    written = {path.name for path in (run.directory / "dark").iterdir()}
    assert not written & {"checkpoint.pt", "result.json", "history.csv"}
    assert not (run.directory / "results.json").exists()


def test_a_broken_start_is_not_blamed_on_the_learning_rate(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    from actlumos.stages import supervised

    def broken(*_: object) -> dict[str, torch.Tensor]:
        return {"loss": torch.tensor(NAN, requires_grad=True)}

    monkeypatch.setattr(supervised, "classification", broken)
    message = r"the loss is nan in epoch 1, pass 1: training stops \(nothing was learned yet"
    with pytest.raises(FloatingPointError, match=message):
        stages.ensure(make_run(), "dark")


def break_at(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """After so many optimizer steps a weight becomes NaN, without any loss having shown it."""
    done, step = [], loop._Epochs._step

    def breaking(self: loop._Epochs) -> None:
        step(self)
        done.append(1)
        if len(done) == steps:
            next(self.task.model.parameters()).data[0] = NAN

    monkeypatch.setattr(loop._Epochs, "_step", breaking)


def test_weights_that_broke_in_the_last_step_are_found(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pretraining of one epoch: no later loss and no validation would show it."""
    run = make_run()
    break_at(monkeypatch, 3)  # 12 training clips, 4 a step
    with pytest.raises(FloatingPointError, match=r"ssl-a: model\..* is not finite any more in ep"):
        stages.ensure(run, "ssl-a")
    assert not any((run.directory / "ssl-a" / name).exists() for name in ("last.pt", "result.json"))


@pytest.mark.parametrize("minutes", [0.0, 10.0])
def test_the_last_good_checkpoint_stays(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, minutes: float
) -> None:
    run = make_run(checkpoint_minutes=minutes)
    break_at(monkeypatch, 5)  # the second step of the second epoch
    with pytest.raises(FloatingPointError, match=r"in epoch 2, pass \d.*last\.pt keeps what"):
        stages.ensure(run, "dark")
    kept = load_tensors(run.directory / "dark" / "last.pt")
    assert kept["state"]["epoch"] == 1 and first_not_finite(kept) == ""
    assert kept["state"]["step"] == (1 if minutes == 0 else 0)


def test_a_validation_loss_that_is_none_ends_the_training(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such an epoch is never the best, so without this the last weights would stay."""
    validated = {"val_loss": NAN, "val_top1": 50.0}
    monkeypatch.setattr("actlumos.stages.supervised.validation", lambda *_: validated)
    with pytest.raises(FloatingPointError, match="dark: the validation loss is nan in epoch 1: tr"):
        stages.ensure(make_run(), "dark")


def test_a_test_with_outputs_that_are_none_gives_no_result() -> None:
    logits, labels = torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)
    assert score(logits, labels)["n"] == 4
    logits[1:3, 2] = NAN
    with pytest.raises(FloatingPointError, match="not finite for 2 of 4 clips"):
        score(logits, labels)


@pytest.mark.parametrize("number", [NAN, INF])
def test_no_weight_that_is_none_is_loaded(
    make_run: Callable[..., Run], number: float
) -> None:
    run = make_run(epochs_supervised=1)
    path = stages.ensure(run, "dark").directory / "checkpoint.pt"
    content = load_tensors(path)
    name = "classifier.weight"
    content["weights"][name][0, 0] = number
    save_tensors(path, content)
    message = rf"{path} is not a checkpoint of this kit: {name} holds numbers that are not finite"
    with pytest.raises(ValueError, match=message) as raised:
        load_checkpoint(path)
    assert "\n" not in str(raised.value)


def test_no_public_weight_that_is_none_is_loaded(tmp_path: Path) -> None:
    backbone = R2Plus1D((1, 1, 1, 1), widths=(16, 16, 16, 16), stem=16)
    state = {name: value.clone() for name, value in backbone.state_dict().items()}
    state["stem.0.weight"].view(-1)[5] = NAN
    torch.save(state, tmp_path / "own.pth")
    with pytest.raises(ValueError, match=r"own\.pth has numbers in stem\.0\.weight that are not f"):
        load_pretrained(backbone, tmp_path / "own.pth")
    public = resnet3d(18, 400, "demo").state_dict()
    public["conv1.weight"].view(-1)[0] = INF
    torch.save({"state_dict": public}, tmp_path / "r.pth")
    with pytest.raises(ValueError, match=r"r\.pth has numbers in conv1\.weight that are not fini"):
        load_public(resnet3d(18, 5, "demo"), "resnet3d-18", tmp_path / "r.pth")


EPOCHS = [(2.0, 40.0), (1.0, 60.0), (1.5, 60.0), (1.2, 50.0)]  # validation loss and Top-1


@pytest.mark.parametrize(("select_on", "best"), [("val", 1), ("test", 2)])
def test_which_epoch_is_kept(select_on: str, best: int) -> None:
    """On val the lowest loss; on test, as prior code does, the last of the highest Top-1."""
    state, model = State(), torch.nn.Linear(1, 1)
    for number, (loss, top1) in enumerate(EPOCHS):
        torch.nn.init.constant_(model.weight, number)
        loop._select(state, {"val_loss": loss, "val_top1": top1}, model, select_on)
    assert state.best["weight"].item() == best and len(state.history) == len(EPOCHS)


@pytest.mark.parametrize("select_on", ["val", "test"])
def test_without_validation_nothing_is_selected(select_on: str) -> None:
    state = State()
    loop._select(state, {"train_loss": 1.0}, torch.nn.Linear(1, 1), select_on)
    assert state.best is None and len(state.history) == 1


def test_selection_on_test_reports_what_the_habit_is_worth(make_run: Callable[..., Run]) -> None:
    trained = stages.ensure(make_run(select_on="test", epochs_supervised=4), "dark")
    assert trained.result["top1"] == pytest.approx(trained.history["val_top1"].max())


def test_a_single_clip_has_no_other_to_be_told_from(make_run: Callable[..., Run]) -> None:
    """NT-Xent of one clip is 0 whatever the weights are: such a pretraining looked finished."""
    run = make_run()
    first = next(clip for clip in run.manifest.clips if clip.split == "train")
    others = tuple(clip for clip in run.manifest.clips if clip.split != "train")
    run.__dict__["manifest"] = replace(run.manifest, clips=(first, *others))
    with pytest.raises(ValueError, match=r"ssl-a has 1 training clip\(s\), and learns from 2 or"):
        stages.ensure(run, "ssl-a")
    with pytest.raises(ValueError, match="teacher needs 2 clips per batch or more: ba"):
        stages.ensure(make_run(batch_size=1), "ssl-a-kd")
    assert not (run.directory / "ssl-a" / "result.json").exists()
