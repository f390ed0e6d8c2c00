"""Layers of a tape that have weights and a bias: matrix products, and the compiled convolutions."""

from __future__ import annotations

import math
from abc import abstractmethod

from torch import Tensor

from ..kernels import calls
from ..kernels.case import Case
from ..kernels.channels_last import ChannelsLast
from ..kernels.choice import choice
from ..kernels.direct import geometry_of
from ..kernels.libraries import multiplied
from ..kernels.products import products_of
from ..layers.base import canonical_axis
from ..layers.linear import Convolution, Deconvolution, InnerProduct
from .op import Gradients, Op, Sheet, Unsuited, writes


class Affine(Op):
    """A layer of weights and a bias per row of its top (channels or neurons, ...).

    The bias and its gradient are left to an activation that follows, which passes over the same memory anyway.
    """

    adds_bias = False  # its kernel adds the bias itself

    def __init__(self, sheet: Sheet, index: int) -> None:
        super().__init__(sheet, index)
        behind = sheet.reader_behind(index)
        self.followed = behind is not None and behind.layer is not None and behind.layer.activation is not None

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        self.x, (self.y,) = bottoms[0], self.new_tops()
        self.apply()
        if self.bias is not None and not self.adds_bias and not self.followed:
            self.sheet.write(calls.activate("identity", 0.0, self.bias, self.y, self.y))
        return [self.y]

    def backward(self, tops: Gradients) -> Gradients:
        (dy,) = tops
        if dy is None:
            return [None]
        if not self.followed and (db := self.bias_gradient()) is not None:
            self.sheet.write(calls.activate_back("identity", 0.0, self.y, dy, db))
        dx = self.sheet.borrow(self.x) if self.wanted[0] else None
        self.gradients(dy, self.sheet.gradient(self.index, 0), dx)
        self.sheet.free(dy)
        return [dx]

    @property
    def bias(self) -> Tensor | None:
        return self.params[1] if len(self.params) > 1 else None

    def bias_gradient(self) -> Tensor | None:
        return self.sheet.gradient(self.index, 1) if self.bias is not None else None

    @abstractmethod
    def apply(self) -> None:
        """y of x, without the bias unless `adds_bias`."""

    @abstractmethod
    def gradients(self, dy: Tensor, dw: Tensor | None, dx: Tensor | None) -> None:
        """Those to the weights and to the bottom, as far as they are wanted."""


class Product(Affine):
    """One matrix product: y (O, M) = w (O, K) x (K, M), where M counts samples, and pixels that are filtered alike."""

    kernel = "product"

    def __init__(self, sheet: Sheet, index: int, weight: tuple[int, int], transposed: bool = False) -> None:
        super().__init__(sheet, index)
        self.weight, self.transposed = weight, transposed  # as it lies: (O, K), or (K, O)

    def apply(self) -> None:
        outputs, inputs = self.weight[::-1] if self.transposed else self.weight
        self.outputs, self.inputs = outputs, inputs
        self.w = self.params[0].detach().reshape(self.weight)
        w, x, y = self.w.t() if self.transposed else self.w, self.x.reshape(inputs, -1), self.y.reshape(outputs, -1)
        self.by = by = products_of(outputs * inputs, self.sheet.weights, x.shape[1])
        self.steady = x.shape[1] > 1 and set(by) == {"core"}
        self.kernel = "product" if set(by) == {"core"} else f"product ({', '.join(dict.fromkeys(by))})"
        self.sheet.write(multiplied(by.forward, w, x, y))

    def gradients(self, dy: Tensor, dw: Tensor | None, dx: Tensor | None) -> None:
        small = dy.reshape(self.outputs, -1)
        if dw is not None:
            large = self.x.reshape(self.inputs, -1)
            a, b = (large, small) if self.transposed else (small, large)
            self._weight_gradient(a, b, dw.reshape(self.weight))
        if dx is not None:
            w = self.w if self.transposed else self.w.t()
            self.sheet.write(multiplied(self.by.bottom, w, small, dx.reshape(self.inputs, -1)))

    def _weight_gradient(self, a: Tensor, b: Tensor, dw: Tensor) -> None:
        """dw = a bᵀ"""
        if self.by.weights != "core":
            self.sheet.write(multiplied(self.by.weights, a, b.t(), dw))
            return
        turned = self.sheet.borrow(b.t())
        self.sheet.write(calls.transpose(b, turned))
        self.sheet.write(calls.product(a, turned, dw))
        self.sheet.free(turned)


