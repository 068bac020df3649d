"""The error of a clip that cannot be read, and its two common wordings."""

from __future__ import annotations

from pathlib import Path

from actlumos.runtime.text import shown


class VideoError(ValueError):
    """A video file that is missing, damaged, or shorter than its list says."""


def damaged(path: str | Path, what: str) -> VideoError:
    """The error of a file of which some part cannot be decoded."""
    return VideoError(
        f"{shown(path)}: cannot be decoded ({what}); it is damaged, cut short, or not a video: "
        "replace it or take it off the list"
    )


def past_the_end(path: str | Path, wanted: int, found: int, claimed: int) -> VideoError:
    """The error of a frame number at or above the number of frames."""
    claims = f", although its container claims {claimed}" if claimed > found else ""
    return VideoError(
        f"{shown(path)}: frame {wanted} was asked for, but the file has {found} frames{claims}; "
        "it may be cut short or its list out of date: check it with `actlumos data verify`, "
        "then replace it or make the list again"
    )
