"""Memory that is free in the heaps goes back to the system, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from pathlib import Path
from monitor.allocation import give_back_free_memory, give_back_large_blocks

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

give_back_large_blocks()
parts = [bytearray(100_000) for _ in range(1_000)]
last = parts[-1]
del parts
before = resident()
give_back_free_memory()
print(before - resident())
"""


def test_free_memory_goes_back_though_a_block_behind_it_is_in_use() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) > 80_000_000
