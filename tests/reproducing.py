"""`actlumos reproduce` as the tests of the notebooks call it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def reproduce(home: Path, *options: str) -> str:
    """Run the command in a separate process, one thread, everything under `home`."""
    command = [sys.executable, "-m", "actlumos", "reproduce", "--profile", "smoke", *options]
    threads = {"OMP_NUM_THREADS": "1", "ACTLUMOS_HOME": str(home)}
    done = subprocess.run(
        command, env=os.environ | threads, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
