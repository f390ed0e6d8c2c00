"""The C library keeps what tensors give back: a pass finds its memory where the one before left it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deepcae.kernels.memory import keep_freed

GIVES_BACK = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}  # whatever the library would learn from what it sees
CODE = """
import resource, sys
import torch
from deepcae.kernels.memory import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    return sum(torch.ones(2_000_000).sum().item() for _ in range(3)), [torch.ones(2_000_000) for _ in range(4)]
for _ in range(5):
    step()  # the heap grows in the first two, by where in it the first blobs happen to fall
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(not keep_freed(), reason="the C library is not glibc")
def test_freed_memory_stays() -> None:
    def run(how: str) -> int:
        return int(subprocess.check_output([sys.executable, "-c", CODE, how], env=GIVES_BACK, text=True))

    given_back, kept = run("given back"), run("kept")
    assert kept < 1000 < given_back


RESIDENT = """
import torch
from pathlib import Path
from deepcae.kernels.memory import give_back, keep_freed
def resident():
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])
keep_freed()
blobs = [torch.ones(2_000_000) for _ in range(16)]
full = resident()
del blobs
kept = resident()
give_back()
print(full - kept, kept - resident())
"""


@pytest.mark.skipif(not keep_freed(), reason="the C library is not glibc")
def test_what_stays_is_given_back_when_told() -> None:
    freed, given = map(int, subprocess.check_output([sys.executable, "-c", RESIDENT], text=True).split())
    assert freed < 32e6 < 100e6 < given
