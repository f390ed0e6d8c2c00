"""What pre-training without labels is worth to a classifier: every number of docs/14-pretraining.md.

    python experiments/pretraining/run.py            # data/mnist must be there: deepcae data mnist

1. Auto-encoders learn from the 60,000 training images, without labels: cae2, its denoising variant, and cae2 layer by
   layer, with as many iterations in sum.
2. For each number of labels and each start, the rate with the fewest errors on held-out training images (seed 0's).
3. With that rate, classifiers for five seeds (of labels drawn, auto-encoder and last layer), judged on the test images.

Images are read in the order of their file. Every finished training is kept in results.json at once; whoever starts
again goes on there.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from deepcae import zoo
from deepcae.data.datasets import write_subset
from deepcae.data.source import Feed
from deepcae.net.net import Net
from deepcae.solver.records import Test
from deepcae.solver.solver import Solver
from deepcae.zoo.text import in_file_order

HERE = Path(__file__).parent
DIMS = 30
BRIEF = "display: 0 snapshot: 0 test_initialization: false"
FASTER = {"cae2": 0.003, "cae2-denoising": 0.0015}  # than the paper's rate; at 0.003 one noisy net of five got stuck
ITERATIONS = {  # the networks that are trained one after the other, each from the weights of the one before
    "cae2": [("cae2", 2500)],
    "denoising": [("cae2-denoising", 2500)],
    "stacked": [("cae2-stage1", 400), ("cae2-stage2", 400), ("cae2-stage3", 700), ("cae2", 1000)],
}
STARTS = ("scratch", *ITERATIONS)
LABELS = {100: 300, 1000: 500, 10000: 1000}  # labels: iterations of the classifier
RATES = (0.0003, 0.001, 0.003, 0.01, 0.03)
SEEDS = (1, 2, 3, 4, 5)
HELD_OUT = 5000
Row = dict[str, Any]


def write(model: zoo.ZooModel, folder: Path) -> None:
    """The texts, reading the images as they stand in their file: as all that is in results.json was trained."""
    net, _ = zoo.write(model, folder)
    net.write_text(in_file_order(net.read_text()))


class Results:
    """The rows of a JSON file, each found by what it is about, and kept at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self._read()

    def _read(self) -> list[Row]:
        return list(json.loads(self.path.read_text())) if self.path.exists() else []

    def find(self, **about: Any) -> Row | None:
        return next((row for row in self.rows if about.items() <= row.items()), None)

    def all(self, **about: Any) -> list[Row]:
        return [row for row in self.rows if about.items() <= row.items()]

    def add(self, row: Row) -> Row:
        self.rows = [*self._read(), row]  # another process may have added some
        text = "[\n" + ",\n".join(f" {json.dumps(each)}" for each in self.rows) + "\n]\n"
        unfinished = self.path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(text)
        unfinished.replace(self.path)
        print(json.dumps(row), flush=True)
        return row


