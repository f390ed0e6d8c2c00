"""Convolutions alone: the compiled kernels beside PyTorch's operators, in one process, in the order A B A B …

    python benchmarks/convolutions.py [--shapes paper|rule] [--batches N …] [--threads T] [--rounds R] [--json FILE]

Forward and both gradients of one layer. `paper`: the layers of the paper's networks, with useful GFLOP/s, their share
of a large matrix product's rate (torch's own). `rule`: shapes of all kinds, from which `kernels.choice` has its rule.
`others`: as if nothing were compiled. It and PyTorch's side are the faster of two memory formats.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from deepcae.kernels import choice, native
from deepcae.kernels.convolution import convolution, deconvolution


class Layer(NamedTuple):
    """Channels → outputs with a square kernel on square images; pad and stride; transposed for a deconvolution."""

    channels: int
    outputs: int
    kernel: int
    size: int
    pad: int = 0
    transposed: bool = False
    stride: int = 1

    def __str__(self) -> str:
        pad = f" pad {self.pad}" * (self.pad > 0) + f" stride {self.stride}" * (self.stride > 1)
        kind = "deconv" if self.transposed else "conv"
        return f"{kind} {self.channels}→{self.outputs} {self.kernel}×{self.kernel} on {self.size}×{self.size}{pad}"


PAPER = [
    Layer(1, 4, 9, 28), Layer(4, 2, 9, 20), Layer(2, 2, 17, 12, 0, True),
    Layer(1, 8, 9, 28), Layer(8, 4, 9, 20), Layer(4, 4, 17, 12, 0, True),
]  # fmt: skip
RULE = [
    Layer(2, 1, 1, 28), Layer(8, 8, 1, 28), Layer(32, 32, 1, 28), Layer(1, 20, 5, 28), Layer(20, 50, 5, 12),
    Layer(3, 16, 3, 64, 1), Layer(16, 16, 3, 32, 1), Layer(32, 32, 3, 32, 1), Layer(64, 64, 3, 16, 1),
    Layer(128, 128, 3, 8, 1), Layer(16, 16, 5, 32, 2), Layer(16, 3, 3, 64, 1, True), Layer(32, 16, 3, 32, 1, True),
    Layer(4, 4, 3, 6), Layer(16, 8, 3, 8), Layer(8, 4, 4, 4, 0, True), Layer(1, 1, 5, 28), Layer(16, 1, 9, 28, 4),
    Layer(16, 1, 4, 14, 1, True, 2), Layer(16, 3, 4, 32, 1, True, 2), Layer(16, 8, 4, 16, 1, True, 2),
    Layer(32, 16, 4, 16, 1, True, 2), Layer(8, 1, 8, 7, 2, True, 4),
]  # fmt: skip


def step_of(layer: Layer, batch: int, preference: str, memory: str) -> Callable[[], None]:
    """One pass forward and back; `memory`: where the batch or the channels stand in the tensors that come in."""
    generator = torch.Generator().manual_seed(0)
    shape = (layer.channels, layer.outputs) if layer.transposed else (layer.outputs, layer.channels)
    w = torch.randn(*shape, layer.kernel, layer.kernel, generator=generator).requires_grad_()
    b = torch.zeros(layer.outputs).requires_grad_()
    x = _in(memory, torch.randn(batch, layer.channels, layer.size, layer.size, generator=generator)).requires_grad_()
    operation = deconvolution if layer.transposed else convolution
    settings = ((layer.stride,) * 2, (layer.pad,) * 2, (1, 1))
    choice.prefer(preference)
    upper = _in(memory, torch.randn(operation(x, w, b, *settings).shape, generator=generator))

    def step() -> None:
        choice.prefer(preference)
        torch.autograd.grad(operation(x, w, b, *settings), (x, w, b), upper)

    return step


def _in(memory: str, x: torch.Tensor) -> torch.Tensor:
    if memory == "batch last":
        return x.movedim(0, -1).contiguous().movedim(-1, 0)
    return x.contiguous(memory_format=torch.channels_last if memory == "channels last" else torch.contiguous_format)


def flops(layer: Layer, batch: int) -> int:
    """Of the three passes: two for each product, of which each pass has as many."""
    reach = layer.kernel - 2 * layer.pad
    grown, shrunk = layer.stride * (layer.size - 1) + reach, (layer.size - reach) // layer.stride + 1
    smaller = min(layer.size, grown if layer.transposed else shrunk)
    return 3 * 2 * batch * layer.channels * layer.outputs * layer.kernel**2 * smaller**2


def medians(sides: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Seconds per call; every round takes each side for a hundredth of a second."""
    times: dict[str, list[float]] = {side: [] for side in sides}
    for round_ in range(rounds + 1):
        for side, step in sides.items():
            calls, began = 0, time.perf_counter()
            while (now := time.perf_counter()) - began < 0.01 or not calls:
                step()
                calls += 1
            now = time.perf_counter()
            if round_:  # the first round warms up
                times[side].append((now - began) / calls)
    return {side: statistics.median(values) for side, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", choices=["paper", "rule"], default="paper")
    parser.add_argument("--batches", type=int, nargs="+", default=[100])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    a = torch.randn(1024, 1024)
    rate = 2 * 1024**3 / medians({"product": lambda: a @ a}, args.rounds)["product"]
    print(f"{native.instructions()}, {args.threads} threads; a matrix product of 1024: {rate / 1e9:.0f} GFLOP/s")
    print(f"{'layer':<34}{'batch':>6}{'core ms':>9}{'others':>9}{'torch':>9}{'ratio':>7}{'GFLOP/s':>9}{'share':>7}")
    results = []
    for layer in PAPER if args.shapes == "paper" else RULE:
        for batch in args.batches:
            sides = {
                "core": step_of(layer, batch, "core", "batch last"),
                "others": step_of(layer, batch, "banded", "batch first"),
                "others, channels last": step_of(layer, batch, "banded", "channels last"),
                "torch": step_of(layer, batch, "torch", "batch first"),
                "channels last": step_of(layer, batch, "torch", "channels last"),
            }
            seconds = medians(sides, args.rounds)
            torch_s, speed = min(seconds["torch"], seconds["channels last"]), flops(layer, batch) / seconds["core"]
            others = min(seconds["others"], seconds["others, channels last"])
            print(
                f"{layer!s:<34}{batch:>6}{seconds['core'] * 1e3:>9.3f}{others * 1e3:>9.3f}"
                f"{torch_s * 1e3:>9.3f}{torch_s / seconds['core']:>6.1f}×{speed / 1e9:>9.1f}{speed / rate:>7.0%}"
            )
            results.append({"layer": str(layer), "batch": batch, "seconds": seconds, "flops": flops(layer, batch)})
    if args.json:
        given = {"instructions": native.instructions(), "threads": args.threads, "matrix_product_flops": rate}
        args.json.write_text(json.dumps({**given, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
