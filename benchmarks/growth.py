"""How cost grows: step time and memory over frames, size, batch, streams and clips.

    python benchmarks/growth.py              # four minutes on two cores; writes growth.json here
    python benchmarks/growth.py --quick --out FILE

Three parts, each printed and written as it is done:

    curves      processor seconds (one thread) and bytes of a training step of the demo's student
                over one setting at a time, and of an epoch over the number of clips, with the
                exponent of each curve (a straight line through the logarithms: 1 is proportional)
    memory      the peak of a training step of every stage, measured, against `actlumos cost`
    processes   a step that two processes share (gloo, one thread each) against one process with
                one thread, both of the same clips: time (at best 0.5) and the processors' work,
                of both processes together (at best 1)

Every point is measured in a process of its own. Memory is the highest resident size of that
process, less what it had after a tiny step: so it holds weights, gradients, moments, activations
and what the kernels need for themselves, but no libraries.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from standin import StandIn
from torch import nn
from torch.nn import functional as F

from actlumos.config import Config, profile
from actlumos.darkroom.build import render
from actlumos.data.clips import Batch
from actlumos.models import Student, Teacher
from actlumos.runtime import distributed
from actlumos.runtime.device import channels_last
from actlumos.runtime.files import write_json
from actlumos.stages import find
from actlumos.stages.loop import fit
from actlumos.stages.memory import training_footprint
from actlumos.stages.results import revision
from actlumos.stages.runs import open_run

CLASSES = 11
STAGES = ("dark", "teacher", "ssl", "kd")
NAMES = ("dark", "retinex", "gamma", "sci")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["actlumos.stages", "actlumos.darkroom.build"])

Point = tuple[float, int]  # seconds, bytes


def alone(function: Callable[..., Any], *given: Any) -> Any:
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, CONTEXT) as pool:
        return pool.submit(function, *given).result()


def peak() -> int:
    """The highest resident size of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def train_step(model: nn.Module, streams: Sequence[torch.Tensor]) -> Callable[[], None]:
    """Forward, cross-entropy, backward and AdamW on one batch that is already there."""
    model = channels_last(model.train())
    optimizer = torch.optim.AdamW(model.parameters())
    label = torch.arange(len(streams[0])) % CLASSES

    def step() -> None:
        output = model(*streams)
        F.cross_entropy(getattr(output, "logits", output), label).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def seconds_of(
    step: Callable[[], None], repeats: int, clock: Callable[[], float] = time.process_time
) -> float:
    """The median time of a step, after two to warm up; of the processor unless told otherwise."""
    taken = []
    for number in range(repeats + 2):
        started = clock()
        step()
        if number >= 2:
            taken.append(clock() - started)
    return statistics.median(taken)


def warmed_up() -> int:
    """Load the code of a training step, and give the resident size after it."""
    torch.set_num_threads(1)
    config = profile("smoke", crop_size=(16, 16), frames=4)
    train_step(Student(CLASSES, config), [torch.rand(2, 3, 4, 16, 16)])()
    return peak()


def step_point(config: Config, streams: int, repeats: int) -> Point:
    """Seconds and bytes of one training step: a student, or a network of several streams."""
    before = warmed_up()
    names = NAMES[:streams]
    model = Student(CLASSES, config)
    if streams > 1:
        model = Teacher(CLASSES, config, streams=names, fusion="mean")
    size = config.batch_size, 3, config.frames, *config.crop_size
    step = train_step(model, [torch.rand(size) / 4 for _ in names])
    seconds = seconds_of(step, repeats)
    return seconds, peak() - before


def epoch_point(config: Config, root: Path, count: int) -> Point:
    """Seconds and bytes of one epoch over so many kept clips: loader, streams, steps."""
    before = warmed_up()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["ACTLUMOS_HOME"] = scratch
        run = replace(open_run("demo", data_root=root, out=f"{scratch}/run"), config=config)
        few = replace(run.manifest, clips=run.manifest.clips[:count])
        recipe = find("dark")
        task = recipe.task(recipe.network(CLASSES, config), {"train": run.clips(few)}, run, {})
        task.epochs, task.validate = 1, None
        place = Path(scratch)
        started = time.process_time()
        fit(task, config, seed=0, device=run.device, directory=place, key="growth")
        seconds = time.process_time() - started
    return seconds, peak() - before


