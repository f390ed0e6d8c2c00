"""Element-wise layers: each top element depends on the bottom element at its place (and a few learned numbers)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from ..lazy import torch
from ..proto.schema import TRAIN, FillerParameter
from .base import Context, Layer, Learned, Shape, require_axes
from .filler import learn

if TYPE_CHECKING:
    from torch import Tensor


TAIL = 0.01  # a sigmoid's output is in its tails within this distance of 0 or 1 (tanh: twice it of ±1), where its slope
FLAT = 4 * TAIL * (1 - TAIL)  # is less than this share of the greatest: so it is called for every activation


class _Neuron(Layer):
    """One bottom, one top of the same shape, no parameters, no randomness: y = f(x)."""

    in_place: ClassVar[bool] = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return [self.apply(bottoms[0])]

    @abstractmethod
    def apply(self, x: Tensor) -> Tensor:
        """f(x)."""


class _Activation(_Neuron):
    is_activation: ClassVar[bool] = True


class ReLU(_Activation):
    """y = max(x, 0) + negative_slope·min(x, 0). The gradient at 0 is negative_slope. Source: Caffe relu_layer.cpp.

    Its zeros are no tails: many units rest in nets that learn well. With a small negative_slope the left side is one.
    """

    type: ClassVar[str] = "ReLU"

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
    activation = ("sigmoid", 0.0)
    reads_top: bool = True

    def apply(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor:
        return (y < TAIL) | (y > 1 - TAIL)


class TanH(_Activation):
    """y = tanh(x). Source: Caffe tanh_layer.cpp."""

    type: ClassVar[str] = "TanH"
    reads_top: bool = True

    def apply(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor:
        return y.abs() > 1 - 2 * TAIL


class ELU(_Activation):
    """y = x where x > 0, else alpha·(exp(x) - 1). Source: Caffe elu_layer.cpp."""

    type: ClassVar[str] = "ELU"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.alpha = param.elu_param.alpha

    def apply(self, x: Tensor) -> Tensor:
        return torch.nn.functional.elu(x, self.alpha)

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor | None:
        """Where the slope y + alpha is small. A negative alpha makes two x of one y: not to be told, then."""
        return (y < 0) & (y + self.alpha < FLAT * max(1.0, self.alpha)) if self.alpha > 0 else None

    def gone(self, y: Tensor, params: Sequence[Tensor]) -> Tensor | None:
        return y == 0 if self.alpha == 0 else None


class AbsVal(_Neuron):
    """y = |x|, gradient 0 at 0. Not in place. Source: Caffe absval_layer.cpp."""

    type: ClassVar[str] = "AbsVal"
    in_place: ClassVar[bool] = False

    def apply(self, x: Tensor) -> Tensor:
        return torch.abs(x)


class BNLL(_Activation):
    """y = log(1 + exp(x)), the binomial normal log likelihood. Source: Caffe bnll_layer.cpp."""

    type: ClassVar[str] = "BNLL"
    LINEAR_FROM = 50.0  # where exp(x) would leave float32's comfort; Caffe clips here too

    def apply(self, x: Tensor) -> Tensor:
        return torch.nn.functional.softplus(x, 1.0, self.LINEAR_FROM)

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor:
        """Where the slope 1 - exp(-y) is small."""
        return y < -math.log1p(-FLAT)


class Power(_Neuron):
    """y = (shift + scale·x)^power; a constant where power·scale = 0 (1 if power = 0, else shift^power).

    Differs from torch: for a power other than 0, 1 and 2 the gradient is power·scale·y/(shift + scale·x), as in Caffe:
    not a number where the base is 0. Source: Caffe power_layer.cpp.
    """

    type: ClassVar[str] = "Power"
    reads_top: bool = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings = param.power_param
        self.power, self.scale, self.shift = settings.power, settings.scale, settings.shift
        self.constant: float | None = None
        if self.power * self.scale == 0:
            self.constant = 1.0 if self.power == 0 else _float_power(self.shift, self.power)

    def apply(self, x: Tensor) -> Tensor:
        if self.constant is not None:
            # a masked fill, not a new tensor: the gradient that it hands down is 0, not missing
            return x.masked_fill(torch.ones((), dtype=torch.bool, device=x.device), self.constant)
        base = x if self.scale == 1 else x * self.scale
        base = base + self.shift if self.shift else base
        if self.power == 1:
            return base.clone() if base is x else base
        if self.power == 2:
            return base * base
        from ..kernels.gradients import power

        return power(base, self.power)


def _float_power(base: float, power: float) -> float:
    """C's pow: not a number, or infinite, where Python raises."""
    try:
        value = base**power
    except ZeroDivisionError:
        return math.inf
    return math.nan if isinstance(value, complex) else value


