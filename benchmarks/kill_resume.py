"""Kill the kit again and again with SIGKILL, everywhere it writes: is anything lost or changed?

    python benchmarks/kill_resume.py                  # 51 kills in eight places, some minutes
    python benchmarks/kill_resume.py --kills 100 --seed 1 --places training
    python benchmarks/kill_resume.py --places rendering notebook

Each place is done once undisturbed, and once by processes that are killed and started again until
its kills are used up; the next process has only what is on disk. Then both are
compared bit by bit.

training     five tiny arms, one after the other (supervised, teacher, pretraining, distillation
             without and with it); a third of the kills at any time, a third after the first
             training step, a third while a file is written; weights, histories, predictions
baseline     the same for baselines/r2plus1d-34
two          a supervised arm by two processes, started as torchrun starts them (gloo)
rendering    clips of darkroom-b
caches       decoded frames and optical flow
archive      a data set's archive is unpacked
results      entries into results.json, one after the other
notebook     an arm trained inside a notebook

A table says for each place how many kills there were, how many finished files had to be made
again, and whether all is the same. Exits with 1 if anything differs or is left behind.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from kill_places import PLACES, Place, Work, idle, make_videos, pack, train

from actlumos.runtime.files import read_json

MODES = ("any time", "after a step", "in a write")
VOLATILE = (".json", ".csv", ".lock", ".ipynb")  # hold times, or are compared in another way


class Kill(NamedTuple):
    """One kill: how it was timed, what the process was doing, and what was finished then."""

    mode: str
    where: str
    finished: dict[str, int]


class Outcome(NamedTuple):
    """What the kills in one place came to."""

    kills: list[Kill]
    remade: int
    found: list[str]


def begin(
    work: Work, home: Path, videos: Path, arms: tuple[str, ...], says: Any, rank: str
) -> None:
    """What a process does first: a group of its own, no output, and torchrun's variables."""
    os.setsid()
    torch.set_num_threads(1)
    os.environ["ACTLUMOS_HOME"] = str(home)
    if rank:
        number, processes, port = rank.split("/")
        os.environ |= {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": processes}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (as long as the process)
    work(home, videos, arms, says)


def start(
    place: Place, home: Path, videos: Path, arms: tuple[str, ...]
) -> tuple[list[BaseProcess], Any]:
    """Processes forked from a server that has imported everything: they start at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "actlumos.stages", "actlumos.notebooks"])
    says = context.Array(ctypes.c_char, 100, lock=False)
    port = _free_port()
    many = place.processes > 1
    ranks = [f"{i}/{place.processes}/{port}" if many else "" for i in range(place.processes)]
    given = place.work, home, videos, arms, says
    started = [context.Process(target=begin, args=(*given, rank)) for rank in ranks]
    for process in started:
        process.start()
    return started, says


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait(process: BaseProcess, says: Any, word: bytes) -> None:
    """Until the process says the word, or ends."""
    while process.is_alive() and word not in says.value:
        time.sleep(0.0003)


def end(processes: list[BaseProcess]) -> int:
    """Kill all with what they started, and return the first one's exit code."""
    for process in processes:
        if process.is_alive():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has no group of its own yet
                process.kill()
        process.join()
    codes = [process.exitcode or 0 for process in processes]
    if max(codes) > 0:
        raise RuntimeError(f"the process failed with code {max(codes)}")
    return min(codes)


def one_life(
    processes: list[BaseProcess], says: Any, mode: str, delay: float, chance: random.Random
) -> str:
    """Let it work for a while, then kill it; says where, and nothing if it had finished before."""
    first = processes[0]
    while first.is_alive() and not says.value:
        time.sleep(0.0003)
    if mode != "any time":
        wait(first, says, b"pass")
    first.join(delay)
    if mode == "in a write":
        wait(first, says, b"writes")
        time.sleep(chance.uniform(0, 0.002))
    where = says.value.decode(errors="replace") or "starts"
    return "" if end(processes) == 0 else where


def finished_files(home: Path) -> dict[str, int]:
    """When each whole file of a home was written, but for those that are rewritten as they go."""
    going = ("last.pt", "teacher_logits.pt")
    names = [path.relative_to(home) for path in home.rglob("*") if path.is_file()]
    return {
        name.as_posix(): (home / name).stat().st_mtime_ns
        for name in names
        if not any(part[0] == "." for part in name.parts)
        and name.name not in going
        and name.suffix not in VOLATILE
    }


def torture(
    home: Path,
    videos: Path,
    arms: tuple[str, ...],
    kills: int,
    pause: float,
    seed: int,
    place: Place = PLACES["training"],
) -> list[Kill]:
    """Work in `home` with up to so many kills, then to the end; fewer if it ends before."""
    chance, done = random.Random(seed), []
    modes = MODES if place.work is train and place.processes == 1 else MODES[:1]
    while len(done) < kills:
        mode, processes = modes[len(done) % len(modes)], start(place, home, videos, arms)
        where = one_life(*processes, mode, chance.uniform(0, 2 * pause), chance)
        if not where:
            return done
        done.append(Kill(mode, where, finished_files(home)))
    processes, _ = start(place, home, videos, arms)
    for process in processes:
        process.join()
    end(processes)
    return done


def made_again(home: Path, kills: list[Kill]) -> int:
    """How many files were finished at one of the kills, and were written once more after it."""
    after = finished_files(home)
    return len(
        {
            name
            for kill in kills
            for name, written in kill.finished.items()
            if after.get(name, written) != written
        }
    )


def contents(home: Path) -> dict[str, str]:
    """Digest of every file whose content has no time in it."""
    return {
        name: hashlib.sha256((home / name).read_bytes()).hexdigest()
        for name in finished_files(home)
        if not name.endswith(".pt")
    }


def differences(whole: Path, killed: Path, arms: tuple[str, ...]) -> list[str]:
    """What is not the same, to the last bit, in two finished homes."""
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
    one, other = contents(whole), contents(killed)
    found += [f"{name} differs" for name in one | other if one.get(name) != other.get(name)]
    if (whole / "run" / "results.json").exists() and not arms:
        entries = [read_json(home / "run" / "results.json")["arms"] for home in (whole, killed)]
        found += [] if entries[0] == entries[1] else ["results.json differs"]
    left = [path.name for path in killed.rglob(".*-????????*")]
    return found + [f"left behind: {name}" for name in left]


def read_history(arm: Path) -> list[dict[str, float]]:
    """The rows of history.csv without the seconds, which no two runs share."""
    table = np.genfromtxt(arm / "history.csv", delimiter=",", names=True, ndmin=1)
    names = [name for name in table.dtype.names if name != "seconds"]
    return [{name: float(row[name]) for name in names} for row in table]


def try_place(name: str, root: Path, videos: Path, wanted: int, seed: int) -> Outcome:
    """All kills of one place, in as many rounds as they need (eight at most), and what they did."""
    place, whole = PLACES[name], root / name / "whole"
    torture(root, videos, (), 0, 0.0, 0, Place(idle, 0))
    began = time.perf_counter()
    torture(whole, videos, place.arms, 0, 0.0, 0, place)
    seconds = time.perf_counter() - began
    print(f"{name}, undisturbed: {seconds:.1f} s", flush=True)
    kills, found, remade = [], [], 0
    for number in range(8):
        if (left := wanted - len(kills)) <= 0:
            break
        home = root / name / f"killed{number}"
        began, pause = time.perf_counter(), seconds / (left + 1)
        done = torture(home, videos, place.arms, left, pause, seed + 1000 * number, place)
        if not done:  # it was faster than the first time, which measured a busier machine
            seconds = min(seconds, time.perf_counter() - began) / 2
        kills, remade = kills + done, remade + made_again(home, done)
        found += differences(whole, home, place.arms)
    return Outcome(kills, remade, found)


def main() -> None:
    """Run every place and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, help="kills in each place (default: its own share)")
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills")
    parser.add_argument("--places", nargs="+", choices=PLACES, default=list(PLACES))
    options = parser.parse_args()
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        videos = make_videos(root / "videos")
        pack(videos)
        for name in options.places:
            wanted = options.kills or PLACES[name].share
            outcomes[name] = try_place(name, root, videos, wanted, options.seed)
            for number, kill in enumerate(outcomes[name].kills, 1):
                print(f"  kill {number:3d}  {kill.mode:<13} {kill.where}", flush=True)
    print(f"\n{'place':<11}{'kills':>6}{'made again':>12}  same to the last bit")
    for name, (kills, remade, found) in outcomes.items():
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        said = "; ".join(found[:3]) + more or "yes"
        print(f"{name:<11}{len(kills):>6}{remade:>12}  {said}")
    sys.exit(any(outcome.found for outcome in outcomes.values()))


if __name__ == "__main__":
    main()
