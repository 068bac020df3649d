"""decord as a reader: the same frames as PyAV, from files that decord reads correctly.

decord 0.6.0 counts packets and seeks by their time stamps. So it shows frames that an edit list
hides, repeats or misplaces frames where time stamps or the first keyframe are missing, and
fails or is wrong on transport streams; it ignores mirroring, and a rotation by a quarter turn
breaks it. Such files are refused here, and so are files whose length differs from the measured one.
Its colours are those of FFmpeg's fast converter: up to 3 levels off, and darker by about one.

Import PyAV before decord: decord makes the symbols of its own libraries global, and PyAV's codecs
then find an old libvpx.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import decord
import numpy as np

from actlumos.data.containers import picture_tracks
from actlumos.data.errors import VideoError, past_the_end
from actlumos.data.film import opened
from actlumos.data.picture import display_matrix
from actlumos.data.seeking import stamps, unnumbered
from actlumos.data.video import checked


def read_clip(
    path: str | Path, indices: Sequence[int] | np.ndarray, frames: int | None = None
) -> np.ndarray:
    """As `actlumos.data.video.read_clip`, decoded by decord in one thread.

    Raises:
        ValueError: no index, or a negative one.
        VideoError: the file is missing or damaged, has fewer frames, or is of a kind that decord
            does not read correctly.
    """
    wanted = checked(path, indices)
    if reason := unfit(path):
        raise _refused(path, reason)
    try:
        video = decord.VideoReader(str(path), num_threads=1)
        if frames is not None and len(video) != frames:
            raise _refused(path, f"it counts {len(video)} frames, {frames} were measured")
        if wanted.max() >= len(video):
            raise past_the_end(path, int(wanted.max()), len(video), len(video))
        return video.get_batch(wanted).asnumpy()
    except decord.DECORDError as error:
        raise _refused(path, str(error).strip().splitlines()[0]) from error


def unfit(path: str | Path) -> str:
    """Why decord does not read a file correctly; empty where it does.

    Raises:
        VideoError: the file is missing or damaged.
    """
    if Path(path).is_dir():
        return "it is a folder of pictures"
    with opened(path) as film:
        if len(picture_tracks(film.container)) > 1:
            return "it has more than one video track"
        if film.container.format.name == "mpegts":
            return "it is a transport stream"
        if reason := unnumbered(stamps(film)):
            return reason
    with opened(path) as film:
        first = next(iter(film), None)
        return "it is shown turned or mirrored" if first and display_matrix(first) else ""


def _refused(path: str | Path, why: str) -> VideoError:
    return VideoError(f"{path}: decord misreads this file ({why}): use reader=pyav")
