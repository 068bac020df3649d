"""Folders of made-up data sets, for the tests of the lists."""

from __future__ import annotations

import os
from pathlib import Path


def put(root: Path, video: Path, *names: str, text: str | None = None) -> Path:
    """Make each `<root>/<name>` a file with that text, or a hard link to `video`; returns root."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            os.link(video, path)
        else:
            path.write_bytes(text.encode())
    return root
