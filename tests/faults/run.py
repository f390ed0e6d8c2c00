"""Every call of a whole training or fit that changes a file fails once, and once the process is killed there.

    PYTHONPATH=tests python -m faults.run [--every 1] [--failures kill,EIO,ENOSPC,full,cut,cut-names] [--jobs 2]

`full`: from that call on the disk takes nothing more. `cut`: the power fails, and what was not synced is lost; with
`cut-names` the new names, too. After each: the newest snapshot is whole; a run that had begun came to its end, with the
exit code that was promised; the next start goes on, ends with the same weights and numbers, and leaves nothing behind.
A fit (`--trainings fit,fit-overwrite`) takes seconds: EVERY=20, at least.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from . import powercut
from .fits import Fit
from .server import Ended, Server, scratch
from .training import Training

FAILURES = ("kill", "EIO", "ENOSPC", "full", "cut", "cut-names")
TRAININGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plain": ("", ()),
    "kept": ("", ("--keep", "2")),
    "hdf5": ("snapshot_format: HDF5", ()),
    "best": ("snapshot_best: true", ()),
    "runs": ("", ("--runs", "2", "--batched")),
}
FITS = {"fit": False, "fit-overwrite": True}  # whether it takes the place of another


def made(server: Server, folder: Path, name: str) -> Training | Fit:
    """What is disturbed, by its name."""
    return Fit(server, folder, FITS[name]) if name in FITS else Training(server, folder, *TRAININGS[name])


def disturb(training: Training | Fit, failure: str, at: int) -> tuple[Ended, list[str]]:
    """One disturbance of one training, and what is wrong then."""
    case = training.begin(f"{failure}-{at}")
    try:
        if failure.startswith("cut"):
            ended = powercut.cut(training, case, at, names_too=failure == "cut-names")
            found = []
        else:
            kind, lasting = ("ENOSPC", True) if failure == "full" else (failure, False)
            ended = training.run(case, at=at, failure=kind, persistent=lasting)
            found = training.problems_now(case, ended)
        return ended, [*found, *training.problems_after(case, ended)]
    finally:
        shutil.rmtree(case.parent)


@dataclass
class Tally:
    """What came of disturbances: `codes` by training, failure and exit code."""

    calls: dict[str, int] = field(default_factory=dict)
    codes: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    bad: int = 0


def try_all(options: argparse.Namespace, job: int, tally: Tally) -> None:
    """Each `options.jobs`-th disturbance from the `job`-th on, by a server of its own."""
    failures, number = options.failures.split(","), 0
    names = options.trainings.split(",")
    with scratch() as folder, Server(fits=not FITS.keys().isdisjoint(names)) as server:
        for name in names:
            training = made(server, Path(folder, name), name)
            tally.calls[name] = training.wanted.calls
            for failure in failures:
                for at in range(1, training.wanted.calls + 1, options.every):
                    number += 1
                    if number % options.jobs != job:
                        continue
                    ended, problems = disturb(training, failure, at)
                    tally.codes[name, failure, ended.code] += 1
                    tally.bad += bool(problems)
                    for problem in problems:
                        print(f"FAILED {name}, {failure} at call {at}: {problem}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only each so-many-th call")
    parser.add_argument("--failures", default=",".join(FAILURES))
    parser.add_argument("--trainings", default=",".join([*TRAININGS, *FITS]))
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="disturbances at a time")
    options = parser.parse_args()
    began, tallies = time.monotonic(), [Tally() for _ in range(options.jobs)]
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(try_all, [options] * options.jobs, range(options.jobs), tallies))
    codes = sum((tally.codes for tally in tallies), Counter[tuple[str, str, int]]())
    bad = sum(tally.bad for tally in tallies)
    for name, calls in tallies[0].calls.items():
        print(f"{name}: {calls} calls")
    for (name, failure, code), count in sorted(codes.items()):
        print(f"{count:6}  {name}, {failure}: exit code {code}")
    print(f"{codes.total()} disturbances in {time.monotonic() - began:.0f} s: {bad} with something wrong")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
