"""Kill training again and again with SIGKILL: does it end with the weights of an undisturbed run?

    python benchmarks/kill_resume.py                  # 20 kills, a minute or two
    python benchmarks/kill_resume.py --kills 100 --seed 1

Trains five tiny arms one after the other (supervised, teacher, pretraining, distillation without
and with the pretraining) once undisturbed, and once in a process that is killed and started again
until all kills are used up. A third of the kills come at any time after the start, a third after
the first training step, and a third while a file is being written. The next process has
only what is on disk. Then the weights, histories and predictions of every arm are
compared bit by bit. Exits with 1 if anything differs or a temporary file is left.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import random
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import torch

from actlumos import stages
from actlumos.runtime.files import read_json
from actlumos.stages import loop
from actlumos.stages.runs import open_run

ARMS = ("dark", "teacher", "ssl-a", "kd", "ssl-a-kd")
TINY = {
    "widths": (16, 16, 16, 16),
    "frames": 4,
    "frame_size": (24, 32),
    "crop_size": (20, 28),
    "batch_size": 2,
    "ssl_batch_size": 4,
    "accumulate": 2,
    "classifier_dropout": 0.5,
    "token_keep": 0.7,
    "epochs_supervised": 3,
    "epochs_teacher": 3,
    "epochs_pretrain": 3,
    "epochs_distill": 3,
    "checkpoint_minutes": 1e-4,  # 6 ms: nearly every step
}
MODES = ("any time", "after a step", "in a write")


class Kill(NamedTuple):
    """One kill: how it was timed, and what the process was doing."""

    mode: str
    where: str


def make_videos(root: Path) -> Path:
    """Two classes of ten clips of noise that moves left or right."""
    for label, name in enumerate(("left", "right")):
        (root / name).mkdir(parents=True)
        for number in range(10):
            noise = np.random.default_rng([label, number]).integers(0, 80, (48, 64, 3), np.uint8)
            with av.open(str(root / name / f"{name}_{number}.mp4"), "w") as container:
                stream = container.add_stream("libx264", rate=30)
                stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
                for shift in range(16):
                    moved = np.roll(noise, shift if label else -shift, axis=1)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(moved)))
                container.mux(stream.encode())
    return root


def train(home: Path, videos: Path, arms: tuple[str, ...], status: Any) -> None:
    """Train every arm in a separate process, which writes into `status` what it does now."""
    torch.set_num_threads(1)
    os.environ["ACTLUMOS_HOME"] = str(home)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (as long as the process)
    save, seed_step = torch.save, loop.seed_step
    now = {"arm": "", "step": "loads"}

    def report(what: str) -> None:
        status.value = f"{now['arm']}: {what}".encode()

    def reporting_save(content: Any, path: Path) -> None:
        report(f"writes {path.name.split('-')[0].lstrip('.')}{path.suffix}")
        save(content, path)
        report(now["step"])

    def reporting_seed_step(seed: int, epoch: int, step: int, device: torch.device) -> Any:
        now["step"] = f"epoch {epoch + 1}, pass {step + 1}"
        report(now["step"])
        return seed_step(seed, epoch, step, device)

    torch.save, loop.seed_step = reporting_save, reporting_seed_step
    run = open_run("smoke", "folder", videos, home / "run", 0, **TINY)
    for arm in arms:
        now |= {"arm": arm, "step": "loads"}
        report("loads")
        stages.ensure(run, arm)


def start(home: Path, videos: Path, arms: tuple[str, ...]) -> tuple[BaseProcess, Any]:
    """A training process, forked from a server that has imported everything: it starts at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "actlumos.stages"])
    status = context.Array(ctypes.c_char, 100, lock=False)
    process = context.Process(target=train, args=(home, videos, arms, status))
    process.start()
    return process, status


def wait(process: BaseProcess, status: Any, word: bytes) -> None:
    """Wait until the word is in the status or the process ends."""
    while process.is_alive() and word not in status.value:
        time.sleep(0.0003)


