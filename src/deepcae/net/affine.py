"""The layers of a `tape` that have weights and a bias: matrix products, and the compiled convolutions."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING

from torch import Tensor

from ..kernels import calls
from ..kernels.choice import Case, choice
from ..kernels.direct import geometry_of
from ..layers.linear import Convolution, Deconvolution
from .op import Gradients, Op, Unsuited

if TYPE_CHECKING:
    from .tape import Writer


class Affine(Op):
    """A layer of weights and a bias per row of its top (channels or neurons, ...).

    The bias and its gradient are left to an activation that follows, which passes over the same memory anyway.
    """

    followed = False  # by an activation that takes them over
    adds_bias = False  # its kernel adds the bias itself

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        self.x, (self.y,) = bottoms[0], self.new_tops()
        self.apply()
        if self.bias is not None and not self.adds_bias and not self.followed:
            self.writer.write(calls.activate("identity", 0.0, self.bias, self.y, self.y))
        return [self.y]

    def backward(self, tops: Gradients) -> Gradients:
        (dy,) = tops
        if dy is None:
            return [None]
        if not self.followed and (db := self.bias_gradient()) is not None:
            self.writer.write(calls.activate_back("identity", 0.0, self.y, dy, db))
        if (dw := self.writer.gradient(self.index, 0)) is not None:
            self.weight_gradient(dy, dw)
        dx = self.writer.borrow(self.x) if self.wanted[0] else None
        if dx is not None:
            self.input_gradient(dy, dx)
        self.writer.free(dy)
        return [dx]

    @property
    def bias(self) -> Tensor | None:
        return self.params[1] if len(self.params) > 1 else None

    def bias_gradient(self) -> Tensor | None:
        return self.writer.gradient(self.index, 1) if self.bias is not None else None

    @abstractmethod
    def apply(self) -> None:
        """y of x, without the bias unless `adds_bias`."""

    @abstractmethod
    def weight_gradient(self, dy: Tensor, dw: Tensor) -> None:
        """dw of x and dy."""

    @abstractmethod
    def input_gradient(self, dy: Tensor, dx: Tensor) -> None:
        """dx of w and dy."""


class Product(Affine):
    """One matrix product: y (O, M) = w (O, K) x (K, M), where M counts samples, and pixels that are filtered alike."""

    def __init__(self, writer: Writer, index: int, weight: tuple[int, int], transposed: bool = False) -> None:
        super().__init__(writer, index)
        self.weight, self.transposed = weight, transposed  # as it lies: (O, K), or (K, O)

    def apply(self) -> None:
        outputs, inputs = self.weight[::-1] if self.transposed else self.weight
        self.outputs, self.inputs = outputs, inputs
        self.w = self.params[0].detach().reshape(self.weight)
        w = self.w.t() if self.transposed else self.w
        self.writer.write(calls.product(w, self.x.reshape(inputs, -1), self.y.reshape(outputs, -1)))

    def weight_gradient(self, dy: Tensor, dw: Tensor) -> None:
        large, small = self.x.reshape(self.inputs, -1), dy.reshape(self.outputs, -1)
        a, b = (large, small) if self.transposed else (small, large)
        b_turned = self.writer.borrow(b.t())
        self.writer.write(calls.turned(b, b_turned))
        self.writer.write(calls.product(a, b_turned, dw.reshape(self.weight)))
        self.writer.free(b_turned)

    def input_gradient(self, dy: Tensor, dx: Tensor) -> None:
        w = self.w if self.transposed else self.w.t()
        self.writer.write(calls.product(w, dy.reshape(self.outputs, -1), dx.reshape(self.inputs, -1)))


class Correlation(Affine):
    """A convolution or deconvolution by the compiled kernels."""

    adds_bias = True

    def __init__(self, writer: Writer, index: int, case: Case) -> None:
        super().__init__(writer, index)
        self.geometry = geometry_of(case.x, case.w, case.pad, case.dilation, case.groups, case.transposed)

    def apply(self) -> None:
        self.w = self.params[0].detach()
        self.writer.write(calls.correlate(self.geometry, self.x, self.w, self.bias, self.y))

    def weight_gradient(self, dy: Tensor, dw: Tensor) -> None:
        there, back = self.geometry, self.geometry.transposed()
        if there.turned:
            self.writer.write(calls.weight_gradient(back, dy, self.x, dw))
        else:
            self.writer.write(calls.weight_gradient(there, self.x, dy, dw))

    def input_gradient(self, dy: Tensor, dx: Tensor) -> None:
        self.writer.write(calls.correlate(self.geometry.transposed(), dy, self.w, None, dx))


def filter_of(writer: Writer, index: int, layer: Convolution | Deconvolution) -> Affine:
    """What computes a convolution or deconvolution. Unsuited where PyTorch's own are the faster ones."""
    step, w = writer.net.plan.steps[index], writer.net.run_of(index).params[0]
    x = writer.planned(step.bottoms[0])
    if len(step.bottoms) != 1 or len(x) != 4 or layer.channel_axis(x) != 1:
        raise Unsuited
    _, stride, pad, dilation = layer.geometry(x)
    transposed = isinstance(layer, Deconvolution)
    way = choice(Case(transposed, x, tuple(w.shape), stride, pad, dilation, layer.group, plain=True))
    if way == "core":
        return Correlation(writer, index, Case(transposed, x, tuple(w.shape), stride, pad, dilation, layer.group, True))
    if way == "product":  # one pixel of the kernel, or of the image, or of the top
        return Product(writer, index, (w.shape[0], math.prod(w.shape[1:])), transposed)
    raise Unsuited
