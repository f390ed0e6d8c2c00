"""The layers of a `tape`: each writes down the calls of its forward and backward pass over memory that stays.

Blobs lie with the batch innermost: (N, C, H, W) as (C, H, W, N). What has no calls of its own here goes through the
layer's `forward` and autograd, as everywhere else (`Recorded`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ..kernels import calls
from ..kernels.calls import Call, Kind
from ..layers.base import Layer, canonical_axis
from ..layers.linear import Convolution, Deconvolution, InnerProduct
from ..layers.loss import GREATEST_LOG_LOSS, SigmoidCrossEntropyLoss, SoftmaxWithLoss, labels_of, normalizer
from ..layers.neuron import ReLU, Sigmoid
from ..layers.pool import STOCHASTIC, Pooling
from ..layers.unpool import Unpooling
from .affine import Affine, Product, filter_of
from .op import Gradients, Op, Unsuited
from .pool import Pool, Unpool

if TYPE_CHECKING:
    from .tape import Writer


class Shared(Op):
    """Split, Flatten, Reshape: the tops are the bottom's memory. The gradients of several tops are added."""

    keeps_top = True
    kernel = ""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        self.shape = bottoms[0].shape
        return [bottoms[0].reshape(self.writer.shape(name)) for name in self.step.tops]

    def backward(self, tops: Gradients) -> Gradients:
        there = [top.reshape(self.shape) for top in tops if top is not None]
        for other in there[1:]:
            self.writer.write(_add(there[0], other))
            self.writer.free(other)
        return [there[0] if there else None]


class Silent(Op):
    """Silence: nothing."""

    kernel = ""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return []

    def backward(self, tops: Gradients) -> Gradients:
        return [None] * len(self.step.bottoms)


class Activation(Op):
    """Sigmoid or ReLU, with the bias of the layer before it where that is `Affine`."""

    keeps_top = True

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        self.kind: Kind = "sigmoid" if self.step.type == "Sigmoid" else "relu"
        self.slope = self.layer.slope if isinstance(self.layer, ReLU) else 0.0
        maker = self.writer.maker(self.step.bottoms[0])
        self.affine = maker if isinstance(maker, Affine) and maker.followed else None
        (x,) = bottoms
        self.y = x if self.step.in_place and not (maker and maker.keeps_top) else self.new_tops()[0]
        bias = self.affine.bias if self.affine is not None and not self.affine.adds_bias else None
        self.writer.write(calls.activate(self.kind, self.slope, bias, x, self.y))
        return [self.y]

    def backward(self, tops: Gradients) -> Gradients:
        (dy,) = tops
        if dy is None:
            return [None]
        db = self.affine.bias_gradient() if self.affine is not None else None
        self.writer.write(calls.activate_back(self.kind, self.slope, self.y, dy, db))
        return [dy]


class CrossEntropy(Op):
    """SigmoidCrossEntropyLoss: the loss and its gradient in one pass, in the forward half."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        (x, target), (loss,) = bottoms, self.new_tops()
        layer = cast(SigmoidCrossEntropyLoss, self.layer)
        batch = self.writer.batch
        share = 1 / float(normalizer(layer.normalization, batch, x.numel(), None))
        self.gradient = self.writer.borrow(x) if self.wanted[0] else None
        weight = self.step.loss_weights[0]
        self.writer.write(calls.cross_entropy(share, weight, x, target, self.gradient, loss))
        return [loss]

    def backward(self, tops: Gradients) -> Gradients:
        return [self.gradient, None]


class Squares(Op):
    """EuclideanLoss: the loss and its gradients in one pass, in the forward half."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        (a, b), (loss,) = bottoms, self.new_tops()
        self.gradients: Gradients = [
            self.writer.borrow(x) if wanted else None for x, wanted in zip(bottoms, self.wanted, strict=True)
        ]
        weight, (da, db) = self.step.loss_weights[0], self.gradients
        self.writer.write(calls.squares(1 / self.writer.batch, weight, a, b, da, db, loss))
        return [loss]

    def backward(self, tops: Gradients) -> Gradients:
        return self.gradients


