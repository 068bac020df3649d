"""What a process of `test_distributed.py` does, alone or as one of two.

Nothing is drawn at random (whole frames, no flip, no dropout), because processes draw each for
themselves.
"""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tiny import TINY
from torch import nn

from actlumos import stages
from actlumos.config import Config, profile
from actlumos.data.clips import Batch, Clips
from actlumos.data.published.folder import folder
from actlumos.evaluation.evaluate import predict
from actlumos.runtime import distributed
from actlumos.stages.runs import Run, open_run

PLAIN = TINY | {
    "crop_size": (24, 32),
    "crop_scales": (1.0,),
    "ssl_crop_scales": (1.0,),
    "flip": 0.0,
    "ssl_photometric": 0.0,
    "classifier_dropout": 0.0,
    "token_keep": 1.0,
    "bert_dropout": 0.0,
    "ssl_batch_size": 4,
    "epochs_supervised": 2,
    "epochs_teacher": 1,
    "epochs_distill": 1,
    "epochs_pretrain": 1,
}
LOSSES = ("dark", "teacher", "ssl-a", "kd")
TRAINED = ("dark", "teacher", "ssl-a", "kd")


def config(**changes: Any) -> Config:
    return profile("smoke", **PLAIN | changes)


def open_tiny(home: Path, videos: Path, name: str, **changes: Any) -> Run:
    return open_run("smoke", "folder", videos, home / name, 0, **PLAIN | changes)


def open_with_missing_clips(home: Path, videos: Path) -> Run:
    """A run that skips: one clip of each split is missing at its listed place."""
    skipping = {"on_bad_clip": "skip", "cache_frames": False, "batch_size": 8, "workers": 1}
    run = open_tiny(home, videos, "skipping", **skipping)
    clips = list(run.manifest.clips)
    for split in ("train", "val", "test"):
        index = next(i for i, clip in enumerate(clips) if clip.split == split)
        clips[index] = replace(clips[index], path=f"gone/{split}.mp4")
    run.__dict__["manifest"] = replace(run.manifest, clips=tuple(clips))
    return run


class Untrained:
    """Replaces a `Trained` whose network has its first weights, for the loss alone."""

    def __init__(self, name: str, run: Run) -> None:
        self.recipe, self.directory = stages.find(name), run.directory / name
        self.result = {"key": name}
        self.network = self.recipe.network(3, self.recipe.settings(run.config))

    def model(self, device: torch.device | None = None) -> nn.Module:
        return self.network.to(device).eval()


def loss_and_gradients(run: Run, name: str, share_of_8: slice) -> dict[str, Any]:
    """One forward and backward pass of a stage over a part of eight fixed clips."""
    recipe = stages.find(name)
    run = replace(run, config=recipe.settings(run.config))
    torch.manual_seed(0)
    model = recipe.network(3, run.config)
    needed = {need: Untrained(need, run) for need in recipe.needs}
    task = recipe.task(model, {"train": None, "val": None}, run, needed)
    clip = torch.randint(0, 255, (8, 2, 4, 24, 32, 3), dtype=torch.uint8)
    label = torch.tensor([0, 1, 2, 0, 0, 1, 1, 2])
    batch = Batch(clip[share_of_8], label[share_of_8], torch.arange(8)[share_of_8], torch.empty(0))
    network = distributed.wrap(task.model).train()
    terms = task.loss(network, batch, torch.Generator().manual_seed(1))
    terms["loss"].backward()
    return {
        "terms": {name: value.detach() for name, value in terms.items()},
        "gradients": {n: p.grad for n, p in model.named_parameters() if p.grad is not None},
        "buffers": dict(model.named_buffers()),
        "names": list(model.state_dict()),
    }


def logits_of_all(videos: Path, batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the folder's twenty clips, in batches of twice the size."""
    settings = config(batch_size=batch_size)
    torch.manual_seed(0)
    model = stages.find("dark").network(2, settings)
    clips = Clips(folder(videos), frames=4, stride=4, short_clips="span", size=(24, 32))
    return predict(model, clips, ("dark",), settings)


def one_norm(kind: type[nn.Module], clip: torch.Tensor) -> dict[str, torch.Tensor]:
    torch.manual_seed(2)
    norm = kind(5, eps=1e-3, momentum=0.3).double()
    nn.init.uniform_(norm.weight)
    model = nn.Sequential(norm, nn.Flatten(1), nn.Linear(clip[0].numel(), 2).double())
    network = distributed.wrap(model).train()
    clip = clip.clone().requires_grad_()
    distributed.gather(network(clip)).square().mean().backward()
    # Every process's loss is that of the whole batch: a clip's own gradient arrives W times.
    clip_gradient = distributed.gather(clip.grad) / distributed.world_size()
    return {"clip": clip_gradient, **{n: p.grad for n, p in model.named_parameters()},
            **model.state_dict()}  # fmt: skip


def trained(run: Run, arm: str) -> dict[str, Any]:
    done = stages.ensure(run, arm)
    columns = done.history.drop(columns="seconds")
    return {"weights": done.model().state_dict(), "result": done.result, "history": columns}


def work(home: Path, videos: Path) -> dict[str, Any]:
    """What one process does; the single process that it is compared with does the same."""
    rank, processes = distributed.rank(), distributed.world_size()
    half = slice(rank * 8 // processes, (rank + 1) * 8 // processes)
    rows = torch.arange(3.0 + rank, requires_grad=True)[:, None] * torch.ones(1, 2)
    clip = torch.randn(8, 5, 2, 3, 3, generator=torch.Generator().manual_seed(3)).double()
    run = open_tiny(home, videos, "run")
    found = {
        "rows": distributed.gather(rows).detach(),
        "exchanged": distributed.exchange(f"process {rank}"),
        "main": distributed.from_main(lambda: f"from {rank}"),
        "losses": {name: loss_and_gradients(run, name, half) for name in LOSSES},
        "norms": {
            "3d": one_norm(nn.BatchNorm3d, clip[half]),
            "1d": one_norm(nn.BatchNorm1d, clip[half, :, 0, 0, 0]),
        },
        "logits": {size: logits_of_all(videos, size) for size in (4, 10)},
        "arms": {arm: trained(run, arm) for arm in TRAINED},
        "passes": trained(
            open_tiny(home, videos, "passes", batch_size=8 // processes, accumulate=2 * processes),
            "dark",
        ),
        "skipping": trained(open_with_missing_clips(home, videos), "dark"),
    }
    distributed.exchange("done")  # the first process may still be writing
    files = [path.relative_to(home).as_posix() for path in home.glob("*/**/*") if path.is_file()]
    return found | {"files": files}


def one_process(rank: int, port: int, home: Path, videos: Path) -> None:
    """One process and its work; `port` 0: it is alone. The results go to a file.

    In float64, where rounding stays small. In float32 it does not: AdamW divides a gradient by
    its own size, so one that is all rounding (a bias before batch norm) moves its weight as far
    as any other.
    """
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    multiprocessing.set_start_method("fork", force=True)  # a spawned loader imports everything
    os.environ["ACTLUMOS_HOME"] = str(home)
    if port:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    distributed.start()
    torch.save(work(home, videos), home / f"{rank}.pt")
