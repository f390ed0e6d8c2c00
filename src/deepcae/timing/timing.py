"""Where the time of a net's passes goes, layer by layer, and what the machine's arithmetic would allow.

A pass is the net's own: its data, then its `tape` where there is one, as trainings and tests play it, else one autograd
graph; every blob in the memory order that the kernels leave it in. Passes without stamps tell what the whole takes;
others, in turn with them, are stamped between the layers (`stamps`) and tell where the time goes. What a pass takes
outside its layers is what is left of a stamped one: from its beginning to its end, less its layers and the stamping. It
is reckoned pass by pass, since what else the machine does hits a whole pass more often than any one layer: on a busy
machine the medians of the layers add up to less than that of the whole. On an idle one they may add up to more, by a
microsecond for each half of a layer, where the whole is one call of the library and a stamped pass is many.

*Useful arithmetic*: two operations, a multiplication and an addition, for each product of a value and a weight:
forward, for the gradient of each bottom that is wanted, and for that of the weights where they are learned. Only
Convolution, Deconvolution and InnerProduct do such. *The limit*: the time that it would take at the rate of a large
matrix product, the fastest of those that are made between the passes, in float32 with the same threads, by the library
that is the better one on this machine (`kernels.products`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch

from ..kernels.products import linear
from ..net.execute import Blobs, Hook
from ..net.net import Net
from ..net.step import Step
from ..tape.tape import Tape, Tapes
from .stamps import Laps, Spent, Stamps, now, seconds

Read = Callable[[int], Mapping[str, np.ndarray]]

_WARM = 3  # passes that choose kernels and fill caches, before those that count and behind each round
_ROUNDS = 5  # of matrix products, spread over the passes
_PRODUCTS = {"cpu": ((512, 20), (2048, 1)), "gpu": ((8192, 4),)}  # in each: rows of the matrices, number of products


@dataclass(frozen=True)
class Inputs:
    """What the passes of a net are fed with: arrays that stay, and the data layers that are read anew each time.

    `sources`: by the number of the layer in the plan. As `data.Feed`, it gives batches by their number.
    """

    fixed: Mapping[str, np.ndarray]
    sources: Mapping[int, Read] = field(default_factory=dict)

    def batch(self, index: int) -> dict[str, np.ndarray]:
        """Batch `index` of every source and the fixed arrays, by blob name."""
        read = (source(index) for source in self.sources.values())
        return {**self.fixed, **{top: array for arrays in read for top, array in arrays.items()}}


@dataclass
class LayerTime:
    """One layer. Times are medians in seconds; `backward` is None where nothing is done."""

    name: str
    type: str
    kernel: str  # of a tape see `Op.kernel`, else `Layer.way`
    forward: float
    backward: float | None
    operations: int  # useful ones, forward and backward

    @property
    def seconds(self) -> float:
        return self.forward + (self.backward or 0.0)

    @property
    def rate(self) -> float | None:
        """Useful operations per second; None where there are none."""
        return self.operations / self.seconds if self.operations and self.seconds else None


@dataclass
class Timing:
    """All layers in their order, and the whole: medians in seconds."""

    layers: list[LayerTime]
    outside: float  # of a pass: what lies in no layer
    forward_backward: float  # a pass without stamps: forward alone where nothing is learned
    product_rate: float  # operations per second of a large matrix product, at its best
    tape: bool  # whether the passes are played from a tape; else autograd follows them
    step: float | None = None  # a solver's whole step, of `passes` passes
    passes: int = 1

    @property
    def goes_back(self) -> bool:
        """Whether there is a backward pass."""
        return any(layer.backward is not None for layer in self.layers)

    @property
    def in_layers(self) -> float:
        """The layers' times in one pass, added up."""
        return sum(layer.seconds for layer in self.layers)

    @property
    def update(self) -> float | None:
        """What a solver's step takes beside its passes."""
        return None if self.step is None else self.step - self.passes * self.forward_backward

    @property
    def whole(self) -> float:
        """A solver's step, or else one pass."""
        return self.forward_backward if self.step is None else self.step

    @property
    def operations(self) -> int:
        """Useful ones of the whole."""
        return self.passes * sum(layer.operations for layer in self.layers)

    @property
    def limit(self) -> float:
        """Seconds that the whole would take at the rate of a matrix product."""
        return self.operations / self.product_rate

    def to_json(self) -> dict[str, Any]:
        """For programs: times in seconds, rates in operations per second."""
        layers = [{**asdict(layer), "rate": layer.rate} for layer in self.layers]
        names = "tape", "product_rate", "operations", "forward_backward", "outside", "passes", "update", "step", "limit"
        return {"layers": layers, **{name: getattr(self, name) for name in names}}


