"""One training step: deepcae beside plain PyTorch, torch.compile and JAX, in the order A B A B …

    python benchmarks/training_step.py [--networks NAME …] [--batches N …] [--threads T …] [--quick] [--json FILE]

All sides do the same work from the same weights on the same random images in memory: forward, all losses, backward, and
SGD with momentum and weight decay. That they do is asserted: their losses of the first iterations are equal. All sides
of one number of threads run in one process, in rounds, each for the same time; printed are the medians over the rounds
of milliseconds per iteration, as a Markdown table.

`PyTorch` and `channels_last` are its two memory formats, both with its fused optimizer; `compile` is torch.compile with
inductor, its compilation not counted; `JAX` one jitted step, where JAX is installed. `ratio`: the best of the others by
deepcae. `limit`: the arithmetic that the network cannot do without (`networks.flops`) by the rate of a large fp32
matrix product, of the better of the two libraries that PyTorch has for it, measured in the same rounds; `× limit`: how
far deepcae is from it.

`--clock processor` takes the processor's time of all threads instead of the clock on the wall: for one thread on a
machine that other programs use, too. What they do to the caches remains.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import opponents
import torch
from networks import DESIGNED, OTHERS, ZOO, flops, write

from deepcae.kernels import native
from deepcae.solver.records import Step
from deepcae.solver.solver import Solver

Run = Callable[[int], float]
Clock = Callable[[], float]  # seconds
QUIET = "test_interval: 1000000000 test_initialization: false display: 0 snapshot: 0"
SIDES = ("deepcae", "PyTorch", "channels_last", "compile", "JAX")
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
PRODUCTS = ("product", "oneDNN product")  # of matrices
PRODUCT = 1024  # their size
CHECKED = 3  # iterations whose losses must be equal


def deepcae(solver: Solver) -> Run:
    def run(iterations: int) -> float:
        records = solver.step(iterations)
        return next(record.loss for record in reversed(records) if isinstance(record, Step))

    return run


def products() -> dict[str, Run]:
    """A large matrix product by the two libraries that PyTorch may take."""
    a = torch.randn(PRODUCT, PRODUCT)

    def repeated(multiply: Callable[[], object]) -> Run:
        def run(iterations: int) -> float:
            for _ in range(iterations):
                multiply()
            return 0.0

        return run

    made = {PRODUCTS[0]: repeated(lambda: a @ a)}
    if torch.backends.mkldnn.is_available():
        made[PRODUCTS[1]] = repeated(lambda: torch.ops.mkldnn._linear_pointwise(a, a, None, "none", [], ""))
    return made


def sides_of(names: list[str], solver: Solver, data: dict[str, Any], batch: int) -> dict[str, Run]:
    """The sides that this machine has, by name."""
    made = {
        "deepcae": lambda: deepcae(solver),
        "PyTorch": lambda: opponents.pytorch(solver, data, batch),
        "channels_last": lambda: opponents.pytorch(solver, data, batch, channels_last=True),
        "compile": lambda: opponents.pytorch(solver, data, batch, compiled=True),
        "JAX": lambda: opponents.jax_step(solver, data, batch),
    }
    return {name: made[name]() for name in names}  # before deepcae moves the weights that they begin with


def check(sides: dict[str, Run], label: str, clock: Clock) -> dict[str, float]:
    """The sides that run, with a first idea of ms per iteration. AssertionError where losses are not deepcae's."""
    working: dict[str, float] = {}
    ours: list[float] = []
    for name, run in sides.items():
        losses, times = [], []
        try:
            for _ in range(CHECKED):
                began = clock()
                losses.append(run(1))
                times.append((clock() - began) * 1e3)
        except Exception as error:
            if name != "compile":  # which needs a compiler that works
                raise
            print(f"{label}: torch.compile cannot: {str(error).splitlines()[0]}", flush=True)
            continue
        ours = ours or losses
        equal = name in PRODUCTS or all(math.isclose(a, b, rel_tol=1e-3) for a, b in zip(ours, losses, strict=True))
        assert equal, f"{label}: the losses of {name} are {losses}, those of deepcae {ours}"
        working[name] = min(times)
    return working


def timed(run: Run, iterations: int, clock: Clock) -> float:
    """Milliseconds per iteration."""
    began = clock()
    run(iterations)
    return (clock() - began) / iterations * 1e3


def measure(
    sides: dict[str, Run], once: dict[str, float], rounds: int, seconds: float, clock: Clock
) -> dict[str, list[float]]:
    """Of each side, milliseconds per iteration in each round; `seconds` for all, but an iteration at least.

    `once`: about how long one takes.
    """
    slot = seconds / rounds / len(sides) * 1e3
    warm = {
        side: ms if ms > slot else timed(sides[side], max(1, round(slot / 4 / ms)), clock) for side, ms in once.items()
    }
    counts = {side: max(1, round(slot / ms)) for side, ms in warm.items()}
    if sum(warm.values()) * rounds > 2 * seconds * 1e3:
        rounds = min(rounds, 3)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            times[name].append(timed(run, counts[name], clock))
    return times


