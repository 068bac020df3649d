"""The parts of `gpu.py`: correctness, speed and memory, training."""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from machine import Machine, clock, describe, measure
from rows import enhance as enhance_rows
from standin import StandIn
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from actlumos.config import Config, profile
from actlumos.data.clips import Clips
from actlumos.data.manifest import Manifest
from actlumos.evaluation.evaluate import predict, restrict, score
from actlumos.models import losses
from actlumos.models.input_norm import InputNorm
from actlumos.runtime import distributed
from actlumos.runtime.device import autocast, channels_last
from actlumos.stages import find
from actlumos.stages.datasets import load_manifest
from actlumos.stages.loop import fit
from actlumos.stages.memory import training_footprint
from actlumos.stages.results import revision
from actlumos.stages.runs import Run, open_run
from actlumos.views import enhance
from actlumos.views.streams import test_streams

CLASSES = 11
FIELDS = {f.name for f in fields(Machine)}
FROM_SCRATCH: dict[str, Any] = {
    "accumulate": 1,
    "bert_dropout": 0.0,
    "bert_start": "mean",
    "cache_frames": True,
    "classifier_dropout": 0.0,
    "learning_rate": 1e-3,
    "norm": "motion",
    "norm_enhanced": "motion-linear",
    "resize": "area",
    "schedule": "cosine",
    "test_crops": 1,
    "token_keep": 1.0,
    "warmup": 0.1,
    "weight_decay": 2e-2,
}
"""What the paper profile takes for pretrained weights, here for a few epochs from random ones."""


@dataclass
class Job:
    """What the parts share.

    Args:
        kind: `cuda` or `cpu`.
        quick: tiny sizes.
        scratch: folder for data and runs.
        real: class folders of real clips, or None.
        end: when the budget ends, on `time.perf_counter`.
    """

    kind: str
    quick: bool
    scratch: Path
    real: Path | None
    end: float
    found: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where everything runs."""
        return torch.device(self.kind)

    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.end - time.perf_counter()

    def config(self, **changes: Any) -> Config:
        """Paper size, or a tiny one."""
        return profile("smoke" if self.quick else "paper", **changes)


def about(options: argparse.Namespace) -> dict[str, Any]:
    """The head of the file."""
    return {
        "machine": describe(),
        "command": " ".join(["python benchmarks/gpu.py", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision(),
        "quick": options.quick,
    }


# Correctness: the device in float32 against the CPU in float64.


@contextmanager
def exact() -> Iterator[None]:
    """Float64 throughout, also where the package asks for float32; and no TF32."""
    kept, torch.Tensor.float = torch.Tensor.float, torch.Tensor.double  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.Tensor.float = kept  # type: ignore[method-assign]


def tf32(allowed: bool) -> None:
    """Whether convolutions and products may round their inputs to 10 bits."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def distance(found: Tensor, expected: Tensor) -> float:
    """Length of the difference relative to the expected length."""
    found, expected = found.detach().cpu().double(), expected.detach().double()
    return ((found - expected).norm() / expected.norm().clamp(min=1e-30)).item()


def judged(values: dict[str, float], bar: float) -> dict[str, Any]:
    """Values with their bar, and whether all are within it."""
    return {"values": values, "bar": bar, "ok": all(value <= bar for value in values.values())}


def streams(job: Job) -> dict[str, Any]:
    """Every enhancement, every input norm, and the teacher's streams from stored frames."""
    tf32(False)
    seed = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 64, (2, 8, 48, 64, 3), generator=seed).byte()
    clip = levels.permute(0, 4, 1, 2, 3).double() / 255
    small, values = clip.float().to(job.device), {}
    for name, method in enhance.METHODS.items():
        values[name] = distance(method(small), method(clip))
    for kind in InputNorm.KINDS:
        with exact():
            expected = InputNorm(kind).double()(clip)
        values[f"norm {kind}"] = distance(InputNorm(kind).to(job.device)(small), expected)
    config = profile("demo", frame_size=(48, 64), crop_size=(40, 56))
    names = find("teacher").streams
    ((dark, light),) = test_streams(levels.to(job.device), names, config)
    with exact():
        ((dark64, light64),) = test_streams(levels, names, config)
    values |= {"dark": distance(dark, dark64), "retinex": distance(light, light64)}
    return judged(values, 1e-4)


