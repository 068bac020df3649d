"""Settings and formulas of the systems against those of the public code that their cards name."""

from __future__ import annotations

import copy
import math
import re
from importlib import import_module

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from actlumos import baselines
from actlumos.arms import SUPPORTING, Card
from actlumos.baselines.networks.common import FlowNorm, TokenNet
from actlumos.config import Config, profile
from actlumos.data.video import resize_frames
from actlumos.models.losses import supervised_contrastive
from actlumos.stages import find
from actlumos.views import augment
from actlumos.views.flow import from_levels
from actlumos.views.streams import make_streams, train_streams


def settings(name: str, scale: str) -> Config:
    return find(f"baselines/{name}").settings(profile(scale))


def two_streams(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A demo network and a batch of its streams."""
    config = settings(name, "demo")
    torch.manual_seed(0)
    model = find(f"baselines/{name}").network(5, config)
    size = (3, config.frames, *config.frame_size, 3)
    generator = torch.Generator().manual_seed(0)
    clip = torch.randint(0, 80, size, generator=generator, dtype=torch.uint8)
    streams = find(f"baselines/{name}").streams
    return model, train_streams(clip, streams, config, generator)


# DarkLight: each stream passes the shared network on its own.


def by_hand(model: TokenNet, streams: tuple[Tensor, ...]) -> Tensor:
    """Tokens of one stream after the other, then the head; batch norm uses one stream at a time."""
    tokens = [
        model.between(model.backbone(norm(clip))).mean((3, 4)).transpose(1, 2)
        for norm, clip in zip(model.norms, model.streams(*streams), strict=True)
    ]
    read = torch.cat(tokens, dim=1)
    return model.classifier(read.mean(1) if model.head is None else model.head(read))


STREAMS_IN_ONE_TRUNK = ("darklight-r2plus1d-34", "darklight-resnext-101", "sci-r2plus1d-gcn")


@pytest.mark.parametrize("name", STREAMS_IN_ONE_TRUNK)
def test_batch_norm_uses_one_stream_at_a_time_in_training(name: str) -> None:
    model, streams = two_streams(name)
    manual = copy.deepcopy(model).train()
    together = copy.deepcopy(model).train()
    found, wanted = model.train()(*streams), by_hand(manual, streams)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    for one, other in zip(model.buffers(), manual.buffers(), strict=True):
        torch.testing.assert_close(one, other)
    seen = zip(together.norms, together.streams(*streams), strict=True)
    maps = together.backbone(torch.cat([norm(clip) for norm, clip in seen])).chunk(2)
    mixed = together.classify(together.summarise(*(together.between(m) for m in maps)))
    assert (mixed - found).abs().max() > 1e-3  # one batch of both streams is something else


def test_darklight_s_gamma_is_within_a_level_of_the_public_table() -> None:
    """There: a table of truncated levels, then a bilinear resize; here: resize, then floats."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 60, (4, 15, 20, 3), dtype=np.uint8)
    frames = np.stack([cv2.resize(f, (320, 240), interpolation=cv2.INTER_CUBIC) for f in coarse])
    table = np.array([int(255 * (i / 255) ** (1 / 1.8)) for i in range(256)], np.uint8)
    public = np.stack([cv2.resize(cv2.LUT(f, table), (170, 128)) for f in frames])
    config = settings("darklight-r2plus1d-34", "paper")
    clip = augment.to_float(torch.from_numpy(resize_frames(frames, config.frame_size))[None])
    _, ours = make_streams(clip, ("dark", "gamma"), config)
    difference = ours[0].permute(1, 2, 3, 0).numpy() * 255 - public
    assert 0.1 < difference.mean() < 1.5 and np.abs(difference).mean() < 1.5


# Clips per step, and the part of the frame in a crop.


@pytest.mark.parametrize(
    ("name", "clips"),
    [
        *(("i3d-rgb", 4 * 40), ("i3d-two-stream", 4 * 40), ("vgg-ts", 25 * 5), ("tsn", 128)),
        *(("p3d-199", 128), ("resnet3d-18", 128), ("resnet3d-50", 128), ("resnet3d-101", 128)),
        *(("r2plus1d-bert", 8 * 16), ("darklight-r2plus1d-34", 8 * 16)),
    ],
)
def test_a_step_has_as_many_clips_as_in_public_code(name: str, clips: int) -> None:
    config = settings(name, "paper")
    assert config.batch_size * config.accumulate == clips


@pytest.mark.parametrize(
    ("name", "frame", "side"),
    [
        *(("vgg-ts", (256, 340), 224), ("tsn", (256, 340), 224), ("i3d-rgb", (256, 340), 224)),
        *(("i3d-two-stream", (256, 340), 224), ("p3d-199", (160 * 256 // 160, 340), 160)),
        *(("r2plus1d-bert", (128, 170), 112), ("darklight-r2plus1d-34", (128, 170), 112)),
    ],
)
def test_a_crop_covers_the_published_part_of_the_frame(
    name: str, frame: tuple[int, int], side: int
) -> None:
    config = settings(name, "paper")
    assert config.frame_size == frame and config.crop_size == (side, side)
    box = augment.center_crop(1, config.frame_size, config.crop_size).box[0]
    assert box[2:].tolist() == [side, side]


def test_p3d_s_crop_covers_62_percent_of_the_height() -> None:
    config = settings("p3d-199", "paper")
    sizes = augment.crop_sizes(config.frame_size, config.crop_size, config.crop_scales)
    assert [height / config.frame_size[0] for height, _ in sizes] == [0.625]


# Range of the flow, from 8-bit levels. I3D: piergiaj's charades_dataset; TSN: yjxiong's models.py,
# mean 128 and std 1; VGG: bryanyzhu's main_single_gpu.py.

PUBLIC_FLOW = {
    "i3d-two-stream": lambda level: level / 255 * 2 - 1,
    "tsn": lambda level: level - 128,
    "vgg-ts": lambda level: (level / 255 - 0.5) / 0.226,
}


@pytest.mark.parametrize("name", PUBLIC_FLOW)
def test_a_flow_network_gets_the_range_of_its_public_weights(name: str) -> None:
    small = settings(name, "paper").with_(profile="demo")  # the demo's network, published inputs
    model = find(f"baselines/{name}").network(5, small)
    levels = torch.arange(1, 256, dtype=torch.uint8)
    clip = levels.view(1, 5, 51, 1, 1).repeat(1, 1, 1, 1, 2)
    found = model.norms[1](from_levels(clip))[0, 0].flatten()
    public = PUBLIC_FLOW[name]
    one_level = public(1.0) - public(0.0)
    wanted = public(levels.float())
    torch.testing.assert_close(found, wanted, rtol=0, atol=1.01 * one_level)
    assert found[127] == 0  # level 128: no motion
    demo = find(f"baselines/{name}").network(5, settings(name, "demo"))
    assert isinstance(demo.norms[1], FlowNorm) and demo.norms[1].scale == 1  # trained from scratch


# The public supervised contrastive loss, written out from its definition.


def public_supcon(features: Tensor, labels: list[int], temperature: float) -> float:
    """Times temperature / .07; an anchor without a positive counts as zero."""
    views = [v / v.norm() for clip in features for v in clip]
    classes = [label for label in labels for _ in range(features.shape[1])]
    total = 0.0
    for i, anchor in enumerate(views):
        others = [j for j in range(len(views)) if j != i]
        scores = {j: math.exp(float(anchor @ views[j]) / temperature) for j in others}
        positives = [j for j in others if classes[j] == classes[i]]
        logs = [math.log(scores[j] / sum(scores.values())) for j in positives]
        total -= sum(logs) / max(1, len(logs))
    return temperature / 0.07 * total / len(views)


@pytest.mark.parametrize("temperature", [0.07, 0.1, 0.5])
def test_the_public_supcon_is_ours_times_temperature_over_007(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    pairs, single = (torch.randn(5, v, 4, generator=generator, dtype=torch.double) for v in (2, 1))
    labels = [0, 1, 1, 2, 0]
    ours = supervised_contrastive(pairs, torch.tensor(labels), temperature).item()
    assert public_supcon(pairs, labels, temperature) == pytest.approx(ours * temperature / 0.07)
    # One view per clip: the clip of class 2 has no positive, and the public mean counts it.
    ours = supervised_contrastive(single, torch.tensor(labels), temperature).item()
    public = public_supcon(single, labels, temperature)
    assert public == pytest.approx(ours * temperature / 0.07 * 4 / 5)


# Descriptions.

EVERY = (*baselines.names(), *SUPPORTING)


def text_of(card: Card) -> str:
    parts = (card.source, card.known, card.unknown, card.ours, card.mismatch)
    return " ".join([*parts, *(f"{c.name} {c.value} {c.source}." for c in card.choices)])


@pytest.mark.parametrize("name", EVERY)
def test_an_issue_is_cited_with_its_repository(name: str) -> None:
    text = text_of(baselines.card(name))
    assert len(re.findall(r"[\w-]+/[\w-]+ issue \d+", text)) == len(re.findall(r"\bissue \d", text))
    for repository in re.findall(r"([\w-]+/[\w-]+) issue 12\b", text):
        assert repository == "ZhaofanQiu/pseudo-3d-residual-networks"


@pytest.mark.parametrize("name", EVERY)
def test_a_file_gives_its_command_and_minutes(name: str) -> None:
    module = import_module(f"actlumos.baselines.{name.replace('-', '_')}")
    arm = {"actlumos-student": "ssl-kd", "actlumos-teacher": "teacher"}.get(name)
    command = f"actlumos train {arm or f'baselines/{name}'} --profile demo"
    line = next(line for line in module.__doc__.splitlines() if command in line)
    assert re.search(r"# (about [\d.]+|less than a) minutes? on two cores", line), line
    if find(f"baselines/{name}").needs:
        assert re.search(r"before\s+(# )?it", module.__doc__)
