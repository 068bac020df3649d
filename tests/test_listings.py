"""Published lists as distributed: official counts, every known trap, and finding the clips."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from roots import put

from actlumos.data.published import arid, dark48, names, read_listing, splits_of, ug2
from actlumos.data.published.listing import ALL, LISTED, Listing, counted, locate

Place = Callable[..., Path]


@pytest.fixture
def place(tmp_path: Path, tiny_videos: Path) -> Place:
    return partial(put, tmp_path, tiny_videos / "left" / "left_0_1.mp4")


def by_role(listing: Listing, role: str) -> list[tuple[str, int, str]]:
    return [(e.path, e.label, e.group) for e in listing.entries if e.role == role]


# ARID V1.0, split 1, written again here from the published table: train / test / other.
V10_SPLIT1 = {
    "Drink": (201, 79, 58), "Jump": (215, 78, 64), "Pick": (110, 50, 45), "Pour": (215, 77, 80),
    "Push": (266, 106, 103), "Run": (226, 70, 43), "Sit": (135, 51, 48), "Stand": (142, 44, 51),
    "Turn": (274, 82, 57), "Walk": (276, 110, 62), "Wave": (228, 76, 62),
}  # fmt: skip
V10_SIZES = {1: (2288, 823, 673), 2: (2252, 859, 673), 3: (2259, 852, 673)}


@pytest.mark.parametrize("split", [1, 2, 3])
def test_official_arid_lists_have_the_published_counts(real_root: Path, split: int) -> None:
    listing = read_listing("arid-v1.0", real_root / "lists" / "ARID_v1", split)
    found = counted(listing)
    for role, size in zip(("train", "test", "other"), V10_SIZES[split], strict=True):
        assert found[role][ALL] == size
        assert found[role] == listing.published[role]
        if split == 1:
            place = ("train", "test", "other").index(role)
            assert all(found[role][name] == row[place] for name, row in V10_SPLIT1.items())
    assert len({e.path for e in listing.entries}) == len(listing.known) == 3784
    groups = [{e.group for e in listing.entries if e.role == role} for role in ("train", "test")]
    assert not groups[0] & groups[1]
    if split == 1:
        assert [len(each) for each in groups] == [113, 42]


@pytest.mark.parametrize(("split", "shared"), [(1, 176), (2, 173), (3, 174)])
def test_official_dark48_lists_have_the_published_counts(
    real_root: Path, split: int, shared: int
) -> None:
    listing = read_listing("dark48", real_root / "lists" / "Dark48", split)
    found = counted(listing)
    assert (found["train"][ALL], found["test"][ALL], found[ALL][ALL]) == (7052, 1763, 8815)
    assert found[ALL]["adult_female_singing"] == 234 and found[ALL]["spinning_poi"] == 436
    for role, numbers in listing.published.items():
        assert {name: found[role][name] for name in numbers} == numbers
    table = (real_root / "lists" / "Dark48" / "classInd.txt").read_text().split("\n")
    assert [f"{label}\t{name}" for label, name in enumerate(dark48.CLASSES)] == table
    trained = {e.group for e in listing.entries if e.role == "train"}
    assert sum(e.role == "test" and e.group in trained for e in listing.entries) == shared
    assert sum(e.path.split("/")[1].startswith("-") for e in listing.entries) == 36


def test_official_ug2_lists_have_the_published_counts(real_root: Path) -> None:
    listing = read_listing("ug2-2021", real_root / "lists" / "UG2_2021")
    found = counted(listing)
    assert found["train"] == {
        "Run": 335, "Sit": 214, "Stand": 232, "Turn": 389, "Walk": 353, "Wave": 314, ALL: 1837
    }  # fmt: skip
    assert [found["test"][name] for name in ug2.UG2_CLASSES] == [206, 192, 159, 228, 256, 248]
    assert found["test"][ALL] == 1289 and listing.published["test"] == found["test"]
    assert all(e.path.split("/")[0] == listing.classes[e.label] for e in listing.entries[:1837])


def test_real_clips_in_arids_layout_are_all_found(real_root: Path) -> None:
    listing = read_listing("arid-layout", real_root / "arid_mini")
    located = locate(listing)
    assert [counted(listing)[role][ALL] for role in ("train", "test", "other")] == [93, 57, 0]
    assert len(located.found) == 150 and not located.missing and not located.surplus
    assert all(path.suffix == ".mp4" for path in located.found.values())
    assert listing.published is None and listing.videos.name == "clips_v1"


def test_arid_lists_say_avi_and_the_files_are_mp4(place: Place) -> None:
    place("list_cvt/ARID_split1_train.txt", text="0\t0\tDrink/Drink_10_1.avi\n")
    place("list_cvt/ARID_split1_test.txt", text="0\t10\tWave/Wave_3_12.avi")
    place("list_cvt/ARID_split1_others.txt", text="0\t5\tRun/Run_2_7.avi\r\n")
    place("list_cvt/ARID_split2_train.txt", text="0\t0\tDrink/Drink_7_1.avi\n")
    root = place("clips_v1/Drink/Drink_10_1.mp4", "clips_v1/Wave/Wave_3_12.MP4")
    place("clips_v1/Drink/Drink_7_1.mp4", "clips_v1/Drink/Drink_9_9.mp4", "clips_v1/avi/x.avi")
    listing = read_listing("arid-v1.0", root)
    assert by_role(listing, "train") == [("Drink/Drink_10_1.avi", 0, "Drink_10")]
    assert by_role(listing, "test") == [("Wave/Wave_3_12.avi", 10, "Wave_3")]
    assert by_role(listing, "other") == [("Run/Run_2_7.avi", 5, "Run_2")]
    located = locate(listing)
    assert {key: path.name for key, path in located.found.items()} == {
        "Drink/Drink_10_1.avi": "Drink_10_1.mp4", "Wave/Wave_3_12.avi": "Wave_3_12.MP4"
    }  # fmt: skip
    assert located.missing == ("Run/Run_2_7.avi",)
    assert located.surplus == ("Drink/Drink_9_9.mp4",)  # split 2 names Drink_7_1


@pytest.mark.parametrize(
    ("clips", "lists"),
    [
        ("clips_v1", "list_cvt"),
        ("clips_v1/avi", "dataset/ARID/raw/list_cvt"),
        ("dataset/ARID/raw/data", "raw/list_cvt"),
        (".", "."),
        ("ARID/clips_v1", "ARID/list_cvt"),
    ],
)
def test_arid_is_found_in_its_usual_places(place: Place, clips: str, lists: str) -> None:
    for role in ("train", "test"):
        place(f"{lists}/ARID_split1_{role}.txt", text=f"0\t6\tSit/Sit_{len(role)}_1.avi\n")
    root = place(f"{clips}/Sit/Sit_5_1.mp4", f"{clips}/Sit/Sit_4_1.mp4")
    located = locate(read_listing("arid-layout", root))
    assert len(located.found) == 2 and not located.missing


def test_only_one_copy_of_v15_is_walked(place: Place) -> None:
    for role in ("train", "test", "others"):
        row = f"0\t10\tWave/Wave_{len(role)}_1.mp4\n"
        root = place(f"list_cvt/split_0/split0_{role}.txt", text=row)
    place("list_cvt/split_0/ref/ARID1.1_t1_test.txt", text="0\t10\tWave/Wave_99_1.mp4\n")
    for copy, ending in (("clips_v1.5", "mp4"), ("clips_v1.5_avi", "avi")):
        place(*(f"{copy}/Wave/Wave_{number}_1.{ending}" for number in (4, 5, 6)))
    listing = read_listing("arid-v1.5", root, 0)
    located = locate(listing)
    assert {path.suffix for path in located.found.values()} == {".mp4"}
    assert len(located.found) == 3 and not located.surplus
    assert [e.role for e in listing.entries] == ["train", "test", "other"]
    assert listing.published["train"] == {ALL: 3350} and listing.published[ALL] == {ALL: 5572}


def test_v15_split_1_uses_its_own_spelling_and_has_no_published_counts(place: Place) -> None:
    for role in ("train", "test", "other"):
        row = f"0\t10\tWave/Wave_{len(role)}_1.mp4\n"
        root = place(f"list_cvt/split_1/split1_{role}.txt", text=row)
    listing = read_listing("arid-v1.5", root, 1)
    assert len(by_role(listing, "other")) == 1 and listing.published is None


def test_v1_lists_in_the_folder_of_v15_are_refused(place: Place) -> None:
    for role in ("train", "test", "other"):
        root = place(f"list_cvt/ARID_split1_{role}.txt", text="0\t0\tDrink/Drink_10_1.avi\n")
    place("clips_v1.5/Drink/Drink_10_1.mp4")
    for split in (0, 1):
        with pytest.raises(ValueError, match="V1.0's lists.*subset of V1.5's by name"):
            read_listing("arid-v1.5", root, split)
    listing = read_listing("arid-v1.0", root)
    assert "V1.5's folder" in listing.notes[0] and locate(listing).found


def test_v1_lists_under_a_name_of_v15_are_refused(real_root: Path, place: Place) -> None:
    for role in ("train", "test"):
        text = (real_root / "lists" / "ARID_v1" / f"ARID_split2_{role}.txt").read_text()
        root = place(f"list_cvt/split_1/split1_{role}.txt", text=text.replace(".avi", ".mp4"))
    with pytest.raises(ValueError, match="V1.0's lists"):
        read_listing("arid-v1.5", root, 1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0\t1\tDrink/Drink_1_1.avi", "class 1 is Jump, but the path is 'Drink/Drink_1_1.avi'"),
        ("0\t11\tWave/Wave_1_1.avi", "class '11' is not one of 0..10"),
        ("0\t-1\tWave/Wave_1_1.avi", "class '-1' is not one of"),
        ("0 0 Drink/Drink_1_1.avi", "with tabs between"),
        ("0\t0\t../Drink/Drink_1_1.avi", "not a path below"),
        ("0\t0\tC:\\Drink\\Drink_1_1.avi", "not a path below"),
    ],
)
def test_a_bad_arid_row_is_named(place: Place, row: str, message: str) -> None:
    place("ARID_split1_test.txt", text="0\t0\tDrink/Drink_1_1.avi\n")
    root = place("ARID_split1_train.txt", text=f"0\t0\tDrink\\Drink_2_1.avi\n{row}\n")
    with pytest.raises(ValueError, match=r"ARID_split1_train.txt, line 2: ") as raised:
        read_listing("arid-v1.0", root)
    assert message in str(raised.value)


def test_a_missing_list_names_every_place(place: Place) -> None:
    root = place("clips_v1/Drink/Drink_1_1.mp4")
    with pytest.raises(FileNotFoundError, match="ARID_split2_train.txt of arid-v1.0, split 2") as e:
        read_listing("arid-v1.0", root, 2)
    assert all(each in str(e.value) for each in ("list_cvt", "dataset/ARID/raw", "folder itself"))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        read_listing("arid-v1.0", root / "nowhere")


def test_splits_are_the_authors(tmp_path: Path) -> None:
    assert [splits_of(name) for name in ("arid-v1.0", "dark48")] == [(1, 2, 3)] * 2
    assert splits_of("arid-v1.5") == (0, 1) and splits_of("ellar") == splits_of("folder") == (1,)
    assert set(names()) == {*LISTED, "folder"}
    for split in (2, 3):
        with pytest.raises(ValueError, match=f"arid-v1.5 has the splits 0, 1.*; not {split}"):
            read_listing("arid-v1.5", tmp_path, split)
    with pytest.raises(ValueError, match="unknown data set 'hmdb51'"):
        splits_of("hmdb51")
    with pytest.raises(ValueError, match="folder comes without lists"):
        read_listing("folder", tmp_path)


def test_frame_folders_and_several_endings(place: Place) -> None:
    rows = [f"{n}\t0\tDrink/Drink_1_{n}.avi" for n in range(4)]
    place("ARID_split1_train.txt", text="\n".join(rows))
    root = place("ARID_split1_test.txt", text="")
    folder = root / "Drink" / "Drink_1_0"
    folder.mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(folder / f"{number:05}.jpg"), np.zeros((8, 8, 3), np.uint8))
    place("Drink/Drink_1_1.mkv", "Drink/Drink_1_1.mp4", "Drink/._Drink_1_3.mp4")
    place("Drink/Drink_1_2.mp4", "Drink/Drink_1_2.avi", "Drink/Drink_1_2/0001.jpg")
    (root / "Drink" / "Drink_1_3").mkdir()
    located = locate(read_listing("arid-layout", root))
    found = [path.name for path in located.found.values()]
    assert found == ["Drink_1_0", "Drink_1_1.mp4", "Drink_1_2.avi"]
    assert located.missing == ("Drink/Drink_1_3.avi",) and not located.surplus


def test_a_listing_without_clips_says_where_it_looked(place: Place) -> None:
    place("ARID_split1_train.txt", text="0\t0\tDrink/Drink_1_1.avi\n")
    listing = read_listing("arid-layout", place("ARID_split1_test.txt", text=""))
    assert "looked in clips_v1" in listing.notes[0]
    assert locate(listing).missing == ("Drink/Drink_1_1.avi",)


def test_every_v1_table_has_the_published_sums() -> None:
    sums = {(split, role): numbers[ALL] for (name, split), roles in arid.PUBLISHED.items()
            if name == "arid-v1.0" for role, numbers in roles.items()}  # fmt: skip
    assert sums == {
        (split, role): size
        for split, sizes in V10_SIZES.items()
        for role, size in zip(("train", "test", "other"), sizes, strict=True)
    }
