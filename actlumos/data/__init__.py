"""From a video file to batches of clips: decoding, lists of clips, cache, loader."""

from actlumos.data.video import read_clip

__all__ = ["read_clip"]