def measure_cell(name: str, batch: int, threads: int, args: argparse.Namespace) -> dict[str, Any]:
    """One network at one batch size."""
    with tempfile.TemporaryDirectory() as folder:
        text, data = write(name, args.dims, batch, Path(folder))
        solver = Solver(text, out=Path(folder) / "run", seed=1, overrides=QUIET)
        names = [side for side in args.sides if side != "compile" or batch in args.compile_batches]
        sides = {**sides_of(names, solver, data, batch), **products()}
        clock = CLOCKS[args.clock]
        once = check(sides, f"{name}, batch {batch}", clock)
        times = measure({side: sides[side] for side in once}, once, args.rounds, args.seconds, clock)
    medians = {side: statistics.median(values) for side, values in times.items()}
    return {
        "network": name, "batch": batch, "threads": threads, "flops": flops(solver.net), "ms": medians,
        "rounds_ms": times,
    }  # fmt: skip


def measure_threads(threads: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """All networks and batch sizes with so many threads, in a process of its own."""
    torch.set_num_threads(threads)
    if "JAX" in args.sides:
        opponents.start_jax(threads)
    cells = []
    for name in args.networks:
        for batch in args.batches:
            cells.append(measure_cell(name, batch, threads, args))
            told = ", ".join(f"{side} {ms:.2f}" for side, ms in cells[-1]["ms"].items())
            print(f"{name}, batch {batch}, {threads} threads, ms: {told}", flush=True)
    return cells


def add_limits(cells: list[dict[str, Any]]) -> dict[str, float]:
    """The matrix products' rates in these cells, FLOP/s; by the best of them, each cell's limit and ratios."""
    names = [name for name in PRODUCTS if name in cells[0]["ms"]]
    rates = {name: 2 * PRODUCT**3 / statistics.median(cell["ms"][name] for cell in cells) * 1e3 for name in names}
    for cell in cells:
        ours, others = cell["ms"].get("deepcae"), [cell["ms"][side] for side in SIDES[1:] if side in cell["ms"]]
        cell["limit_ms"] = cell["flops"] / max(rates.values()) * 1e3
        if ours:
            cell["ratio"] = min(others) / ours if others else None
            cell["of_limit"] = ours / cell["limit_ms"]
    return rates


def unrest(cells: list[dict[str, Any]]) -> str:
    """A word of caution where the machine had more to do: where the same product took longer in some rounds."""
    times = sorted(ms for cell in cells for ms in cell["rounds_ms"]["product"])
    low, high = times[len(times) // 20], times[-1 - len(times) // 20]
    return f"\n\nThe machine was not idle: a product took {low:.1f} to {high:.1f} ms." if high > 1.3 * low else ""


def table(cells: list[dict[str, Any]], sides: list[str]) -> str:
    """In Markdown, a line per cell."""
    heads = ["network", "batch", *sides, "ratio", "limit", "× limit"]
    lines = [heads, ["---"] * len(heads)]
    for cell in cells:
        ratio = f"{cell['ratio']:.2f}×" if cell.get("ratio") else "–"
        times = [f"{cell['ms'][side]:.2f}" if side in cell["ms"] else "–" for side in sides]
        far = f"{cell['of_limit']:.1f}" if "of_limit" in cell else "–"
        lines.append([cell["network"], str(cell["batch"]), *times, ratio, f"{cell['limit_ms']:.3f}", far])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=[*ZOO, *OTHERS, *DESIGNED], help="default: all")
    parser.add_argument("--dims", type=int, default=2, help="code neurons")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--compile-batches", type=int, nargs="*", default=[100], help="a compilation takes ten seconds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="per network and batch size")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--quick", action="store_true", help="batches of 1 and 100, without compile and JAX, 3 rounds")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.quick:
        args.batches, args.rounds, args.seconds = [1, 100], 3, 2
        args.sides = [side for side in args.sides if side not in ("compile", "JAX")]
    if "JAX" in args.sides and not find_spec("jax"):
        args.sides.remove("JAX")
        print("JAX is not installed: without it")
    return args


def main() -> None:
    args = arguments()
    told = f"PyTorch {torch.__version__}, kernels {native.instructions() or 'not compiled'}, {platform.machine()}"
    cells, tables = [], []
    for threads in args.threads:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            measured = pool.apply(measure_threads, (threads, args))
        rates = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in add_limits(measured).items())
        title = f"{threads} thread{'s' * (threads > 1)}, ms of {args.clock} time per iteration (GFLOP/s: {rates})"
        tables.append(f"{title}\n\n{table(measured, args.sides)}{unrest(measured)}")
        cells += measured
    print(f"\n{told}\n\n" + "\n\n".join(tables))
    if args.json:
        args.json.write_text(json.dumps({"machine": told, "cells": cells}, indent=1) + "\n")


if __name__ == "__main__":
    main()
