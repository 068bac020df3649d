"""Lists other than ARID's: UG2+ 2021, EE6222, Dark48, ELLAR, and the user's own CSV."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roots import put

from actlumos.data.published import custom, dark48, read_listing
from actlumos.data.published.dark48 import source_of
from actlumos.data.published.entries import natural, stem, take_of
from actlumos.data.published.listing import Listing, locate
from actlumos.data.published.measure import Measured

Place = Callable[..., Path]
HEADER = "VideoID,Video,ClassID\r\n"
CSV = "dataset,path,label,class,group,split,frames,fps,sha256\n"


@pytest.fixture
def place(tmp_path: Path, tiny_videos: Path) -> Place:
    return partial(put, tmp_path, tiny_videos / "left" / "left_0_1.mp4")


def entries(listing: Listing) -> list[tuple[str, int, str, str]]:
    return [(e.path, e.label, e.role, e.group) for e in listing.entries]


def test_ug2_ids_from_5_become_labels_from_0(place: Place) -> None:
    train = HEADER + "0,Wave/Wave_10_1.mp4,10\r\n1,Run/Run_2_3.mp4,5"
    place("list_cvt/ARID1.1_t1_train_pub.csv", text=train)
    place("list_cvt/ARID1.1_t1_test_pub.csv", text=HEADER + "0,0.mp4,5\n1,1.mp4,10\n")
    place("list_cvt/ARID1.1_t1_validation_gt_pub.csv", text="VideoID,Video\n0,0.mp4\n")
    place("train_data/Wave/Wave_10_1.mp4", "train_data/Run/Run_2_3.mp4")
    root = place("test_data/0.mp4", "test_data/1.mp4", "test_data/7.mp4")
    listing = read_listing("ug2-2021", root)
    assert listing.classes == ("Run", "Sit", "Stand", "Turn", "Walk", "Wave")
    assert entries(listing) == [
        ("train_data/Wave/Wave_10_1.mp4", 5, "train", "Wave_10"),
        ("train_data/Run/Run_2_3.mp4", 0, "train", "Run_2"),
        ("test_data/0.mp4", 0, "test", "test_data/0"),
        ("test_data/1.mp4", 5, "test", "test_data/1"),
    ]
    assert any("validation_gt_pub.csv holds no labels" in note for note in listing.notes)
    located = locate(listing)
    assert not located.missing and located.surplus == ("test_data/7.mp4",)


@pytest.mark.parametrize("label", ["", "4", "11", "x"])
def test_ug2_refuses_a_row_without_a_label_of_its_own(place: Place, label: str) -> None:
    text = f"{HEADER}0,Run/Run_1_1.mp4,{label}\n"
    root = place("ARID1.1_t1_train_pub.csv", text=text)
    with pytest.raises(ValueError, match=r"line 2: class '.*' is not one of 5\.\.10"):
        read_listing("ug2-2021", root)


def test_ug2_without_its_labelled_test_list_says_so(place: Place) -> None:
    text = HEADER + "0,Run/Run_1_1.mp4,5\n"
    listing = read_listing("ug2-2021", place("ARID1.1_t1_train_pub.csv", text=text))
    assert "trained on, not tested" in listing.notes[1] and set(listing.published) == {"train"}


def test_ee6222_has_crlf_and_validates_where_others_test(place: Place) -> None:
    place("train.txt", text="0\t0\tJump/Jump_8_1.mp4\r\n1\t5\tWalk/Walk_2_1.mp4\r\n")
    place("validate.txt", text="VideoID\tClassID\tFile\r\n0\t3\t0.mp4\r\n")
    root = place("train/Jump/Jump_8_1.mp4", "train/Walk/Walk_2_1.mp4", "validate/0.mp4")
    listing = read_listing("ee6222", root)
    assert listing.classes == ("Jump", "Run", "Sit", "Stand", "Turn", "Walk")
    assert entries(listing) == [
        ("train/Jump/Jump_8_1.mp4", 0, "train", "Jump_8"),
        ("train/Walk/Walk_2_1.mp4", 5, "train", "Walk_2"),
        ("validate/0.mp4", 3, "test", "validate/0"),
    ]
    assert "validate.txt is used as test" in listing.notes[0]
    assert not locate(listing).missing
    place("validate.txt", text="0 6 0.mp4\r\n")
    with pytest.raises(ValueError, match=r"validate.txt, line 1: class '6' is not one of 0\.\.5"):
        read_listing("ee6222", root)


def test_dark48_last_line_dashes_and_other_splits(place: Place) -> None:
    place("annotations/train_split1.txt", text="bouncing/-abCDefGhij_106.mp4 6\nsinging/a_1.mp4 38")
    place("annotations/test_split1.txt", text="burning/2PydGrt3EAg_000000_000010.mp4 9")
    place("annotations/train_split3.txt", text="burning/only_in_3.mp4 9\n")
    root = place("bouncing/-abCDefGhij_106.mp4", "burning/only_in_3.mp4", "burning/stray_1.mp4")
    listing = read_listing("dark48", root)
    assert entries(listing) == [
        ("bouncing/-abCDefGhij_106.mp4", 6, "train", "-abCDefGhij"),
        ("singing/a_1.mp4", 38, "train", "a"),
        ("burning/2PydGrt3EAg_000000_000010.mp4", 9, "test", "2PydGrt3EAg"),
    ]
    located = locate(listing)
    assert list(located.found) == ["bouncing/-abCDefGhij_106.mp4"]
    assert located.surplus == ("burning/stray_1.mp4",)
    assert len(dark48.CLASSES) == 48


def test_dark48_ids_must_match_folders(place: Place) -> None:
    place("annotations/test_split1.txt", text="")
    root = place("annotations/train_split1.txt", text="burning/a_1.mp4 10")
    with pytest.raises(ValueError, match="line 1: class 10 is cheering, the path is 'burning"):
        read_listing("dark48", root)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a/meGuchxNyKg_106.mp4", "b/yt-meGuchxNyKg_7.mp4"),
        ("a/2PydGrt3EAg_000000_000010.mp4", "a/2PydGrt3EAg_000090_000100.mp4"),
        ("a/getty-spark-video-id640_1.mp4", "a/getty_R-spark-video-id640_12.mp4"),
        ("a/vine-Mp9gL0p3P1K_2.mp4", "a/vine_R-Mp9gL0p3P1K_3.mp4"),
        ("a/flickr-2-5-2625569907_1.mp4", "a/2-5-2625569907_22.mp4"),
    ],
)
def test_spellings_of_one_source_are_one_group(one: str, other: str) -> None:
    assert source_of(one) == source_of(other)


def test_sources_that_only_look_alike_stay_two() -> None:
    assert source_of("a/video-id1_2_3.mp4") != source_of("a/video-id1_1_3.mp4")
    assert source_of("a/yt-abc_1.mp4") != source_of("a/abc_1.mp4")  # no YouTube id is that short


def ellar_rows(role: str) -> str:
    folders = ["Walking", "Running", "Stertching", "Clapping", "Dumping", *map(str, range(7))]
    return "\n".join(f"{name}/my {role}.mp4 {label}" for label, name in enumerate(folders))


def test_ellar_classes_come_from_the_lists_in_the_order_of_their_ids(place: Place) -> None:
    for role in ("train", "val", "test"):
        root = place(f"ELLAR_label_{role}.txt", text=ellar_rows(role))
    place("videos/Walking/my train.mp4", "videos/Another/x.mp4")
    listing = read_listing("ellar", root)
    assert listing.classes[:5] == ("Walking", "Running", "Stertching", "Clapping", "Dumping")
    assert [e.role for e in listing.entries[::12]] == ["train", "test", "val"]
    assert list(locate(listing).found) == ["Walking/my train.mp4"]
    assert not any("val is used as test" in note for note in listing.notes)


def test_ellar_without_a_test_list_tests_on_val(place: Place) -> None:
    for role in ("train", "val"):
        text = ellar_rows(role).replace("\n", "\nvideos/")
        root = place(f"data/ELLAR/ELLAR_label_{role}.txt", text="videos/" + text)
    place("data/ELLAR/videos/Dumping/my val.mp4")
    listing = read_listing("ellar", root)
    assert {e.role for e in listing.entries} == {"train", "test"}
    assert "no test list: val is used as test" in listing.notes
    assert listing.classes[4] == "Dumping"  # the second folder of the path, not `videos`
    assert list(locate(listing).found) == ["videos/Dumping/my val.mp4"]


@pytest.mark.parametrize(
    "broken", ["Walking/a.mp4 0", "Running/a.mp4 0\n" + ellar_rows("x"), ellar_rows("x")[:-9]]
)
def test_ellar_needs_twelve_classes_with_one_folder_each(place: Place, broken: str) -> None:
    place("ELLAR_label_test.txt", text="")
    with pytest.raises(ValueError, match="do not name 12 classes|not one of|not a path, a space"):
        read_listing("ellar", place("ELLAR_label_train.txt", text=broken))


def test_own_csv_with_and_without_measurements(place: Place) -> None:
    digest = "ab" * 32
    rows = f"mine,w/a.mp4,0,walk,anna,train,16,30,{digest}\n,r/b.avi,1,run,,test,,,\n"
    place("manifest.csv", text="\ufeff" + CSV + rows)
    root = place("w/a.mp4", "r/b.mp4", "w/a.avi", "w/c.mp4")
    listing = read_listing("csv", root)
    assert listing.classes == ("walk", "run")
    assert entries(listing) == [("w/a.mp4", 0, "train", "anna"), ("r/b.avi", 1, "test", "r/b")]
    assert custom.given(root) == {"w/a.mp4": Measured(16, 30.0, digest)}
    located = locate(listing)
    assert [path.name for path in located.found.values()] == ["a.mp4", "b.mp4"]
    assert located.surplus == ("w/c.mp4",)


def test_own_csv_may_be_elsewhere_and_errors_name_it(place: Place, tmp_path: Path) -> None:
    root = place("clips/a.mp4").joinpath("clips")
    with pytest.raises(FileNotFoundError, match=r"manifest\.csv: no such list"):
        read_listing("csv", root)
    place("lists/x.csv", text=CSV + ",a.mp4,0,walk,,dev,,,\n")
    with pytest.raises(ValueError, match=r"x\.csv: split 'dev' is unknown; use train, val, test"):
        read_listing("csv", root, csv=tmp_path / "lists" / "x.csv")
    place("lists/x.csv", text=CSV + ",a.mp4,0,walk,,val\n")
    assert locate(read_listing("csv", root, csv=tmp_path / "lists" / "x.csv")).found


@given(st.text(st.characters(exclude_characters="/")), st.sampled_from([".mp4", ".AVI", ".Mkv"]))
def test_stem_takes_off_exactly_a_videos_ending(name: str, ending: str) -> None:
    assert stem(f"folder.mp4/{name}{ending}") == f"folder.mp4/{name}"
    assert stem("folder/1.5") == "folder/1.5"


@given(st.integers(0, 99), st.integers(0, 99), st.sampled_from(["Drink", "Sit_down"]))
def test_a_take_is_named_by_class_and_group(group: int, clip: int, name: str) -> None:
    assert take_of(f"{name}/{name}_{group}_{clip}.avi") == f"{name}_{group}"
    assert take_of(f"{name}/{clip}.avi") == f"{name}/{clip}"


@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_natural_order_is_that_of_the_numbers(numbers: list[int]) -> None:
    names = sorted((f"Clip_{number}" for number in numbers), key=natural)
    assert names == [f"Clip_{number}" for number in sorted(numbers)]


def test_a_thumbnail_makes_a_class_folder_no_clip(place: Place) -> None:
    """ELLAR's clips are two folders deep, below the first one that its lists name."""
    rows = [f"videos/c{label}/{role}.mp4 {label}" for label in range(12) for role in ("train",)]
    place("ELLAR_label_train.txt", text="\n".join(rows))
    place("ELLAR_label_val.txt", text="videos/c0/val.mp4 0")
    place(*(f"videos/c{label}/train.mp4" for label in range(12)), "videos/c0/val.mp4")
    root = place("videos/c0/folder.png", "videos/c1/cover.JPG", "videos/c2/._x.png", text="")
    located = locate(read_listing("ellar", root))
    assert not located.missing and not located.surplus