class Experiment:
    """`data`: the folder with train.txt and test.txt; `out`: where networks and drawn labels go."""

    def __init__(self, data: Path, out: Path, results: Results) -> None:
        self.data, self.out, self.results = data, out, results

    def encoder(self, kind: str, seed: int) -> Path:
        """The weights of a trained auto-encoder; trained if need be, and judged on clean and noisy test images."""
        weights = self.out / f"{kind}-{seed}.caffemodel"
        if weights.exists() and self.results.find(what="encoder", kind=kind, seed=seed):
            return weights
        before = None
        for name, iterations in ITERATIONS[kind]:
            texts = self.out / "texts" / f"{name}-{iterations}"
            write(zoo.build(name, DIMS, self.data / "train.txt", self.data / "test.txt", folder=texts), texts)
            settings = f"{BRIEF} max_iter: {iterations} test_interval: {iterations}"
            settings += f" momentum: 0.9 base_lr: {FASTER[name]}" if name in FASTER else ""
            run = self.out / f"{kind}-{seed}-{name}"
            solver = Solver(texts / "solver.prototxt", out=run, overrides=settings, seed=seed, weights=before)
            for _ in solver.solve():
                pass
            before = run / f"{name}_iter_{iterations}.caffemodel"
        assert before is not None
        row = {
            "what": "encoder",
            "kind": kind,
            "seed": seed,
            "clean": self.restores(before),
            "noisy": self.restores(before, "noisy"),
        }
        before.replace(weights)
        self.results.add(row)
        return weights

    def restores(self, weights: Path, stage: str = "clean") -> dict[str, float]:
        """Mean test losses of a cae2 against the clean images, whether it reads them noisy or clean."""
        texts = self.out / "texts" / "judge"
        zoo.write(
            zoo.build("cae2-denoising", DIMS, self.data / "train.txt", self.data / "test.txt", folder=texts), texts
        )
        net = Net(texts / "net.prototxt", "TEST", stages=(stage,), weights=weights, seed=0)
        with Feed(net.sources, net.phase, [texts], 0) as feed:
            tests = [net(feed.batch(index), want=list(net.outputs)) for index in range(100)]
        return {name: round(mean(float(test[name]) for test in tests), 3) for name in net.outputs}

    def labels(self, count: int, seed: int) -> Path:
        """A folder with `count` labelled images, and others held out."""
        folder = self.out / f"labels-{count}-{seed}"
        if not (folder / "heldout.txt").exists():
            write_subset(folder, count, self.data, seed, HELD_OUT if seed == 0 else 0)
            (folder / "heldout.txt").touch()
        return folder

    def classify(self, count: int, start: str, frozen: bool, rate: float, seed: int) -> float:
        """The error in percent: of held-out images for seed 0, else of the test images."""
        encoder = None if start == "scratch" else max(seed, 1)  # each seed has its own; rates are chosen with the first
        about = {"what": "classifier", "labels": count, "start": start, "encoder": encoder, "frozen": frozen}
        about |= {"rate": rate, "seed": seed}
        if found := self.results.find(**about):
            return float(found["error"])
        labels = self.labels(count, seed)
        judged = labels / "heldout.txt" if seed == 0 else self.data / "test.txt"
        texts = self.out / "texts" / "classifier"
        name = "cae2-classifier-frozen" if frozen else "cae2-classifier"
        write(zoo.build(name, None, labels / "train.txt", judged, folder=texts), texts)
        settings = (
            f"base_lr: {rate} max_iter: {LABELS[count]} test_interval: {LABELS[count]} display: 0 snapshot: 0 "
            "test_initialization: false snapshot_after_train: false"
        )
        weights = None if encoder is None else self.encoder(start, encoder)
        solver = Solver(texts / "solver.prototxt", overrides=settings, seed=seed, weights=weights)
        accuracy = [record.outputs["accuracy"] for record in solver.solve() if isinstance(record, Test)][-1]
        assert isinstance(accuracy, float)
        return float(self.results.add(about | {"error": round(100 * (1 - accuracy), 2)})["error"])

    def rate(self, count: int, start: str, frozen: bool) -> float:
        """The rate with the fewest errors on held-out training images."""
        return min(RATES, key=lambda rate: self.classify(count, start, frozen, rate, 0))


def variants() -> Iterator[tuple[str, bool]]:
    """Every start, learning on and, where there is something to freeze, frozen."""
    for start in STARTS:
        yield start, False
        if start != "scratch":
            yield start, True


def table(results: Results) -> str:
    """Markdown: test error in percent, mean ± standard deviation over the seeds."""
    lines = ["| start | encoder | " + " | ".join(f"{count:,} labels" for count in LABELS) + " |", "|---" * 5 + "|"]
    for start, frozen in variants():
        cells = []
        for count in LABELS:
            rows = [
                row for row in results.all(what="classifier", labels=count, start=start, frozen=frozen) if row["seed"]
            ]
            errors = [row["error"] for row in rows]
            cells.append(f"{mean(errors):.2f} ± {stdev(errors):.2f} ({rows[0]['rate']:g})" if len(errors) > 1 else "")
        lines.append(" | ".join([f"| {start}", "frozen" if frozen else "learns on", *cells]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/mnist"))
    parser.add_argument("--out", type=Path, default=Path("runs/pretraining"))
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    parser.add_argument("--labels", type=int, nargs="*", choices=list(LABELS), default=list(LABELS))
    parser.add_argument("--starts", nargs="*", choices=STARTS, default=STARTS)
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = Results(options.results)
    if not options.table:
        experiment = Experiment(options.data, options.out, results)
        for count in options.labels:
            for start, frozen in variants():
                if start not in options.starts:
                    continue
                rate = experiment.rate(count, start, frozen)
                for seed in SEEDS:
                    experiment.classify(count, start, frozen, rate, seed)
    print(table(results))


if __name__ == "__main__":
    main()
