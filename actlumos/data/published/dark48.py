"""Dark48 (repository yzfly/Dark48): 8,815 dark clips from Moments in Time and Kinetics-700.

    <root>/adult_female_singing/yt-abc_12.mp4
    <root>/annotations/train_split1.txt       rows `path class`, one space, ids from 0

The last line of a list has no line end (`wc -l` counts one clip too few), and a class folder is
written with underscores. Some file names begin with `-`.

Each of the three splits is a random 80/20 draw of clips, not of source videos: the official test
lists hold clips of videos that are trained on. The group of a clip is its source video. The names
carry it: YouTube, Getty, Flickr and so on, then `_<number>` (Moments in Time) or `_<start>_<end>`
(Kinetics). One source is spelled in several ways: `yt-<id>` or bare `<id>`, `flickr-<id>` or bare,
`getty-` or `getty_R-`, `vine-` or `vine_R-`. Taken literally, 138, 137 and 127 test clips share a
source with train; with these spellings merged, 176, 173 and 174.
"""

from __future__ import annotations

import re
from pathlib import Path

from actlumos.data.published.entries import (
    ALL,
    Entry,
    Listing,
    find_folder,
    find_list,
    label_of,
    listed_path,
    need_list,
    rows,
    stem,
)

# Class, clips in all, clips in split 1's train list: counted from the official lists.
_TABLE = """
    adult_female_singing 234 187 | adult_male_singing 160 128 | adult_male_speaking 111 89
    applauding 100 80 | ascending 145 116 | balancing 103 82
    bouncing 122 98 | breathing_fire 204 163 | bubbling 135 108
    burning 384 307 | cheering 149 119 | child_singing 103 82
    clapping 100 80 | combusting 425 340 | coughing 133 106
    dancing 312 250 | descending 159 127 | driving 151 121
    dropping 152 122 | drumming 172 138 | erupting 102 82
    floating 100 80 | headbanging 112 90 | juggling 303 242
    juggling_fire 152 122 | karaoke 138 110 | performing 290 232
    playing 123 98 | playing_laser_tag 213 171 | playing_music 224 179
    playing_videogames 203 162 | raining 169 135 | riding_mechanical_bull 121 97
    rising 116 93 | rocking 109 87 | shooting_off_fireworks 164 131
    shouting 113 90 | silent_disco 129 103 | singing 297 238
    smoking 246 197 | spelunking 309 247 | spilling 136 109
    spinning 277 222 | spinning_poi 436 349 | storming 352 282
    talking 104 83 | turning 105 84 | whistling 118 94"""
_CELLS = [cell.split() for cell in re.split(r"[|\n]", _TABLE) if cell.strip()]
CLASSES = tuple(name for name, _, _ in _CELLS)
SPLITS = (1, 2, 3)
_TOTALS = {name: int(total) for name, total, _ in _CELLS} | {ALL: 8815}
_TRAIN = {name: int(train) for name, _, train in _CELLS} | {ALL: 7052}
PUBLISHED = {
    1: {
        "train": _TRAIN,
        "test": {name: _TOTALS[name] - _TRAIN[name] for name in _TOTALS},
        ALL: _TOTALS,
    },
    2: {"train": {ALL: 7052}, "test": {ALL: 1763}, ALL: _TOTALS},
    3: {"train": {ALL: 7052}, "test": {ALL: 1763}, ALL: _TOTALS},
}

_LISTS = ("annotations", "Dark48/annotations", "lists", "")
_VIDEOS = ("", "videos", "clips", "Dark48")


def read(name: str, root: Path, split: int) -> Listing:
    """Train and test list of one split.

    Raises:
        FileNotFoundError: no such folder, or a list is in none of the usual places.
        ValueError: a row that cannot be read, or an id that contradicts the folder of its path.
    """
    entries: list[Entry] = []
    for role in ("train", "test"):
        path = need_list(root, _LISTS, (f"{role}_split{split}.txt",), f"{name}, split {split}")
        entries += _entries(path, role)
    known = {entry.path for other in SPLITS for entry in _listed(root, other)}
    videos = find_folder(root, _VIDEOS, CLASSES) or root
    return Listing(
        name, split, CLASSES, tuple(entries), videos, PUBLISHED[split], (), frozenset(known)
    )


def source_of(path: str) -> str:
    """The source video of a clip, its spellings merged (see the top of this file)."""
    name = stem(path).rpartition("/")[2]
    source = re.sub(r"(_\d{6}_\d{6}|_\d+)$", "", name)
    source = re.sub(r"^(yt-(?=.{11}$)|flickr-)", "", source)
    return re.sub(r"^(getty|vine)_R-", r"\1-", source)


def _listed(root: Path, split: int) -> list[Entry]:
    paths = [find_list(root, _LISTS, (f"{role}_split{split}.txt",)) for role in ("train", "test")]
    return [entry for path in paths if path for entry in _entries(path, "other")]


def _entries(path: Path, role: str) -> list[Entry]:
    found = []
    for where, line in rows(path):
        listed, gap, number = line.rpartition(" ")
        if not gap:
            raise ValueError(f"{where}: {line!r} is not a path, a space and a class id")
        clip, label = listed_path(listed, where), label_of(number, CLASSES, where)
        if clip.partition("/")[0] != CLASSES[label]:
            raise ValueError(f"{where}: class {label} is {CLASSES[label]}, the path is {clip!r}")
        found.append(Entry(clip, label, role, source_of(clip)))
    return found
