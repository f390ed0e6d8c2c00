"""The range of the values in the data: gathered from batches, kept with a run, compared with later data.

A span of D values x: least, most, mean = Σx / D, std = √(Σ(x - mean)² / D); of those that are finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BEYOND = 0.5  # of the range known: how far outside of it values may lie without a word
FAINT = 0.05  # of the range known: what fills no more than this much of it is told, too
SLACK = 1e-3  # beyond 0 and 1 that rounding may bring
BYTE, TWELVE_BITS, SIXTEEN_BITS = 255, 4095, 65535  # the largest grey levels


@dataclass
class Span:
    """What has been seen so far. `shape`: of one sample; `strange`: values that are not finite."""

    shape: tuple[int, ...] = ()
    samples: int = 0
    values: int = 0
    least: float = math.inf
    most: float = -math.inf
    mean: float = 0.0
    squares: float = 0.0  # of what the values differ from their mean by, summed
    strange: int = 0

    @property
    def std(self) -> float:
        return math.sqrt(self.squares / self.values) if self.values else 0.0

    def take(self, batch: np.ndarray) -> None:
        """Values of further samples (N, ...)."""
        self.shape, self.samples = tuple(batch.shape[1:]), self.samples + len(batch)
        if not batch.size:
            return
        least, most = float(batch.min()), float(batch.max())
        if not (math.isfinite(least) and math.isfinite(most)):
            finite = batch[np.isfinite(batch)]
            self.strange += batch.size - finite.size
            if not finite.size:
                return
            batch, least, most = finite, float(finite.min()), float(finite.max())
        self.least, self.most = min(self.least, least), max(self.most, most)
        mean = float(batch.mean(dtype=np.float64))
        squares = float(np.square(batch - mean, dtype=np.float64).sum())
        gap, values = mean - self.mean, self.values + batch.size
        self.squares += squares + gap * gap * self.values * batch.size / values  # Chan's sum of two parts
        self.mean += gap * batch.size / values
        self.values = values

    def to_json(self) -> dict[str, Any]:
        """Floats as JSON's text gives them back exactly; None for a range of nothing."""
        known = self.values > 0
        return {
            "shape": list(self.shape),
            "samples": self.samples,
            "values": self.values,
            "min": self.least if known else None,
            "max": self.most if known else None,
            "mean": self.mean,
            "std": self.std,
            "squares": self.squares,
            "not_finite": self.strange,
        }

    @classmethod
    def from_json(cls, entry: Any) -> Span:
        """Goes on from `to_json`. KeyError, TypeError or ValueError for anything else."""
        least, most = entry["min"], entry["max"]
        return cls(
            tuple(int(size) for size in entry["shape"]), int(entry["samples"]), int(entry["values"]),
            math.inf if least is None else float(least), -math.inf if most is None else float(most),
            float(entry["mean"]), float(entry["squares"]), int(entry["not_finite"]),
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.least:.4g}..{self.most:.4g}"


def outside(seen: Span, known: Span, many: bool = True, slack: float = BEYOND) -> str:
    """What is strange in values `seen` for somebody who learned from `known`, and why that may be; "" if nothing is.

    `many`: whether enough was seen to say that values fill but little of the known range; `slack`: how far outside of
    it they may lie, in its widths.
    """
    if seen.strange and not known.strange:
        return f"{seen.strange} values are not finite"
    if not (seen.values and known.values):
        return ""
    width = known.most - known.least or max(abs(known.most), abs(known.least)) or 1.0
    beyond = max(seen.most - known.most, known.least - seen.least) > slack * width
    faint = many and 0 < seen.most - seen.least < FAINT * width
    if not (beyond or faint):
        return ""
    return f"values lie in {seen}, those learned from in {known}: {_cause(seen, known)}"


def _cause(seen: Span, known: Span) -> str:
    before, now = (max(abs(each.least), abs(each.most)) for each in (known, seen))
    if not (before and now):
        return "is it scaled as those were?"
    factor = now / before
    times = f"{factor:.3g} times as large" if factor >= 1 else f"{1 / factor:.3g} times as small"
    if known.least >= -SLACK and seen.least < -SLACK and factor < 4:
        return "negative values; is a mean taken off that was not before?"
    if factor >= 4 and known.most <= 1 + SLACK and (scale := _levels(seen.least, seen.most)):
        return f"{times}; scale: {1 / scale:.15g} missing?"
    return f"{times}; are they scaled as those were (transform_param)?" if factor >= 1.5 or factor < 0.5 else times


def into_unit(least: float, most: float) -> str:
    """The `transform_param` that brings values of a range into 0..1, in words."""
    if scale := _levels(least, most):
        return f"transform_param {{ scale: {1 / scale:.15g} }} (1/{scale}) brings them there"
    if -1 - SLACK <= least < -SLACK and most <= 1 + SLACK:
        return "transform_param { mean_value: -1 scale: 0.5 } brings -1..1 there"
    if least >= -SLACK:
        return f"transform_param {{ scale: {1 / most:.6g} }} brings them there, if {most:.6g} is the largest"
    fields = f"mean_value: {least:.6g} scale: {1 / (most - least):.6g}"
    return f"transform_param {{ {fields} }} brings them there, if no others come: (x - least) / (largest - least)"


def _levels(least: float, most: float) -> int:
    """The largest grey level of what seem to be whole bytes or longer numbers; 0 for other ranges."""
    if least < -SLACK:
        return 0
    for levels, before in ((BYTE, 127), (TWELVE_BITS, 2047), (SIXTEEN_BITS, TWELVE_BITS)):
        if before < most <= levels:
            return levels
    return 0


class Spans:
    """The spans of several blobs, by name. Which batches are looked at depends on their numbers alone."""

    FIRST = 32  # batches that are all looked at; later ones where their number is a power of two

    def __init__(self) -> None:
        self.of: dict[str, Span] = {}
        self._next = 0  # number of the first batch that was not there yet

    def take(self, index: int, arrays: Mapping[str, np.ndarray], but: Sequence[str] = ()) -> None:
        """Batch `index`, if it is one to look at; `but`: blobs that are of no interest."""
        if index < self._next:
            return
        self._next = index + 1
        if index < self.FIRST or index & (index - 1) == 0:
            for name, array in arrays.items():
                if name not in but:
                    self.of.setdefault(name, Span()).take(array)

    def to_json(self) -> dict[str, Any]:
        return {"next": self._next, "blobs": {name: span.to_json() for name, span in self.of.items()}}

    def restore(self, entry: Any) -> None:
        """Goes on from `to_json`; KeyError, TypeError or ValueError for anything else."""
        self.of = spans_of(entry)
        self._next = int(entry["next"])


def spans_of(entry: Any) -> dict[str, Span]:
    """The spans in `Spans.to_json`."""
    return {str(name): Span.from_json(each) for name, each in dict(entry["blobs"]).items()}
