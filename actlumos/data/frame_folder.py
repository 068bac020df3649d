"""A folder of frame pictures, read as if it were a film."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from actlumos.data.errors import VideoError, damaged

PICTURES = (".jpg", ".jpeg", ".png")


class FrameFolder:
    """The pictures of a folder in natural order (2 before 10).

    Raises:
        VideoError: the folder holds no picture.
    """

    fps = 30.0  # assumed: a folder has no rate

    def __init__(self, path: Path) -> None:
        found = [p for p in path.iterdir() if p.suffix.lower() in PICTURES and p.name[0] != "."]
        if not found:
            raise VideoError(
                f"{path}: a folder without pictures ({' '.join(PICTURES)}); "
                "a clip is a video file or a folder of frames"
            )
        self._files = sorted(found, key=_natural)
        self._size: tuple[int, ...] = ()

    def __iter__(self) -> Iterator[Path]:
        return iter(self._files)

    def picture(self, file: Path) -> np.ndarray:
        """RGB; every picture must have the size of the first that was asked for.

        Raises:
            VideoError: the picture is damaged or has another size.
        """
        content = np.fromfile(file, np.uint8)
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
        if picture is None:
            raise damaged(file, "the picture is cut short or no picture")
        self._size = self._size or picture.shape
        if picture.shape != self._size:
            sizes = " and ".join(f"{s[1]}x{s[0]}" for s in (picture.shape, self._size))
            raise VideoError(
                f"{file}: pictures of one folder differ in size ({sizes}): resize them"
            )
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)

    def shape(self, file: Path) -> tuple[int, ...]:
        """The shape of a picture, which is decoded for it."""
        return self.picture(file).shape

    def claim(self, frames: int) -> tuple[int, bool]:
        """A folder claims nothing: it is as long as it is."""
        return frames, False


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
