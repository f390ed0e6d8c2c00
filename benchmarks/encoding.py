"""Codes and restored images of a block: by the pass that is written down, beside the net's own interpreter.

    python benchmarks/encoding.py [--networks NAME …] [--dims 16] [--seconds 1] [--rounds 7]

Of each network, milliseconds for an image in the block that `encode` takes: the median over rounds, in each of which
both go in turn, the first of them changing. `apart`: the greatest difference, by the greatest value.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from networks import write

from deepcae.kernels.products import rows_alike
from deepcae.solver.solver import Solver
from deepcae.trained.network import Named, Trained
from deepcae.trained.passes import batch_size, in_block

NETWORKS = ("designed-28", "designed-64c", "cae1", "cae2", "pooled", "lenet")
QUIET = "test_interval: 1000000000 test_initialization: false display: 0 snapshot: 0"


def timed(work: Callable[[], object], times: int) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times * 1e3


def compare(name: str, args: argparse.Namespace, folder: Path) -> str:
    """A line of the table for each kind of wanted blobs."""
    text, data = write(name, args.dims, 100, folder)
    net = Solver(text, out=folder / "run", seed=1, overrides=QUIET).net
    named = Named(code="ip2") if name == "lenet" else Named()
    trained = Trained(net, name, [folder], named)
    size, lines = batch_size(trained), []
    images = np.resize(data["data"], (size, *data["data"].shape[1:]))
    for blobs in ([trained.code], *([] if name == "lenet" else [[trained.code, trained.restored]])):

        def written(blobs: list[str] = blobs) -> dict[str, np.ndarray]:
            return in_block(trained, trained.images, images, blobs, size)

        def plain(blobs: list[str] = blobs) -> dict[str, np.ndarray]:
            with rows_alike():
                made = net({trained.images: images}, want=blobs)
            return {blob: values.numpy() for blob, values in made.items()}

        sides = (written, plain)
        ours, theirs = written(), plain()
        apart = max(float(np.abs(ours[blob] - theirs[blob]).max() / np.abs(theirs[blob]).max()) for blob in blobs)
        counts = [max(1, round(args.seconds * 1e3 / args.rounds / timed(side, 3))) for side in sides]
        found: tuple[list[float], list[float]] = ([], [])
        for turn in range(args.rounds):
            for which in (0, 1) if turn % 2 else (1, 0):
                found[which].append(timed(sides[which], counts[which]) / size)
        here, there = map(statistics.median, found)
        what = "codes" if len(blobs) == 1 else "codes, restored"
        lines.append(f"| {name} | {size} | {what} | {here:.3f} | {there:.3f} | {there / here:.2f}× | {apart:.0e} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=[*NETWORKS])
    parser.add_argument("--dims", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1, help="for each side")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    print("| network | block | wanted | written down | interpreter | ratio | apart |\n| --- |" + " --- |" * 6)
    for name in args.networks:
        with tempfile.TemporaryDirectory() as folder:
            print(compare(name, args, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
