"""A small camera in the dark: from scene radiance to the bytes of its video.

The chain of the EMVA 1288 standard (release 4.0) and of Foi et al., "Practical Poissonian-Gaussian
noise modeling" (IEEE TIP 2008), with the row noise of Wei et al., "A physics-based noise formation
model for extreme low-light raw denoising" (CVPR 2020):

    electrons = exposure * cast * blur(radiance)
    signal    = electrons + shot * sqrt(electrons) * n1 + read * n2 + row * n3
    smooth_t  = a * signal_t + (1 - a) * smooth_(t-1)          (temporal denoising in a phone)
    byte      = black + 255 * c * ((smooth_t + toe)^(1/gamma) - toe^(1/gamma))

n1 and n2 are drawn for every pixel, n3 for every row; c scales the curve so that it ends at 255.
The exposure is chosen so that the decoded clip has the wanted mean luma.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import cv2
import numpy as np

from actlumos.darkroom.colour import Colour, as_colour

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as in the files
CODEC_LOSS = 0.7  # levels of luma by which 8-bit YUV and H.264 darken a clip, measured
STEPS = 16384  # resolution of the tone curve's table


@dataclass(frozen=True)
class Sensor:
    """Parameters of one clip's camera; `sample_sensor` has their ranges."""

    rank: float  # random part of the clip's brightness, 0..1; see `wanted_luma`
    gamma: float
    black: Colour  # black level of each channel, in levels of 0..255
    cast: Colour  # gain of each channel
    noise: float  # standard deviation at the mean luma, in levels
    shot_share: float  # share of shot noise in the variance there
    row: float  # row noise relative to the read noise
    blur: float  # standard deviation, pixels
    smooth: float  # `a` above; 1 = no temporal denoising


# Mean luma of clips at the quantiles 0, .05, .25, .5, .75, .95, 1: the real clips' values
# (real_statistics.json), within a level.
LUMA_QUANTILES = ((0, 0.05, 0.25, 0.5, 0.75, 0.95, 1), (6.5, 8.2, 13.6, 16.4, 24.0, 31.0, 37.0))
# ln(mean / median) of the luminance of rendered scenes at the same quantiles.
SKEW_QUANTILES = (-0.1, 0.026, 0.14, 0.307, 0.583, 1.0, 1.6)


def sample_sensor(rng: np.random.Generator, rank: float) -> Sensor:
    """Draw a camera; `rank` 0..1 is kept for `wanted_luma`.

    The ranges are our choice within those of phones: black level about 2..5, gamma 1..1.6, noise
    0.7..2.5 levels, of whose variance 0.4..0.8 is shot noise.
    """
    base = rng.uniform(1.5, 4.0)
    violet = np.array([0.5, -0.5, 0.6]) * abs(rng.normal(0, 1.0))
    warm = np.array([0.03, 0.0, -0.01]) + rng.normal(0, 0.04, 3)
    return Sensor(
        rank=rank, gamma=float(1 + 0.6 * rng.random() ** 2),
        black=as_colour(np.clip(base + violet, 0, 6)), cast=as_colour(np.exp(warm)),
        noise=float(rng.uniform(0.7, 2.5)),
        shot_share=float(rng.uniform(0.4, 0.8)), row=float(rng.uniform(0, 0.35)),
        blur=float(rng.uniform(0.35, 0.9)), smooth=float(rng.uniform(0.55, 1.0)),
    )  # fmt: skip


def wanted_luma(radiance: np.ndarray, rank: float) -> float:
    """Mean luma, 0..255, that a clip of `radiance` `[T, H, W, 3]` is exposed for.

    Real clips have similar medians; the brighter ones are brighter because of lamps and lit walls.
    So the quantile of the luma follows the skew of the scene's luminance, and in part the random
    `rank` 0..1 (a Gaussian copula with correlation 0.6).
    """
    luminance = radiance[::10, ::5, ::5] @ LUMA
    skew = np.log(luminance.mean() / max(float(np.median(luminance)), 1e-9))
    by_skew = np.clip(np.interp(skew, SKEW_QUANTILES, LUMA_QUANTILES[0]), 0.005, 0.995)
    by_chance = min(max(rank, 0.005), 0.995)
    normal = NormalDist()
    quantile = normal.cdf(0.6 * normal.inv_cdf(float(by_skew)) + 0.8 * normal.inv_cdf(by_chance))
    return float(np.interp(quantile, *LUMA_QUANTILES))


