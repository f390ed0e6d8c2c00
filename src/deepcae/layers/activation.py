"""Activations: element-wise curves that may be nearly flat in places, where little or no gradient passes.

*Nearly flat* is where the slope is less than FLAT of its greatest. What can be told of it by the top alone, `tails` and
`gone` tell; a Swish has two x of one y left of its turning point, so there a few are taken for more than they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..lazy import torch
from ..proto.schema import FillerParameter
from .base import Context, Gives, Layer, Learned, Shape, require_axes
from .filler import learn
from .neuron import Neuron

if TYPE_CHECKING:
    from torch import Tensor

TAIL = 0.01  # a sigmoid's output is in its tails within this distance of 0 or 1 (tanh: twice it of ±1), where its slope
FLAT = 4 * TAIL * (1 - TAIL)  # is less than this share of the greatest: so it is called for every activation


class _Activation(Neuron):
    is_activation: ClassVar[bool] = True


class ReLU(_Activation):
    """y = max(x, 0) + negative_slope·min(x, 0). The gradient at 0 is negative_slope. Source: Caffe relu_layer.cpp.

    Its zeros are no tails: many units rest in nets that learn well. With a small negative_slope the left side is one.
    """

    type: ClassVar[str] = "ReLU"
    gives: ClassVar[Gives] = "any"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.slope = param.relu_param.negative_slope
        self.activation = ("relu", self.slope) if self.slope >= 0 else None  # else it turns signs

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        if context.reuse and not self.slope and not bottoms[0]._is_view():
            return [torch.relu_(bottoms[0])]
        return super().forward(bottoms, params, context)

    def apply(self, x: Tensor) -> Tensor:
        return torch.nn.functional.leaky_relu(x, self.slope) if self.slope else torch.relu(x)

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor | None:
        return y < 0 if 0 < self.slope < FLAT else None

    def gone(self, y: Tensor, params: Sequence[Tensor]) -> Tensor | None:
        return y == 0 if self.slope == 0 else None


class Sigmoid(_Activation):
    """y = 1/(1 + exp(-x)). Source: Caffe sigmoid_layer.cpp."""

    type: ClassVar[str] = "Sigmoid"
    gradient_reads = "top"
    gives: ClassVar[Gives] = "squashed"
    activation = ("sigmoid", 0.0)
    reads_top: bool = True

    def apply(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor:
        return (y < TAIL) | (y > 1 - TAIL)


class TanH(_Activation):
    """y = tanh(x). Source: Caffe tanh_layer.cpp."""

    type: ClassVar[str] = "TanH"
    gradient_reads = "top"
    gives: ClassVar[Gives] = "any"
    activation = ("tanh", 0.0)
    reads_top: bool = True

    def apply(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor:
        return y.abs() > 1 - 2 * TAIL


class ELU(_Activation):
    """y = x where x > 0, else alpha·(exp(x) - 1). Source: Caffe elu_layer.cpp."""

    type: ClassVar[str] = "ELU"
    gradient_reads = "top"
    gives: ClassVar[Gives] = "any"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.alpha = param.elu_param.alpha
        self.activation = ("elu", self.alpha) if self.alpha >= 0 else None  # else two x have one y

    def apply(self, x: Tensor) -> Tensor:
        return torch.nn.functional.elu(x, self.alpha)

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor | None:
        """Where the slope y + alpha is small. A negative alpha makes two x of one y: not to be told, then."""
        return (y < 0) & (y + self.alpha < FLAT * max(1.0, self.alpha)) if self.alpha > 0 else None

    def gone(self, y: Tensor, params: Sequence[Tensor]) -> Tensor | None:
        return y == 0 if self.alpha == 0 else None


class BNLL(_Activation):
    """y = log(1 + exp(x)), the binomial normal log likelihood. Source: Caffe bnll_layer.cpp."""

    type: ClassVar[str] = "BNLL"
    gradient_reads = "bottom"
    LINEAR_FROM = 50.0  # where exp(x) would leave float32's comfort; Caffe clips here too

    def apply(self, x: Tensor) -> Tensor:
        return torch.nn.functional.softplus(x, 1.0, self.LINEAR_FROM)

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor:
        """Where the slope 1 - exp(-y) is small."""
        return y < -math.log1p(-FLAT)


class Swish(_Activation):
    """y = x·sigmoid(beta·x). Source: Caffe swish_layer.cpp."""

    type: ClassVar[str] = "Swish"
    gradient_reads = "bottom"
    gives: ClassVar[Gives] = "any"
    EDGE = -0.05778549  # z·sigmoid(z) at z = -4.2949: left of it the slope is less than FLAT of the greatest, 1.0998

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.beta = param.swish_param.beta

    def apply(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x if self.beta == 1 else x * self.beta)

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor | None:
        """Where beta·y lies between the edge and -0. That an x just below 0 comes there, too, no y can tell."""
        scaled = y * self.beta
        return torch.signbit(scaled) & (scaled > self.EDGE) if self.beta else None


class Clip(_Activation):
    """y = max(min(x, max), min), so min wins where min > max; gradient 1 on the closed interval.

    Without any clip_param both bounds are 0, as in Caffe. Source: Caffe clip_layer.cpp.
    """

    type: ClassVar[str] = "Clip"
    gradient_reads = "bottom"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.least, self.most = param.clip_param.min, param.clip_param.max

    def apply(self, x: Tensor) -> Tensor:
        return x.clamp(max=self.most).clamp(min=self.least)  # torch's clamp(min, max) lets max win

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor:
        return (y <= self.least) | (y >= self.most)

    gone = tails


class PReLU(Layer):
    """y = max(x, 0) + a[c]·min(x, 0), c the index on axis 1. The gradient at 0 is a[c]. Its tails are as ReLU's.

    Learned: a (C), or () with `channel_shared`, starting from 0.25. Source: Caffe prelu_layer.cpp.
    """

    type: ClassVar[str] = "PReLU"
    gives: ClassVar[Gives] = "any"
    is_activation: ClassVar[bool] = True
    in_place: ClassVar[bool] = True

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        require_axes(bottoms[0], 2, None)
        settings = self.param.prelu_param
        filler = settings.filler if settings.HasField("filler") else FillerParameter(type="constant", value=0.25)
        return [learn(() if settings.channel_shared else (bottoms[0][1],), filler, "prelu_param.filler")]

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require_axes(bottoms[0], 2, None)
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return [torch.nn.functional.prelu(bottoms[0], params[0].reshape(-1))]

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor:
        slope = _slopes(y, params[0])
        return (y < 0) & (slope > 0) & (slope < FLAT)

    def gone(self, y: Tensor, params: Sequence[Tensor]) -> Tensor:
        return (y == 0) & (_slopes(y, params[0]) == 0)


def _slopes(y: Tensor, a: Tensor) -> Tensor:
    """(C) or () as (1, C, 1, …), beside (N, C, …)."""
    return a.detach().reshape(1, -1, *(1,) * (y.dim() - 2))
