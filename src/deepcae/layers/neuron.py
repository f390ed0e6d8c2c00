"""Element-wise layers: each top element depends on the bottom element at its place (and a few learned numbers)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from ..lazy import torch
from ..proto.schema import TRAIN
from .base import Context, Gives, Layer, Shape

if TYPE_CHECKING:
    from torch import Tensor


class Neuron(Layer):
    """One bottom, one top of the same shape, no parameters, no randomness: y = f(x)."""

    in_place: ClassVar[bool] = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return [self.apply(bottoms[0])]

    @abstractmethod
    def apply(self, x: Tensor) -> Tensor:
        """f(x)."""


class AbsVal(Neuron):
    """y = |x|, gradient 0 at 0. Not in place. Source: Caffe absval_layer.cpp."""

    type: ClassVar[str] = "AbsVal"
    in_place: ClassVar[bool] = False

    def apply(self, x: Tensor) -> Tensor:
        return torch.abs(x)


class Power(Neuron):
    """y = (shift + scale·x)^power; a constant where power·scale = 0 (1 if power = 0, else shift^power).

    Differs from torch: for a power other than 0, 1 and 2 the gradient is power·scale·y/(shift + scale·x), as in Caffe:
    not a number where the base is 0. Source: Caffe power_layer.cpp.
    """

    type: ClassVar[str] = "Power"
    gradient_reads = "bottom"
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


class Exp(Neuron):
    """y = base^(shift + scale·x); base -1 stands for e. Source: Caffe exp_layer.cpp."""

    type: ClassVar[str] = "Exp"
    gradient_reads = "top"
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


class Log(Neuron):
    """y = log_base(shift + scale·x); base -1 stands for e. Source: Caffe log_layer.cpp."""

    type: ClassVar[str] = "Log"
    gradient_reads = "bottom"
    gives: ClassVar[Gives] = "any"

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


class Threshold(Neuron):
    """y = [x > threshold]; no gradient. Source: Caffe threshold_layer.cpp."""

    type: ClassVar[str] = "Threshold"
    differentiable: ClassVar[bool] = False

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.threshold = param.threshold_param.threshold

    def apply(self, x: Tensor) -> Tensor:
        return (x > self.threshold).to(x.dtype)


class Dropout(Layer):
    """TRAIN: y = x·mask/(1 - ratio), mask ~ Bernoulli(1 - ratio) from the context's generator. TEST: y = x.

    Ratio 0 is the identity; ratio 1 gives NaN in TRAIN, as in Caffe. Source: Caffe dropout_layer.cpp.
    """

    type: ClassVar[str] = "Dropout"
    gives: ClassVar[Gives] = "selected"
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
