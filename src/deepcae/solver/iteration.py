"""The arithmetic of one iteration: forward and backward `iter_size` times, clip, update.

A CPU looks at each iteration's loss before it updates. A GPU must not be waited for: `Unattended` fetches nothing,
clips on the device, and leaves loss and norm there until somebody asks. One class makes the passes of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..kernels.memory import keep_freed
from ..net.execute import Trainable, Watch
from ..net.net import Net
from ..tape.tape import Tape, Tapes
from .debug import Debug
from .guard import require_finite
from .precision import Precision, multiplying
from .update import Tensors, Updater

Blobs = Mapping[str, Tensor]
Inputs = Mapping[str, Tensor]


@dataclass
class Passed:
    """What the passes gave. `loss`: their mean; `norm`: of the gradients' sums. Of a stack of K nets, (K) each."""

    loss: Tensor
    norm: Tensor | float
    blobs: Blobs  # of the last pass
    gradients: Tensors

    @property
    def told(self) -> Tensor:
        """Loss and norm in one tensor, so that the device is waited for once."""
        return torch.stack([self.loss, torch.as_tensor(self.norm, dtype=self.loss.dtype, device=self.loss.device)])

    def numbers(self) -> tuple[float, float]:
        """Loss and norm; waits for the device."""
        if isinstance(self.norm, Tensor):
            loss, norm = self.told.tolist()
            return loss, norm
        return self.loss.item(), self.norm


class Passes:
    """Forward and backward over one batch after another, the gradients summed in the leaves of `updater`."""

    def __init__(self, net: Trainable, updater: Updater, device: torch.device, precision: Precision = "fp32") -> None:
        self.net, self.updater, self.device, self.precision = net, updater, device, precision
        if device.type == "cpu":
            keep_freed()
        self._tapes = Tapes(net) if isinstance(net, Net) and precision == "fp32" else None

    def is_steady(self) -> bool:
        """Whether passes and update give the same bits with any number of threads."""
        tape = self._tapes.now() if self._tapes is not None else None
        return tape is not None and tape.steady and self.updater.fuses(tape.gradients)

    def run(
        self,
        batches: Iterable[Inputs],
        generator: torch.Generator | None,
        watch: Watch | None = None,
        seen: Callable[[Blobs], None] | None = None,
    ) -> Passed:
        """One pass per batch. `seen` is told of each pass's blobs."""
        tape = self._tapes.now() if self._tapes is not None and watch is None else None
        if tape is not None:
            batches = list(batches)
            if all(map(tape.takes, batches)):
                return self._play(tape, batches, generator, seen)
        self.updater.clear_gradients()
        losses = []
        with multiplying(self.precision, self.device):
            for inputs in batches:
                blobs = self.net.forward(inputs, generator, watch)
                if seen is not None:
                    seen(blobs)
                loss = self.net.loss(blobs)
                if loss.requires_grad:
                    for tensor in self.net.overwritten:  # by this pass, as in Caffe: only the last gradient counts
                        tensor.grad = None
                    (loss.sum() if loss.dim() else loss).backward()
                losses.append(loss.detach())
        gradients = self.updater.gradients()
        mean = losses[0] if len(losses) == 1 else torch.stack(losses).sum(0) / len(losses)
        return Passed(mean, self._norm(gradients, mean), blobs, gradients)

    def _play(
        self,
        tape: Tape,
        batches: Sequence[Inputs],
        generator: torch.Generator | None,
        seen: Callable[[Blobs], None] | None,
    ) -> Passed:
        """The same from a tape: without autograd."""
        losses, gradients = [], tape.gradients
        for index, inputs in enumerate(batches):
            losses.append(tape.play(inputs, generator))
            if seen is not None:
                seen(tape.blobs)
            if index == 0 and len(batches) > 1:
                gradients = [gradient.clone() for gradient in gradients]
            elif index and gradients:
                torch._foreach_add_(gradients, tape.gradients)
        mean = torch.tensor(sum(losses) / len(losses))
        return Passed(mean, self.updater.norm(gradients), tape.blobs, gradients)

    def _norm(self, gradients: Tensors, loss: Tensor) -> Tensor | float:
        if not loss.dim():
            return self.updater.norm(gradients)
        if not gradients:
            return torch.zeros_like(loss)
        norms = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
        return torch.linalg.vector_norm(torch.stack(norms), dim=0)


class Attended:
    """An iteration whose loss and gradients are looked at before the update."""

    def __init__(
        self, passes: Passes, net: Net, generator: torch.Generator, seen: Callable[[Mapping[str, Tensor]], None]
    ) -> None:
        self.passes, self.net, self.generator, self.seen = passes, net, generator, seen

    def run(
        self, batches: Iterable[Inputs], rate: float, iteration: int, debug: Debug | None
    ) -> tuple[Passed, tuple[float, float]]:
        """Passes and update; also loss and norm as numbers. TrainingError, and no update, unless all is finite."""
        passed = self.passes.run(batches, self.generator, debug.watch if debug is not None else None, self.seen)
        loss, norm = passed.numbers()
        require_finite(self.net, iteration, loss, norm, passed.blobs, passed.gradients)
        if debug is not None:
            debug.before_update(passed.blobs, passed.gradients)
        self.passes.updater.step(passed.gradients, norm, rate, iteration)
        return passed, (loss, norm)


class Unattended:
    """An iteration that is not waited for: its NaNs are found later, when its loss is fetched."""

    def __init__(self, passes: Passes, param: Any, generator: torch.Generator | None) -> None:
        self.passes, self.param, self.generator = passes, param, generator

    def run(self, batches: Iterable[Inputs], rate: float, iteration: int) -> Passed:
        """Passes, clip and update. The blobs come without their graph, the gradients used up."""
        passed = self.gradients(batches)
        self.update(passed, rate, iteration)
        return passed

    def gradients(self, batches: Iterable[Inputs]) -> Passed:
        """The passes, and the gradients clipped."""
        passed = self.passes.run(batches, self.generator)
        passed.blobs = {name: blob.detach() for name, blob in passed.blobs.items() if blob is not None}
        with torch.no_grad():
            self._clip(passed)
        return passed

    def update(self, passed: Passed, rate: float, iteration: int) -> None:
        """Moves the weights. The norm is told as 0: what there is to clip is clipped."""
        self.passes.updater.step(passed.gradients, 0.0, rate, iteration)

    def _clip(self, passed: Passed) -> None:
        """g ← g · clip/n if n > clip ≥ 0, as the Updater does, but on the device; of a stack, each net's by its own."""
        clip = self.param.clip_gradients
        if clip < 0 or not passed.gradients:
            return
        norm = torch.as_tensor(passed.norm, device=passed.loss.device)
        factor = torch.where(norm > clip, clip / norm, torch.ones_like(norm))
        for gradient in passed.gradients:
            gradient.mul_(factor.reshape(factor.shape + (1,) * (gradient.dim() - factor.dim())))
