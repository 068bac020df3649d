"""Small video files that tests write: moving pictures, any container, codec, rate and sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 25
HEIGHT, WIDTH = 48, 64


def pictures(count: int) -> Iterator[np.ndarray]:
    """Grey noise that moves one column per frame and grows brighter, uint8 `[48, 64]`."""
    base = np.random.default_rng(0).integers(20, 120, (HEIGHT, WIDTH)).astype(np.uint8)
    for number in range(count):
        yield np.roll(base, number, axis=1) + np.uint8(number % 80)


def write(
    path: Path,
    times: Sequence[int],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    sound: float = 0,
    **options: str,
) -> Path:
    """A file that shows picture n at n/25 s, for each n of `times`, with seconds of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        stream.codec_context.time_base = Fraction(1, RATE)
        voice = container.add_stream(_voice(path), rate=48000, layout="mono") if sound else None
        for number, picture in enumerate(pictures(max(times) + 1)):
            if number in times:
                frame = av.VideoFrame.from_ndarray(picture, format="gray")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if voice:
            quiet = np.zeros((1, round(48000 * sound)), np.float32)
            frame = av.AudioFrame.from_ndarray(quiet, "fltp", "mono")
            frame.rate = 48000
            container.mux([*voice.encode(frame), *voice.encode()])
    return path


def _voice(path: Path) -> str:
    return "libopus" if path.suffix == ".webm" else "aac"


def copied(
    source: Path,
    target: Path,
    first: int = 0,
    stop: int | None = None,
    shift: int = 0,
    **options: str,
) -> Path:
    """A stream copy of packets first..stop-1, `shift` frames earlier: no picture is encoded."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        track = old.streams.video[0]
        stream = new.add_stream_from_template(track)
        packets = [packet for packet in old.demux(track) if packet.size]
        for packet in packets[first:stop]:
            earlier = round(Fraction(shift, RATE) / packet.time_base)
            packet.pts, packet.dts = packet.pts - earlier, packet.dts - earlier
            packet.stream = stream
            new.mux(packet)
    return target


def turned(source: Path, target: Path, matrix: Sequence[int]) -> Path:
    """A stream copy with the display matrix a b c d (ISO 14496-12, 8.3.2)."""
    a, b, c, d = (65536 * number for number in matrix)
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        track = old.streams.video[0]
        stream = new.add_stream_from_template(track)
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for packet in old.demux(track):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return target


def two_tracks(path: Path) -> Path:
    """A preview of one dark frame per second, and fifty bright frames in the default track."""
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("libx264", rate=rate) for rate in (1, RATE)]
        for track in tracks:
            track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for flag, track in enumerate(tracks):
            track.disposition = av.stream.Disposition(flag)
        for track, count, level in ((tracks[0], 2, 40), (tracks[1], 50, 150)):
            for _ in range(count):
                picture = np.full((HEIGHT, WIDTH), level, np.uint8)
                container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        for track in tracks:
            container.mux(track.encode())
    return path
