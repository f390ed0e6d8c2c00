"""The fuzzer: wrong files for every reader, as long as is asked.

    PYTHONPATH=tests python -m fuzz.run --minutes 60 [--targets weights,check] [--seed 7] [--out runs/fuzz]

Findings are written to the folder as they are met: the case itself, and beside it (.txt) what happened. One kind of
failure at one place is kept once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from reference import reference_dir

from .targets import TARGETS
from .worker import Outcome, Worker

TURN = 10.0  # seconds that a target has before the next one comes


def cases(target: str, seed: int, reference: Path) -> Iterator[bytes]:
    """The endless stream of a target's wrong files; equal seeds give equal streams."""
    dice = random.Random(f"{target} {seed}")
    seeds = list(TARGETS[target].seeds(reference))
    yield from seeds
    while True:
        yield TARGETS[target].mutate(dice, dice.choice(seeds), seeds)


def fuzz(names: Sequence[str], minutes: float, seed: int, out: Path) -> Counter[str]:
    """Runs the targets in turns; returns how often each outcome was met, as `<target> <kind>`."""
    out.mkdir(parents=True, exist_ok=True)
    streams = {name: cases(name, seed, reference_dir()) for name in names}
    counts: Counter[str] = Counter()
    worker, end = Worker(), time.monotonic() + 60 * minutes
    try:
        while time.monotonic() < end:
            for name, stream in streams.items():
                turn = min(end, time.monotonic() + TURN)
                while time.monotonic() < turn:
                    data = next(stream)
                    outcome = worker.run(name, data)
                    counts[f"{name} {outcome.kind}"] += 1
                    if outcome.is_finding:
                        keep(out, name, data, outcome)
                (out / "counts.json").write_text(json.dumps(counts, indent=1, sort_keys=True))
    finally:
        worker.close()
    return counts


def keep(out: Path, target: str, data: bytes, outcome: Outcome) -> None:
    """Writes a finding, unless one of its kind and place is there; a smaller case takes the place of a larger."""
    place = re.sub(r"0x[0-9a-f]+|\d{3,}", "", outcome.detail.split(": ")[0])
    name = f"{target}-{outcome.kind}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
    known = out / name
    if not known.exists() or known.stat().st_size > len(data):
        known.write_bytes(data)
        known.with_name(name + ".txt").write_text(f"{outcome.kind}: {outcome.detail}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    options = parser.parse_args()
    counts = fuzz(options.targets.split(","), options.minutes, options.seed, options.out)
    findings = sum(count for key, count in counts.items() if key.split()[1] not in ("fine", "refused"))
    for key in sorted(counts):
        print(f"{counts[key]:9,}  {key}")
    print(
        f"{sum(counts.values()):,} executions in {options.minutes:g} minutes, seed {options.seed}: {findings} findings"
    )


if __name__ == "__main__":
    main()