class SoftmaxLoss(Op):
    """SoftmaxWithLoss over the channels, without labels to ignore: the loss and its gradient in the forward half."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        (x, labels), (loss,) = bottoms, self.new_tops()
        layer, classes = cast(SoftmaxWithLoss, self.layer), len(x)
        places = x.numel() // classes
        share = 1 / float(normalizer(layer.normalization, self.writer.batch, places, None))
        self.gradient = self.writer.borrow(x) if self.wanted[0] else None
        flat = None if self.gradient is None else self.gradient.view(classes, -1)
        self.writer.write(lambda: labels_of(labels, classes, None))
        self.writer.write(
            calls.softmax_loss(
                share, self.step.loss_weights[0], GREATEST_LOG_LOSS, x.view(classes, -1), labels.view(-1), flat, loss
            )
        )
        return [loss]

    def backward(self, tops: Gradients) -> Gradients:
        return [self.gradient, None]


class Recorded(Op):
    """Any other layer: its own `forward`, its gradient by autograd."""

    kernel = "autograd"
    steady = False

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        self.tops = self.new_tops()
        self.given = [_batch_first(x) for x in bottoms]
        self.writer.write(self.run)
        return self.tops

    def run(self) -> None:
        self.leaves = [x.detach().requires_grad_(flag) for x, flag in zip(self.given, self.wanted, strict=True)]
        with torch.set_grad_enabled(self.step.needs_backward and self.writer.backward):
            self.made = self.layer.forward(self.leaves, self.params, self.writer.context)
        for top, made in zip(self.tops, self.made, strict=True):
            _batch_first(top).copy_(made.detach())

    def backward(self, tops: Gradients) -> Gradients:
        weights = self.step.loss_weights or (0.0,) * len(self.tops)
        self.upper = [
            torch.tensor(weight) if weight else None if dy is None else _batch_first(dy)
            for dy, weight in zip(tops, weights, strict=True)
        ]
        if not self.step.needs_backward or all(dy is None for dy in self.upper):
            return [None] * len(self.given)
        into: Gradients = [
            self.writer.borrow(x.movedim(0, -1) if x.dim() else x) if flag else None
            for x, flag in zip(self.given, self.wanted, strict=True)
        ]
        learned = [self.writer.gradient(self.index, k) for k in range(len(self.params))]
        self.writer.write(lambda: self.run_back([None if dx is None else _batch_first(dx) for dx in into], learned))
        for dy in tops:
            self.writer.free(dy)
        return into

    def run_back(self, bottoms: Gradients, learned: Gradients) -> None:
        pairs = [(made, dy) for made, dy in zip(self.made, self.upper, strict=True) if dy is not None]
        pairs = [(made, dy) for made, dy in pairs if made.requires_grad]
        sources = [(leaf, into) for leaf, into in zip(self.leaves, bottoms, strict=True) if into is not None]
        sources += [(param, into) for param, into in zip(self.params, learned, strict=True) if into is not None]
        made, upper = [made for made, _ in pairs], [dy for _, dy in pairs]
        found: Sequence[Tensor | None] = [None] * len(sources)
        if made and sources:
            found = torch.autograd.grad(made, [leaf for leaf, _ in sources], upper, allow_unused=True)
        for gradient, (_, into) in zip(found, sources, strict=True):
            if gradient is None:
                into.zero_()
            else:
                into.copy_(gradient)


def tells_slope(layer: Layer | None) -> bool:
    """Whether it is an activation whose slope its top tells: Sigmoid, or ReLU, unless it turns signs."""
    return isinstance(layer, Sigmoid) or (isinstance(layer, ReLU) and layer.slope >= 0)


def _batch_first(memory: Tensor) -> Tensor:
    return memory.movedim(-1, 0) if memory.dim() else memory


def _add(x: Tensor, y: Tensor) -> Call:
    def call() -> None:
        x.add_(y)

    return call


def op_of(writer: Writer, index: int) -> Op:
    """What computes step `index`. Unsuited where PyTorch's convolutions are the faster ones, or the kind is none."""
    layer, step = writer.net.plan.steps[index].layer, writer.net.plan.steps[index]
    if any(weight and writer.planned(top) for top, weight in zip(step.tops, step.loss_weights, strict=True)):
        raise Unsuited
    ends = any(step.loss_weights) or not any(step.bottom_needs_backward)  # nobody else's gradient comes to the loss
    if step.type in ("Split", "Flatten", "Reshape"):
        return Shared(writer, index)
    if step.type == "Silence":
        return Silent(writer, index)
    if isinstance(layer, (Convolution, Deconvolution)):
        return filter_of(writer, index, layer)
    if isinstance(layer, InnerProduct) and canonical_axis(layer.settings.axis, writer.planned(step.bottoms[0])) == 1:
        rows, columns = writer.net.bound[index].params[0].shape
        return Product(writer, index, (rows, columns), layer.transpose)
    if tells_slope(layer) and writer.planned(step.bottoms[0]):
        return Activation(writer, index)
    if isinstance(layer, Pooling) and layer.method != STOCHASTIC:
        return Pool(writer, index)
    if isinstance(layer, Unpooling):
        return Unpool(writer, index)
    if isinstance(layer, SigmoidCrossEntropyLoss) and layer.ignored is None and ends:
        return CrossEntropy(writer, index)
    if isinstance(layer, SoftmaxWithLoss) and layer.ignored is None and ends:
        shape = writer.planned(step.bottoms[0])
        if canonical_axis(layer.param.softmax_param.axis, shape) == 1:
            return SoftmaxLoss(writer, index)
    if step.type == "EuclideanLoss" and ends:
        return Squares(writer, index)
    if step.type in ("BatchNorm", "Python", "Convolution", "Deconvolution", "Pooling", "SPP", "Filter"):
        raise Unsuited  # Filter: the data tell how many samples there are
    return Recorded(writer, index)
