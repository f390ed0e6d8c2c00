"""What a layer of a tape is, what it writes on, and which layers have an op of their own.

A file of ops registers what it has for a class of layers with `@writes`, as `layers` registers classes by their names.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from ..kernels.calls import add, squared
from ..kernels.native import Call
from ..layers.base import Context, LayerClass, Shape
from ..net.net import Net
from ..net.part import Part
from ..net.step import Step

Gradients = list[Tensor | None]  # of the tops or the bottoms; None where nobody asks for it


class Unsuited(Exception):
    """The layer, or its place in the net, is better left to autograd, and with it the whole net."""


class Half(NamedTuple):
    """One layer's half of a pass: of which step of the plan, and whether it is the backward half."""

    step: int
    backward: bool


class Sheet:
    """What the ops of a net write their calls on, each with its `Half`, and where they have their memory from.

    Blobs lie with the batch innermost: (N, C, H, W) as (C, H, W, N).
    """

    def __init__(self, net: Net | Part, backward: bool) -> None:
        self.net, self.backward = net, backward
        self.calls: list[tuple[Call, Half | None]] = []
        self.half: Half | None = None
        self.context = Context()
        self.batch = self._batch_size()
        self.weights = sum(tensor.numel() for tensor in net.tensors)
        self.makers: dict[str, Op] = {}  # what made a blob, as far as it is written
        self._free: list[Tensor] = []
        self._left: list[Tensor] = []  # see `let_go`
        self.blobs: dict[str, Tensor] = {name: self.new(name) for name in net.inputs}  # (..., N)
        self._prepare_gradients()

    def write(self, call: Call) -> None:
        """Adds a call, of the half of a layer that is being written."""
        self.calls.append((call, self.half))

    def planned(self, name: str) -> Shape:
        """(N, ...)"""
        return self.net.plan.shapes[name] or ()

    def shape(self, name: str) -> Shape:
        """(..., N), of a blob that holds one number ()."""
        shape = self.planned(name)
        return (*shape[1:], shape[0]) if shape else ()

    def new(self, name: str) -> Tensor:
        """Memory for a blob, of its own for as long as it is looked at."""
        shape = self.shape(name)
        count = math.prod(shape)
        fitting = [memory for memory in self._left if memory.numel() >= count]
        if not fitting:
            return torch.zeros(shape)
        least = min(fitting, key=Tensor.numel)
        self._left = [memory for memory in self._left if memory is not least]
        return least[:count].view(shape)

    def let_go(self, index: int) -> None:
        """Of a part, takes back the memory of blobs that nobody looks at behind step `index`."""
        if not isinstance(self.net, Part):
            return
        looked_at = {*self.net.wanted, *(name for step in self.net.plan.steps[index + 1 :] for name in step.bottoms)}
        there = {name: blob.untyped_storage() for name, blob in self.blobs.items()}
        held = {there[name].data_ptr() for name in looked_at.intersection(there)}
        left = {memory.data_ptr(): memory for name, memory in there.items() if memory.data_ptr() not in held}
        self._left += [torch.empty(0).set_(memory) for memory in left.values()]
        self.blobs = {name: blob for name, blob in self.blobs.items() if name in looked_at}

    def borrow(self, like: Tensor) -> Tensor:
        """Memory for a gradient, until it is set free."""
        for index, memory in enumerate(self._free):
            if memory.numel() == like.numel():
                return self._free.pop(index).view(like.shape)
        return torch.zeros(like.shape)

    def free(self, memory: Tensor | None) -> None:
        """Gives memory back to `borrow`."""
        if memory is not None and memory.dim():
            self._free.append(memory)

    def reader_behind(self, index: int) -> Step | None:
        """The step right behind step `index`, if it reads that one's top, alone, and no loss counts it."""
        steps = self.net.plan.steps
        if index + 1 == len(steps) or any(steps[index].loss_weights):
            return None
        return steps[index + 1] if steps[index + 1].bottoms == steps[index].tops else None

    # Gradients of learned blobs

    def gradient(self, index: int, k: int) -> Tensor | None:
        """Where step `index` writes the gradient of its k-th learned blob; None where none is wanted.

        A blob that several steps use gets the sum: the first to write writes over it, the others add.
        """
        step, owner = self.net.plan.steps[index], self.net.plan.owner(self.net.plan.steps[index].params[k])
        whole = self._of_owner.get(owner)
        if whole is None or not step.needs_backward:
            return None
        shape = self.net.bound[index].params[k].shape
        self._fresh.append(owner)
        self._written[owner] += 1
        if self._written[owner] == 1:
            return whole.view(shape)
        part = torch.zeros(shape)
        self._sums.append((whole.view(shape), part))
        return part

    def write_sums(self) -> None:
        """The sums of what several steps gave, as far as it is written; then the squares of all that is new."""
        for whole, part in self._sums:
            self.write(add(part, whole))
        self._sums.clear()
        for owner in self._fresh:
            self.write(squared(self._of_owner[owner], self._squares_of[owner]))
        self._fresh.clear()

    def unwritten(self) -> list[Tensor]:
        """The gradients that no step gives."""
        owners = (i for i, param in enumerate(self.net.plan.params) if param.owner is None)
        return [g for i, g in zip(owners, self.gradients, strict=True) if not self._written[i]]

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
        owners = [i for i, param in enumerate(plan.params) if param.owner is None and self.backward]
        self.gradients = [torch.zeros_like(tensors[i], requires_grad=False) for i in owners]
        self.squares = torch.zeros(len(owners), dtype=torch.float64)
        wanted = zip(owners, self.gradients, strict=True)
        self._of_owner = {i: gradient for i, gradient in wanted if tensors[i].requires_grad}
        self._squares_of = dict(zip(owners, self.squares.unsqueeze(1), strict=True))
        self._written: Counter[int] = Counter()
        self._fresh: list[int] = []  # what has been written since `write_sums`
        self._sums: list[tuple[Tensor, Tensor]] = []


