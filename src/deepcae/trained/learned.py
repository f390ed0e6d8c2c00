"""What a run has learned from (shapes and ranges of its data, the range of its codes), beside what it is shown now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..data.layout import misfit, samples
from ..data.span import Span, outside, spans_of
from ..errors import DataError, SnapshotError
from ..solver.run import Run
from ..solver.snapshot import BEST, HDF5, MODEL, RESUME, Snapshot, latest

MANY = 10  # samples that show how far the values of a data set reach
CODES_BEYOND = 2.0  # widths of the range of one batch's codes that others may lie outside of it


@dataclass
class Learned:
    """As a snapshot tells it, by blob; empty where none does. `untold`: of weights, why they bring nothing of it."""

    data: dict[str, Span] = field(default_factory=dict)
    codes: dict[str, Span] = field(default_factory=dict)
    untold: str = ""

    @classmethod
    def of_run(cls, run: Run) -> Learned:
        """What its newest snapshot keeps beside Caffe's files."""
        return cls._of_snapshot(run.latest_snapshot())

    @classmethod
    def of_weights(cls, paths: Sequence[str]) -> Learned:
        """What the snapshot keeps that files of weights are of, if its files lie together still.

        Neither a `.caffemodel` nor a deployed text has a place for it.
        """
        for path in reversed(paths):
            stem = path.removesuffix(HDF5).removesuffix(MODEL)
            if path.endswith((MODEL, MODEL + HDF5)) and Path(stem + RESUME).is_file():
                found = cls._of_snapshot(Snapshot.recorded(stem))
                if found.data or not stem.endswith(BEST):
                    return found
                return cls._of_snapshot(latest(stem.removesuffix(BEST), lambda line: None))  # it had not begun yet
        beside = ", ".join(f"{Path(path).stem}{RESUME}" for path in paths[-1:])
        why = f"no {beside} lies beside them"
        return cls(untold=f"which the weights learned from is not known ({why}): scale images as theirs were")

    @classmethod
    def _of_snapshot(cls, snapshot: Snapshot | None) -> Learned:
        try:
            extras = snapshot.resume() if snapshot is not None else None
            if extras is None:
                return cls()
            data, codes = extras.get("ranges"), extras.get("codes")
            return cls(spans_of(data) if data else {}, spans_of(codes) if codes else {})
        except (SnapshotError, AttributeError, KeyError, TypeError, ValueError):
            return cls()  # what cannot be read is told where a training goes on from it


class RangeCheck:
    """Looks at all that a trained net is shown, and remembers what is strange in it."""

    def __init__(self, learned: Learned) -> None:
        self.learned = learned
        self._seen: dict[tuple[str, str], Span] = {}  # by origin and blob
        self._told: set[tuple[str, str]] = set()

    def show(self, origin: str, blob: str, batch: np.ndarray) -> None:
        """Values (N, ...) of `blob` that come from `origin`."""
        if blob in self.learned.data or blob in self.learned.codes or self.learned.untold:
            self._seen.setdefault((origin, blob), Span()).take(np.asarray(batch))

    def untold(self) -> Iterator[str]:
        """A line for each data set in place of a comparison, where nothing is known to compare with; once."""
        for (origin, blob), seen in self._seen.items():
            if self.learned.untold and seen.values and (origin, blob) not in self._told:
                self._told.add((origin, blob))
                yield f"{origin}: values lie in {seen}; {self.learned.untold}"

    def require_layout(self, origin: str, blob: str, found: tuple[int, ...]) -> None:
        """DataError for samples that lie otherwise than those learned from."""
        known = self.learned.data.get(blob)
        if known is not None and (why := misfit(found, known.shape)) and len(found) > 1:
            raise DataError(
                f"{origin}: holds images of {samples(found)}, the run learned from {samples(known.shape)}: {why}"
            )

    def warnings(self) -> Iterator[str]:
        """A line for each data set whose values lie far from those learned from; once."""
        for (origin, blob), seen in self._seen.items():
            if (origin, blob) in self._told or self.learned.untold:
                continue
            if blob in self.learned.data:
                strange = outside(seen, self.learned.data[blob], seen.samples >= MANY)
            else:
                known = self.learned.codes[blob]
                far = outside(seen, known, False, CODES_BEYOND)
                strange = f"codes lie in {seen}, those of the last training images in {known}" if far else ""
            if strange:
                self._told.add((origin, blob))
                yield f"{origin}: {strange}"