def loss_values(job: Job) -> dict[str, Any]:
    """The losses and their gradients."""
    seed = torch.Generator().manual_seed(0)
    features = torch.randn(16, 2, 128, generator=seed, dtype=torch.float64)
    logits = torch.randn(16, 2, CLASSES, generator=seed, dtype=torch.float64)
    label = torch.arange(16) % 5
    terms: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Tensor]] = {
        "cross-entropy": (lambda x, y: losses.classification(x[:, 0], y)["loss"], logits),
        "supcon": (losses.supervised_contrastive, features),
        "nt-xent": (lambda x, y: losses.nt_xent(x[:, 0], x[:, 1]), features),
        "distillation": (lambda x, y: losses.distillation(x[:, 0], x[:, 1]), logits),
    }
    values = {}
    for name, (term, given) in terms.items():
        here = given.float().to(job.device).requires_grad_()
        there = given.clone().requires_grad_()
        one = term(here, label.to(job.device))
        with exact():
            two = term(there, label)
        one.backward()
        two.backward()
        values[name] = distance(one, two)
        values[f"{name}, gradient"] = distance(here.grad, there.grad)
    return judged(values, 1e-4)


def small_network(job: Job, arm: str) -> tuple[nn.Module, list[Tensor]]:
    """An arm's network at full depth, and small clips for it.

    SiLU replaces ReLU: where a value is zero but for rounding, ReLU's gradient is 0 or 1, and a
    few such places make a difference of some per cent that says nothing about the kernels.
    """
    size = {"frames": 16, "frame_size": (48, 48), "crop_size": (48, 48)}
    config = job.config(**size, **FROM_SCRATCH)
    torch.manual_seed(0)
    recipe = find(arm)
    model = recipe.network(CLASSES, recipe.settings(config)).train()
    for module in list(model.modules()):
        for name, part in module.named_children():
            if isinstance(part, nn.ReLU):
                setattr(module, name, nn.SiLU())
    return model, [torch.rand(4, 3, 16, 48, 48) / 4 for _ in recipe.streams]


def gradient(model: nn.Module, clips: list[Tensor], label: Tensor) -> Tensor:
    """The gradient of the arm's loss, as one vector."""
    output = model(*clips)
    loss = F.cross_entropy(getattr(output, "logits", output), label)
    if hasattr(output, "projections"):
        loss = loss + 0.1 * losses.supervised_contrastive(output.projections, label, 0.1)
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def gradients(job: Job) -> dict[str, Any]:
    """Student and teacher, forward and backward, all weights."""
    tf32(False)
    values = {}
    for arm in ("dark", "teacher"):
        model, clips = small_network(job, arm)
        label = torch.tensor([0, 1, 1, 2])
        wide = copy.deepcopy(model).double()
        with exact():
            expected = gradient(wide, [clip.double() for clip in clips], label)
        model = channels_last(model.to(job.device))
        there = [clip.to(job.device) for clip in clips]
        values[arm] = distance(gradient(model, there, label.to(job.device)), expected)
    return judged(values, 1e-3)


def processes(job: Job) -> dict[str, Any]:
    """NCCL (gloo on a CPU) with one process: sums, objects, shared batch norm inside DDP."""
    backend = "nccl" if job.kind == "cuda" else "gloo"
    store = f"file://{job.scratch}/store"
    dist.init_process_group(backend, init_method=store, rank=0, world_size=1)
    try:
        rows = torch.arange(6.0, device=job.device).view(3, 2)
        summed = distributed._Total.apply(rows)
        gathered = [None]
        dist.all_gather_object(gathered, "one")
        values = {"all_reduce": distance(summed, rows.cpu())}
        model, clips = small_network(job, "dark")
        label = torch.tensor([0, 1, 1, 2], device=job.device)
        there = [clip.to(job.device) for clip in clips]
        alone = gradient(copy.deepcopy(model).to(job.device), there, label)
        values["SyncBatchNorm in DDP"] = distance(
            gradient(shared(model.to(job.device)), there, label), alone.cpu()
        )
    finally:
        dist.destroy_process_group()
    return judged(values, 1e-3) | {"backend": backend, "objects": gathered == ["one"]}


def shared(model: nn.Module) -> nn.Module:
    """The model in DDP with norms over all processes, as `distributed.wrap` does for several."""
    if next(model.parameters()).is_cuda:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    else:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.__class__ = distributed.WholeBatchNorm
    return DistributedDataParallel(model, forward_sync_buffers=False)


# Speed and memory.

VARIANTS = {  # precision, TF32, channels last, compiled
    "fp32": ("fp32", False, False, False),
    "tf32": ("fp32", True, False, False),
    "bf16": ("bf16", True, False, False),
    "bf16, channels last": ("bf16", True, True, False),
    "bf16, channels last, compiled": ("bf16", True, True, True),
}


