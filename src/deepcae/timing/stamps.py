"""When each layer of one pass begins and ends, forward and backward: stamps between the layers.

A tape tells when a layer's half is done: `Laps`. Of an autograd graph (`Stamps`) the net tells so forward. Backward a
layer begins when its top's gradient is there: autograd takes the nodes of a graph in the opposite order of their
making, so those of one layer lie together, and adds up what a layer learns at once. On a GPU each stamp waits until all
that was asked for is done.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..net.net import Net
from ..net.step import Step
from ..tape.op import Half


class Spent:
    """Seconds of each layer in one pass, by its number in the plan.

    Made when the pass begins; `end` is called when it is over.
    """

    def __init__(self, device: torch.device) -> None:
        self.forward: dict[int, float] = {}
        self.backward: dict[int, float] = {}
        self.stamping = 0.0  # seconds that went into stamps themselves
        self.ended = 0.0
        self._device = device
        self._last = now(device)

    def end(self) -> None:
        self.ended = now(self._device)


class Laps(Spent):
    """A `hook` for one play of a tape."""

    def __call__(self, half: Half | None) -> None:
        done = now(self._device)
        if half is not None:
            (self.backward if half.backward else self.forward)[half.step] = done - self._last
        self._last = now(self._device)
        self.stamping += self._last - done


class Stamps(Spent):
    """A `hook` for one forward pass and the backward pass behind it, by autograd."""

    def __init__(self, net: Net) -> None:
        self._numbers = {id(step): i for i, step in enumerate(net.plan.steps)}
        self._behind: list[tuple[int, float]] = []  # of which layer the backward pass begins, and when
        self._nodes: set[tuple[Any, int]] = set()
        super().__init__(net.device)

    def __call__(self, step: Step, bottoms: Sequence[torch.Tensor], tops: Sequence[torch.Tensor]) -> None:
        number = self._numbers[id(step)]
        done = now(self._device)
        self.forward[number] = done - self._last
        for top in tops:
            node = (top.grad_fn, top.output_nr)
            if top.grad_fn is not None and node not in self._nodes:  # else the layer hands on what it was given
                self._nodes.add(node)
                top.register_hook(lambda _: self._behind.append((number, now(self._device))))
        self._last = now(self._device)
        self.stamping += self._last - done

    def end(self) -> None:
        super().end()
        self.backward = dict.fromkeys((number for number, _ in self._behind), 0.0)
        for (number, began), (_, ended) in itertools.pairwise([*self._behind, (-1, self.ended)]):
            self.backward[number] += ended - began


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long `work` takes, to the end of what it asks the device for."""
    began = now(device)
    work()
    return now(device) - began


def now(device: torch.device) -> float:
    """Seconds of a clock, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()
