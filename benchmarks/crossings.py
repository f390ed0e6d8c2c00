"""How often a training step goes from one file of deepcae to another: how far a reader of it must go.

    python benchmarks/crossings.py [--network cae1] [--list]

Trains for some iterations, and counts the calls of one whose caller and callee stand in different files of the package:
once of a displayed iteration, once of one that is not. What stands between them of other libraries does not count.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from networks import write

import deepcae
from deepcae.solver.records import Step
from deepcae.solver.solver import Solver

PACKAGE = str(Path(deepcae.__file__).parent) + "/"
LOOKED_AT = 40  # the iteration: behind the batches that are all looked at
TEXT = "test_interval: 1000000 test_initialization: false snapshot: 0 max_iter: 45 display: {display}"
Edge = tuple[str, str]  # file:function of the caller, of the callee


def crossings(solver: Solver) -> Counter[Edge]:
    """The calls from file to file of one iteration, its record included."""
    found: Counter[Edge] = Counter()

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(PACKAGE):
            return
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(PACKAGE):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != frame.f_code.co_filename:
            found[_named(caller), _named(frame)] += 1

    for record in solver.solve():
        sys.setprofile(None)
        if isinstance(record, Step) and record.iteration == LOOKED_AT - 1:
            sys.setprofile(watch)
    return found


def _named(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename.removeprefix(PACKAGE)}:{frame.f_code.co_name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--network", default="cae1")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--list", action="store_true", help="show each edge")
    args = parser.parse_args()
    for label, display in (("displayed", 1), ("not displayed", 1000)):
        with tempfile.TemporaryDirectory() as folder:
            text, _ = write(args.network, 2, args.batch, Path(folder))
            overrides = TEXT.format(display=display)
            found = crossings(Solver(text, out=Path(folder) / "run", seed=1, overrides=overrides, threads=1))
        files = {name.split(":")[0] for edge in found for name in edge}
        print(f"{label}: {found.total()} calls between {len(files)} files")
        for (caller, callee), count in sorted(found.items()) if args.list else ():
            print(f"  {count:3} {caller} → {callee}")


if __name__ == "__main__":
    main()
