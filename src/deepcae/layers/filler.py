"""Initial values of learned blobs: Caffe's seven fillers.

Checked without torch (`check_filler`), drawn from an explicit generator (`fill`): the same generator state gives the
same blob on every device, because the values are drawn on the CPU in float32. Only the distributions are Caffe's, not
its random stream. Source: Caffe filler.hpp.
"""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, Any

from ..errors import LayerError
from ..lazy import torch
from .base import Learned, Shape, count

if TYPE_CHECKING:
    from torch import Generator, Tensor

TYPES = ("constant", "uniform", "gaussian", "positive_unitball", "xavier", "msra", "bilinear")
FAN_IN, FAN_OUT, AVERAGE = 0, 1, 2


def learn(shape: Shape, filler: Any, at: str) -> Learned:
    """A learned blob whose filler is known to suit its shape; `at` is the filler's field in the layer's message."""
    check_filler(filler, shape, at)
    return Learned(shape, filler)


def check_filler(filler: Any, shape: Shape, at: str) -> None:
    """LayerError unless `filler` is one of Caffe's seven and can fill a blob of this shape."""
    kind = filler.type
    if kind not in TYPES:
        close = difflib.get_close_matches(kind, TYPES, 1, 0.5)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise LayerError(f"unknown filler '{kind}', allowed are {', '.join(TYPES)}{hint}", f"{at}.type")
    if kind != "gaussian" and filler.sparse != -1:
        raise LayerError(f"sparse is for the gaussian filler only, not for '{kind}'", f"{at}.sparse")
    if kind == "uniform" and filler.min > filler.max:
        raise LayerError(
            f"a uniform filler needs min <= max, but min is {filler.min:g} and max {filler.max:g}", f"{at}.min"
        )
    if kind == "gaussian":
        _check_gaussian(filler, shape, at)
    if kind == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise LayerError(
            f"a bilinear filler needs a blob of 4 axes with a square kernel, not {list(shape)}", f"{at}.type"
        )


def _check_gaussian(filler: Any, shape: Shape, at: str) -> None:
    if not filler.std > 0:
        raise LayerError(f"a gaussian filler needs std > 0, but std is {filler.std:g}", f"{at}.std")
    if filler.sparse < -1:
        raise LayerError(f"sparse must be -1 (dense) or a number of weights, not {filler.sparse}", f"{at}.sparse")
    if shape and filler.sparse > shape[0]:
        raise LayerError(
            f"sparse: {filler.sparse} asks for more non-zero weights than the blob's first axis has ({shape[0]} in "
            f"{list(shape)}); use at most {shape[0]}, or a dense gaussian",
            f"{at}.sparse",
        )


def fan(shape: Shape, variance_norm: int) -> float:
    """The n of xavier and msra: fan_in = count/shape[0], fan_out = count/shape[1] (1-D: count), or their mean."""
    total = count(shape)
    fan_in = total // shape[0] if shape else total
    fan_out = total // shape[1] if len(shape) > 1 else total
    return {FAN_IN: float(fan_in), FAN_OUT: float(fan_out), AVERAGE: (fan_in + fan_out) / 2}[variance_norm]


def fill(tensor: Tensor, filler: Any, generator: Generator) -> None:
    """Overwrite `tensor` with the filler's values, drawn from `generator` (a CPU generator).

    constant: value; uniform: U[min, max); gaussian: mean + std·N(0,1), each kept with probability sparse/shape[0];
    xavier: U(-s, s), s = sqrt(3/n); msra: N(0, sqrt(2/n)); positive_unitball: U(0,1), each slice of axis 0 divided by
    its sum; bilinear: w[y][x] = (1-|x/f-c|)(1-|y/f-c|), f = ceil(k/2), c = (k-1)/(2f).
    """
    with torch.no_grad():
        tensor.copy_(_values(tuple(tensor.shape), filler, generator))


def _values(shape: Shape, filler: Any, generator: Generator) -> Tensor:
    new = torch.empty(shape, dtype=torch.float32)
    match filler.type:
        case "uniform":
            return (
                new.uniform_(filler.min, filler.max, generator=generator)
                if filler.min < filler.max
                else new.fill_(filler.min)
            )
        case "gaussian":
            new.normal_(filler.mean, filler.std, generator=generator)
            if filler.sparse >= 0:
                keep = filler.sparse / (shape[0] if shape else 1)
                new *= torch.empty(shape, dtype=torch.float32).bernoulli_(keep, generator=generator)
            return new
        case "xavier":
            limit = math.sqrt(3.0 / fan(shape, filler.variance_norm))
            return new.uniform_(-limit, limit, generator=generator)
        case "msra":
            return new.normal_(0.0, math.sqrt(2.0 / fan(shape, filler.variance_norm)), generator=generator)
        case "positive_unitball":
            rows = new.uniform_(0.0, 1.0, generator=generator).reshape(shape[0] if shape else 1, -1)
            return (rows / rows.sum(1, keepdim=True)).reshape(shape)
        case "bilinear":
            return _bilinear(shape[-1]).expand(shape)
    return new.fill_(filler.value)


def _bilinear(kernel: int) -> Tensor:
    factor = math.ceil(kernel / 2)
    center = (kernel - 1) / (2.0 * factor)
    ramp = 1 - (torch.arange(kernel, dtype=torch.float32) / factor - center).abs()
    return ramp[:, None] * ramp[None, :]  # (k, k)
