"""Training end to end on a handful of tiny clips: same seed same weights, resume, keys, files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from actlumos import stages
from actlumos.baselines.networks.resnet3d import resnet3d
from actlumos.config import profile
from actlumos.models import Teacher
from actlumos.report.results import load_results
from actlumos.runtime.distributed import Share
from actlumos.runtime.files import read_json
from actlumos.stages import loop, pretrain
from actlumos.stages.runs import Run, open_run, result_settings
from actlumos.stages.task import Task
from actlumos.stages.train import begin
from actlumos.views import augment

SETTINGS = {
    "epochs_supervised": 2,
    "epochs_teacher": 2,
    "epochs_distill": 2,
    "classifier_dropout": 0.5,
}


@pytest.fixture
def make_run(open_tiny: Callable[..., Run]) -> Callable[..., Run]:
    return lambda *place, **changes: open_tiny(*place, **SETTINGS | changes)


def task_of(run: Run, name: str, **needed: stages.Trained) -> Task:
    """What the loop gets for an arm; an underscore in a needed name stands for a hyphen."""
    recipe = stages.find(name)
    needed = {need.replace("_", "-"): trained for need, trained in needed.items()}
    return begin(run, name, recipe, recipe.clips(run, needed), needed)


def weights(trained: stages.Trained) -> dict[str, torch.Tensor]:
    return trained.model().state_dict()


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_same_seed_same_weights_and_metrics(make_run: Callable[..., Run]) -> None:
    first, second = (stages.ensure(make_run(name), "teacher") for name in ("one", "two"))
    assert equal(weights(first), weights(second))
    assert first.result["per_clip"] == second.result["per_clip"]
    other = stages.ensure(make_run("three", seed=1), "teacher")
    assert not equal(weights(first), weights(other))


def test_a_finished_arm_is_loaded_not_trained(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = stages.ensure(make_run(), "dark")
    monkeypatch.setattr("actlumos.stages.train.fit", lambda *a, **k: pytest.fail("trained again"))
    again = stages.ensure(make_run(), "dark")
    assert again.result == trained.result
    with pytest.raises(pytest.fail.Exception):
        stages.ensure(make_run(learning_rate=1e-4), "dark")


def test_distillation_needs_its_teacher_and_does_not_change_it(
    make_run: Callable[..., Run],
) -> None:
    run = make_run()
    teacher = stages.ensure(run, "teacher")
    before = weights(teacher)
    student = stages.ensure(run, "ssl-a-kd")
    assert equal(before, weights(stages.ensure(run, "teacher")))
    assert {"train_ce", "train_kd", "val_top1"} <= set(student.history)
    assert {"teacher", "ssl-a", "ssl-a-kd"} == set(load_results(run.directory)["arms"])
    assert "top1" not in load_results(run.directory)["arms"]["ssl-a"]


def test_students_share_the_teachers_logits(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second student of a run never calls the teacher, and ends with the same weights."""
    apart = make_run("apart")
    stages.ensure(apart, "ssl-a-kd")
    shared = make_run("shared")
    stages.ensure(shared, "kd")
    calls = []
    monkeypatch.setattr(Teacher, "forward", lambda *streams: calls.append(1))
    second = stages.ensure(shared, "ssl-a-kd")
    assert not calls
    assert equal(weights(second), weights(stages.ensure(apart, "ssl-a-kd")))


def test_students_teacher_and_pretraining_start_from_the_same_weights() -> None:
    config = profile("smoke")
    backbones = []
    for name in ("dark", "teacher", "ssl", "kd"):
        torch.manual_seed(3)
        model = stages.find(name).network(11, config)
        student = model.student if name == "ssl" else model
        backbones.append(student.backbone.state_dict())
    assert all(equal(backbones[0], other) for other in backbones[1:])


def test_a_pretrained_student_takes_over_the_backbone(make_run: Callable[..., Run]) -> None:
    run = make_run()
    pretrained = stages.ensure(run, "ssl-a")
    task = task_of(run, "ssl-a-kd", ssl_a=pretrained, teacher=stages.ensure(run, "teacher"))
    theirs = pretrained.model().student.backbone.state_dict()
    assert equal(task.model.backbone.state_dict(), theirs)


