"""The arithmetic of one iteration: forward and backward `iter_size` times, reduce, clip and update.

A CPU looks at each iteration's loss before it updates. A GPU must not be waited for: there the clipping is done on the
device, and loss and norm stay there until somebody asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..kernels.memory import keep_freed
from ..net.execute import Hook, Trainable
from ..net.net import Net
from ..tape.tape import Tape, Tapes
from .debug import Debug
from .precision import Precision, multiplying
from .update import Tensors, Updater

Blobs = Mapping[str, Tensor]
Inputs = Mapping[str, Tensor]


@dataclass
class Passed:
    """What the passes gave. `loss`: their mean; `norm`: of the gradients' sums. Of a stack of K nets, (K) each."""

    loss: Tensor | float
    norm: Tensor | float
    blobs: Blobs  # of the last pass
    gradients: Tensors
    squares: Tensor | None = None  # of each gradient their sum, where the pass gave it and nobody changed them since

    def on_device(self) -> Tensor:
        """Loss and norm in one tensor, so that the device is waited for once."""
        loss = torch.as_tensor(self.loss)
        norm = torch.as_tensor(self.norm, dtype=loss.dtype, device=loss.device)
        return torch.stack([loss, norm.expand(loss.shape)])

    def fetch(self) -> tuple[float, float]:
        """Makes loss and norm numbers; waits for the device."""
        if isinstance(self.loss, Tensor) and self.loss.device.type != "cpu":
            self.loss, self.norm = self.on_device().tolist()
        self.loss, self.norm = numbers = float(self.loss), float(self.norm)
        return numbers


class Batchwise(Protocol):
    """Forward and backward, batch after batch. `Passes` is one; Caffe's layer by layer is another (`pycaffe`)."""

    updater: Updater

    def begin(self, hook: Hook | None = None) -> None:
        """Before the first batch of an iteration: there are no gradients."""

    def forward(self, inputs: Inputs, generator: torch.Generator | None) -> Blobs:
        """The blobs of one batch."""

    def backward(self) -> None:
        """The gradients of its loss, added to those before."""

    def passed(self) -> Passed:
        """What came of all batches, but for the norm."""

    def update(self, passed: Passed, rate: float, iteration: int) -> None:
        """Clip, normalise, regularise, update."""


class Passes:
    """By the written pass (`tape`) where the net has one, by autograd otherwise."""

    def __init__(self, net: Trainable, updater: Updater, device: torch.device, precision: Precision = "fp32") -> None:
        self.net, self.updater, self.device, self.precision = net, updater, device, precision
        if device.type == "cpu":
            keep_freed()
        self._tapes = Tapes(net) if isinstance(net, Net) and precision == "fp32" else None
        self.begin()

    def is_steady(self) -> bool:
        """Whether passes and update give the same bits with any number of threads."""
        tape = self._tapes.now() if self._tapes is not None else None
        return tape is not None and tape.steady and self.updater.fuses(tape.gradients)

    def begin(self, hook: Hook | None = None) -> None:
        self._hook = hook
        self._tape: Tape | None = None  # of the last batch
        self._blobs: Blobs = {}
        self._losses: list[Tensor | float] = []
        self._loss: Tensor | None = None  # of the last batch, with its graph
        self._written: Tensors | None = None  # the tape's gradients so far
        self.updater.clear_gradients()

    def forward(self, inputs: Inputs, generator: torch.Generator | None) -> Blobs:
        tape = self._tapes.forward(inputs, generator) if self._tapes is not None and self._hook is None else None
        if tape is not None:
            self._losses.append(tape.loss)
            self._tape, self._blobs = tape, tape.blobs
            return self._blobs
        with multiplying(self.precision, self.device):
            self._blobs = self.net.forward(inputs, generator, self._hook)
            self._loss = self.net.loss(self._blobs)
        self._losses.append(self._loss.detach())
        return self._blobs

    def backward(self) -> None:
        loss, self._loss = self._loss, None
        if loss is None:
            assert self._tape is not None
            gradients = self._tape.gradients
            if self._written is gradients:  # the tape writes over them
                self._written = [gradient.clone() for gradient in gradients]
            self._tape.backward()
            if self._written is None:
                self._written = gradients
            elif self._written:
                torch._foreach_add_(self._written, gradients)
        elif loss.requires_grad:
            for tensor in self.net.overwritten:  # by this pass, as in Caffe: only the last gradient counts
                tensor.grad = None
            with multiplying(self.precision, self.device):
                (loss.sum() if loss.dim() else loss).backward()

    def passed(self) -> Passed:
        if all(isinstance(loss, float) for loss in self._losses):
            mean = torch.tensor(sum(self._losses) / len(self._losses))
        else:
            losses = list(map(torch.as_tensor, self._losses))
            mean = losses[0] if len(losses) == 1 else torch.stack(losses).sum(0) / len(losses)
        alone = self._written is not None and len(self._losses) == 1  # no sum of several batches
        squares = self._tape.squares if alone and self._tape is not None else None
        return Passed(mean, 0.0, self._blobs, self._gradients(), squares)

    def _gradients(self) -> Tensors:
        if self._written is None:
            return self.updater.gradients()
        if any(isinstance(loss, Tensor) for loss in self._losses):  # batches of other shapes went another way
            torch._foreach_add_(self._written, self.updater.gradients())
        return self._written

    def update(self, passed: Passed, rate: float, iteration: int) -> None:
        self.updater.step(passed.gradients, passed.norm, rate, iteration)


class Arithmetic:
    """What an iteration computes, in Caffe's order.

    `look(iteration, passed)`: is shown a loss or norm that is not finite, with blobs and gradients, before the update,
    and may refuse it by an error. None: nobody waits for the device, and such a value is found later, with the loss.
    `seen`: is told of each pass's blobs. `reduce`: is given the gradients before anybody looks at them, as Caffe's
    `on_gradients_ready`: the place to add up those of other processes.
    """

    def __init__(
        self,
        passes: Batchwise,
        generator: torch.Generator | None,
        look: Callable[[int, Passed], None] | None = None,
        seen: Callable[[Blobs], None] | None = None,
        reduce: Callable[[Tensors], None] | None = None,
    ) -> None:
        self.passes, self.generator, self.look, self.seen, self.reduce = passes, generator, look, seen, reduce

    def run(self, batches: Iterable[Inputs], rate: float, iteration: int, debug: Debug | None = None) -> Passed:
        """Forward, backward, reduce, clip, update."""
        passed = self.gradients(batches, iteration, debug)
        self.passes.update(passed, rate, iteration)
        return passed

    def gradients(self, batches: Iterable[Inputs], iteration: int, debug: Debug | None = None) -> Passed:
        """Forward, backward, reduce."""
        passes, updater = self.passes, self.passes.updater
        passes.begin(None if debug is None else debug.hook)
        for inputs in batches:
            blobs = passes.forward(inputs, self.generator)
            if self.seen is not None:
                self.seen(blobs)
            passes.backward()
        passed = passes.passed()
        if self.reduce is not None:
            self.reduce(passed.gradients)
            passed.squares = None
        passed.norm = updater.norm(passed.gradients, passed.squares)
        if self.look is None:
            passed.blobs = {name: blob.detach() for name, blob in passed.blobs.items() if blob is not None}
        else:
            loss, norm = passed.fetch()
            if not (math.isfinite(loss) and math.isfinite(norm)):
                self.look(iteration, passed)
        if debug is not None:
            debug.before_update(passed.blobs, passed.gradients)
        return passed