def exponent(values: Sequence[float], costs: Sequence[float]) -> float:
    """Slope of a straight line through the logarithms: cost grows as value ** slope."""
    return float(np.polyfit(np.log(values), np.log(costs), 1)[0])


def curve(label: str, values: Sequence[float], points: Sequence[Point]) -> dict[str, Any]:
    """One curve as it stands in the file."""
    seconds, sizes = (list(column) for column in zip(*points, strict=True))
    return {
        "label": label,
        "values": list(values),
        "seconds": seconds,
        "bytes": sizes,
        "exponent_seconds": exponent(values, seconds),
        "exponent_bytes": exponent(values, [max(size, 1) for size in sizes]),
    }


def variants(base: Config, quick: bool) -> dict[str, tuple[str, dict[float, tuple[Config, int]]]]:
    """Label and points of each axis: the setting's value to a config and a number of streams."""
    factors = (1, 2) if quick else (0.5, 1, 2, 4)
    height, width = base.crop_size
    return {
        "frames": ("frames of a clip", {
            n: (base.with_(frames=n), 1) for n in (int(f * base.frames) for f in factors)}),
        "size": ("pixels of a frame", {
            h * w: (base.with_(crop_size=(h, w), frame_size=(h, w)), 1)
            for h, w in ((int(f**0.5 * height), int(f**0.5 * width)) for f in factors)}),
        "batch": ("clips in a batch", {
            n: (base.with_(batch_size=n), 1) for n in (int(f * base.batch_size) for f in factors)}),
        "streams": ("streams", {
            n: (base.with_(batch_size=base.batch_size // 2 or 1), n)
            for n in ((1, 2) if quick else (1, 2, 3, 4))}),
    }  # fmt: skip


def curves(base: Config, quick: bool) -> dict[str, Any]:
    """All curves; see the top of this file."""
    found = {}
    for name, (label, points) in variants(base, quick).items():
        repeats = 1 if quick else 7
        costs = [alone(step_point, *how, repeats) for how in points.values()]
        found[name] = curve(label, list(points), costs)
    found["clips"] = epochs(base, (1, 2) if quick else (1, 2, 4, 8))
    return found


def epochs(base: Config, per_action: Sequence[int]) -> dict[str, Any]:
    """The curve of an epoch over rendered clips, so many of each action."""
    counts = {"train": max(per_action), "val": 1, "test": 1}
    base = base.with_(**{f"darkroom_{split}": count for split, count in counts.items()})
    clips = [CLASSES * count for count in per_action]
    with tempfile.TemporaryDirectory() as scratch:
        render(scratch, counts=counts, progress=False)
        costs = [alone(epoch_point, base, Path(scratch), count) for count in clips]
    return curve("clips of an epoch", clips, costs)


def stage_point(name: str, base: Config) -> int:
    """Bytes of three training steps of a stage, at its own batch size."""
    before = warmed_up()
    run, recipe = open_run(base.profile), find(name)
    config = recipe.settings(base)
    torch.manual_seed(0)
    model = channels_last(recipe.network(CLASSES, config).train())
    needed: Any = {
        need: StandIn(need, find(need).network(CLASSES, find(need).settings(base)), run.directory)
        for need in recipe.needs
    }
    task = recipe.task(model, {"train": None}, replace(run, config=config), needed)
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad])
    count, views = recipe.batch_size(config), recipe.views_per_clip
    shape = count, views, config.frames, *config.frame_size, 3
    label = torch.arange(count) % CLASSES
    batch = Batch(torch.randint(0, 64, shape, dtype=torch.uint8), label, label, label[:0])
    for step in range(3):
        task.loss(model, batch, torch.Generator().manual_seed(step))["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    return peak() - before


def stages(base: Config) -> dict[str, dict[str, int]]:
    """Estimated and measured peak of every stage's training step, in bytes."""
    found = {}
    for name in STAGES:
        recipe = find(name)
        batch = recipe.batch_size(recipe.settings(base))
        estimate = training_footprint(recipe, base.with_(precision="fp32"), CLASSES).peak(batch)
        found[name] = {"estimate": estimate, "measured": alone(stage_point, name, base)}
    return found


def shared_step(
    results: Queue[Any], rank: int, port: int, processes: int, config: Config, repeats: int
) -> None:
    """One of several processes that share a step; sends its seconds by the clock and of work."""
    torch.set_num_threads(1)
    if processes > 1:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
    distributed.start()
    torch.manual_seed(0)
    network = distributed.wrap(channels_last(Student(CLASSES, config).train()))
    clips = distributed.share(config.batch_size, 1).clips
    clip = torch.rand(clips, 3, config.frames, *config.crop_size)
    label = torch.arange(config.batch_size) % CLASSES
    optimizer = torch.optim.AdamW(network.parameters())

    def step() -> None:
        F.cross_entropy(distributed.gather(network(clip)), label).backward()
        optimizer.step()
        optimizer.zero_grad()

    clocks = time.perf_counter, time.process_time
    results.put([seconds_of(step, repeats, clock) for clock in clocks])


def together(processes: int, config: Config, repeats: int) -> tuple[float, float]:
    """Seconds of a step that so many processes share: by the clock, and of all processors."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = CONTEXT.Queue()
    given = [(results, rank, port, processes, config, repeats) for rank in range(processes)]
    started = [CONTEXT.Process(target=shared_step, args=each) for each in given]
    for process in started:
        process.start()
    clocks, work = zip(*(results.get(timeout=300) for _ in started), strict=True)
    for process in started:
        process.join()
    return max(clocks), sum(work)


def processes(config: Config, quick: bool) -> dict[str, Any]:
    """One process and two, in turns; the medians, and every turn's ratios."""
    found: dict[str, list[float]] = {"one": [], "two": [], "time": [], "work": []}
    for _ in range(1 if quick else 3):
        one, two = (together(count, config, 1 if quick else 5) for count in (1, 2))
        turn = one[0], two[0], two[0] / one[0], two[1] / one[1]
        for values, value in zip(found.values(), turn, strict=True):
            values.append(value)
    medians = {name: statistics.median(values) for name, values in found.items()}
    return medians | {"turns": {"time": found["time"], "work": found["work"]}}


def show(name: str, found: dict[str, Any]) -> None:
    """Print one part."""
    print(f"\n{name}")
    if name == "processes":
        print(f"  one {1e3 * found['one']:.0f} ms, two {1e3 * found['two']:.0f} ms: "
              f"{found['time']:.2f} of the time, {found['work']:.2f} of the work")  # fmt: skip
    for key, row in found.items() if name == "memory" else ():
        told, real = row["estimate"] / 1e6, row["measured"] / 1e6
        print(f"  {key:8} estimate {told:7.1f} MB, measured {real:7.1f} MB, {real / told:.2f}")
    for key, row in found.items() if name == "curves" else ():
        points = zip(row["values"], row["seconds"], row["bytes"], strict=True)
        text = "  ".join(f"{v:g}: {1e3 * s:.0f} ms {b / 1e6:.0f} MB" for v, s, b in points)
        print(f"  {key:8} time ~ x^{row['exponent_seconds']:.2f}, memory ~ "
              f"x^{row['exponent_bytes']:.2f}   {text}", flush=True)  # fmt: skip


def main() -> None:
    """Read the options, measure the three parts, write each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, two points")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("growth.json"))
    options = parser.parse_args()
    base = profile("smoke" if options.quick else "demo", precision="fp32")
    results: dict[str, Any] = {
        "machine": describe() | {"threads": 1},
        "command": " ".join(["python benchmarks/growth.py", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision(),
    }
    parts: dict[str, Callable[[], Any]] = {
        "memory": lambda: stages(base),
        "processes": lambda: processes(base, options.quick),
        "curves": lambda: curves(base, options.quick),
    }
    for name, part in parts.items():
        results[name] = part()
        show(name, results[name])
        write_json(options.out, results)


if __name__ == "__main__":
    main()
