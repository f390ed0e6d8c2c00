"""How far the training passes of the paper's networks are from PyTorch's in float64.

    python tests/agreement.py [--precision bf16] [--networks cae1 …] [--seeds 3]

For each rule of kernels the worst |ours - theirs| / |theirs| (Euclidean norms over a whole tensor) of the blobs, the
losses and the gradients, at batch 100, over seeds of weights and images.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from deepcae import zoo
from deepcae.kernels import choice
from deepcae.kernels.choice import using
from deepcae.net.net import Net
from deepcae.solver.iteration import Arithmetic
from deepcae.solver.solver import Solver

NETWORKS = (("cae1", 2), ("cae1", 30), ("cae2", 10), ("classic-1000", 2))
BATCH = 100


def reference(net: Net, inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor], list[Tensor]]:
    """All blobs, the losses among them, and the gradients of the learned blobs, by PyTorch's functions in float64."""
    blobs = {name: blob.double() for name, blob in inputs.items()}
    weights = [tensor.detach().double().requires_grad_() for tensor in net.tensors]
    for step in net.plan.steps:
        if step.layer is None or step.layer.is_source:
            continue
        bottoms = [blobs[name] for name in step.bottoms]
        tops = _tops(step.type, bottoms, [weights[i] for i in step.params], net.plan.shapes[step.tops[0]])
        blobs.update(zip(step.tops, tops * len(step.tops), strict=False))
    losses = {name: blobs[name] for name in net.loss_weights}
    total = torch.stack([weight * losses[name] for name, weight in net.loss_weights.items()]).sum()
    return blobs, losses, list(torch.autograd.grad(total, weights))


def _tops(kind: str, bottoms: list[Tensor], weights: list[Tensor], shape: Any) -> list[Tensor]:
    x = bottoms[0]
    match kind:
        case "Convolution":
            return [functional.conv2d(x, *weights)]
        case "Deconvolution":
            return [functional.conv_transpose2d(x, *weights)]
        case "InnerProduct":
            return [functional.linear(x.flatten(1), *weights)]
        case "Sigmoid":
            return [torch.sigmoid(x)]
        case "Reshape" | "Flatten":
            return [x.reshape(shape)]
        case "Split":
            return [x]
        case "SigmoidCrossEntropyLoss":
            target = bottoms[1].reshape(x.shape)
            return [functional.binary_cross_entropy_with_logits(x, target, reduction="sum") / len(x)]
        case "EuclideanLoss":
            return [(x - bottoms[1].reshape(x.shape)).square().sum() / (2 * len(x))]
    raise AssertionError(f"the paper's networks have no {kind}")


def solver_of(name: str, dims: int, seed: int, folder: Path, **settings: Any) -> Solver:
    """The network's solver over random images, half of their pixels black as in MNIST's."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "data.h5", "w") as file:
        images = np.random.default_rng(seed).random((BATCH, 1, 28, 28), dtype=np.float32)
        file["data"] = np.where(images < 0.5, 0, images)
        file["label"] = np.zeros(BATCH, np.float32)
    (folder / "list.txt").write_text("data.h5\n")
    lists = {"train_list": folder / "list.txt", "test_list": folder / "list.txt"}
    zoo.write(zoo.build(name, dims, **lists), folder)
    return Solver(folder / "solver.prototxt", seed=seed, **settings)


def worst(solver: Solver) -> dict[str, float]:
    """The worst relative difference of one pass's blobs, losses and gradients."""
    inputs = solver.state.train.next_inputs()
    blobs, losses, gradients = reference(solver.net, inputs)
    passed = Arithmetic(solver.passes, solver.state.generator).gradients([inputs], 0)
    names = [name for name in blobs if name not in losses]
    return {
        "blobs": max(_apart(passed.blobs[name], blobs[name]) for name in names),
        "losses": max(_apart(passed.blobs[name], losses[name]) for name in losses),
        "gradients": max(_apart(a, b) for a, b in zip(passed.gradients, gradients, strict=True)),
    }


def _apart(ours: Tensor, theirs: Tensor) -> float:
    theirs = theirs.detach()
    return float((ours.detach().double() - theirs).norm() / theirs.norm())


def _table(networks: list[str], seeds: int, precision: str) -> Iterator[tuple[str, dict[str, float]]]:
    rules = get_args(choice.Preference) if precision == "fp32" else ("torch",)
    for name, dims in NETWORKS:
        for rule in rules if name in networks else ():
            found = []
            for seed in range(1, seeds + 1):
                with tempfile.TemporaryDirectory() as folder, using(rule):
                    found.append(worst(solver_of(name, dims, seed, Path(folder), precision=precision)))
            yield f"{name} N={dims} {rule}", {key: max(each[key] for each in found) for key in found[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=[name for name, _ in NETWORKS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--precision", default="fp32")
    args = parser.parse_args()
    print(f"{'':<26}{'blobs':>10}{'losses':>10}{'gradients':>11}   ({args.precision} against float64)")
    for label, errors in _table(args.networks, args.seeds, args.precision):
        print(f"{label:<26}{errors['blobs']:>10.1e}{errors['losses']:>10.1e}{errors['gradients']:>11.1e}")


if __name__ == "__main__":
    main()
