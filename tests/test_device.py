"""What the process keeps of freed memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from actlumos.runtime import device

resource = pytest.importorskip("resource")


NEW_PAGES = """
import resource, torch
from actlumos.runtime import device
device.keep_freed_memory()
torch.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is set")
def test_freed_memory_is_used_again_instead_of_new_pages() -> None:
    """40 MB is more than the 32 MB up to which glibc adapts by itself.

    In a process of its own: what other tests left decides where the blocks are.
    """
    command = [sys.executable, "-c", NEW_PAGES]
    pages = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert pages < 10_000_000 * 4 / resource.getpagesize()  # new pages would be three times that


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: pytest.fail("called into it"))
    device.keep_freed_memory()
