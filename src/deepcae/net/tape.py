"""The pass of a net as a fixed list of calls into memory that stays: no autograd, no allocation, no copies.

PyTorch spends about a millisecond per pass on a net of the paper's size without computing anything; here it is a tenth
of that. Where every layer has calls for it (see `ops`), the pass is written down once, forward and, for a training,
backward, for the batch size that the text gives, and played again and again. Blobs are seen as (N, ...), as everywhere;
their memory is (..., N), the batch innermost. The numbers are those of `Net.forward` and autograd up to rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..kernels import calls, native
from ..kernels.calls import Call
from ..kernels.choice import has_core, preference, rule
from ..layers.base import Context, Shape
from .affine import Affine
from .backward import counted_only
from .op import Op, Unsuited
from .ops import op_of, tells_slope

if TYPE_CHECKING:
    from .net import Net


class Place(NamedTuple):
    """Whose calls some are: of which step of the plan, and in which half of the pass."""

    step: int
    backward: bool


Watch = Callable[[Place | None], object]  # whose calls have just been made; None: what is no layer's


class Tape:
    """`play(inputs)` computes all blobs and the loss, with `backward` the gradients of all learned blobs, too.

    `gradients`: one per learnable blob of the net, in its order; whoever writes over them may, they are made anew.
    `kernels`: what computes each step of the plan, by its number, see `Op.kernel`. `steady`: whether all numbers are
    the same bits with any number of threads.
    """

    def __init__(self, net: Net, backward: bool = True) -> None:
        writer = Writer(net, backward)
        self._inputs = [(name, writer.blobs[name]) for name in net.inputs]
        self._calls = calls.joined([call for call, _ in writer.calls])
        self._parts = [
            (place, calls.joined([call for call, _ in part])) for place, part in groupby(writer.calls, itemgetter(1))
        ]
        self._context = writer.context
        self.kernels = writer.kernels
        self.steady = writer.steady
        self.gradients = writer.gradients
        self.blobs = {name: x.movedim(-1, 0) if x.dim() else x for name, x in writer.blobs.items()}
        weights = net.loss_weights
        self._losses = [(writer.blobs[name], weight) for name, weight in weights.items()]
        self._batch = writer.batch

    def takes(self, inputs: Mapping[str, Tensor]) -> bool:
        """Whether the inputs have the shapes for which it was written."""
        return all(inputs[name].shape == self.blobs[name].shape for name, _ in self._inputs)

    def play(
        self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None, watch: Watch | None = None
    ) -> float:
        """The pass over one batch; the loss. What it made lies in `blobs` and `gradients` until the next.

        With a `watch`, calls are joined within a layer's half of the pass only, and it is told of each half.
        """
        self._context.generator = generator
        for name, memory in self._inputs:
            calls.turn(inputs[name].contiguous().view(self._batch, -1), memory.view(-1, self._batch))()
        for call in self._calls if watch is None else self._watched(watch):
            call()
        return sum(weight * float(loss) for loss, weight in self._losses)

    def _watched(self, watch: Watch) -> Iterator[Call]:
        watch(None)  # of the inputs
        for place, part in self._parts:
            yield from part
            watch(place)


class Tapes:
    """The tape of a net as kernels are now: written anew when they change; None where there can be none.

    There is none on other devices and without compiled kernels; where a layer is better left to PyTorch's kernels;
    where the text bends what gradients do (propagate_down, blobs written over); where blobs differ in their number of
    samples.
    """

    def __init__(self, net: Net, backward: bool = True) -> None:
        self.net, self.backward = net, backward
        self._written: tuple[object, Tape | None] = (None, None)

    def now(self) -> Tape | None:
        if self.net.device.type != "cpu" or not has_core():
            return None
        state = (preference(), native.instructions(), rule())
        if self._written[0] != state:
            self._written = (state, self._write())
        return self._written[1]

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


class Writer:
    """Writes the calls of a net's pass down, forward, then `backward`, each with its place."""

    def __init__(self, net: Net, backward: bool) -> None:
        self.net, self.backward = net, backward
        self.calls: list[tuple[Call, Place | None]] = []
        self.kernels: dict[int, str] = {}
        self.steady = True
        self._place: Place | None = None
        self.context = Context()
        self.batch = self._batch_size()
        self.weights = sum(tensor.numel() for tensor in net.tensors)
        self.blobs: dict[str, Tensor] = {}  # (..., N)
        self._makers: dict[str, Op] = {}
        self._free: list[Tensor] = []
        self._prepare_gradients()
        self._write()

    # For the ops

    def write(self, call: Call) -> None:
        self.calls.append((call, self._place))

    def planned(self, name: str) -> Shape:
        """(N, ...)"""
        return self.net.plan.shapes[name] or ()

    def shape(self, name: str) -> Shape:
        """(..., N), of a blob that holds one number ()."""
        shape = self.planned(name)
        return (*shape[1:], shape[0]) if shape else ()

    def new(self, name: str) -> Tensor:
        """Memory for a blob, of its own."""
        return torch.zeros(self.shape(name))

    def borrow(self, like: Tensor) -> Tensor:
        """Memory for a gradient, until it is set free."""
        for index, memory in enumerate(self._free):
            if memory.numel() == like.numel():
                return self._free.pop(index).view(like.shape)
        return torch.zeros(like.shape)

    def free(self, memory: Tensor | None) -> None:
        if memory is not None and memory.dim():
            self._free.append(memory)

    def maker(self, name: str) -> Op | None:
        """What made a blob, as far as it is written."""
        return self._makers.get(name)

    def gradient(self, index: int, k: int) -> Tensor | None:
        """Where step `index` writes the gradient of its k-th learned blob; None where none is wanted.

        A blob that several steps use gets the sum: the first to write writes over it, the others add.
        """
        step, owner = self.net.plan.steps[index], self.net.plan.owner(self.net.plan.steps[index].params[k])
        whole = self._of_owner.get(owner)
        if whole is None or not step.needs_backward:
            return None
        shape = self.net.bound[index].params[k].shape
        self._written[owner] += 1
        if self._written[owner] == 1:
            return whole.view(shape)
        part = torch.zeros(shape)
        self._sums.append((whole.view(shape), part))
        return part

    # Writing

    def _batch_size(self) -> int:
        """The N of all blobs. Unsuited where there is none that all share."""
        sizes = {shape[0] for shape in self.net.plan.shapes.values() if shape}
        if len(sizes) != 1 or None in self.net.plan.shapes.values() or not all(sizes):
            raise Unsuited
        return sizes.pop()

    def _prepare_gradients(self) -> None:
        plan, tensors = self.net.plan, self.net.tensors
        if any(tensor.dtype != torch.float32 or not tensor.is_contiguous() for tensor in tensors):
            raise Unsuited
        owners = [i for i, param in enumerate(plan.params) if param.owner is None]
        self.gradients = [torch.zeros_like(tensors[i], requires_grad=False) for i in owners]
        wanted = zip(owners, self.gradients, strict=True)
        self._of_owner = {i: gradient for i, gradient in wanted if tensors[i].requires_grad}
        self._written: Counter[int] = Counter()
        self._sums: list[tuple[Tensor, Tensor]] = []

    def _write(self) -> None:
        plan = self.net.plan
        for name in self.net.inputs:
            self.blobs[name] = self.new(name)
        ops: list[tuple[int, Op]] = []
        for index, step in enumerate(plan.steps):
            if step.is_source:
                continue
            op, self._place = op_of(self, index), Place(index, backward=False)
            if isinstance(op, Affine):
                op.followed = self._is_followed(index)
            tops = op.forward([self.blobs[name] for name in step.bottoms])
            self.kernels[index], self.steady = op.kernel, self.steady and op.steady
            self.blobs.update(zip(step.tops, tops, strict=True))
            self._makers.update(dict.fromkeys(step.tops, op))
            ops.append((index, op))
        if self.backward:
            self._write_back(ops)
            for gradient in self._unwritten():
                self.calls.insert(0, (gradient.zero_, None))

    def _write_back(self, ops: list[tuple[int, Op]]) -> None:
        gradients: dict[str, Tensor | None] = {}
        for index, op in reversed(ops):
            step = self.net.plan.steps[index]
            if not step.needs_backward:
                continue
            self._place = Place(index, backward=True)
            given = [gradients.pop(name, None) for name in step.tops]
            made = op.backward(given)
            for whole, part in self._sums:
                self.write(lambda whole=whole, part=part: whole.add_(part))  # type: ignore[misc]
            self._sums.clear()
            gradients.update(
                (name, gradient) for name, gradient, wanted in zip(step.bottoms, made, op.wanted, strict=True) if wanted
            )

    def _is_followed(self, index: int) -> bool:
        """Whether the next step is an activation that reads this one's top, alone."""
        steps = self.net.plan.steps
        if index + 1 == len(steps):
            return False
        step, after = steps[index], steps[index + 1]
        return tells_slope(after.layer) and after.bottoms == step.tops and not any(step.loss_weights)

    def _unwritten(self) -> list[Tensor]:
        owners = (i for i, param in enumerate(self.net.plan.params) if param.owner is None)
        return [g for i, g in zip(owners, self.gradients, strict=True) if not self._written[i]]
