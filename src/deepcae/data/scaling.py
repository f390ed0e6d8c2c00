"""How stored values become about 0..1 for a net:  shown = (stored - offset) · scale.

A net's text says it as `transform_param { mean_value: offset scale: scale }`. It is learned from a seeded sample:

| values                              | become 0 and 1                                                           |
|-------------------------------------|--------------------------------------------------------------------------|
| 8 bits                              | 0 and 255                                                                |
| already within 0..1                 | 0 and 1: they stay as they are                                           |
| all others, and dim ones of these   | the 0.1th and the 99.9th percentile of the sample, or their own extremes |

*Dim* is what fills less than an eighth of its range: 12 bits in 16, counts of photons in a byte. Values beyond the
percentiles become less than 0 or more than 1; nothing is clipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .stored import Stored

LOW, HIGH = 0.1, 99.9  # percentiles that become 0 and 1
DIM = 1 / 8  # of the range that 8 bits or 0..1 offer; values that fill less are spread
IMAGES, VALUES = 1024, 2**22  # of a sample, at most
LEAST, BYTES = 16, 2**27  # images that are looked at however large they are, and what the others may take, as float32
TINY = 1e-37  # a difference that float32 does not resolve any more
ROUNDING = 1e-14  # of a double's size: what arithmetic leaves of values that are one
FAR = 2.0  # beyond 0..1: told


@dataclass(frozen=True)
class Scaling:
    """`why`: how it was come by, for people. Offset and scale are float32 numbers, as a net's text holds them.

    `beyond`: how far the farthest value that was seen lies from 0..1, once it is scaled.
    """

    offset: float = 0.0
    scale: float = 1.0
    why: str = "values are left as they are"
    constant: bool = False  # all values that were seen are one
    beyond: float = 0.0

    def __post_init__(self) -> None:
        for name in ("offset", "scale"):
            object.__setattr__(self, name, float(np.float32(getattr(self, name))))

    def shown(self, stored: np.ndarray) -> np.ndarray:
        """As a net is shown them, float32: the arithmetic of Caffe's transformer, bit by bit."""
        rows = np.asarray(stored, np.float32)
        rows = rows - np.float32(self.offset) if self.offset else rows
        return rows * np.float32(self.scale) if self.scale != 1 else rows

    def undone(self, shown: np.ndarray) -> np.ndarray:
        """The inverse of `shown`, float32: in the units of what is stored."""
        rows = np.asarray(shown, np.float32)
        rows = rows / np.float32(self.scale) if self.scale != 1 else rows
        return rows + np.float32(self.offset) if self.offset else rows

    @property
    def text(self) -> str:
        """`transform_param { ... }` for a data layer; empty where nothing is changed."""
        said = f"mean_value: {_short(self.offset)} " if self.offset else ""
        said += f"scale: {_short(self.scale)} " if self.scale != 1 else ""
        return f"transform_param {{ {said}}}" if said else ""

    def __str__(self) -> str:
        changed = f"(value - {_short(self.offset)}) * {_short(self.scale)}" if self.offset else ""
        changed = changed or (f"value * {_short(self.scale)}" if self.scale != 1 else "value")
        return f"{changed}: {self.why}"

    def to_json(self) -> dict[str, Any]:
        return {
            "offset": self.offset,
            "scale": self.scale,
            "why": self.why,
            "constant": self.constant,
            "beyond": self.beyond,
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Scaling:
        why, constant, beyond = told.get("why", ""), told.get("constant", False), told.get("beyond", 0.0)
        return cls(float(told["offset"]), float(told["scale"]), str(why), bool(constant), float(beyond))


def _short(value: float) -> str:
    """The shortest decimal that is this float32 number."""
    return str(np.float32(value)).removesuffix(".0")


def learn(array: Stored, rows: Sequence[int] | np.ndarray | None = None, *, seed: int = 0) -> Scaling:
    """The scaling for an array, from a `sample` of `rows` (default: all). DataError where a value is not finite."""
    held = range(array.shape[0]) if rows is None else rows
    if not len(held):
        raise DataError(f"{array.origin} has no rows")

    def read(number: int) -> np.ndarray:
        row = int(held[number])
        values = np.asarray(array.read(row, row + 1))
        _require_finite(values, array.origin, row)
        return values

    return learned_from(sample(read, len(held), math.prod(array.shape[1:]), seed), array.dtype)


def sample(read: Callable[[int], np.ndarray], total: int, size: int, seed: int = 0) -> np.ndarray:
    """Values of images that the seed draws, flat: all of them, or of large images some.

    `read(number)`: one of the `total` images, each of about `size` values; it is called in rising order.
    """
    generator = np.random.default_rng([seed % 2**64, 0x5CA1E])
    count = min(total, IMAGES, max(LEAST, BYTES // (4 * max(1, size))))
    chosen = np.sort(generator.choice(total, count, replace=False, shuffle=False)) if count < total else range(total)
    most = max(1, VALUES // count)
    parts = []
    for number in chosen:
        values = read(int(number)).reshape(-1)
        parts.append(values if values.size <= most else values[generator.integers(0, values.size, most)])
    return np.concatenate(parts)


def _require_finite(values: np.ndarray, origin: str, row: int) -> None:
    if values.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as it will be read
        finite = np.isfinite(values.astype(np.float32, copy=False))
    if not finite.all():
        value = values[~finite][0]
        kind = "NaN" if np.isnan(value) else "infinity" if np.isinf(value) else f"{value:g}, too large for float32"
        raise DataError(f"{origin}: row {row} contains {kind}; replace such values, or leave the row out")


def _require_alike(values: np.ndarray) -> None:
    """DataError for values that are one number as float32, and are not."""
    least, most = values.min(), values.max()
    noise = ROUNDING * max(abs(float(least)), abs(float(most))) if values.dtype.kind == "f" else 0
    if most > least and float(int(most) - int(least) if noise == 0 else most - least) > noise:
        lie = f"values of the images lie in {float(least):.17g}..{float(most):.17g}, which"
        raise DataError(f"{lie} differ by less than float32 tells apart; take off their mean, or multiply them, before")


def _share(beyond: np.ndarray) -> str:
    """`0.08 %`: measured, as many values may be the very percentile that the others lie beyond."""
    return f"{100 * float(beyond.mean()):.2g} %"


def learned_from(values: np.ndarray, dtype: Any) -> Scaling:
    """The scaling for values of an array of type `dtype`, all of them finite as float32."""
    stored, dtype = values, np.dtype(dtype)
    values = values.astype(np.float32).astype(np.float64)  # as they are read
    if dtype.kind == "b":
        return Scaling(why="true and false are 1 and 0")
    least, most = float(values.min()), float(values.max())
    if most - least < TINY:
        _require_alike(stored)
        return Scaling(most, 1.0, f"all values are {most:g}", constant=True)
    low = float(np.percentile(values, LOW, method="higher"))  # inwards: of few values, one alone decides nothing
    high = float(np.percentile(values, HIGH, method="lower"))
    if dtype == np.uint8 and high >= 255 * DIM:
        return Scaling(0.0, 1 / 255, "8 bits: 0 and 255 become 0 and 1")
    if dtype.kind == "f" and least >= 0 and most <= 1 and high >= DIM:
        return Scaling(why="values lie within 0..1")
    if dtype.kind in "iub" and (least, most) == (0, 1):
        return Scaling(why="values are 0 and 1")
    if high - low < max(TINY, 1 if dtype.kind in "iu" else 0):  # few values stand out of a ground of one value
        low, high, why = least, most, f"the extremes {least:g} and {most:g} become 0 and 1"
    else:
        beneath, above = (_share(values < low), _share(values > high))
        why = f"{low:g} and {high:g} become 0 and 1, {beneath} of the values lie below, {above} above"
    offset = 0.0 if 0 <= low <= (high - low) / 100 else low  # plain where it matters nothing
    made = Scaling(offset, 1 / (high - offset), why)
    ends = [(value - made.offset) * made.scale for value in (least, most)]
    beyond = max(-ends[0], ends[1] - 1, 0.0)
    far = f"; the farthest become {ends[0]:.3g} and {ends[1]:.3g}" if beyond > FAR else ""
    return Scaling(made.offset, made.scale, why + far, beyond=beyond)
