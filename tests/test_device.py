"""What the process keeps of freed memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from actlumos.runtime import device

PLACE = """
import sys, torch
from pathlib import Path
from actlumos.runtime import device
if sys.argv[1] == "keep":
    device.keep_freed_memory()
block = torch.ones(10_000_000)
heap = next(line for line in Path("/proc/self/maps").read_text().splitlines() if "[heap]" in line)
start, end = (int(number, 16) for number in heap.split()[0].split("-"))
print(start <= block.data_ptr() < end)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is set")
@pytest.mark.parametrize(("how", "in_the_heap"), [("keep", "True"), ("default", "False")])
def test_large_blocks_come_from_the_heap_which_is_kept(how: str, in_the_heap: str) -> None:
    """Otherwise each is mapped, and given back when it is freed. In a process of its own: what
    other tests left decides where a block is. 40 MB: glibc itself adapts up to 32 MB."""
    command = [sys.executable, "-c", PLACE, how]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found.strip() == in_the_heap


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: pytest.fail("called into it"))
    device.keep_freed_memory()
