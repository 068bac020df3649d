"""What is killed by `kill_resume.py`: the places where the kit writes, and the work done there."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import av
import nbformat
import numpy as np
import torch
from nbformat.v4 import new_code_cell, new_notebook

from actlumos import stages
from actlumos.darkroom.build import render
from actlumos.data.published.archive import opened
from actlumos.runtime.files import read_json
from actlumos.stages import loop
from actlumos.stages.results import record
from actlumos.stages.runs import Run, open_run

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
ENTRIES = 100  # of results.json


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


def tiny_run(home: Path, videos: Path) -> Run:
    """The run that every place works on."""
    return open_run("smoke", "folder", videos, home / "run", 0, **TINY)


def train(home: Path, videos: Path, arms: tuple[str, ...], says: Any) -> None:
    """Train every arm, and write into `says` what is being done."""
    save, seed_step = torch.save, loop.seed_step
    now = {"arm": "", "step": "loads"}

    def say(what: str) -> None:
        says.value = f"{now['arm']}: {what}".encode()[:99]

    def saying_save(content: Any, path: Any, **how: Any) -> None:
        if isinstance(path, Path):  # several processes save into memory too, for one another
            say(f"writes {path.name.split('-')[0].lstrip('.')}{path.suffix}")
        save(content, path, **how)
        say(now["step"])

    def saying_seed_step(seed: int, epoch: int, step: int, device: torch.device) -> Any:
        now["step"] = f"epoch {epoch + 1}, pass {step + 1}"
        say(now["step"])
        return seed_step(seed, epoch, step, device)

    torch.save, loop.seed_step = saying_save, saying_seed_step
    run = tiny_run(home, videos)
    for arm in arms:
        now |= {"arm": arm, "step": "loads"}
        say("loads")
        stages.ensure(run, arm)


def render_clips(home: Path, _videos: Path, _arms: tuple[str, ...], says: Any) -> None:
    """Six kinds of unlabelled clips, one each."""
    says.value = b"renders"
    place = home / "data" / "darkroom-b"
    render(place, domain="darkroom-b", counts={"train": 1}, workers=1, progress=False)


def fill_caches(home: Path, videos: Path, _arms: tuple[str, ...], says: Any) -> None:
    """Decoded frames, and flow computed from them."""
    says.value = b"fills caches"
    run = tiny_run(home, videos)
    run.clips(run.manifest, ("dark", "flow"))


def unpack(_home: Path, videos: Path, _arms: tuple[str, ...], says: Any) -> None:
    """The archive that `main` has made next to the videos."""
    says.value = b"unpacks"
    opened(videos.with_name("packed.zip"))


def enter_results(home: Path, videos: Path, _arms: tuple[str, ...], says: Any) -> None:
    """One entry after the other; each is there for good once it is acknowledged."""
    run = tiny_run(home, videos)
    path = run.directory / "results.json"
    there = len(read_json(path)["arms"]) if path.exists() else 0
    for number in range(there, ENTRIES):
        record(run, f"arm {number}", {"title": f"arm {number}", "top1": number / 7})
        says.value = f"has entered {number + 1}".encode()


def run_notebook(home: Path, videos: Path, arms: tuple[str, ...], says: Any) -> None:
    """A notebook that trains an arm, run as `actlumos reproduce` runs its own."""
    from actlumos.notebooks import execute

    source = home / "a.ipynb"
    cells = (
        "from benchmarks_place import tiny_run\nfrom actlumos import stages",
        "from pathlib import Path\nrun = tiny_run(Path(home), Path(videos))",
        f"for arm in {arms}:\n    stages.ensure(run, arm)",
    )
    cells = [cell.replace("benchmarks_place", Path(__file__).stem) for cell in cells]
    head = new_code_cell("home = ''\nvideos = ''", metadata={"tags": ["parameters"]})
    source.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[head, *map(new_code_cell, cells)]), source)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    told = {"home": str(home), "videos": str(videos)}
    execute(source, home / "notebooks" / "a.ipynb", told, timeout=300, echo=_heard(says))


def idle(_home: Path, _videos: Path, _arms: tuple[str, ...], _says: Any) -> None:
    """Nothing: once this has ended, the server that processes are forked from is ready."""


def _heard(says: Any) -> Callable[[str], None]:
    def hear(line: str) -> None:
        says.value = f"notebook: {line.strip()}".encode()[:99]

    return hear


Work = Callable[[Path, Path, tuple[str, ...], Any], None]


class Place(NamedTuple):
    """Where to kill: what a process does there, the share of the kills, the arms to compare."""

    work: Work
    share: int
    arms: tuple[str, ...] = ()
    processes: int = 1


PLACES = {
    "training": Place(train, 20, ARMS),
    "baseline": Place(train, 6, ("baselines/r2plus1d-34",)),
    "two": Place(train, 4, ("dark",), 2),
    "rendering": Place(render_clips, 5),
    "caches": Place(fill_caches, 5),
    "archive": Place(unpack, 4),
    "results": Place(enter_results, 5),
    "notebook": Place(run_notebook, 2, ("dark",)),
}


def pack(videos: Path) -> None:
    """The videos and four megabytes of noise as the archive of a data set."""
    with zipfile.ZipFile(videos.with_name("packed.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(videos.rglob("*.mp4")):
            archive.write(path, path.relative_to(videos))
        for number in range(40):
            noise = np.random.default_rng(number).bytes(2_500_000)
            archive.writestr(f"left/noise_{number}.bin", noise)
