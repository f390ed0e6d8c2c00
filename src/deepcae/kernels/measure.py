"""The rule of a processor by measurement: each question's ways beside each other on a few shapes, in about ten seconds.

What counts is the processor time of one thread, not the time on the clock, and of many calls in turn the shortest: what
else the machine does hardly shows. Another way than the fixed rule's is taken only where it is clearly faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from . import calls
from .algorithms import Algorithm, computed
from .case import Case
from .channels_last import ChannelsLast
from .direct import geometry_of
from .libraries import has_onednn, multiplied
from .rule import Library, Products, Rule

MARGIN = 1.08  # how many times as fast another way must be
_SECONDS, _LEAST, _MOST = 0.05, 5, 100  # of each question: how long, and how many calls of each way

Work = Callable[[], object]
Heard = Callable[[str, Mapping[str, float]], object]  # a question, and the seconds of each way
_WEIGHTS = (1000, 784)  # outputs, inputs
_STRIDED = ((3, 8), (8, 16), (16, 32), (32, 64), (64, 64), (64, 128))
_CHANNELS = ((4, 8), (8, 16), (16, 16), (20, 50), (32, 32), (64, 64))  # in the order of their products


def measured(default: Rule, heard: Heard = lambda question, seconds: None) -> Rule:
    """The rule of this processor, `default` where nothing is clearly faster. `heard` is told of every figure."""
    ask = _Questions(heard)
    with _one_thread():
        few, many = (_products(ask, columns) if has_onednn() else Products() for columns in (10, 100))
        pairs = cast("tuple[int, int, int]", tuple(_core_pairs(ask, batch) for batch in (1, 10, 100)))
        return Rule(
            few, many, _rows(ask, default.rows), pairs, _core_area(ask, default.core_area), _pixel_pairs(ask),
            (_last_channels(ask, 1), _last_channels(ask, 10)), _phase_outputs(ask),
            cast("tuple[int, int, int]", tuple(_strided_pairs(ask, batch) for batch in (1, 10, 100))),
        )  # fmt: skip


@contextmanager
def _one_thread() -> Iterator[None]:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)


class _Questions:
    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def fastest(self, question: str, ways: Mapping[str, Work], default: str) -> str:
        """The name of the fastest way; `default` unless another is clearly faster."""
        seconds = self.times(question, ways)
        best = min(seconds, key=lambda way: seconds[way])
        return best if seconds[best] * MARGIN < seconds[default] else default

    def times(self, question: str, ways: Mapping[str, Work]) -> dict[str, float]:
        """The shortest time of each way in seconds of this thread, the ways in turn."""
        times = dict.fromkeys(ways, float("inf"))
        for work in ways.values():
            work()
        spent, count = 0.0, 0
        while count < _LEAST or (spent < _SECONDS * len(ways) and count < _MOST):
            for name, work in ways.items():
                began = time.thread_time_ns()
                work()
                took = (time.thread_time_ns() - began) / 1e9
                times[name], spent = min(times[name], took), spent + took
            count += 1
        self.heard(question, times)
        return times


def _products(ask: _Questions, columns: int) -> Products:
    """Of a large layer of the written pass."""
    outputs, inputs = _WEIGHTS
    w, x, y = torch.randn(outputs, inputs), torch.randn(inputs, columns), torch.randn(outputs, columns)
    dw, dx, turned = torch.empty_like(w), torch.empty_like(x), torch.empty(columns, inputs)
    turn, product = calls.transpose(x, turned), calls.product(y, turned, dw)

    def best(name: str, core: Work, a: Tensor, b: Tensor, c: Tensor) -> Library:
        ways = {"core": core, "mkl": multiplied("mkl", a, b, c), "onednn": multiplied("onednn", a, b, c)}
        told = f"product {name}, {outputs}×{inputs} weights, {columns} columns"
        return cast(Library, ask.fastest(told, ways, "core"))

    return Products(
        best("forward", calls.product(w, x, y.clone()), w, x, y.clone()),
        best("to the weights", lambda: (turn(), product()), y, x.t(), dw),
        best("to the bottom", calls.product(w.t(), y, dx), w.t(), y, dx),
    )


def _rows(ask: _Questions, default: Library) -> Library:
    """Of autograd's products: the same library for all, so that it must be faster on the whole."""
    if not has_onednn():
        return default
    ways: dict[str, list[Work]] = {"mkl": [], "onednn": []}
    for rows, inputs, outputs in ((100, 784, 1000), (64, 800, 500), (16, 512, 1024)):
        x, w, dy = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(rows, outputs)
        for a, b in ((x, w.t()), (dy, w), (dy.t(), x)):
            y = torch.empty(len(a), b.shape[1])
            ways["mkl"].append(multiplied("mkl", a, b, y))
            ways["onednn"].append(multiplied("onednn", a, b, y))
    together: dict[str, Work] = {name: _all(works) for name, works in ways.items()}
    return cast(Library, ask.fastest("products of autograd", together, default))


def _all(works: list[Work]) -> Work:
    return lambda: [work() for work in works]


def _core_pairs(ask: _Questions, batch: int) -> int:
    """Up to how many channels × outputs the core is not slower than PyTorch, blobs turned for it."""
    most = 0
    for channels, outputs in _CHANNELS:
        case = Case(False, (batch, channels, 12, 12), (outputs, channels, 5, 5), (1, 1), (0, 0), (1, 1), 1, True)
        times = ask.times(f"convolution {channels}→{outputs} 5×5 on 12×12, batch {batch}", _of_convolution(case))
        if times["torch"] * MARGIN < times["core"]:
            break
        most = channels * outputs
    return most