def one_life(
    process: BaseProcess, status: Any, mode: str, delay: float, chance: random.Random
) -> Kill | None:
    """Let it train for a while, then kill it; None if it had finished before."""
    if mode != "any time":
        wait(process, status, b"pass")
    process.join(delay if mode != "any time" else 3 * delay)  # starting takes a while too
    if mode == "in a write":
        wait(process, status, b"writes")
        time.sleep(chance.uniform(0, 0.002))
    where = status.value.decode() or "starts"
    process.kill()
    process.join()
    if process.exitcode > 0:
        raise RuntimeError(f"the training process failed with code {process.exitcode}")
    return None if process.exitcode == 0 else Kill(mode, where)


def torture(
    home: Path, videos: Path, arms: tuple[str, ...], kills: int, pause: float, seed: int
) -> list[Kill]:
    """Train in `home` with up to so many kills, then to the end; fewer if it ends before."""
    chance, done = random.Random(seed), []
    while len(done) < kills:
        mode = MODES[len(done) % len(MODES)]
        kill = one_life(*start(home, videos, arms), mode, chance.uniform(0, 2 * pause), chance)
        if kill is None:
            return done
        done.append(kill)
    process, _ = start(home, videos, arms)
    process.join()
    if process.exitcode:
        raise RuntimeError(f"the training process failed with code {process.exitcode}")
    return done


def differences(whole: Path, killed: Path, arms: tuple[str, ...]) -> list[str]:
    """What is not the same, to the last bit, in two finished runs."""
    found: list[str] = []
    for arm in arms:
        first, second = (
            torch.load(home / "run" / arm / "checkpoint.pt", weights_only=True)["weights"]
            for home in (whole, killed)
        )
        same = [name for name, value in first.items() if torch.equal(value, second[name])]
        if not len(first) == len(second) == len(same):
            found.append(f"{arm}: {len(first) - len(same)} of {len(first)} tensors differ")
        results = [read_json(home / "run" / arm / "result.json") for home in (whole, killed)]
        found += [
            f"{arm}: {name} differs"
            for name in ("key", "per_clip", "skipped")
            if results[0].get(name) != results[1].get(name)
        ]
        tables = [read_history(home / "run" / arm) for home in (whole, killed)]
        found += [f"{arm}: history differs"] if tables[0] != tables[1] else []
    left = [path.name for path in (killed / "run").rglob(".*-????????.*")]
    return found + [f"left behind: {name}" for name in left]


def read_history(arm: Path) -> list[dict[str, float]]:
    """The rows of history.csv without the seconds, which no two runs share."""
    table = np.genfromtxt(arm / "history.csv", delimiter=",", names=True, ndmin=1)
    names = [name for name in table.dtype.names if name != "seconds"]
    return [{name: float(row[name]) for name in names} for row in table]


def main() -> None:
    """Run the comparison and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills")
    parser.add_argument("--arms", nargs="+", default=ARMS, help="in an order that they can have")
    options = parser.parse_args()
    arms = tuple(options.arms)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        videos = make_videos(root / "videos")
        began = time.perf_counter()
        torture(root / "whole", videos, arms, 0, 0.0, 0)
        seconds = time.perf_counter() - began
        print(f"undisturbed: {len(arms)} arms in {seconds:.1f} s", flush=True)
        kills, rounds, found = [], 0, []
        while len(kills) < options.kills:
            rounds += 1
            home, wanted = root / f"killed{rounds}", options.kills - len(kills)
            seed = options.seed + 1000 * rounds
            kills += torture(home, videos, arms, wanted, seconds / (wanted + 1), seed)
            found += differences(root / "whole", home, arms)
    for number, kill in enumerate(kills, 1):
        print(f"kill {number:3d}  {kill.mode:<13} {kill.where}")
    hits = [sum(word in kill.where for kill in kills) for word in ("writes", "pass", "loads")]
    print(f"{len(kills)} kills in {rounds} round(s); in a write, in a pass, while loading: {hits}")
    print("\n".join(found) or f"every weight, row and prediction of {', '.join(arms)} is the same")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