def tone_table(sensor: Sensor) -> np.ndarray:
    """Levels 0..255 (float) of linear signals 0..1, `[STEPS]`, without the black level.

    The toe keeps the slope at 0 finite.
    """
    x = np.arange(STEPS, dtype=np.float64) / (STEPS - 1)
    toe, power = 0.004, 1 / sensor.gamma
    curve = (x + toe) ** power - toe**power
    return 255.0 * curve / curve[-1]


@lru_cache(maxsize=1)
def noise_tile() -> np.ndarray:
    """Unit Gaussian noise `[512, 640, 3]`; every frame reads a random window of it."""
    return np.random.default_rng(20231128).standard_normal((512, 640, 3), np.float32)


def expose(radiance: np.ndarray, sensor: Sensor, luma: float) -> float:
    """Exposure at which the decoded clip of `radiance` `[T, H, W, 3]` has the mean `luma`.

    Found by bisection of its logarithm on a sample of the pixels.
    """
    sample = radiance[::10, ::5, ::5].reshape(-1, 3) * np.array(sensor.cast, np.float32)
    table = tone_table(sensor)
    black = np.array(sensor.black)
    low, high = 1e-5, 30.0
    for _ in range(20):
        middle = np.sqrt(low * high)
        index = np.minimum(sample * middle * (STEPS - 1), STEPS - 1).astype(np.int32)
        value = (np.minimum(table[index] + black, 255) @ LUMA).mean() - CODEC_LOSS
        low, high = (middle, high) if value < luma else (low, middle)
    return float(np.sqrt(low * high))


def capture(
    radiance: np.ndarray, sensor: Sensor, luma: float, exposure: float, rng: np.random.Generator
) -> np.ndarray:
    """The dark clip, uint8 `[T, H, W, 3]`, of linear `radiance` float32 of the same shape."""
    shape = radiance.shape[1:]
    gain = np.broadcast_to((exposure * np.array(sensor.cast)).astype(np.float32), shape).copy()
    shot, read = _noise_scale(sensor, luma)
    levels = tone_table(sensor) + np.array(sensor.black)[:, None] + 0.5
    table = np.clip(levels, 0, 255).astype(np.uint8).reshape(-1)
    start = np.broadcast_to(np.arange(3) * STEPS, shape).copy()
    out = np.empty(radiance.shape, np.uint8)
    smooth = None
    for i, frame in enumerate(radiance):
        signal = cv2.GaussianBlur(frame, (0, 0), sensor.blur)
        signal *= gain
        grain = signal * np.float32(shot)
        grain += np.float32(read**2)
        cv2.sqrt(grain, grain)
        grain *= _noise(rng, shape)
        signal += grain
        signal += (sensor.row * read * rng.standard_normal((shape[0], 1, 1))).astype(np.float32)
        smooth = (
            signal
            if smooth is None
            else cv2.addWeighted(signal, sensor.smooth, smooth, 1 - sensor.smooth, 0)
        )
        index = np.clip(smooth, 0, 1, out=grain)
        index *= np.float32(STEPS - 1)
        np.take(table, index.astype(np.int32) + start, out=out[i], mode="wrap")  # all in range
    return out


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A random window of the noise tile, flipped vertically in half of the cases."""
    tile = noise_tile()
    y, x = (int(rng.integers(tile.shape[i] - shape[i])) for i in (0, 1))
    return tile[y : y + shape[0], x : x + shape[1]][:: 1 - 2 * int(rng.integers(2))]


def _noise_scale(sensor: Sensor, luma: float) -> tuple[float, float]:
    """Shot factor and read deviation in linear units, which give `sensor.noise` at mean `luma`."""
    table = tone_table(sensor)
    level = max(luma - float(np.dot(sensor.black, LUMA)), 1.5)
    at = max(int(np.searchsorted(table, level)), 1)  # index of the mean luma in the table
    slope = (table[min(at + 8, STEPS - 1)] - table[max(at - 8, 0)]) / (16 / (STEPS - 1))
    variance = (sensor.noise / slope) ** 2
    mean = at / (STEPS - 1)
    shot = sensor.shot_share * variance / mean
    return float(shot), float(np.sqrt((1 - sensor.shot_share) * variance))


def develop(radiance: np.ndarray, cast: Colour) -> np.ndarray:
    """The clip in normal light, uint8 `[T, H, W, 3]`: no noise, sRGB-like curve, mean near 105."""
    sample = radiance[::6, ::3, ::3].reshape(-1, 3)
    scale = 0.17 / (float(np.minimum(sample, np.quantile(sample, 0.97)).mean()) + 1e-9)
    linear = radiance * (scale * np.array(cast)).astype(np.float32)
    shoulder = linear / (1 + 0.35 * linear)
    return (255 * np.clip(shoulder, 0, 1) ** np.float32(1 / 2.2)).astype(np.uint8)
