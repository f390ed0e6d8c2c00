"""One training step of the paper's networks: deepcae beside plain PyTorch, in one process, in the order A B A B …

    python benchmarks/training_step.py [--networks NAME …] [--dims N] [--threads T] [--rounds R] [--json FILE]

Both sides do the same work on the same random images: forward, both losses, backward, Caffe's SGD update with weight
decay, batch 100, data from memory. Plain PyTorch is an `nn.Sequential` with `torch.optim.SGD`, in its default layout.
Printed: the median over the rounds of milliseconds per iteration, and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

from deepcae import zoo
from deepcae.solver.solver import Solver

BATCH = 100


def plain_model(name: str, dims: int) -> nn.Sequential:
    """The network as one writes it in PyTorch."""
    if name.startswith("cae"):
        maps1, maps2, neurons = (4, 2, 125) if name == "cae1" else (8, 4, 250)
        return nn.Sequential(
            nn.Conv2d(1, maps1, 9), nn.Sigmoid(), nn.Conv2d(maps1, maps2, 9), nn.Sigmoid(), nn.Flatten(),
            nn.Linear(maps2 * 144, neurons), nn.Sigmoid(), nn.Linear(neurons, dims),
            nn.Linear(dims, neurons), nn.Sigmoid(), nn.Unflatten(1, (neurons, 1, 1)),
            nn.ConvTranspose2d(neurons, maps2, 12), nn.Sigmoid(), nn.ConvTranspose2d(maps2, maps2, 17), nn.Sigmoid(),
            nn.ConvTranspose2d(maps2, 1, 1),
        )  # fmt: skip
    width = int(name.split("-")[1])
    inner = {300: (150, 75), 500: (250, 125), 1000: (500, 250), 2000: (1000, 500), 3000: (1500, 750)}[width]
    sizes = [784, width, *inner, dims, *inner[::-1], width, 784]
    layers: list[nn.Module] = [nn.Flatten()]
    for k, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Linear(inputs, outputs))
        if k not in (len(inner) + 1, len(sizes) - 2):
            layers.append(nn.Sigmoid())
    return nn.Sequential(*layers)


def plain_step(name: str, dims: int, images: torch.Tensor) -> Callable[[int], None]:
    model = plain_model(name, dims)
    momentum = 0.0 if name.startswith("cae") else 0.9
    optimizer = torch.optim.SGD(model.parameters(), lr=0.006, momentum=momentum, weight_decay=0.0005)
    l2_weight = 1.0 if name.startswith("cae") else 0.0

    def run(iterations: int) -> None:
        for i in range(iterations):
            start = i * BATCH % len(images)
            x = images[start : start + BATCH]
            logits = model(x)
            target = x.reshape(logits.shape)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum") / BATCH
            l2 = nn.functional.mse_loss(torch.sigmoid(logits), target, reduction="sum") / (2 * BATCH)
            optimizer.zero_grad()
            (loss + l2_weight * l2 if l2_weight else loss).backward()
            optimizer.step()

    return run


def our_step(name: str, dims: int, images: torch.Tensor, folder: Path) -> Callable[[int], None]:
    with h5py.File(folder / "data.h5", "w") as file:
        file["data"] = images.numpy()
        file["label"] = np.zeros(len(images), np.float32)
    (folder / "list.txt").write_text("data.h5\n")
    zoo.write(zoo.build(name, dims, train_list=folder / "list.txt", test_list=folder / "list.txt"), folder)
    quiet = "test_interval: 1000000000 test_initialization: false display: 0 snapshot: 0"
    solver = Solver(folder / "solver.prototxt", out=folder / "run", seed=1, overrides=quiet)
    return lambda iterations: solver.step(iterations) and None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["cae1", "cae2", "classic-1000"])
    parser.add_argument("--dims", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--iterations", type=int, default=30, help="per round and side")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    images = torch.from_numpy(np.random.default_rng(0).random((1000, 1, 28, 28), dtype=np.float32))
    results = {}
    print(f"{'network':<14}{'deepcae':>12}{'PyTorch':>12}{'ratio':>9}   (ms per iteration, {args.threads} threads)")
    for name in args.networks:
        with tempfile.TemporaryDirectory() as folder:
            sides = {
                "deepcae": our_step(name, args.dims, images, Path(folder)),
                "pytorch": plain_step(name, args.dims, images),
            }
            times: dict[str, list[float]] = {side: [] for side in sides}
            for round_ in range(args.rounds + 1):
                for side, run in sides.items():
                    began = time.perf_counter()
                    run(args.iterations)
                    if round_:  # the first round warms up
                        times[side].append((time.perf_counter() - began) / args.iterations * 1e3)
        ours, plain = (statistics.median(times[side]) for side in ("deepcae", "pytorch"))
        results[name] = {"deepcae_ms": ours, "pytorch_ms": plain, "ratio": plain / ours, "rounds_ms": times}
        print(f"{name:<14}{ours:>12.2f}{plain:>12.2f}{plain / ours:>8.2f}×")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
