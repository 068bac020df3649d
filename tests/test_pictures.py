"""Folders of frame pictures: one numbered series, or a refusal that names the others."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actlumos.data.pictures import frames_in, pictures_in
from actlumos.data.published.measure import measure
from actlumos.data.video import VideoError, probe, read_clip


def draw(folder: Path, *names: str) -> Path:
    """Pictures of one grey each, 10 brighter from one to the next."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        ending = name.rpartition(".")[2].lower()
        picture = np.full((16, 16, 3), 10 * number % 250, np.uint8)
        done, content = cv2.imencode(f".{ending}", picture)
        assert done
        (folder / name).write_bytes(content.tobytes())
    return folder


def numbered(pattern: str, count: int = 10) -> list[str]:
    return [pattern.format(number) for number in range(1, count + 1)]


def test_colours_and_flow_in_one_folder_are_refused(tmp_path: Path) -> None:
    names = [n for p in ("img", "flow_x", "flow_y") for n in numbered(p + "_{:05}.jpg")]
    folder = draw(tmp_path / "clip", *names)
    message = r"clip: its pictures are 3 series, flow_x_#\.jpg \(10\), .*, img_#\.jpg \(10\); a"
    for reader in (frames_in, probe, lambda path: read_clip(path, [0])):
        with pytest.raises(VideoError, match=message):
            reader(folder)
    assert measure([folder], on_bad_clip="skip") == {}


@pytest.mark.parametrize(
    ("names", "series"),
    [
        (["00001.jpg", "00001.png"], r"#\.jpg \(1\), #\.png \(1\)"),
        (["cam1_1.png", "cam1_2.png", "cam2_1.png", "cam2_2.png"], r"cam1_#\.png \(2\), cam2_#"),
        (["1.png", "2.png", "thumb1.png"], r"#\.png \(2\), thumb#\.png \(1\)"),
        ([f"c{n}_{k}.png" for n in range(8) for k in (1, 2)], r"c5_#\.png \(2\) and 2 more"),
    ],
)
def test_several_series_are_named(tmp_path: Path, names: list[str], series: str) -> None:
    with pytest.raises(VideoError, match=series):
        frames_in(draw(tmp_path / "clip", *names))


def test_a_number_twice_and_no_number_are_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"01\.png and 1\.png have the same number"):
        frames_in(draw(tmp_path / "double", "1.png", "01.png", "2.png"))
    with pytest.raises(VideoError, match=r"its pictures have no numbers \(a\.png, \.\.\.\)"):
        frames_in(draw(tmp_path / "none", "a.png", "b.png"))


@pytest.mark.parametrize("pattern", ["{}.png", "img_{:05}.PNG", "v2_{}_x.png", "{:03}_v2.png"])
def test_a_thumbnail_is_no_frame_and_2_comes_before_10(tmp_path: Path, pattern: str) -> None:
    folder = draw(tmp_path / "clip", *numbered(pattern, 12))
    before = measure([folder])[folder]
    draw(folder, "thumb.png", "._1.png")
    assert len(pictures_in(folder)) == 13 and probe(folder).frames == 12
    assert measure([folder], store=tmp_path / "other.csv")[folder] == before
    seen = read_clip(folder, range(12))[:, 0, 0, 0]
    assert seen.tolist() == [10 * number for number in range(12)]


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(0, 10**6), min_size=1, max_size=8), st.integers(1, 7))
def test_frames_come_in_the_order_of_their_numbers(
    tmp_path_factory: pytest.TempPathFactory, numbers: set[int], width: int
) -> None:
    folder = tmp_path_factory.mktemp("frames")
    for number in numbers:
        (folder / f"shot3_{number:0{width}}.jpeg").touch()
    found = [int(path.stem.rpartition("_")[2]) for path in frames_in(folder)]
    assert found == sorted(numbers)


def test_a_picture_that_leads_nowhere_is_a_bad_clip(tmp_path: Path) -> None:
    folder = draw(tmp_path / "clip", "1.png")
    (folder / "2.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(VideoError, match=r"2\.png: cannot be opened"):
        probe(folder)
