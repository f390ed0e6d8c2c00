"""What a layer of a `tape` is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

if TYPE_CHECKING:
    from .tape import Writer

Gradients = list[Tensor | None]  # of the tops or the bottoms; None where nobody asks for it


class Unsuited(Exception):
    """The layer, or its place in the net, is better left to autograd."""


class Op(ABC):
    """One layer. `forward` gives its tops, `backward` its bottoms' gradients; both write their calls down.

    `keeps_top`: its backward pass reads its top, which must not be written over. `kernel`: what computes it, in a word.
    `steady`: whether its numbers are the same bits with any number of threads, as the core's are.
    """

    keeps_top: ClassVar[bool] = False
    kernel: str = "core"
    steady: bool = True

    def __init__(self, writer: Writer, index: int) -> None:
        self.writer, self.index = writer, index
        self.step, self.layer, self.params = writer.net.bound[index]

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
        return flags if self.writer.backward else (False,) * len(flags)

    def new_tops(self) -> list[Tensor]:
        return [self.writer.new(name) for name in self.step.tops]
