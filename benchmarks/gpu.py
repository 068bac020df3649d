"""Everything that needs a GPU, in one run within a time budget.

    python benchmarks/gpu.py --minutes 8 --out gpu.json --wheels WHEELS --real CLIPS
    python benchmarks/gpu.py --device cpu --quick --out FILE      # tries the logic; no figures

Needs this repository, torch, and what the package imports; a package that is missing is installed
from the folder of wheels, without a network. `--real` is a folder of class folders of real clips.

Correctness comes first, then speed and memory, then a real training in what is left of the time
(`gpu_parts.py`). Each part is written to the file as soon as it is done. A part that fails or does
not fit into the time says so and the next one begins. The exit code is 1 if a part failed or a
figure missed its bar.
"""

from __future__ import annotations

import argparse
import importlib.util
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "av": "av",
    "cv2": "opencv-contrib-python-headless",
    "filelock": "filelock",
    "pandas": "pandas",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "tqdm": "tqdm",
}
"""Import name to the name of the wheel."""


def install(wheels: Path) -> list[str]:
    """Install the packages that are missing from a folder of wheels; returns their names."""
    missing = [name for module, name in PACKAGES.items() if not importlib.util.find_spec(module)]
    if missing:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        subprocess.run([*pip, "--find-links", str(wheels), *missing], check=True)
        importlib.invalidate_caches()
    return missing


class OutOfTime(Exception):
    """The time budget ended inside a part."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise OutOfTime("the time budget ended here")


def run_part(part: Any, job: Any) -> dict[str, Any]:
    """What a `Part` found, or why it found nothing; and its seconds."""
    left, started = job.left(), time.perf_counter()
    if lacking := [name for name in part.after if not _done(job.found[name])]:
        return {"skipped": f"needs {', '.join(lacking)}"}
    if left < (1 if job.quick else part.needs):
        return {"skipped": f"needs {part.needs:.0f} s, {max(left, 0):.0f} s were left"}
    signal.setitimer(signal.ITIMER_REAL, left)
    try:
        found = part.run(job)
    except OutOfTime as error:
        found = {"skipped": str(error)}
    except Exception as error:  # the next part may still run
        traceback.print_exc()
        found = {"failed": f"{type(error).__name__}: {error}"[:500]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return found | {"seconds": time.perf_counter() - started}


def _done(found: dict[str, Any]) -> bool:
    return not {"skipped", "failed"} & found.keys()


def run_parts(parts: dict[str, Any], job: Any, results: dict[str, Any], out: Path) -> list[str]:
    """Run all parts and write after each; returns those that failed or missed a bar."""
    from actlumos.runtime.files import write_json

    for name, part in parts.items():
        job.found[name] = results["parts"][name] = run_part(part, job)
        write_json(out, results)
        print(f"{name}: {job.found[name]}", flush=True)
    return [n for n, f in job.found.items() if "failed" in f or f.get("ok") is False]


def main() -> None:
    """Read the options, run all parts, write after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8, help="time budget")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file")
    parser.add_argument("--wheels", type=Path, help="folder of wheels for missing packages")
    parser.add_argument("--real", type=Path, help="folder of class folders of real clips")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the logic")
    options = parser.parse_args()
    end = time.perf_counter() + 60 * options.minutes
    installed = install(options.wheels) if options.wheels else []
    sys.path.insert(0, str(ROOT))
    signal.signal(signal.SIGALRM, _stop)
    from gpu_parts import PARTS, Job, about

    results = about(options) | {"installed": installed, "parts": {}}
    with tempfile.TemporaryDirectory() as scratch:
        job = Job(options.device, options.quick, Path(scratch), options.real, end)
        bad = run_parts(PARTS, job, results, options.out)
    print(f"failed or missed a bar: {', '.join(bad) or 'none'}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
