"""What is looked at: a trained network, the images that it is shown, and what was computed of them once.

All computing happens in one thread, `Subject.work`: what a net keeps of a pass belongs to a thread, and two passes at a
time would only wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from ..errors import DataError
from ..report.material import Material, gather
from ..trained.examples import Examples
from ..trained.network import Trained
from ..trained.passes import all_over
from ..viz.samples import Samples, window_of

T = TypeVar("T")
SEEN = 200  # images from which the range of their values is told
Open = Callable[[str | None], Trained]


class NotThere(DataError):
    """What was asked for does not exist."""


class NotNow(DataError):
    """It exists, and cannot be had now."""


@dataclass
class Looked:
    """The network with one set of weights. `kept`: answers that were computed of them, by what was asked."""

    material: Material
    kept: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def trained(self) -> Trained:
        return self.material.trained

    @property
    def examples(self) -> Examples:
        """NotThere where there are no images."""
        if self.material.examples is None:
            raise NotThere("there are no images: give --data")
        return self.material.examples

    @property
    def codes(self) -> np.ndarray:
        """(N, K). NotThere where the net has none."""
        if self.material.codes is None:
            raise NotThere("; ".join(self.material.missing) or "there are no codes")
        return self.material.codes

    def row(self, row: int) -> int:
        """The row, if there is such an image."""
        if not 0 <= row < len(self.examples):
            raise NotThere(f"there is no image {row}: they are 0 to {len(self.examples) - 1}")
        return row

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once."""
        if key not in self.kept:
            self.kept[key] = make()
        found: T = self.kept[key]
        return found

    def scale(self) -> tuple[float, float]:
        """The values that are drawn black and white: 0 and 1, where the images lie in between."""
        return self.once("scale", self._scale)

    def _scale(self) -> tuple[float, float]:
        some = self.examples.pick(all_over(self.examples, SEEN))[0]
        (low, high), _ = window_of(np.asarray(some, np.float64))
        return (0.0, 1.0) if low >= 0 and high <= 1 and high > 0.1 else (low, high)

    def kind(self) -> str:
        """How a sample is drawn: "image", "curve" or "volume"."""
        shape = self.trained.image_shape or (1, 1, 1)
        if Samples(np.zeros((1, *shape))).lines is not None:
            return "curve"
        return "volume" if len(shape) == 4 else "image"


class Subject:
    """A run, or a network with weights. `open_trained`: opens it with the weights of a snapshot, None for the best."""

    def __init__(
        self,
        open_trained: Open,
        data: Path | None = None,
        limit: int = 10_000,
        colour_by: Sequence[str] = (),
        snapshot: str | None = None,
    ) -> None:
        self.data = data
        self._open, self._limit, self._colour_by = open_trained, limit, tuple(colour_by)
        self.work = ThreadPoolExecutor(1, thread_name_prefix="explore")
        self._changing = Lock()
        self.looked = self.work.submit(self._look, snapshot).result()

    def _look(self, snapshot: str | None) -> Looked:
        return Looked(gather(self._open(snapshot), self.data, self._limit, self._colour_by))

    def show(self, snapshot: str) -> None:
        """Looks at the weights of another snapshot, for everybody from now on. Runs in `work`."""
        looked = self._look(snapshot)
        with self._changing:
            self.looked = looked

    def close(self) -> None:
        """Ends the thread; what it computes is not waited for."""
        self.work.shutdown(wait=False, cancel_futures=True)