def _core_area(ask: _Questions, default: int) -> int:
    """Nine if the core is not slower than PyTorch with kernels of 3×3, too."""
    case = Case(False, (100, 16, 12, 12), (16, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1, True)
    times = ask.times("convolution 16→16 3×3 on 12×12, batch 100", _of_convolution(case))
    return default if times["torch"] * MARGIN < times["core"] else 9


def _strided_pairs(ask: _Questions, batch: int) -> int:
    """As `_core_pairs`, with a stride, as the layers of a designed network have it."""
    most = 0
    for channels, outputs in _STRIDED:
        case = Case(False, (batch, channels, 12, 12), (outputs, channels, 4, 4), (2, 2), (1, 1), (1, 1), 1, True)
        told = f"convolution {channels}→{outputs} 4×4 on 12×12, stride 2, batch {batch}"
        times = ask.times(told, _of_convolution(case))
        if times["torch"] * MARGIN < times["core"]:
            break
        most = channels * outputs
    return most


def _of_convolution(case: Case) -> dict[str, Work]:
    """Forward and both gradients in the written pass."""
    there = geometry_of(case)
    x, w, b = torch.randn(*case.x[1:], case.x[0]), torch.randn(case.w), torch.zeros(there.out_channels)
    y = torch.randn(there.out_channels, there.out_h, there.out_w, there.batch)
    dy, dx, dw = torch.randn_like(y), torch.empty_like(x), torch.empty_like(w)
    core = calls.correlate(there, x, w, b, y), calls.weight_gradient(there, x, dy, dw)
    back = calls.correlate(there.transposed(), dy, w, None, dx)
    turned = ChannelsLast(case, x, w, b, torch.empty_like(y))
    return {"core": _all([*core, back]), "torch": _all([turned.forward, turned.backward(dy, dw, dx)])}


def _pixel_pairs(ask: _Questions) -> int:
    """Kernels of one pixel: up to how many channels × outputs the core is not slower than a product."""
    most = 0
    for channels in (2, 4, 8, 16):
        x, w = torch.randn(channels, 28, 28, 100).movedim(-1, 0), torch.randn(channels, channels, 1, 1)
        case = Case(False, tuple(x.shape), tuple(w.shape), (1, 1), (0, 0), (1, 1), 1, True)
        ways = {"core": _by("core", case, x, w), "banded": _by("product", case, x, w)}
        times = ask.times(f"convolution {channels}→{channels} 1×1 on 28×28, batch 100", ways)
        if times["banded"] * MARGIN < times["core"]:
            break
        most = channels * channels
    return most


def _last_channels(ask: _Questions, batch: int) -> int:
    """From how many channels on PyTorch's convolutions are faster with the channels last in memory."""
    least = 1024
    for channels in (32, 16, 8, 4, 2):
        x, w = torch.randn(batch, channels, 32, 32), torch.randn(16, channels, 3, 3)
        ways: dict[str, Work] = {}
        for name, order in (("first", torch.contiguous_format), ("last", torch.channels_last)):
            ways[name] = _torchs(x.contiguous(memory_format=order), w.contiguous(memory_format=order))
        times = ask.times(f"convolution {channels}→16 3×3 on 32×32 by PyTorch, batch {batch}, channels", ways)
        if times["first"] < times["last"]:
            break
        least = channels
    return least


def _torchs(x: Tensor, w: Tensor) -> Work:
    x, w = x.requires_grad_(), w.requires_grad_()
    with torch.enable_grad():
        dy = torch.randn_like(torch.conv2d(x, w, None, 1, 1).detach())

    def work() -> None:
        with torch.enable_grad():
            torch.autograd.grad(torch.conv2d(x, w, None, 1, 1), (x, w), dy)

    return work


def _phase_outputs(ask: _Questions) -> int:
    """A deconvolution with a stride: up to how many outputs its phases are not slower than PyTorch's own."""
    most = 0
    for outputs in (1, 3, 8, 16):
        x, w = torch.randn(100, 16, 14, 14), torch.randn(16, outputs, 4, 4)
        case = Case(True, tuple(x.shape), tuple(w.shape), (2, 2), (1, 1), (1, 1), 1, True)
        ways = {"phases": _by("phases", case, x, w), "torch": _by("torch", case, x, w)}
        times = ask.times(f"deconvolution 16→{outputs} 4×4 on 14×14, stride 2, batch 100", ways)
        if times["torch"] * MARGIN < times["phases"]:
            break
        most = outputs
    return most


def _by(algorithm: Algorithm, case: Case, x: Tensor, w: Tensor) -> Work:
    return _graph(lambda a, b: computed(algorithm, case, a, b, None, Rule), x, w)


def _graph(function: Callable[[Tensor, Tensor], Tensor], x: Tensor, w: Tensor) -> Work:
    """Forward and both gradients by autograd."""
    leaves = [tensor.detach().requires_grad_() for tensor in (x, w)]
    upper: list[Any] = []

    def work() -> None:
        with torch.enable_grad():
            y = function(leaves[0], leaves[1])
            if not upper:
                upper.append(torch.ones_like(y))
            torch.autograd.grad(y, leaves, upper[0])

    return work