class Exp(_Neuron):
    """y = base^(shift + scale·x); base -1 stands for e. Source: Caffe exp_layer.cpp."""

    type: ClassVar[str] = "Exp"
    reads_top: bool = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings = param.exp_param
        log_base = _log_of_base(settings.base, "exp_param.base")
        self.inner = log_base * settings.scale
        self.outer = math.exp(log_base * settings.shift)

    def apply(self, x: Tensor) -> Tensor:
        y = torch.exp(x if self.inner == 1 else x * self.inner)
        return y if self.outer == 1 else y * self.outer

    def standing(
        self, bottoms: Sequence[Tensor], params: Sequence[Tensor], tops: Sequence[Tensor], context: Context
    ) -> list[Tensor]:
        return [bottoms[0] * (tops[0] * self.inner)]


class Log(_Neuron):
    """y = log_base(shift + scale·x); base -1 stands for e. Source: Caffe log_layer.cpp."""

    type: ClassVar[str] = "Log"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings = param.log_param
        self.log_base = _log_of_base(settings.base, "log_param.base")
        if self.log_base == 0:
            raise LayerError(
                "base 1 has no logarithms; give a positive base other than 1, or -1 for e", "log_param.base"
            )
        self.scale, self.shift = settings.scale, settings.shift

    def apply(self, x: Tensor) -> Tensor:
        y = torch.log(x if (self.scale, self.shift) == (1, 0) else x * self.scale + self.shift)
        return y if self.log_base == 1 else y / self.log_base


def _log_of_base(base: float, at: str) -> float:
    if base == -1:
        return 1.0
    if not 0 < base < math.inf:
        raise LayerError(f"base must be positive, or -1 for e, but is {base:g}", at)
    return math.log(base)


class Clip(_Activation):
    """y = max(min(x, max), min), so min wins where min > max; gradient 1 on the closed interval.

    Without any clip_param both bounds are 0, as in Caffe. Source: Caffe clip_layer.cpp.
    """

    type: ClassVar[str] = "Clip"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.least, self.most = param.clip_param.min, param.clip_param.max

    def apply(self, x: Tensor) -> Tensor:
        return x.clamp(max=self.most).clamp(min=self.least)  # torch's clamp(min, max) lets max win

    def tails(self, y: Tensor, params: Sequence[Tensor]) -> Tensor:
        return (y <= self.least) | (y >= self.most)

    gone = tails


class Swish(_Activation):
    """y = x·sigmoid(beta·x). Source: Caffe swish_layer.cpp."""

    type: ClassVar[str] = "Swish"
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


class Threshold(_Neuron):
    """y = [x > threshold]; no gradient. Source: Caffe threshold_layer.cpp."""

    type: ClassVar[str] = "Threshold"
    differentiable: ClassVar[bool] = False

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.threshold = param.threshold_param.threshold

    def apply(self, x: Tensor) -> Tensor:
        return (x > self.threshold).to(x.dtype)


class PReLU(Layer):
    """y = max(x, 0) + a[c]·min(x, 0), c the index on axis 1. The gradient at 0 is a[c]. Its tails are as ReLU's.

    Learned: a (C), or () with `channel_shared`, starting from 0.25. Source: Caffe prelu_layer.cpp.
    """

    type: ClassVar[str] = "PReLU"
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


class Dropout(Layer):
    """TRAIN: y = x·mask/(1 - ratio), mask ~ Bernoulli(1 - ratio) from the context's generator. TEST: y = x.

    Ratio 0 is the identity; ratio 1 gives NaN in TRAIN, as in Caffe. Source: Caffe dropout_layer.cpp.
    """

    type: ClassVar[str] = "Dropout"
    keeps_state: bool = True
    in_place: ClassVar[bool] = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.ratio = param.dropout_param.dropout_ratio
        if not 0 <= self.ratio <= 1:
            raise LayerError(
                f"dropout_ratio must be between 0 and 1, but is {self.ratio:g}", "dropout_param.dropout_ratio"
            )

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x = bottoms[0]
        if self.phase != TRAIN or self.ratio == 0:
            return [x.clone()]
        source = context.generator
        mask = torch.empty(x.shape, dtype=x.dtype, device=source.device if source is not None else x.device)
        mask.bernoulli_(1 - self.ratio, generator=source)
        mask *= math.inf if self.ratio == 1 else 1 / (1 - self.ratio)
        return [x * mask.to(x.device)]
