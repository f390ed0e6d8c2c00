"""The rule of kernels for this processor, measured anew: all figures, and what follows from them.

    python benchmarks/rule.py [--json FILE]

What a program on an unknown processor does once, told; nothing is kept. What it says here is what `kernels.rule` has
for the kinds that are known: its figures stand there, with the processor's name.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from deepcae.kernels import choice
from deepcae.kernels.measure import measured
from deepcae.kernels.processor import this_processor
from deepcae.kernels.rule import fixed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    processor, figures = this_processor(), {}

    def heard(question: str, seconds: Mapping[str, float]) -> None:
        figures[question] = dict(seconds)
        print(f"{question}: {', '.join(f'{way} {1e3 * s:.3f}' for way, s in seconds.items())}", flush=True)

    print(f"{processor.description}, {processor.instructions}, PyTorch {torch.__version__}; ms of one thread's time")
    began = time.perf_counter()
    rule = measured(fixed(processor), heard)
    print(f"in {time.perf_counter() - began:.1f} s: {rule}")
    print(f"in force: {choice.rule()} ({choice.kernels().found.source})")
    if args.json:
        args.json.write_text(
            json.dumps({"processor": processor._asdict(), "rule": rule.to_json(), "s": figures}) + "\n"
        )


if __name__ == "__main__":
    main()
