"""Byte-identical clips under several names: found by their digests, and kept in one split.

`clip.mp4`, `clip (1).mp4` and `clip - Copy.mp4` in training and test make a result
meaningless. Where this kit draws the splits (`folder`), copies stay together; where lists define
them, `warnings` names the copies that are in different splits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from actlumos.data.manifest import Clip, Manifest
from actlumos.data.published.entries import some
from actlumos.runtime.text import shown

Key = TypeVar("Key")


def find_copies(digests: Mapping[Key, str]) -> list[list[Key]]:
    """Lists of the keys that share a digest, in the order given; "" means no digest."""
    found: dict[str, list[Key]] = defaultdict(list)
    for key, digest in digests.items():
        if digest:
            found[digest].append(key)
    return [keys for keys in found.values() if len(keys) > 1]


def join_groups(groups: Mapping[Key, str], copies: Iterable[Sequence[Key]]) -> dict[Key, str]:
    """The groups, where any that share a copy are merged under the name of the first."""
    joined: dict[str, str] = {}

    def head(group: str) -> str:
        while group in joined:
            group = joined[group]
        return group

    for first, *others in copies:
        for other in others:
            one, two = head(groups[first]), head(groups[other])
            if one != two:
                joined[two] = one
    return {key: head(group) for key, group in groups.items()}


def warnings(manifest: Manifest) -> list[str]:
    """Warnings about a manifest's copies, one line each; empty if there are no copies."""
    clips = {clip.path: clip for clip in manifest.clips}
    copies = find_copies({path: clip.sha256 for path, clip in clips.items()})
    sets = [[clips[path] for path in paths] for paths in copies]
    said = [
        ("are under two classes; one label is wrong", _differ(sets, lambda clip: clip.label)),
        ("are in two splits, so a test or val result is invalid", _differ(sets, lambda c: c.split)),
    ]
    lines = [f"{len(found)} of them {what}: {_names(found)}" for what, found in said if found]
    number, name = sum(len(clips) - 1 for clips in sets), shown(manifest.name)
    head = f"{name}: {number} clips are byte-identical copies of others: {_names(sets)}"
    return [head, *lines] if sets else []


def _differ(sets: Iterable[Sequence[Clip]], what: Callable[[Clip], object]) -> list[Sequence[Clip]]:
    return [clips for clips in sets if len(set(map(what, clips))) > 1]


def _names(sets: Iterable[Sequence[Clip]]) -> str:
    return some(" = ".join(clip.path for clip in clips) for clips in sets)
