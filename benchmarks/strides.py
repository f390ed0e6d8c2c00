"""Whole networks whose convolutions have strides: those in the compiled core, and left to PyTorch, in turns.

    python benchmarks/strides.py [--networks NAME …] [--batch N] [--threads T] [--rounds R]

Milliseconds of a training step, medians over the rounds, as a Markdown table; `core`: the share of the products of
numbers that are the core's by its strides, `left`: that are PyTorch's all the same; `chosen`: by `deepcae.net.strides`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from networks import strided, write, write_data

from deepcae.net import strides
from deepcae.net.plan import Plan
from deepcae.solver.solver import Solver

QUIET = "test_interval: 1000000000 test_initialization: false display: 0 snapshot: 0"
STRIDED = {  # planes, widths, the kernels' sizes down and up
    "narrow 28": ((1, 28, 28), (16, 32), 3, 2),
    "narrow 64": ((3, 64, 64), (16, 32, 64), 3, 2),
    "wide 64": ((3, 64, 64), (32, 64, 128), 3, 4),
    "wide 64, 4×4": ((3, 64, 64), (32, 64, 128), 4, 4),
}
NETWORKS = [*STRIDED, "residual", "designed-28", "designed-64c"]


def text_of(name: str, batch: int, folder: Path) -> Path:
    if name not in STRIDED:
        return write(name, 2, batch, folder)[0]
    plane, widths, down, up = STRIDED[name]
    write_data({"data": np.random.default_rng(0).random((2 * batch, *plane), np.float32)}, folder)
    return strided(plane, widths, down, up, batch, folder)


def forced(flag: bool) -> Callable[[Plan], dict[str, int]]:
    def choose(plan: Plan) -> dict[str, int]:
        return strides.products_by_algorithm(plan, flag)

    return choose


def measure(name: str, batch: int, rounds: int) -> str:
    """A row of the table."""
    solvers, times = {}, {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        path = text_of(name, batch, Path(folder))
        for flag in times:
            with mock.patch("deepcae.net.net.choose_strides", forced(flag)):
                solvers[flag] = Solver(path, out=Path(folder) / f"run{flag}", seed=1, overrides=QUIET)
            solvers[flag].step(2)
        for turn in range(2 * rounds):
            flag = turn % 4 in (0, 3)
            begin = time.perf_counter()
            solvers[flag].step(5)
            times[flag].append((time.perf_counter() - begin) / 5 * 1e3)
    plan = solvers[True].net.plan
    without, with_core = (strides.products_by_algorithm(plan, flag) for flag in (False, True))
    whole = sum(with_core.values())
    core, left = with_core.get("core", 0) - without.get("core", 0), with_core.get("torch", 0)
    chosen = "core" if strides.choose_strides(plan) == with_core else "PyTorch"
    medians = (statistics.median(times[flag]) for flag in (True, False))
    cells = [name, *(f"{ms:.1f}" for ms in medians), f"{core / whole:.2f}", f"{left / whole:.2f}", chosen]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="default: all")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=6)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(
        "| network | in the core, ms | by PyTorch, ms | core | left | chosen |\n|---|---|---|---|---|---|", flush=True
    )
    for name in args.networks:
        print(measure(name, args.batch, args.rounds), flush=True)


if __name__ == "__main__":
    main()