class Correlation(Affine):
    """A convolution or deconvolution by the compiled kernels."""

    adds_bias = True
    order = "batch last"

    def __init__(self, sheet: Sheet, index: int, case: Case) -> None:
        super().__init__(sheet, index)
        self.geometry = geometry_of(case)

    def apply(self) -> None:
        self.w = self.params[0].detach()
        self.sheet.write(calls.correlate(self.geometry, self.x, self.w, self.bias, self.y))

    def gradients(self, dy: Tensor, dw: Tensor | None, dx: Tensor | None) -> None:
        there, back = self.geometry, self.geometry.transposed()
        if dw is not None and there.turned:
            self.sheet.write(calls.weight_gradient(back, dy, self.x, dw))
        elif dw is not None:
            self.sheet.write(calls.weight_gradient(there, self.x, dy, dw))
        if dx is not None:
            self.sheet.write(calls.correlate(back, dy, self.w, None, dx))


class TorchFilter(Affine):
    """A convolution or deconvolution by PyTorch's operators, channels last: blobs are turned there and back."""

    adds_bias = True
    order = "channels last"
    kernel = "torch (turned)"
    steady = False

    def __init__(self, sheet: Sheet, index: int, case: Case) -> None:
        super().__init__(sheet, index)
        self.case = case
        self.reorders = not _pays_to_reorder(case)

    def apply(self) -> None:
        bias = None if self.bias is None else self.bias.detach()
        self.turned = ChannelsLast(self.case, self.x, self.params[0].detach(), bias, self.y)
        self.sheet.write(self.turned.forward)

    def gradients(self, dy: Tensor, dw: Tensor | None, dx: Tensor | None) -> None:
        self.sheet.write(self.turned.backward(dy, dw, dx))


@writes(InnerProduct)
def _product(sheet: Sheet, index: int) -> Product | None:
    step, _, (w, *_) = sheet.net.bound[index]
    assert isinstance(step.layer, InnerProduct)
    if canonical_axis(step.layer.settings.axis, sheet.planned(step.bottoms[0])) != 1:
        return None
    return Product(sheet, index, (w.shape[0], w.shape[1]), step.layer.transpose)


@writes(Convolution, Deconvolution)
def _filter(sheet: Sheet, index: int) -> Affine:
    """Unsuited for ways that are not written down. Where PyTorch's is the faster one, see `worth`."""
    step, _, (w, *_) = sheet.net.bound[index]
    layer, x = step.layer, sheet.planned(step.bottoms[0])
    assert isinstance(layer, Convolution | Deconvolution)
    if len(step.bottoms) != 1 or len(x) != 4 or layer.channel_axis(x) != 1:
        raise Unsuited
    _, stride, pad, dilation = layer.geometry(x)
    transposed = isinstance(layer, Deconvolution)
    case = Case(transposed, x, tuple(w.shape), stride, pad, dilation, layer.group, True, layer.strides)
    algorithm = choice(case)
    if algorithm == "core":
        return Correlation(sheet, index, case)
    if algorithm == "product":  # one pixel of the kernel, or of the image, or of the top
        return Product(sheet, index, (w.shape[0], math.prod(w.shape[1:])), transposed)
    if algorithm == "torch" and all(_fits(*axis) for axis in zip(x[2:], w.shape[2:], pad, dilation, strict=True)):
        return TorchFilter(sheet, index, case)
    raise Unsuited


def _pays_to_reorder(case: Case) -> bool:
    """Whether there are 100 products for each number that is turned, so that turning costs a few hundredths."""
    channels, outputs = (
        (case.w[0], case.w[1] * case.groups) if case.transposed else (case.w[1] * case.groups, case.w[0])
    )
    larger, smaller = (outputs, channels) if case.transposed else (channels, outputs)
    products = channels * outputs // case.groups * math.prod(case.w[2:])
    return products >= 100 * (larger * math.prod(case.stride) + smaller)


def _fits(size: int, kernel: int, pad: int, dilation: int) -> bool:
    """Whether the kernel lies within the padded image, as PyTorch wants it."""
    return dilation * (kernel - 1) + 1 <= size + 2 * pad