def measure(
    net: Net,
    inputs: Inputs,
    iterations: int = 50,
    step: Callable[[], object] | None = None,
    passes: int = 1,
    progress: Callable[[int], object] | None = None,
) -> Timing:
    """Times `iterations` passes of each kind in turn: without stamps, stamped, and `step`, a solver's step if given.

    A pass goes back where a loss depends on something learned, and is forward alone elsewhere. `progress` is told how
    many are done. Weights stay as they are, but for running statistics (BatchNorm) and for what `step` does.
    """
    passer = _Passer(net, inputs)
    works: list[Callable[[], object]] = [passer.run, passer.run_stamped, *([step] if step is not None else [])]
    times: list[list[float]] = [[] for _ in works]
    rate = 0.0
    due = {iterations * k // _ROUNDS for k in range(_ROUNDS)}
    for done in range(iterations):
        if done in due:
            rate = max(rate, _product_rate(net.device))
            for work in [passer.run, *works[2:]] * _WARM:
                work()
        for work, taken in zip(works, times, strict=True):
            taken.append(seconds(work, net.device))
        if progress is not None:
            progress(done + 1)
    passer.clear()
    solvers = median(times[2]) if step is not None else None
    whole, outside = median(times[0]), median(passer.outside)
    return Timing(passer.layers(), outside, whole, rate, passer.tape is not None, solvers, passes)


@dataclass(frozen=True)
class _Work:
    """A layer's kernel, and the products that it takes each way."""

    kernel: str
    forward: int
    backward: int

    @classmethod
    def of(cls, net: Net, step: Step, bottoms: Sequence[torch.Tensor], kernel: str | None) -> _Work:
        """`kernel`: its name in a tape; None where autograd follows the bottoms and tells whose gradient is wanted."""
        assert step.layer is not None
        shapes = [tuple(bottom.shape) for bottom in bottoms]
        products = step.layer.multiplications(shapes)
        learned = any(net.tensors[k].requires_grad for k in step.params[:1])  # a bias takes additions alone
        if kernel is None:
            kernel, flags = step.layer.algorithm(shapes, net.device.type == "cpu"), [x.requires_grad for x in bottoms]
        else:
            flags = list(step.bottom_needs_backward)
        return cls(kernel, products, products * learned + products * sum(flags) // max(len(bottoms), 1))


class _Passer:
    """Runs passes of a net, and keeps the times of its layers."""

    def __init__(self, net: Net, inputs: Inputs) -> None:
        self.net, self.inputs = net, inputs
        self.fixed = {name: _tensor(array, net.device) for name, array in inputs.fixed.items()}
        self.position = 0
        self.learns = bool(net.loss_weights)
        self.tape: Tape | None = None
        self.works = self._survey()
        self.forward: list[list[float]] = [[] for _ in self.works]
        self.backward: list[list[float]] = [[] for _ in self.works]
        self.outside: list[float] = []

    def run(self) -> None:
        """One pass without stamps."""
        self.clear()
        inputs = self._read()[1]
        if self.tape is not None:
            self.tape.play(inputs, self.net.generator)
        else:
            self._follow(inputs)

    def run_stamped(self) -> None:
        """One pass with a stamp between each two layers."""
        began = now(self.net.device)
        self.clear()
        reading, inputs = self._read()
        spent: Spent
        if self.tape is not None:
            spent = laps = Laps(self.net.device)
            self.tape.play(inputs, self.net.generator, laps)
        else:
            spent = stamps = Stamps(self.net)
            self._follow(inputs, stamps)
        spent.end()
        spent.forward.update(reading)
        for kept, found in ((self.forward, spent.forward), (self.backward, spent.backward)):
            for number, taken in found.items():
                kept[number].append(taken)
        inside = sum(spent.forward.values()) + sum(spent.backward.values())
        self.outside.append(spent.ended - began - inside - spent.stamping)

    def layers(self) -> list[LayerTime]:
        found = zip(self.net.plan.steps, self.works, self.forward, self.backward, strict=True)
        return [
            LayerTime(
                step.name,
                step.type,
                work.kernel,
                median(there or [0.0]),
                median(back) if back else None,
                2 * (work.forward + (work.backward if back else 0)),
            )
            for step, work, there, back in found
        ]

    def _survey(self) -> list[_Work]:
        """Finds out by a first pass whether there is a way back, then whether there is a tape, and who does what."""
        seen: dict[int, Sequence[torch.Tensor]] = {}
        inputs = self._read()[1]
        self.learns = self._follow(inputs, lambda step, bottoms, tops: seen.update({id(step): bottoms}))
        self.tape = Tapes(self.net, backward=self.learns).taking(inputs)
        self.clear()
        kernels = self.tape.kernels if self.tape is not None else {}
        return [
            _Work.of(self.net, step, seen[id(step)], kernels.get(index)) if id(step) in seen else _Work("", 0, 0)
            for index, step in enumerate(self.net.plan.steps)
        ]

    def _follow(self, inputs: Blobs, hook: Hook | None = None) -> bool:
        """A pass that autograd follows. Whether it went back."""
        with torch.set_grad_enabled(self.learns):
            loss = self.net.loss(self.net.forward(inputs, hook=hook))
            if loss.requires_grad:
                loss.backward()
            return loss.requires_grad

    def _read(self) -> tuple[dict[int, float], Blobs]:
        """How long each source took, by its number in the plan, and the next inputs on the net's device."""
        reading: dict[int, float] = {}
        blobs = dict(self.fixed)
        for number, read in self.inputs.sources.items():
            began = now(self.net.device)
            blobs |= {name: _tensor(array, self.net.device) for name, array in read(self.position).items()}
            reading[number] = now(self.net.device) - began
        self.position += 1
        return reading, blobs

    def clear(self) -> None:
        """Forgets the gradients."""
        for tensor in self.net.tensors:
            tensor.grad = None


def _tensor(array: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.require(array, np.float32, ["C", "W"])).to(device)


def _product_rate(device: torch.device) -> float:
    """Operations per second of the fastest of some large matrix products; many small ones: one may be undisturbed."""
    rates: list[float] = []
    for side, times in _PRODUCTS["cpu" if device.type == "cpu" else "gpu"]:
        a, b = (torch.rand(side, side, device=device) for _ in range(2))
        rates += [2.0 * side**3 / seconds(partial(linear, a, b, None), device) for _ in range(times)]
    return max(rates)
