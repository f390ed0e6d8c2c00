"""The codes laid out in the plane, and along their own directions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..codes.embed import pca, tsne, umap
from .about import CODE, DIMS, PCA, TSNE, UMAP
from .subject import Looked, NotThere

EDGE = 1.0  # percent of the codes beyond each end of a slider
MEASURED = 200  # images whose nearest neighbours tell what distance is usual


@dataclass
class Map:
    """`xy` (N, 2), and what its axes show."""

    xy: np.ndarray
    axes: tuple[str, str] = ("", "")


@dataclass
class Slow:
    """A map that takes its time, made in a thread. `xy`: None until it is there; `problem`: why it failed."""

    xy: np.ndarray | None = None
    problem: str = ""
    thread: threading.Thread | None = field(default=None, repr=False)

    def start(self, make: Callable[[], np.ndarray]) -> Slow:
        def run() -> None:
            try:
                self.xy = make()
            except Exception as error:
                self.problem = str(error) or type(error).__name__

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        return self


def laid_out(looked: Looked, name: str, x: int = 0, y: int = 1) -> Map | None:
    """The map of that name; None while it is being computed: ask again. `x`, `y`: for "dims", which numbers."""
    codes = looked.codes
    dims = codes.shape[1]
    if name == CODE and dims <= 2:
        second = codes[:, 1] if dims == 2 else _beside(looked)
        return Map(np.stack([codes[:, 0], second], axis=1), ("code 1", "code 2" if dims == 2 else "error"))
    if name == PCA and dims > 1:
        return looked.once(PCA, lambda: Map(pca(codes), ("first direction", "second direction")))
    if name == DIMS and dims > 1:
        if not (0 <= x < dims and 0 <= y < dims):
            raise NotThere(f"a code has the numbers 0 to {dims - 1}, not {x} and {y}")
        return Map(codes[:, [x, y]], (f"code {x + 1}", f"code {y + 1}"))
    makers = {TSNE: tsne, UMAP: umap}
    if name not in makers:
        raise NotThere(f"there is no map '{name}'")
    slow = looked.once(name, lambda: Slow().start(lambda: makers[name](codes)))
    if slow.problem:
        raise NotThere(f"{name}: {slow.problem}")
    return None if slow.xy is None else Map(slow.xy)


def _beside(looked: Looked) -> np.ndarray:
    """What a code of one number is drawn over: the error, where it is known."""
    errors = looked.material.errors
    return np.zeros(len(looked.codes)) if errors is None else errors


def directions(looked: Looked) -> dict[str, np.ndarray]:
    """Of the codes: `mean` (K,), `low` and `high` (K,), between which all but a few lie, the principal `axes` (K, K),
    a row each, and the deviation along each, `spread` (K,)."""
    return looked.once("directions", lambda: _directions(looked.codes.astype(np.float64)))


def _directions(codes: np.ndarray) -> dict[str, np.ndarray]:
    mean = codes.mean(axis=0)
    low, high = np.percentile(codes, [EDGE, 100 - EDGE], axis=0)
    centred = codes - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / len(codes))
    axes = vectors[:, ::-1].T
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    axes = axes * np.where(largest < 0, -1.0, 1.0)[:, None]
    return {
        "mean": mean, "low": low, "high": high, "axes": axes, "spread": np.sqrt(np.maximum(values[::-1], 0)),
    }  # fmt: skip


def nearest(looked: Looked, row: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, distances) of the images whose codes lie nearest to one's, by Euclidean distance; without itself."""
    return nearest_to(looked, looked.codes[looked.row(row)], most, row)


def nearest_to(looked: Looked, code: np.ndarray, most: int, but: int = -1) -> tuple[np.ndarray, np.ndarray]:
    """The same for any code (K,)."""
    codes = looked.codes
    apart = np.square(codes - code.reshape(1, -1)).sum(axis=1)
    if but >= 0:
        apart[but] = np.inf
    count = min(most, len(codes) - (but >= 0))
    rows = np.argpartition(apart, count - 1)[:count] if count < len(codes) else np.arange(len(codes))
    rows = rows[np.argsort(apart[rows], kind="stable")][:count]
    return rows, np.sqrt(apart[rows])


def usual(looked: Looked) -> float:
    """How far the code of an image is from its nearest neighbour's: the median over some images; 0 for one image."""
    return looked.once("usual", lambda: _usual(looked))


def _usual(looked: Looked) -> float:
    rows = np.unique(np.linspace(0, len(looked.codes) - 1, MEASURED).round().astype(int))
    apart = [nearest_to(looked, looked.codes[row], 1, row)[1] for row in rows]
    return float(np.median(np.concatenate(apart))) if len(looked.codes) > 1 else 0.0
