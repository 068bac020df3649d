"""Rows about clips: rendering one, decoding one, loading an epoch of them.

The clips are rendered for it (`darkroom`, 160 x 120 pixels). Everything runs in one thread.
"""

from __future__ import annotations

import tempfile
from functools import cache, partial
from pathlib import Path

import cv2
import decord
import numpy as np
from machine import Machine
from pairs import Row, compare

from actlumos.config import Config, profile
from actlumos.darkroom import sensor
from actlumos.darkroom.clip import render_clip, render_take
from actlumos.darkroom.codec import encode
from actlumos.darkroom.dataset import load
from actlumos.darkroom.plan import ClipSpec, plan
from actlumos.darkroom.worker import write_dark
from actlumos.data.clips import ClipCache, Clips, Request, build_cache, loader, schedule
from actlumos.data.manifest import Manifest
from actlumos.data.readers import reader
from actlumos.data.video import resize_frames, sample_indices

WINDOW = 64  # frames of a decoded clip, as in the paper


@cache
def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder that is deleted at the end of the process."""
    return tempfile.TemporaryDirectory()


@cache
def rendered(quick: bool) -> Manifest:
    """The clips that are decoded and loaded: eight of each class, or one."""
    counts = {"val": 1} if quick else {"train": 8}
    return load("darkroom", Path(scratch().name) / "clips", counts, progress=False)


def capture_step_by_step(
    radiance: np.ndarray, camera: sensor.Sensor, luma: float, exposure: float,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """`sensor.capture` as its formula is written: each step makes a new array."""
    gain = (exposure * np.array(camera.cast)).astype(np.float32)
    shot, read = sensor._noise_scale(camera, luma)
    levels = sensor.tone_table(camera) + np.array(camera.black)[:, None] + 0.5
    table = np.clip(levels, 0, 255).astype(np.uint8).reshape(-1)
    start, shape = np.arange(3, dtype=np.int32) * sensor.STEPS, radiance.shape[1:]
    smooth, out = None, []
    for frame in radiance:
        light = cv2.GaussianBlur(frame, (0, 0), camera.blur) * gain
        noise = cv2.sqrt(np.float32(shot) * light + np.float32(read**2))
        light = light + noise * sensor._noise(rng, shape)
        row = camera.row * read * rng.standard_normal((shape[0], 1, 1))
        light = light + row.astype(np.float32)
        if smooth is not None:
            light = cv2.addWeighted(light, camera.smooth, smooth, 1 - camera.smooth, 0)
        smooth = light
        index = np.minimum(np.maximum(smooth, 0), 1) * np.float32(sensor.STEPS - 1)
        out.append(table[index.astype(np.int32) + start])
    return np.stack(out)


def write_step_by_step(spec: ClipSpec, root: Path) -> np.ndarray:
    """`write_dark` with that camera and a packed record; returns the dark clip."""
    take, rng = render_take(spec), spec.generator("sensor")
    camera = sensor.sample_sensor(rng, spec.order)
    crf = int(rng.integers(18, 22))
    luma = sensor.wanted_luma(take.radiance, camera.rank)
    exposure = sensor.expose(take.radiance, camera, luma)
    dark = capture_step_by_step(take.radiance, camera, luma, exposure, rng)
    empty = capture_step_by_step(take.empty, camera, luma, exposure, rng)
    encode(root / spec.path, dark, crf)
    np.savez_compressed(root / "record.npz", background=empty[0])
    return dark


def render_row(machine: Machine, quick: bool) -> Row:
    """Render and write clips; what is possible at most: their encoder alone."""
    cv2.setNumThreads(1)
    folder, clips, repeats = Path(scratch().name) / "render", 1 if quick else 12, _repeats(quick)
    specs = plan("darkroom", {"train": 50}, 0)[:: 550 // clips][:clips]
    rendered = [render_clip(spec) for spec in specs]

    def encoded() -> None:
        for clip in rendered:
            encode(folder / "limit.mp4", clip.dark, clip.crf)

    alone = compare("encoder", encoded, encoded, repeats=repeats, note="", unit="clips/s",
                    clips=clips)  # fmt: skip
    return compare(
        "render", lambda: [write_dark(spec, folder / "ours", "key") for spec in specs],
        lambda: [write_step_by_step(spec, folder / "peer") for spec in specs],
        repeats=repeats, unit="clips/s", clips=clips, limit=alone.ours,
        note="a darkroom clip to its file, one core; peer: the sensor with a new array for each "
        "step, and a packed record; limit: libx264 alone",
    )  # fmt: skip


def decord_alone(path: Path, indices: np.ndarray, frames: int) -> np.ndarray:
    """uint8 `[T, H, W, 3]`, as a loader built on decord reads them."""
    return decord.VideoReader(str(path), num_threads=1).get_batch(indices).asnumpy()


def _repeats(quick: bool) -> int:
    return 1 if quick else 7


def decode_row(machine: Machine, quick: bool) -> Row:
    """64 frames at a random start of every clip."""
    listed = rendered(quick)
    rng = np.random.default_rng(0)
    starts = [int(rng.integers(max(clip.frames - WINDOW, 0) + 1)) for clip in listed.clips]
    wanted = [
        (listed.path(i), np.arange(start, min(start + WINDOW, clip.frames)), clip.frames)
        for i, (start, clip) in enumerate(zip(starts, listed.clips, strict=True))
    ]
    return compare(
        "decode", lambda: [reader("pyav")(*each) for each in wanted],
        lambda: [decord_alone(*each) for each in wanted],
        repeats=_repeats(quick), unit="clips/s", clips=len(wanted),
        note=f"{WINDOW} frames of a 160 x 120 clip; peer: decord 0.6.0 without checks, its colours "
        "from FFmpeg's fast converter",
    )  # fmt: skip


def clips_of(config: Config, listed: Manifest, cache: ClipCache | None = None) -> Clips:
    """The clips as a run of this profile loads them."""
    return Clips(
        listed, frames=config.frames, stride=config.stride, short_clips=config.short_clips,
        size=config.frame_size, cache=cache,
    )  # fmt: skip


def write_jpgs(listed: Manifest, folder: Path) -> int:
    """Each frame as a picture, as prior code keeps them; returns the bytes of all."""
    for number, clip in enumerate(listed.clips):
        place = folder / f"{number}"
        place.mkdir(parents=True)
        for index, frame in enumerate(reader("pyav")(
            listed.path(number), np.arange(clip.frames), clip.frames
        )):  # fmt: skip
            cv2.imwrite(str(place / f"img_{index + 1:05d}.jpg"), frame[..., ::-1])
    return sum(file.stat().st_size for file in folder.rglob("*.jpg"))


def from_jpgs(
    listed: Manifest, folder: Path, config: Config, batches: list[list[Request]]
) -> list[np.ndarray]:
    """An epoch's clips `[B, T, H, W, 3]` read picture by picture, as prior code does."""
    how = config.frames, config.stride, config.short_clips
    epoch = []
    for batch in batches:
        clips = []
        for number, (position,) in batch:
            wanted = sample_indices(listed.clips[number].frames, *how, position)
            pictures = [
                cv2.imread(str(folder / f"{number}" / f"img_{index + 1:05d}.jpg"))[..., ::-1]
                for index in wanted
            ]
            clips.append(resize_frames(np.stack(pictures), config.frame_size))
        epoch.append(np.stack(clips))
    return epoch