class Op(ABC):
    """One layer. `forward` gives its tops, `backward` its bottoms' gradients; both write their calls down.

    `keeps_top`: its backward pass reads its top, which must not be written over. `kernel`: what computes it, in a word.
    `steady`: whether its numbers are the same bits with any number of threads, as the core's are.

    For `worth`: `saved`: nanoseconds for each number of its top that autograd takes longer. `reorders`: whether it
    brings its blobs into another order of memory and back, and does not gain more by it; `order`: in which a filter
    wants them.
    """

    keeps_top: ClassVar[bool] = False
    saved: float = 0.0
    reorders: bool = False
    order: ClassVar[Literal["", "batch last", "channels last"]] = ""
    kernel: str = "core"
    steady: bool = True

    def __init__(self, sheet: Sheet, index: int) -> None:
        self.sheet, self.index = sheet, index
        self.step, _, self.params = sheet.net.bound[index]
        self.layer: Any = self.step.layer  # of the class that it is registered for

    @abstractmethod
    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        """The tops."""

    @abstractmethod
    def backward(self, tops: Gradients) -> Gradients:
        """The gradients of `tops` may be written over; what is returned is the caller's alone."""

    @property
    def wanted(self) -> tuple[bool, ...]:
        """Which bottoms want a gradient."""
        flags = self.step.bottom_needs_backward
        return flags if self.sheet.backward else (False,) * len(flags)

    @property
    def ends(self) -> bool:
        """Whether nobody else's gradient comes to its tops: it is a loss that counts, or nothing flows back from it."""
        return any(self.step.loss_weights) or not any(self.step.bottom_needs_backward)

    def over(self, x: Tensor) -> list[Tensor]:
        """The one top: the bottom's memory, if the text writes it over and nobody reads it any more."""
        maker = self.sheet.makers.get(self.step.bottoms[0])
        return [x] if self.step.in_place and not (maker and maker.keeps_top) else self.new_tops()

    def new_tops(self) -> list[Tensor]:
        return [self.sheet.new(name) for name in self.step.tops]


Maker = Callable[[Sheet, int], Op | None]  # the op of a step; None: autograd computes this layer within the tape
_makers: dict[LayerClass, Maker] = {}
_Registered = TypeVar("_Registered", bound=Maker)


def writes(*layers: LayerClass) -> Callable[[_Registered], _Registered]:
    """Registers what writes these layers down: a class of ops, or a function that chooses one, or raises Unsuited."""

    def register(maker: _Registered) -> _Registered:
        _makers.update(dict.fromkeys(layers, maker))
        return maker

    return register


def registered(sheet: Sheet, index: int) -> Op | None:
    """The op that is registered for step `index`; None where there is none, or it declines."""
    maker = _makers.get(type(sheet.net.plan.steps[index].layer))  # type: ignore[arg-type]  # a layer
    return maker(sheet, index) if maker is not None else None


def batch_first(memory: Tensor) -> Tensor:
    """(..., N) seen as (N, ...); of a blob that holds one number, that."""
    return memory.movedim(-1, 0) if memory.dim() else memory
