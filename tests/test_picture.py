"""Colours against exact arithmetic on decoded planes, orientation against the standard's map."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
from film_files import turned, write
from test_bad_files import encode

from actlumos.data.video import inspect, probe, read_clip

MATRICES = {1: (0.2126, 0.0722)}  # ITU-R BT.709; everything else here is BT.601
SIGNS = (1, -1)
EIGHT = [(a, 0, 0, d) for a, d in itertools.product(SIGNS, SIGNS)]
EIGHT += [(0, b, c, 0) for b, c in itertools.product(SIGNS, SIGNS)]


def between(samples: np.ndarray, count: int, offset: float = 0.5) -> np.ndarray:
    """Chroma rows for `count` luma rows, linear between samples `offset` behind every other."""
    places = (np.arange(count) - offset) / 2
    low = np.floor(places).astype(int)
    share = (places - low)[:, None]
    first, second = (samples[np.clip(low + step, 0, len(samples) - 1)] for step in (0, 1))
    return first * (1 - share) + second * share


def full_chroma(
    plane: np.ndarray, height: int, width: int, left: bool, down: float = 0.5
) -> np.ndarray:
    """Chroma for every pixel; H.264 puts it on the left one of two pixels, others between them."""
    rows = plane if len(plane) == height else between(plane, height, down)
    return rows if rows.shape[1] == width else between(rows.T, width, 0 if left else 0.5).T


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    """Y, U and V as the decoder left them, float."""
    kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    rows = [np.frombuffer(p, kind).reshape(p.height, -1)[:, : p.width] for p in frame.planes]
    return [row.astype(float) for row in rows]


def exact(frame: av.VideoFrame, left: bool) -> np.ndarray:
    """The frame's RGB by the standards' formulas, float `[H, W, 3]` in 0..255."""
    y, u, v = planes_of(frame)
    if frame.interlaced_frame and len(u) < len(y):
        half = len(y) // 2, y.shape[1], left
        places = ((0, 0.25), (1, 0.75))  # of a field's chroma among the field's rows (H.264, 6.2)
        both = [[full_chroma(c[n::2], *half, down) for n, down in places] for c in (u, v)]
        u, v = (np.stack(fields, 1).reshape(y.shape) for fields in both)
    else:
        u, v = (full_chroma(chroma, *y.shape, left) for chroma in (u, v))
    unit = 2 ** (frame.format.components[0].bits - 8)
    black, scale, span = (0, 1, 127.5) if frame.color_range == 2 else (16, 255 / 219, 112)
    red, blue = MATRICES.get(frame.colorspace, (0.299, 0.114))
    y, u, v = (y / unit - black) * scale, (u / unit - 128) / span, (v / unit - 128) / span
    u, v = u * 127.5, v * 127.5
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.stack([r, g, b], -1).clip(0, 255)


def write_planes(path: Path, pix_fmt: str, bits: int, **changes: int) -> None:
    """Four dark, noisy frames with strong colours, kept without loss."""
    rng, unit = np.random.default_rng(0), 2 ** (bits - 8)
    codec, options = ("libx264", {"qp": "0"}) if "h264" in changes else ("ffv1", {})
    if "interlaced" in changes:
        options = {"flags": "+ildct+ilme", "x264-params": "qp=0:tff=1"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.color_range = changes.get("color_range", 1)
        stream.codec_context.colorspace = changes.get("colorspace", 2)
        for _ in range(4):
            frame = av.VideoFrame(64, 48, pix_fmt)
            frame.color_range = changes.get("color_range", 1)
            for index, plane in enumerate(frame.planes):
                low, high = (100, 156) if index else (16, 60)
                kind = np.uint16 if bits > 8 else np.uint8
                rows = np.zeros((plane.height, plane.line_size // np.dtype(kind).itemsize), kind)
                shape = plane.height, plane.width
                rows[:, : plane.width] = rng.integers(low * unit, high * unit, shape)
                plane.update(rows.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("pix_fmt", "bits", "changes"),
    [
        ("yuv420p", 8, {}),
        ("yuv420p", 8, {"h264": 1, "interlaced": 1}),
        ("yuv420p", 8, {"h264": 1}),
        ("yuv420p", 8, {"color_range": 2}),
        ("yuv420p", 8, {"colorspace": 1}),
        ("yuv420p10le", 10, {}),
        ("yuv420p10le", 10, {"h264": 1, "interlaced": 1}),
        ("yuv420p12le", 12, {}),
        ("yuv422p10le", 10, {}),
        ("yuv444p", 8, {}),
    ],
)
def test_colours_are_within_half_a_level_of_exact(
    pix_fmt: str, bits: int, changes: dict[str, int], tmp_path: Path
) -> None:
    path = tmp_path / "clip.mkv"
    write_planes(path, pix_fmt, bits, **changes)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert frames[0].format.name == pix_fmt
    assert frames[0].interlaced_frame == ("interlaced" in changes)
    assert frames[0].color_range == changes.get("color_range", 1)
    if "colorspace" in changes:
        assert frames[0].colorspace == changes["colorspace"]
    wanted = np.stack([exact(frame, "h264" in changes) for frame in frames])
    got = read_clip(path, range(4))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=0.51)
    assert abs(got.mean() - wanted.mean()) < 0.05  # a dark clip grows no darker


def shown(picture: np.ndarray, matrix: tuple[int, ...]) -> np.ndarray:
    """Each stored point (x, y) moved to (a x + c y, b x + d y), then into the picture's corner."""
    a, b, c, d = matrix
    rows, columns = np.indices(picture.shape[:2])
    x, y = a * columns + c * rows, b * columns + d * rows
    out = np.zeros((np.ptp(y) + 1, np.ptp(x) + 1, 3), picture.dtype)
    out[y - y.min(), x - x.min()] = picture
    return out


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize("matrix", EIGHT)
def test_all_eight_orientations_are_applied(
    matrix: tuple[int, ...], ending: str, tmp_path: Path
) -> None:
    plain = write(tmp_path / "plain.mp4", range(9))
    path = turned(plain, tmp_path / f"turned{ending}", matrix)
    wanted = np.stack([shown(picture, matrix) for picture in read_clip(plain, [0, 7])])
    np.testing.assert_array_equal(read_clip(path, [0, 7]), wanted)
    assert probe(path)[2:] == wanted.shape[1:3] and not inspect(path).short


def test_a_mirrored_picture_is_not_a_turned_one(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.mp4", range(3))
    stored = read_clip(plain, [1])
    left_right = turned(plain, tmp_path / "lr.mp4", (-1, 0, 0, 1))
    top_bottom = turned(plain, tmp_path / "tb.mp4", (1, 0, 0, -1))
    np.testing.assert_array_equal(read_clip(left_right, [1]), stored[:, :, ::-1])
    np.testing.assert_array_equal(read_clip(top_bottom, [1]), stored[:, ::-1])


def test_rgb_sources_keep_their_values(tmp_path: Path) -> None:
    encode(tmp_path / "clip.mp4")
    frames = read_clip(tmp_path / "clip.mp4", range(3))
    with av.open(str(tmp_path / "rgb.mov"), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgba"
        for frame in frames:
            opaque = np.dstack([frame, np.full((48, 64), 255, np.uint8)])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(opaque, format="rgba")))
        container.mux(stream.encode())
    np.testing.assert_array_equal(read_clip(tmp_path / "rgb.mov", range(3)), frames)
