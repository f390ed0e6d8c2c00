"""How long a training pass takes, written down and by autograd: CPU time of one thread, batch 100, N = 10.

    python experiments/pooling/passes.py

Medians of 60 passes each, 15 at a time in turn; CPU time, because it suffers less from other programs than the clock's.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from deepcae import zoo
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.tape.tape import Tapes

NETWORKS = [
    f"{model}{way}" for model in ("cae1", "cae2") for way in ("", "-pool-deconv", "-pool-unpool", "-pool-switch")
]


def main() -> None:
    torch.set_num_threads(1)
    for name in NETWORKS:
        written, autograd = measured(name)
        print(f"{name:18} written pass {1e3 * written:.2f} ms, autograd {1e3 * autograd:.2f} ms", flush=True)


def measured(name: str) -> tuple[float, float]:
    shape = (100, 1, 28, 28)
    net = Net(read_net_text(zoo.build(name, 10).net_text), "TRAIN", seed=1, input_shapes={"data": shape})
    images = {"data": torch.rand(shape)}
    tape = Tapes(net).now()
    assert tape is not None, f"{name} has no written pass here: was deepcae installed without a compiler?"

    def by_autograd() -> None:
        for blob in net.learnable:
            blob.tensor.grad = None
        net.loss(net.forward(images)).backward()

    ways: list[Callable[[], object]] = [lambda: tape.play(images), by_autograd]
    times: list[list[float]] = [[], []]
    for _ in range(4):
        for way, taken in zip(ways, times, strict=True):
            taken += [seconds(way) for _ in range(15)]
    return float(np.median(times[0])), float(np.median(times[1]))


def seconds(way: Callable[[], object]) -> float:
    began = time.process_time()
    way()
    return time.process_time() - began


if __name__ == "__main__":
    main()
