"""The C library keeps what tensors give back: a pass finds its memory where the one before left it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deepcae.kernels.memory import keep_freed

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
        return int(subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True).stdout)

    given_back, kept = run("given back"), run("kept")
    assert kept < 1000 < given_back