def epoch_row(machine: Machine, quick: bool) -> Row:
    """An epoch of the demo's clips from the cache, from videos, and from pictures."""
    cv2.setNumThreads(1)
    config, listed, folder = profile("demo"), rendered(quick), Path(scratch().name) / "epoch"
    store = build_cache(listed, config.frame_size, folder / "cache")
    batches = schedule(len(listed), 16, seed=0, epoch=0, shuffle=True)
    kept = sum(file.stat().st_size for file in store.directory.rglob("*.npy"))
    drawn = write_jpgs(listed, folder / "jpg")
    videos = sum(listed.path(number).stat().st_size for number in range(len(listed)))
    epoch = partial(_drain, clips_of(config, listed, store), batches)
    again = partial(
        compare, ours=epoch, unit="clips/s", clips=len(listed), repeats=_repeats(quick)
    )
    decoded = again("", peer=partial(_drain, clips_of(config, listed), batches), note="")
    clip = 3 * config.frames * config.frame_size[0] * config.frame_size[1]
    return again(
        "cache_epoch", peer=lambda: from_jpgs(listed, folder / "jpg", config, batches),
        limit=machine.bandwidth / (2 * clip),
        note=f"loading the demo's clips, {kept / 1e6:.0f} MB kept; peer: jpg frames with cv2, "
        f"{drawn / 1e6:.0f} MB; decoding each time {decoded.peer:.0f} clips/s, "
        f"{videos / 1e6:.1f} MB; limit: one copy in memory",
    )  # fmt: skip


def _drain(clips: Clips, batches: list[list[Request]]) -> None:
    for _ in loader(clips, batches):
        pass


ROWS = {"render": render_row, "decode": decode_row, "cache_epoch": epoch_row}
