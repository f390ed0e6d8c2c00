"""The pass of a net as a fixed list of calls into memory that stays: no autograd, no allocation, no copies.

PyTorch spends about a millisecond per pass on a net of the paper's size without computing anything; here it is a tenth
of that. Where every layer has calls for it (see `op`), the pass is written down once, forward and, for a training,
backward, for the batch size that the text gives, and played again and again. Blobs are seen as (N, ...), as everywhere;
their memory is (..., N), the batch innermost. The numbers are those of `Net.forward` and autograd up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from operator import itemgetter

import torch
from torch import Tensor

from ..kernels import calls, native
from ..kernels.choice import Kernels, kernels
from ..net.backward import counted_only
from ..net.net import Net
from ..net.part import Part
from .op import Half, Op, Sheet, Unsuited, batch_first, registered
from .recorded import Recorded
from .worth import is_worth

HalfHook = Callable[[Half | None], object]  # whose calls have just been made; None: no layer's


class Tape:
    """`forward(inputs)` computes all blobs and the loss, `backward()` the gradients of all learned blobs.

    Without `backward` it is written for the first alone.

    `gradients`: one per learnable blob of the net, in its order; whoever writes over them may, they are made anew.
    `squares`: of each the sum of its squares (float64), as `backward` wrote it: taken while it was in the cache.
    `kernels`: what computes each step of the plan, by its number, see `Op.kernel`. `steady`: whether all numbers are
    the same bits with any number of threads.
    """

    def __init__(self, net: Net | Part, backward: bool = True) -> None:
        sheet = Sheet(net, backward)
        self._inputs = [(name, sheet.blobs[name]) for name in net.inputs]
        self._shapes = {name: batch_first(memory).shape for name, memory in self._inputs}
        ops = _write(sheet)
        halves = (
            [call for call, half in sheet.calls if half is None or not half.backward],
            [call for call, half in sheet.calls if half is not None and half.backward],
        )
        self._forward, self._backward = map(native.joined, halves)
        self._parts = [
            (half, native.joined([call for call, _ in part])) for half, part in groupby(sheet.calls, itemgetter(1))
        ]
        self._context = sheet.context
        self.kernels = {index: op.kernel for index, op in ops.items()}
        self.steady = all(op.steady for op in ops.values())
        self.gradients, self.squares = sheet.gradients, sheet.squares
        self.blobs = {name: batch_first(x) for name, x in sheet.blobs.items()}
        weights = net.loss_weights
        self._losses = [(sheet.blobs[name], weight) for name, weight in weights.items()]
        self._batch = sheet.batch

    def takes(self, inputs: Mapping[str, Tensor]) -> bool:
        """Whether the inputs have the shapes for which it was written."""
        return all(inputs[name].shape == shape for name, shape in self._shapes.items())

    def forward(self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None) -> None:
        """The pass of one batch. What it made lies in `blobs` until the next, and `loss` is its."""
        self._take(inputs, generator)
        for call in self._forward:
            call()
        self._add_losses()

    def rows(self, name: str) -> Tensor:
        """A blob of the last pass (N, ...), in memory of its own."""
        blob = self.blobs[name]
        made = torch.empty(blob.shape)
        calls.transpose(blob.movedim(0, -1).view(-1, len(blob)), made.view(len(blob), -1))()
        return made

    def backward(self) -> None:
        """The gradients of that batch, in `gradients`."""
        for call in self._backward:
            call()

    def play(
        self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None, hook: HalfHook | None = None
    ) -> float:
        """Both; the loss. `hook` is told of each layer's half of the pass."""
        if hook is None:
            self.forward(inputs, generator)
            self.backward()
            return self.loss
        self._take(inputs, generator)
        hook(None)  # of the inputs
        for half, part in self._parts:
            for call in part:
                call()
            hook(half)
        self._add_losses()
        return self.loss

    def _add_losses(self) -> None:
        self.loss = sum((weight * float(loss) for loss, weight in self._losses), 0.0)

    def _take(self, inputs: Mapping[str, Tensor], generator: torch.Generator | None) -> None:
        self._context.generator = generator
        for name, memory in self._inputs:
            calls.transpose(inputs[name].contiguous().view(self._batch, -1), memory.view(-1, self._batch))()


class Tapes:
    """The tape of a net as kernels are now: written anew when they change; None where there can be none.

    There is none on other devices and without compiled kernels; where a layer is better left to PyTorch's kernels;
    where the text bends what gradients do (propagate_down, blobs written over); where blobs differ in their number of
    samples.
    """

    def __init__(self, net: Net, backward: bool = True) -> None:
        self.net, self.backward = net, backward
        self._written: tuple[Kernels | None, Tape | None] = (None, None)

    def now(self) -> Tape | None:
        """It, written if kernels have changed."""
        if self.net.device.type != "cpu" or not (found := kernels()).core:
            return None
        if self._written[0] != found:
            self._written = (found, self._write())
        return self._written[1]

    def forward(self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None) -> Tape | None:
        """The one of now, behind its pass of these inputs; None where it is not written for their shapes."""
        tape = self.taking(inputs)
        if tape is not None:
            tape.forward(inputs, generator)
        return tape

    def taking(self, inputs: Mapping[str, Tensor]) -> Tape | None:
        """The one of now, if it is written for inputs of these shapes."""
        tape = self.now()
        return tape if tape is not None and tape.takes(inputs) else None

    def _write(self) -> Tape | None:
        plan = self.net.plan
        if (
            self.net.overwritten
            or counted_only(plan.steps)
            or any(step.node.param.propagate_down for step in plan.steps)
        ):
            return None
        try:
            return Tape(self.net, self.backward)
        except Unsuited:
            return None


def _write(sheet: Sheet) -> dict[int, Op]:
    """Writes the calls of a net's pass down, forward, then backward. The ops by their step's number, in order."""
    steps, ops = sheet.net.plan.steps, dict[int, Op]()
    for index, step in enumerate(steps):
        if step.is_source:
            continue
        if any(weight and sheet.planned(top) for top, weight in zip(step.tops, step.loss_weights, strict=True)):
            raise Unsuited
        op = ops[index] = registered(sheet, index) or Recorded(sheet, index)
        sheet.half = Half(index, backward=False)
        tops = op.forward([sheet.blobs[name] for name in step.bottoms])
        sheet.blobs.update(zip(step.tops, tops, strict=True))
        sheet.makers.update(dict.fromkeys(step.tops, op))
        sheet.let_go(index)
    if not is_worth(sheet, ops):
        raise Unsuited
    if sheet.backward:
        _write_back(sheet, ops)
        for gradient in sheet.unwritten():
            sheet.calls.insert(0, (gradient.zero_, None))
    return ops


def _write_back(sheet: Sheet, ops: dict[int, Op]) -> None:
    gradients: dict[str, Tensor | None] = {}
    for index, op in reversed(ops.items()):
        if not op.step.needs_backward:
            continue
        sheet.half = Half(index, backward=True)
        made = op.backward([gradients.pop(name, None) for name in op.step.tops])
        sheet.write_sums()
        gradients.update(
            (name, gradient) for name, gradient, wanted in zip(op.step.bottoms, made, op.wanted, strict=True) if wanted
        )