def test_frame_folders_are_clips_and_so_are_those_that_no_list_names(place: Place) -> None:
    place("w/a/1.png", "w/a/cover/x.png", "w/b/1.png", "w/c/notes.txt", "top/1.png", text="")
    root = place("manifest.csv", text="path,class,split\nw/a,walk,train\ntop,walk,test\n")
    place("w/a/film.mp4")
    located = locate(read_listing("csv", root))
    assert located.found == {"w/a": root / "w" / "a", "top": root / "top"}
    assert located.surplus == ("w/b",)


@pytest.mark.parametrize("prefix", [".\\walk\\", "./walk/", "walk//", "walk/./", "walk\\"])
def test_own_csv_may_write_paths_as_other_systems_do(place: Place, prefix: str) -> None:
    root = place("walk/a.mp4", "walk/b.mp4")
    rows = [f"{prefix}a.mp4,walk,train", f"{prefix}b.avi,walk,test"]
    place("manifest.csv", text="\r\n".join(["path,class,split", *rows]))
    listing = read_listing("csv", root)
    assert [e.path for e in listing.entries] == ["walk/a.mp4", "walk/b.avi"]
    assert len(locate(listing).found) == 2


@pytest.mark.parametrize("path", ["/etc/a.mp4", "..\\a.mp4", "C:\\a.mp4", "a/../../b.mp4", "."])
def test_own_csv_stays_below_its_folder(place: Place, path: str) -> None:
    root = place("manifest.csv", text=f"path,class,split\n{path},walk,train\n")
    with pytest.raises(ValueError, match=r"manifest\.csv: .* is not a path below"):
        read_listing("csv", root)


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_accents_are_found_however_they_are_stored(place: Place, on_disk: str) -> None:
    names = [unicodedata.normalize(on_disk, f"été/hé{n}.mp4") for n in range(2)]
    root = place(*names)
    for listed in ("NFC", "NFD"):
        rows = [unicodedata.normalize(listed, f"été/hé{n}.avi,été,train") for n in range(2)]
        (root / "manifest.csv").write_text("\n".join(["path,class,split", *rows]), "utf-8")
        listing = read_listing("csv", root)
        located = locate(listing)
        assert [path.relative_to(root).as_posix() for path in located.found.values()] == names
        assert not located.surplus and listing.classes == ("\xe9t\xe9",)