def make_step(job: Job, arm: str, variant: str) -> tuple[Callable[[], None], int]:
    """A training step on a batch that is already there, and its number of clips."""
    precision, rounded, last, compiled = VARIANTS[variant]
    tf32(rounded)
    recipe, config = find(arm), find(arm).settings(job.config())
    torch.manual_seed(0)
    model: Any = recipe.network(CLASSES, config).to(job.device).train()
    shape = config.batch_size, 3, config.frames, *config.crop_size
    clips = [torch.rand(shape, device=job.device) / 4 for _ in recipe.streams]
    if last:
        model = channels_last(model)
        clips = [clip.to(memory_format=torch.channels_last_3d) for clip in clips]
    optimizer = torch.optim.AdamW(model.parameters())
    label = torch.arange(config.batch_size, device=job.device) % CLASSES
    network = torch.compile(model) if compiled else model

    def step() -> None:
        with autocast(job.device, precision):
            output = network(*clips)
        F.cross_entropy(getattr(output, "logits", output).float(), label).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step, config.batch_size


def timed(job: Job, arm: str, variant: str) -> dict[str, float]:
    """Milliseconds of a step, clips per second and, on a GPU, the peak of memory."""
    if job.kind == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if job.kind == "cuda" else 0
    step, clips = make_step(job, arm, variant)
    now, taken = clock(job.device), []
    for _ in range(2 if job.quick else 7):
        started = now()
        step()
        taken.append(now() - started)
    seconds = median(taken[-5:] if len(taken) > 2 else taken)
    found = {"milliseconds": 1e3 * seconds, "clips_per_second": clips / seconds}
    if job.kind == "cuda":
        found["peak"] = torch.cuda.max_memory_allocated() - before
    return found


def limits(job: Job) -> dict[str, Any]:
    """What the device can do at most."""
    tf32(False)
    found = asdict(measure(64 if job.quick else 4096, 2 if job.quick else 7, job.device))
    tf32(True)
    rounded = measure(64 if job.quick else 4096, 2, job.device).gemm_fp32
    return found | {"gemm_tf32": rounded}


def speed(job: Job) -> dict[str, Any]:
    """Steps of student and teacher, not compiled."""
    names = [name for name, how in VARIANTS.items() if not how[3]]
    return {arm: {name: timed(job, arm, name) for name in names} for arm in ("dark", "teacher")}


def compiled(job: Job) -> dict[str, Any]:
    """The student's step under `torch.compile`."""
    if job.quick:  # needs a compiler, and more than the seconds of a trial
        return {"skipped": "not in a quick run"}
    return timed(job, "dark", "bf16, channels last, compiled")


def memory(job: Job) -> dict[str, Any]:
    """The measured peak of a step against the estimate of `actlumos cost`, as a share above it."""
    if job.kind == "cpu":
        return {"skipped": "PyTorch counts no peak on a CPU; see growth.py"}
    values, estimates = {}, {}
    for arm in ("dark",) if job.quick else ("dark", "teacher"):
        for name in ("fp32", "bf16"):
            config = job.config(precision=name)
            batch = find(arm).batch_size(config)
            label = f"{arm}, {name}"
            estimates[label] = training_footprint(find(arm), config, CLASSES).peak(batch)
            values[label] = abs(job.found["speed"][arm][name]["peak"] / estimates[label] - 1)
    return judged(values, 0.1) | {"estimates": estimates}


def retinex(job: Job) -> dict[str, Any]:
    """Multi-scale Retinex on the device against OpenCV on the CPU, as in `make bench`."""
    tf32(False)
    found = {name: value for name, value in job.found["limits"].items() if name in FIELDS}
    names = ("retinex_112",) if job.quick else ("retinex_112", "retinex_240")
    return {name: asdict(enhance_rows.row(name, Machine(**found), job.quick)) for name in names}


# Training.


def data(job: Job) -> dict[str, Any]:
    """Render and decode the clips of the training."""
    os.environ["ACTLUMOS_HOME"] = str(job.scratch)
    names = ("train", "val", "test")
    counts = dict(zip(names, (1, 1, 1) if job.quick else (50, 8, 30), strict=True))
    wanted = {f"darkroom_{split}": count for split, count in counts.items()}
    size = job.config().profile
    run = open_run(size, out=job.scratch / "run", **FROM_SCRATCH, **wanted)
    run = replace(run, device=job.device)
    started = time.perf_counter()
    manifest = run.manifest
    rendered = time.perf_counter() - started
    job.state |= {"run": run, "clips": {s: run.clips(manifest.select(s)) for s in names}}
    decoded = time.perf_counter() - started - rendered
    return {"clips": len(manifest), "render_seconds": rendered, "decode_seconds": decoded}


