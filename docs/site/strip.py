"""The README's animation: a dark clip, what is done with it, and the student's answer over time.

    .venv/bin/python docs/site/strip.py      # after make demo; writes figures/strip.webp

Panels: the clip as recorded; times 6; multi-scale Retinex; the teacher's fusion weights (yellow:
it uses the dark stream there, blue: the Retinex stream); the student's three most probable
actions for the window around each frame. The clip is the first of its class in the test split.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from actlumos.config import Config
from actlumos.data.video import read_clip, resize_frames
from actlumos.runtime.files import atomic_write
from actlumos.stages import load_checkpoint
from actlumos.stages.runs import open_run
from actlumos.views.augment import to_float
from actlumos.views.enhance import multi_scale_retinex
from actlumos.views.streams import test_streams

ROOT = Path(__file__).resolve().parents[2]
SIZE, GAP, TEXT = (120, 160), 6, 24  # height and width of a panel, space between, line of text
EVERY = 3  # of the clip's frames, one in so many is shown
CPU = torch.device("cpu")


def windows(frames: np.ndarray, centres: range, config: Config) -> Tensor:
    """uint8 `[N, T, H, W, 3]`: the frames that the network gets around each shown frame."""
    steps = (np.arange(config.frames) - config.frames // 2) * config.stride
    chosen = np.clip(np.array(centres)[:, None] + steps, 0, len(frames) - 1)
    return torch.from_numpy(resize_frames(frames, config.frame_size, config.resize)[chosen])


@torch.inference_mode()
def answers(run: Path, frames: np.ndarray, shown: range) -> tuple[Tensor, Tensor, list[str]]:
    """The student's probabilities `[N, K]`, the dark stream's share `[N, h, w]`, class names."""
    student, about = load_checkpoint(run / "ssl-kd" / "checkpoint.pt", CPU)
    teacher, told = load_checkpoint(run / "teacher" / "checkpoint.pt", CPU)
    clips = windows(frames, shown, about["config"])
    (dark,) = test_streams(clips, about["recipe"].streams, about["config"])
    both = test_streams(clips, told["recipe"].streams, told["config"])[0]
    shares = teacher.eval()(*both).weights[:, 0]
    middle = shares[:, shares.shape[1] // 2]
    return student.eval()(*dark).softmax(1), middle, list(about["classes"])


def panels(frames: np.ndarray, shares: Tensor) -> list[np.ndarray]:
    """Four pictures uint8 `[N, H, W, 3]`."""
    clip = to_float(torch.from_numpy(frames)[None])
    bright = (6 * clip).clamp(0, 1)
    light = F.interpolate(shares[:, None], SIZE, mode="bilinear", align_corners=False)[:, 0]
    colours = matplotlib.colormaps["cividis"]((light - 0.3).numpy() / 0.4)[..., :3]
    weighed = 0.25 * _bytes(bright) + 0.75 * 255 * colours
    made = [_bytes(clip), _bytes(bright), _bytes(multi_scale_retinex(clip))]
    return [picture.astype(np.uint8) for picture in (*made, weighed)]


def _bytes(clip: Tensor) -> np.ndarray:
    return (255 * clip[0].permute(1, 2, 3, 0)).numpy()


def page(pictures: list[np.ndarray], probabilities: Tensor, classes: list[str]) -> Image.Image:
    """One frame of the animation."""
    width = len(pictures) * (SIZE[1] + GAP) + 170
    sheet = Image.new("RGB", (width, SIZE[0] + TEXT), "#1b1b1f")
    draw, font = ImageDraw.Draw(sheet), _font(13)
    names = ("as recorded", "times 6", "Retinex", "fusion weights")
    for number, (name, picture) in enumerate(zip(names, pictures, strict=True)):
        left = number * (SIZE[1] + GAP)
        sheet.paste(Image.fromarray(picture), (left, TEXT))
        draw.text((left + 2, 4), name, "#d8d8dc", font)
    left = len(pictures) * (SIZE[1] + GAP)
    draw.text((left + 2, 4), "the student's answer", "#d8d8dc", font)
    best = probabilities.topk(3)
    for row, (share, index) in enumerate(zip(*map(Tensor.tolist, best), strict=True)):
        top = TEXT + 8 + 38 * row
        draw.rectangle((left + 2, top + 18, left + 2 + 150 * share, top + 26), "#ffd23f")
        draw.text((left + 2, top), f"{classes[index]}  {100 * share:.0f} %", "#f4f4f6", font)
    return sheet


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def main() -> None:
    """Read the options, make the animation and say what it shows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--action", default="Jump", help="class of the clip (default: Jump)")
    parser.add_argument("--out", type=Path, default=ROOT / "figures" / "strip.webp")
    options = parser.parse_args()
    run = open_run("demo")
    test = run.manifest.select("test")
    label = [name.lower() for name in test.classes].index(options.action.lower())
    index = next(i for i, clip in enumerate(test.clips) if clip.label == label)
    frames = read_clip(test.path(index), range(test.clips[index].frames))
    shown = range(0, len(frames), EVERY)
    probabilities, shares, classes = answers(run.directory, frames, shown)
    pictures = [[panel[i] for panel in panels(frames[::EVERY], shares)] for i in range(len(shown))]
    pages = [page(*each, classes) for each in zip(pictures, probabilities, strict=True)]
    with atomic_write(options.out) as temporary:
        how = {"duration": 100 * EVERY // 3, "loop": 0, "quality": 70, "method": 6}
        pages[0].save(temporary, "WEBP", save_all=True, append_images=pages[1:], **how)
    right = int((probabilities.argmax(1) == label).sum())
    print(f"{options.out}: {test.clips[index].path}, right in {right} of {len(pages)} windows")


if __name__ == "__main__":
    main()