def test_result_names_what_made_it(make_run: Callable[..., Run]) -> None:
    run = make_run()
    trained = stages.ensure(run, "dark")
    stored = read_json(trained.directory / "result.json")
    wanted = ("top1", "top5", "n", "interval", "config", "seed", "revision", "versions", "manifest")
    assert set(wanted) <= set(stored)
    assert stored["n"] == len(run.manifest.select("test")) == np.sum(stored["confusion"])
    model, about = stages.load_checkpoint(trained.directory / "checkpoint.pt")
    assert isinstance(model, nn.Module) and about["classes"] == run.manifest.classes
    assert about["arm"] == "dark" and about["recipe"] is trained.recipe is stages.find("dark")


def test_what_a_killed_write_of_the_results_left_is_cleared(make_run: Callable[..., Run]) -> None:
    run = make_run()
    run.directory.mkdir(parents=True)
    (run.directory / ".results-abcd1234.json").write_text("{")
    stages.ensure(run, "dark")
    assert not list(run.directory.glob(".results-*"))


def test_bad_names_and_files_are_refused(make_run: Callable[..., Run], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown arm 'taecher'"):
        stages.ensure(make_run(), "taecher")
    with pytest.raises(ValueError, match="no frames without the person"):
        stages.ensure(make_run(), "background")
    run = make_run()
    with pytest.raises(ValueError, match="folder has no clips in normal light"):
        run.clips(run.manifest, ("dark", "normal_light"))
    with pytest.raises(ValueError, match="'enhanced' needs a trained enhancer"):
        run.clips(run.manifest, ("dark", "enhanced"))
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        stages.load_checkpoint(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("not a checkpoint")
    with pytest.raises(ValueError, match="not a checkpoint of this kit"):
        stages.load_checkpoint(tmp_path / "text.pt")
    with pytest.raises(ValueError, match="unknown data set"):
        open_run("smoke", "kinetics")


def test_the_epoch_of_lowest_validation_loss_is_kept() -> None:
    state, model = loop.State(), nn.Linear(1, 1)
    for loss, top1 in ((0.9, 10.0), (0.7, 10.0), (0.8, 50.0)):
        nn.init.constant_(model.weight, loss)
        loop._select(state, {"val_loss": loss, "val_top1": top1}, model)
    assert state.best["weight"].item() == pytest.approx(0.7)
    assert len(state.history) == 3


def test_accumulation_averages_every_clip_equally() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    for step, slope in enumerate([1.0, 3.0, 5.0, 7.0, 9.0]):
        group, last = loop._group(step, 5, 2)
        (weight.sum() * slope / group).backward()
        if last:
            optimizer.step()
            optimizer.zero_grad()
    assert weight.item() == pytest.approx(-(2 + 6 + 9))


def test_cosine_rises_then_falls() -> None:
    config = profile("demo", schedule="cosine", warmup=0.2, learning_rate=1.0)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    rates = []
    for done in range(100):
        loop._set_learning_rate(config, optimizer, done / 100)
        rates.append(optimizer.param_groups[0]["lr"])
    assert np.argmax(rates) == 20 and rates[0] < 0.01 and rates[-1] < 0.01


def test_kinds_of_views(monkeypatch: pytest.MonkeyPatch) -> None:
    config = profile("smoke", ssl_photometric=0.0)
    clip = torch.randint(0, 255, (3, 2, 4, *config.frame_size, 3), dtype=torch.uint8)
    clip[:, 1] = clip[:, 0].flip(1)

    def views(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
        return pretrain.two_views(clip, kind, config, torch.Generator().manual_seed(5))

    first, second = views("temporal")
    torch.testing.assert_close(first, second.flip(2))
    assert views("both")[0].shape == (3, 3, 4, *config.crop_size)
    monkeypatch.setattr(augment, "apply_crop", lambda clip, crop, size: clip)
    first, second = views("spatial")
    torch.testing.assert_close(first, second)
    with pytest.raises(ValueError, match="unknown kind of views"):
        views("audio")


def test_selection_on_the_test_clips_is_possible_and_recorded(
    make_run: Callable[..., Run],
) -> None:
    """As prior code does it: then the clips that select are the tested ones, loss for loss."""
    assert stages.ensure(make_run("val"), "dark").result["selected_on"] == "val"
    run = make_run("test", select_on="test")
    trained = stages.ensure(run, "dark")
    assert trained.result["selected_on"] == "test"
    best = trained.history.loc[trained.history["val_loss"].idxmin()]
    assert best["val_top1"] == pytest.approx(trained.result["top1"])
    clips = trained.recipe.clips(run, {})
    assert clips["val"].manifest == clips["test"].manifest != clips["train"].manifest


def test_the_key_depends_only_on_what_can_change_a_result(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    config = make_run().config
    same = {"workers": 3, "checkpoint_minutes": 0.5, "checkpoint_activations": True}
    assert result_settings(config) == result_settings(config.with_(**same))
    assert result_settings(config) != result_settings(config.with_(select_on="test"))
    for name, content in (("a.pt", b"one"), ("b.pt", b"one"), ("c.pt", b"two")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (result_settings(config.with_(weights=str(tmp_path / f"{n}.pt"))) for n in "abc")
    assert a == b != c
    with pytest.raises(FileNotFoundError, match="no weights at"):
        result_settings(config.with_(weights=str(tmp_path / "d.pt")))


def test_pretrained_weights_start_every_arm_but_one_with_an_init(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    torch.manual_seed(9)
    backbone = stages.find("dark").network(2, make_run().config).backbone.state_dict()
    torch.save(backbone, tmp_path / "own.pt")
    run = make_run(weights=str(tmp_path / "own.pt"))
    for name in ("dark", "teacher", "ssl-a"):
        model = task_of(run, name).model
        start = (model.student if name == "ssl-a" else model).backbone.state_dict()
        assert equal(start, backbone)
    student = stages.ensure(run, "ssl-a-kd")
    assert student.recipe.needs == ("ssl-a", "teacher")
    ssl_a, teacher = (stages.ensure(run, name) for name in student.recipe.needs)
    task = task_of(run, "ssl-a-kd", ssl_a=ssl_a, teacher=teacher)
    pretrained = ssl_a.model().student.backbone.state_dict()
    assert equal(task.model.backbone.state_dict(), pretrained)
    assert not equal(pretrained, backbone)


def test_pretrained_weights_start_a_published_system_too(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    """Public files have a classifier of their own, which is left out."""
    name = "baselines/resnet3d-18"
    with pytest.raises(FileNotFoundError, match="no weights for resnet3d-18 at"):
        task_of(make_run(weights="nowhere.pth"), name)
    torch.manual_seed(9)
    public = resnet3d(18, 400, "demo").state_dict()
    torch.save({"state_dict": {f"module.{k}": v for k, v in public.items()}}, tmp_path / "r.pth")
    run = make_run(weights=str(tmp_path / "r.pth"))
    network = task_of(run, name).model.network.state_dict()
    kept = {name: value for name, value in public.items() if not name.startswith("fc.")}
    assert kept and all(torch.equal(network[name], value) for name, value in kept.items())


def test_what_a_stage_does_not_train_is_frozen(make_run: Callable[..., Run]) -> None:
    """DDP waits for the gradient of every weight that requires one."""
    run, frozen = make_run(), {}
    for name in ("dark", "dff", "teacher", "ssl-a"):
        task = task_of(replace(run, config=stages.find(name).settings(run.config)), name)
        batch = next(loop.loader(task.clips, loop.epoch_batches(task, Share(4, 1), 0, 0)))
        task.loss(task.model, batch, torch.Generator().manual_seed(0))["loss"].backward()
        weights = dict(task.model.named_parameters())
        assert all((w.grad is not None) == w.requires_grad for w in weights.values())
        frozen[name] = {key.split(".")[0] for key, w in weights.items() if not w.requires_grad}
    assert frozen == {"dark": set(), "dff": {"projector"}, "teacher": set(), "ssl-a": {"student"}}


def test_a_data_set_without_val_clips_is_refused(make_run: Callable[..., Run]) -> None:
    run = make_run()
    kept = tuple(clip for clip in run.manifest.clips if clip.split != "val")
    run.__dict__["manifest"] = replace(run.manifest, clips=kept)
    with pytest.raises(ValueError, match="has no val clips, and supervised needs some"):
        stages.ensure(run, "dark")
