"""What a worker process does: render a clip, encode it, note that it is done.

Kept apart from `build`, so that a fresh process imports nothing but the renderer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from actlumos.darkroom.clip import render_clip, render_light
from actlumos.darkroom.codec import encode
from actlumos.darkroom.plan import ClipSpec
from actlumos.runtime.files import atomic_write, sha256

LIGHT_CRF = 18


def one_thread() -> None:
    """Keep OpenCV of a worker to one core: there is a worker for each."""
    cv2.setNumThreads(1)


def render_dark(spec: ClipSpec, root: Path, key: str) -> tuple[str, dict[str, Any]]:
    """Render and encode one clip, then note that it is done; returns its path and record."""
    clip = render_clip(spec)
    path = root / spec.path
    encode(path, clip.dark, clip.crf)
    facts = {"frames": len(clip.dark), "sha256": sha256(path)}
    note = root / "partial" / key / f"{path.stem}.npz"
    with atomic_write(note) as temporary:
        facts_text = json.dumps({"path": spec.path, **facts})
        np.savez_compressed(temporary, background=clip.background, facts=np.array(facts_text))
    return spec.path, {**facts, "background": clip.background}


def render_normal(spec: ClipSpec, root: Path) -> tuple[str, dict[str, Any]]:
    """Write the clip's normal-light original; returns its path in the manifest, nothing else."""
    encode(root / "light" / spec.path, render_light(spec), LIGHT_CRF)
    return spec.path, {}
