"""Compare rendered with real darkness: one table, and a picture on request.

    python benchmarks/darkroom_realism.py --clips 110
    python benchmarks/darkroom_realism.py --real FOLDER/clips_v1 --figure figures

Without `--root` it renders clips into a temporary folder. The real numbers are those recorded in
the package; with `--real` (a folder of class folders of ARID clips) they are also measured again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from actlumos.darkroom.build import render
from actlumos.darkroom.codec import decode
from actlumos.darkroom.plan import CLASSES
from actlumos.darkroom.statistics import PERCENTILES, clip_statistics, recorded, summary
from actlumos.data.manifest import Manifest
from actlumos.runtime.files import atomic_write


def small(path: Path) -> np.ndarray:
    """A clip at 160 x 120."""
    return np.stack([cv2.resize(f, (160, 120), interpolation=cv2.INTER_AREA) for f in decode(path)])


def measure(paths: list[Path]) -> dict[str, list[float]]:
    """Summary over video files."""
    return summary(clip_statistics(small(path)) for path in paths)


def show(tables: dict[str, dict[str, list[float]]]) -> None:
    """Print the percentiles of every number, one line per source."""
    print(f"{'':18}{'source':10}" + "".join(f"{f'p{p}':>9}" for p in PERCENTILES))
    for name in next(iter(tables.values())):
        for source, table in tables.items():
            print(f"{name:18}{source:10}" + "".join(f"{x:9.3f}" for x in table[name]))


def row(path: Path, columns: int = 5) -> np.ndarray:
    """Frames of a clip side by side, and below them the same frames brightened."""
    frames = small(path)
    dark = np.hstack(frames[np.linspace(0, len(frames) - 1, columns).astype(int)])
    lifted = np.clip(dark / np.percentile(dark, 99.7), 0, 1) ** 0.5 * 255
    return np.vstack([dark, lifted.astype(np.uint8)])


def picture(rendered: list[Path], real: list[Path], folder: Path) -> None:
    """Rendered (left) and real (right) clips: `realism_clips.png`."""
    pairs = zip(rendered[:6], real[:6], strict=False)
    sheet = np.vstack(
        [np.hstack([row(a), np.zeros((240, 8, 3), np.uint8), row(b)]) for a, b in pairs]
    )
    with atomic_write(folder / "realism_clips.png") as temporary:
        cv2.imwrite(str(temporary), sheet[..., ::-1])
    print(f"wrote {folder / 'realism_clips.png'}")


def main() -> None:
    """Render, measure and print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="folder of an already rendered darkroom")
    parser.add_argument("--clips", type=int, default=110, help="clips to render without --root")
    parser.add_argument("--real", type=Path, help="folder of class folders of real clips")
    parser.add_argument("--figure", type=Path, help="write a picture into this folder")
    parser.add_argument("--workers", type=int, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root, start = args.root or Path(scratch), time.perf_counter()
        if not args.root:
            each = max(1, args.clips // len(CLASSES))
            render(root, counts={"train": each}, workers=args.workers)
            speed = each * len(CLASSES) / (time.perf_counter() - start)
            print(f"{speed:.1f} clips rendered per second")
        manifest = Manifest.read(root / "manifest.csv", root)
        rendered = [manifest.path(index) for index in range(len(manifest))]
        tables = {"rendered": measure(rendered), "recorded": recorded()}
        real = sorted(args.real.glob("*/*.mp4")) if args.real else []
        if real:
            tables["real"] = measure(real)
        show(tables)
        if args.figure and real:
            step_a, step_b = max(1, len(rendered) // 6), max(1, len(real) // 6)
            picture(rendered[::step_a], real[::step_b], args.figure)


if __name__ == "__main__":
    main()