def trained(job: Job, arm: str, epochs: int, needed: Any) -> tuple[nn.Module, dict[str, Any]]:
    """Train an arm and test it."""
    tf32(True)
    run: Run = job.state["run"]
    recipe = find(arm)
    config = recipe.settings(run.config)
    torch.manual_seed(0)
    task = recipe.task(recipe.network(CLASSES, config), job.state["clips"], run, needed)
    task.epochs = epochs
    place = job.scratch / arm
    place.mkdir(exist_ok=True)
    history = fit(task, config, seed=0, device=job.device, directory=place, key=f"{arm} {epochs}")
    tested = score(*predict(task.model, job.state["clips"]["test"], recipe.streams, config))
    kept = {name: tested[name] for name in ("top1", "top5", "n", "interval")}
    return task.model, kept | {"epochs": epochs, "history": history.to_dict("records")}


def epoch(job: Job) -> dict[str, Any]:
    """One epoch of the student through loader, streams and steps; and the share that is no step."""
    _, found = trained(job, "dark", 1, {})
    seconds = found["history"][0]["seconds"]
    job.state["epoch"] = seconds
    clips = len(job.state["clips"]["train"])
    rate = job.found["speed"]["dark"]["bf16, channels last"]["clips_per_second"]
    return {"clips": clips, "epoch_seconds": seconds, "steps_alone_seconds": clips / rate}


def epochs_in(job: Job, share: float, times_student: float) -> int:
    """Whole epochs that a share of the time left allows, at least one and at most 20."""
    if job.quick:
        return 1
    return max(1, min(20, int(share * job.left() / (times_student * job.state["epoch"]))))


def teacher(job: Job) -> dict[str, Any]:
    """Train and test the teacher."""
    model, found = trained(job, "teacher", epochs_in(job, 0.45, 2.3), {})
    job.state["teacher"] = model
    return found


def student(job: Job) -> dict[str, Any]:
    """Distil the teacher into the student, and test it."""
    needed = {"teacher": StandIn("teacher", job.state["teacher"], job.scratch / "teacher")}
    model, found = trained(job, "kd", epochs_in(job, 0.7, 2.0), needed)
    job.state["student"] = model
    return found


def zero_shot(job: Job) -> dict[str, Any]:
    """The student on real clips of the actions that it knows; nothing was trained on any."""
    if job.real is None:
        return {"skipped": "no folder of real clips was given"}
    run: Run = job.state["run"]
    csv = job.scratch / "real.csv"
    manifest = known(load_manifest("folder", job.real, csv=csv, divide=False), run)
    clips: Clips = run.clips(manifest)
    logits, labels = predict(job.state["student"], clips, ("dark",), run.config)
    result = score(restrict(logits, run.manifest.classes, manifest.classes), labels)
    return {name: result[name] for name in ("top1", "n", "interval")} | {
        "classes": list(manifest.classes)
    }


def known(manifest: Manifest, run: Run) -> Manifest:
    """The clips whose class the run has too, by name ignoring case."""
    names = {name.lower() for name in run.manifest.classes}
    classes = tuple(name for name in manifest.classes if name.lower() in names)
    clips = tuple(
        replace(clip, label=classes.index(manifest.classes[clip.label]))
        for clip in manifest.clips
        if manifest.classes[clip.label] in classes
    )
    return replace(manifest, classes=classes, clips=clips)


class Part(NamedTuple):
    """A part, the seconds without which it is not begun, and the parts whose outcome it needs."""

    run: Callable[[Job], dict[str, Any]]
    needs: float
    after: tuple[str, ...] = ()


PARTS = {
    "streams": Part(streams, 10),
    "losses": Part(loss_values, 5),
    "gradients": Part(gradients, 20),
    "processes": Part(processes, 15),
    "limits": Part(limits, 10),
    "speed": Part(speed, 60),
    "memory": Part(memory, 10, ("speed",)),
    "retinex": Part(retinex, 15, ("limits",)),
    "data": Part(data, 60),
    "epoch": Part(epoch, 45, ("speed", "data")),
    "compiled": Part(compiled, 210),
    "teacher": Part(teacher, 60, ("epoch",)),
    "student": Part(student, 30, ("teacher",)),
    "zero_shot": Part(zero_shot, 10, ("student",)),
}