def test_own_csv_needs_path_class_and_split_only(place: Place) -> None:
    root = place("w/a.mp4", "r/b.mp4", "z/c.mp4", "u.mp4")
    rows = "w/a.mp4,Walk,train\nr/b.mp4,run,test\nz/c.mp4,Walk,test\nu.mp4,,train\n"
    for header, text in (("path,class,split", rows), ("path,class,split,label", rows)):
        place("manifest.csv", text=f"{header}\n{text}")
        listing = read_listing("csv", root)
        assert listing.classes == ("run", "Walk")
        assert entries(listing) == [
            ("w/a.mp4", 1, "train", "w/a"), ("r/b.mp4", 0, "test", "r/b"),
            ("z/c.mp4", 1, "test", "z/c"), ("u.mp4", -1, "train", "u"),
        ]  # fmt: skip
        assert custom.given(root) == {} and len(locate(listing).found) == 4
    place("manifest.csv", text="split,label,path\ntrain,1,w/a.mp4\ntest,0,r/b.mp4\n")
    assert read_listing("csv", root).classes == ("0", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path;class;split\na;b;train\n", r"column\(s\) path, split, class; its first line is 'pa"),
        ("path,class\na,b\n", r"lacks the column\(s\) split"),
        ("path,split\na,train\n", r"lacks the column\(s\) class"),
        ("path,class,split\nw/a,b.mp4,walk,train\n", "line 2: more fields than the header"),
        ("path,class,split\na,Walk,train\nb,walk,test\n", "'Walk' and 'walk' differ in case"),
        ("path,class,split,fps\na,Walk,train,nan\n", "line 2: nan is not a number of frames per s"),
    ],
)
def test_own_csv_with_faults_is_named(place: Place, text: str, message: str) -> None:
    root = place("manifest.csv", text=text)
    with pytest.raises(ValueError, match=rf"manifest\.csv.*{message}"):
        read_listing("csv", root)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_lists_are_read_by_their_byte_order_mark(place: Place, encoding: str) -> None:
    rows = {"train": "Run/Run_1_1.mp4,5", "test": "0.mp4,10"}
    for role, row in rows.items():
        root = place(f"ARID1.1_t1_{role}_pub.csv", text="")
        (root / f"ARID1.1_t1_{role}_pub.csv").write_bytes(f"{HEADER}0,{row}\n".encode(encoding))
        (root / f"{role}_split1.txt").write_bytes(f"applauding/{role}.mp4 3".encode(encoding))
    assert [e.label for e in read_listing("ug2-2021", root).entries] == [0, 5]
    assert [e.role for e in read_listing("dark48", root).entries] == ["train", "test"]


def test_a_list_in_another_encoding_is_named(place: Place) -> None:
    root = place("manifest.csv", text="")
    content = "path,class,split\n走路/a.mp4,走路,train\n".encode("gbk")
    (root / "manifest.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"manifest\.csv is not UTF-8 .* may be gbk.*iconv"):
        read_listing("csv", root)
