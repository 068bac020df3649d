"""Folders of frame pictures: which files are the frames, in which order, and their pixels.

The frames of a clip are one numbered series (`00001.jpg`, `00002.jpg`, ... or `img_1.png`, ...),
in the order of their numbers (2 before 10). Pictures without a number, such as `thumb.jpg`, are
not frames. A folder of two series (colours and flow, two cameras, two file types) is refused,
because it is not known which one is the clip.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from actlumos.data.errors import VideoError
from actlumos.runtime.text import shown

PICTURES = (".jpg", ".jpeg", ".png")

_Series = dict[str, dict[int, list[Path]]]
_SHOWN = 6


class PictureFolder:
    """The pictures of a folder, as if they were a film."""

    fps = 30.0  # assumed: a folder has no rate

    def __init__(self, path: Path) -> None:
        self._files = frames_in(path)
        self._size: tuple[int, ...] = ()

    def __iter__(self) -> Iterator[Path]:
        return iter(self._files)

    def picture(self, file: Path) -> np.ndarray:
        """RGB, uint8 `[H, W, 3]`; every picture must have the size of the first asked for.

        Raises:
            VideoError: no picture, cut short, or of another size.
        """
        try:
            content = np.fromfile(file, np.uint8)
        except OSError as error:
            raise VideoError(f"{shown(file)}: cannot be opened ({error.strerror})") from error
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
        if picture is None:
            raise VideoError(
                f"{shown(file)}: the picture is cut short or not a picture: replace it or take its "
                "clip off the list"
            )
        self._size = self._size or picture.shape
        if picture.shape != self._size:
            sizes = " and ".join(f"{s[1]}x{s[0]}" for s in (picture.shape, self._size))
            raise VideoError(
                f"{shown(file)}: pictures of one folder differ in size ({sizes}): resize them"
            )
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)

    def shape(self, file: Path) -> tuple[int, ...]:
        """The shape of a picture, which is decoded for it."""
        return self.picture(file).shape

    def claim(self, frames: int) -> tuple[int, bool]:
        """A folder has no container that could claim another number of frames."""
        return frames, False


def pictures_in(folder: Path) -> list[Path]:
    """Every picture of a folder, frame or not, by name, without hidden files."""
    return sorted(path for path in folder.iterdir() if is_picture(path.name) and not path.is_dir())


def is_picture(name: str) -> bool:
    """Whether a file of this name is a picture, and not a hidden one."""
    return name.lower().endswith(PICTURES) and not name.startswith(".")


def frames_in(folder: Path) -> list[Path]:
    """The frames of a clip, in order.

    Raises:
        VideoError: no picture, none with a number, several series, or one number twice.
    """
    pictures = pictures_in(folder)
    if not pictures:
        raise VideoError(
            f"{shown(folder)}: a folder without pictures ({' '.join(PICTURES)}); "
            "a clip is a video file or a folder of frames"
        )
    series = _series(pictures)
    if not series:
        raise VideoError(
            f"{shown(folder)}: its pictures have no numbers ({shown(pictures[0].name)}, ...), so "
            "their order is not known: rename them 00001.jpg, 00002.jpg, ..."
        )
    if len(series) > 1:
        raise VideoError(_several(folder, series))
    (frames,) = series.values()
    double = next((files for files in frames.values() if len(files) > 1), None)
    if double:
        names = " and ".join(shown(file.name) for file in double)
        raise VideoError(f"{shown(folder)}: {names} have the same number: keep one")
    return [file for _, (file,) in sorted(frames.items())]


def _series(pictures: Iterable[Path]) -> _Series:
    """Name with `#` for the number -> number -> files.

    Of several numbers in a name the last one that is not the same in all names counts the frames:
    `cam1_001.jpg` and `cam2_001.jpg` belong to two series, `001_v2.jpg` and `002_v2.jpg` to one.
    """
    alike: dict[tuple[str, ...], list[tuple[tuple[int, ...], Path]]] = defaultdict(list)
    for file in pictures:
        parts = re.split(r"(\d+)", file.name.lower())
        if len(parts) > 1:
            alike[tuple(parts[::2])].append((tuple(map(int, parts[1::2])), file))
    found: _Series = defaultdict(lambda: defaultdict(list))
    for texts, files in alike.items():
        place = _counting([numbers for numbers, _ in files])
        for numbers, file in files:
            fields = [*map(str, numbers), ""]
            fields[place] = "#"
            name = "".join(map("".join, zip(texts, fields, strict=True)))
            found[name][numbers[place]].append(file)
    return found


def _counting(rows: Sequence[tuple[int, ...]]) -> int:
    """The place of the number that counts the frames, given the numbers of each name."""
    columns = [set(column) for column in zip(*rows, strict=True)]
    changing = [place for place, values in enumerate(columns) if len(values) > 1]
    return changing[-1] if changing else len(columns) - 1


def _several(folder: Path, series: _Series) -> str:
    counts = sorted((-len(frames), name) for name, frames in series.items())
    names = ", ".join(f"{shown(name)} ({-count})" for count, name in counts[:_SHOWN])
    more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
    return (
        f"{shown(folder)}: its pictures are {len(counts)} series, {names}{more}; a clip is a video "
        "file or one series of frames: move the others to folders of their own"
    )
