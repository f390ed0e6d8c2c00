"""What switches carry: the codes of images A decoded with the switches of A, of other images B, and of no image.

    python experiments/pooling/switches.py RUN... [--out FILE.json]

RUN: trained `cae1-pool-switch` or `cae2-pool-switch`. Every test image is an A once; its B is the next one of a random
order (`--seed`), so it is never A itself. Losses are half the squared distance per image, as EuclideanLoss gives them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from deepcae.codes import knn_accuracy
from deepcae.solver.run import Run
from deepcae.trained.examples import open_examples
from deepcae.trained.network import Trained
from deepcae.trained.passes import encoded

SWITCHES = {"pool1_switches": 20, "pool2_switches": 6}  # and the width of the plane that they point into


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found = [measured(Run(folder), asked.seed) for folder in asked.runs]
    text = "[\n" + ",\n".join(json.dumps(each) for each in found) + "\n]\n"
    if asked.out is not None:
        asked.out.write_text(text, encoding="utf-8")
    print(text, end="")


def measured(run: Run, seed: int) -> dict[str, Any]:
    trained = Trained.of_run(run)
    examples = open_examples(trained, None)
    images, _ = examples.take(0, len(examples))
    codes, classes = encoded(trained, examples, trained.code)
    own = {name: encoded(trained, examples, name)[0] for name in SWITCHES}
    order = np.random.default_rng(seed).permutation(len(images))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)
    mean = np.broadcast_to(codes.mean(axis=0), codes.shape)
    corner = {
        name: np.broadcast_to(corners(places.shape[2:], SWITCHES[name]), places.shape) for name, places in own.items()
    }
    ways = {
        "code of A, switches of A": (codes, own),
        "code of A, switches of B": (codes, {name: places[other] for name, places in own.items()}),
        "code of A, corners": (codes, corner),
        "mean code, switches of A": (mean, own),
    }
    return {
        "network": trained.net.name,
        "dims": int(codes.shape[1]),
        "seed": run.about.get("seed"),
        "knn_accuracy_of_codes": None if classes is None else round(knn_accuracy(codes, classes), 4),
        "l2_between_a_and_b": mean_loss(images[other], images),
        "l2_of_the_mean_image": mean_loss(np.broadcast_to(images.mean(axis=0), images.shape), images),
        "ways": {name: judged(decoded(trained, *way), images, images[other]) for name, way in ways.items()},
    }


def decoded(trained: Trained, codes: np.ndarray, switches: dict[str, np.ndarray], size: int = 500) -> np.ndarray:
    """The images that the decoder makes of codes and switches (N, C, h, w)."""
    parts = []
    for start in range(0, len(codes), size):
        given = {name: np.ascontiguousarray(places[start : start + size]) for name, places in switches.items()}
        given[trained.code] = np.ascontiguousarray(codes[start : start + size])
        parts.append(np.asarray(trained.net(given, want=[trained.restored])[trained.restored].detach()))
    return np.concatenate(parts)


def corners(cells: tuple[int, ...], width: int) -> np.ndarray:
    """The top left place of each 2x2 cell, h·width + w: (h, w)."""
    rows, columns = np.indices(cells, np.float32)
    return 2 * rows * width + 2 * columns


def judged(restored: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    nearer = losses(restored, a) < losses(restored, b)
    return {
        "l2_to_a": mean_loss(restored, a),
        "l2_to_b": mean_loss(restored, b),
        "nearer_to_a": round(float(nearer.mean()), 4),
    }


def losses(restored: np.ndarray, images: np.ndarray) -> np.ndarray:
    """(N,): half the squared distance."""
    return ((restored - images).reshape(len(images), -1).astype(np.float64) ** 2).sum(axis=1) / 2


def mean_loss(restored: np.ndarray, images: np.ndarray) -> float:
    return round(float(losses(restored, images).mean()), 3)


if __name__ == "__main__":
    main()
