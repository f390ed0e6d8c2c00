"""DummyData: blobs made by fillers (Caffe: `dummy_data_layer.cpp`).

`shape` once or once per top, or the legacy num/channels/height/width; `data_filler` none (constant 0), one, or one per
top. Constant tops never change (a script's net fills them once, at set-up: what it writes over them stays); random ones
are drawn anew for every batch, by (seed, layer, top, batch number) alone.
Differs from Caffe: it takes random tops from its global generator.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .stream import Arrays, Shape


class DummySource:
    """The source of a DummyData layer."""

    def __init__(self, layer: Any, phase: int = 0, folders: Sequence[str | Path] = (), seed: int = 0) -> None:
        self.tops = tuple(layer.top)
        param = layer.dummy_data_param
        self.shapes = dict(zip(self.tops, _shapes(param, len(self.tops)), strict=True))
        fillers = _per_top(list(param.data_filler), len(self.tops), "data_filler") if param.data_filler else []
        self._fillers = dict(zip(self.tops, fillers, strict=True)) if fillers else {}
        self.constant: Arrays = {}
        for top, shape in self.shapes.items():
            filler = self._fillers.get(top)
            if filler is None or filler.type == "constant":
                self.constant[top] = np.full(shape, filler.value if filler else 0, np.float32)
            else:
                draw(filler, shape, np.random.default_rng(0))  # an unusable filler is refused now
        self._key = (seed % 2**64, zlib.crc32(layer.name.encode()))

    @property
    def at_hand(self) -> bool:
        """Whether nothing is drawn."""
        return len(self.constant) == len(self.tops)

    def batch(self, index: int) -> Arrays:
        made = {**self.constant, **self.drawn(index, self.shapes)}
        return {top: made[top] for top in self.tops}

    def drawn(self, index: int, shapes: Mapping[str, Shape]) -> Arrays:
        """The random tops of batch `index`, in these shapes."""
        arrays = {}
        for number, top in enumerate(self.tops):
            if top not in self.constant:
                generator = np.random.default_rng((*self._key, number, index))
                arrays[top] = draw(self._fillers[top], shapes[top], generator)
        return arrays

    def close(self) -> None:
        """Nothing is open."""


def draw(filler: Any, shape: Shape, generator: np.random.Generator) -> np.ndarray:
    """Random values by Caffe's filler rules; xavier's and msra's n is fan_in, fan_out or their mean."""
    if not shape and (filler.type in ("xavier", "msra", "positive_unitball") or filler.sparse != -1):
        raise DataError(f"data_filler: a {filler.type} filler needs a shape of at least one axis")
    if filler.type != "gaussian" and filler.sparse != -1:
        raise DataError(f"data_filler: sparse is only for gaussian, not for {filler.type}")
    if filler.type == "uniform":
        if filler.min > filler.max:
            raise DataError(f"data_filler: min {filler.min:g} is greater than max {filler.max:g}")
        return _uniform(filler.min, filler.max, shape, generator)
    if filler.type == "gaussian":
        return _gaussian(filler, shape, generator)
    if filler.type == "xavier":
        bound = float(np.sqrt(3 / _fan(filler, shape)))
        return _uniform(-bound, bound, shape, generator)
    if filler.type == "msra":
        return generator.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / _fan(filler, shape)))
    if filler.type == "positive_unitball":
        values = generator.random(shape, np.float32)
        return values / values.sum(axis=tuple(range(1, len(shape))), keepdims=True)
    raise DataError(
        f"data_filler: type {filler.type!r} cannot fill a data blob; "
        "allowed: constant, uniform, gaussian, xavier, msra, positive_unitball"
    )


def _uniform(low: float, high: float, shape: Shape, generator: np.random.Generator) -> np.ndarray:
    return generator.uniform(low, high, shape).astype(np.float32)


def _gaussian(filler: Any, shape: Shape, generator: np.random.Generator) -> np.ndarray:
    if filler.std <= 0:
        raise DataError(f"data_filler: std is {filler.std:g}, but must be positive")
    values = generator.normal(filler.mean, filler.std, shape).astype(np.float32)
    if filler.sparse >= 0:  # each value is kept with probability sparse / shape[0]
        if filler.sparse > shape[0]:
            raise DataError(f"data_filler: sparse {filler.sparse} is greater than the blob's first axis, {shape[0]}")
        values *= generator.random(shape) < filler.sparse / shape[0]
    return values


def _fan(filler: Any, shape: Shape) -> float:
    total = int(np.prod(shape))
    fan_in, fan_out = total // shape[0], total // shape[1] if len(shape) > 1 else total
    return (fan_in, fan_out, (fan_in + fan_out) / 2)[filler.variance_norm]


def _shapes(param: Any, tops: int) -> list[Shape]:
    legacy = [list(axis) for axis in (param.num, param.channels, param.height, param.width)]
    if any(legacy) and param.shape:
        raise DataError("dummy_data_param: give either shape or num, channels, height and width, not both")
    if any(legacy):
        axes = [_per_top(axis, tops, "each of num, channels, height and width") for axis in legacy]
        shapes = [tuple(int(dim) for dim in dims) for dims in zip(*axes, strict=True)]
    else:
        shapes = [tuple(int(dim) for dim in shape.dim) for shape in _per_top(list(param.shape), tops, "shape")]
    for shape in shapes:
        if min(shape, default=1) < 1:
            raise DataError(f"dummy_data_param: every dim must be at least 1, but the shape is {list(shape)}")
    return shapes


def _per_top(values: list[Any], tops: int, what: str) -> list[Any]:
    if len(values) not in (1, tops):
        raise DataError(
            f"dummy_data_param: {what} must be given once or once per top ({tops}), not {len(values)} times"
        )
    return values * tops if len(values) == 1 else values
