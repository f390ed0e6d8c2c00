"""Checks the arrays that callers give, with scikit-learn's messages, and opens them without loading or copying.

What lies in memory goes through scikit-learn's own checks. What is sliced like an array, but lies elsewhere (memory
maps, datasets of h5py and zarr), is looked at a block at a time, up to `LOOKED_AT` bytes of it.
"""

from __future__ import annotations

import inspect
import math
import mmap
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import assert_all_finite

from ..data.stored import Given, Stored
from .noarray import from_torch, require_array, require_unmasked
from .refused import RefusedData

LOOKED_AT = 2**30  # bytes of an array that is not in memory; of what lies behind, the training looks at what it reads
BLOCK = 2**23  # bytes

_FINITE = "ensure_all_finite"
if _FINITE not in inspect.signature(check_array).parameters:  # before scikit-learn 1.6
    _FINITE = "force_all_finite"


def opened(X: Any, name: str) -> Stored:
    """The rows of X, of any number of axes; nothing is copied. `name`: the estimator's, for messages.

    ValueError or TypeError in scikit-learn's words for what holds no finite numbers.
    """
    require_array(X)
    mapped = map_of(X)
    X = from_torch(X)
    elsewhere = _lies_elsewhere(X)
    if hasattr(X, "dtype") and getattr(X.dtype, "kind", "") == "c":
        raise RefusedData(f"Complex data not supported: X is of type {X.dtype}")
    if not elsewhere:
        X = _in_memory(_stacked(X), name)
    _require_numbers(X)
    rows = Given(X, "X") if mapped is None else Mapped(X, "X", mapped)
    if not rows.shape or not rows.shape[0]:
        raise RefusedData(
            f"Found array with 0 sample(s) (shape={rows.shape}) while a minimum of 1 is required by {name}"
        )
    _require_finite(rows, name)
    return rows


class Mapped(Given):
    """A file that is mapped into memory: what has been read of it leaves memory again."""

    def __init__(self, array: Any, origin: str, mapped: mmap.mmap) -> None:
        super().__init__(array, origin)
        self._map = mapped

    @property
    def is_ready(self) -> bool:
        return False

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._let_go(self._array[start:stop].copy())

    def part(self, key: tuple[slice, ...]) -> np.ndarray:
        return self._let_go(self._array[key].copy())

    def pick(self, rows: np.ndarray) -> np.ndarray:
        return self._let_go(self._array[rows])

    def _let_go(self, copied: np.ndarray) -> np.ndarray:
        self._map.madvise(mmap.MADV_DONTNEED)
        return copied


def map_of(X: Any) -> mmap.mmap | None:
    """The map that a numpy array lies in, where its pages can be read again at any time: they are the file's own."""
    mode, held = getattr(X, "mode", ""), X
    while isinstance(held, np.ndarray):
        mode, held = getattr(held, "mode", mode), held.base
    is_shared = isinstance(held, mmap.mmap) and mode in ("r", "r+", "w+") and hasattr(mmap, "MADV_DONTNEED")
    return held if is_shared else None


def _lies_elsewhere(X: Any) -> bool:
    """Whether it is sliced like an array, and what it holds is not in memory."""
    if isinstance(X, np.ndarray) or hasattr(X, "iloc") or hasattr(X, "tocsr") or hasattr(X, "__array_namespace__"):
        return False
    try:
        if getattr(X, "shape", ()) is None:
            raise RefusedData(f"X is a {type(X).__name__} without values: its shape is None")
        return hasattr(X, "shape") and hasattr(X, "dtype") and hasattr(X, "__getitem__") and len(X.shape) > 1
    except RefusedData:
        raise
    except (ValueError, RuntimeError) as error:  # h5py's, of a file that is closed
        raise RefusedData(f"X cannot be read: {error}; is its file closed?") from error


def _stacked(X: Any) -> Any:
    """Images in a list, or in an array of objects, as one array. DataError where they are of several sizes."""
    is_list = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1)
    if not is_list or not len(X) or not all(hasattr(each, "shape") or hasattr(each, "size") for each in X):
        return X
    for each in X:
        require_unmasked(each)
    images = [np.asarray(from_torch(each)) for each in X]
    sizes = dict.fromkeys(image.shape for image in images)
    if len(sizes) > 1:
        first, second = list(sizes)[:2]
        raise RefusedData(f"X holds images of {len(sizes)} sizes, such as {first} and {second}: bring them to one size")
    return np.stack(images)


def _in_memory(X: Any, name: str) -> np.ndarray:
    checks: dict[str, Any] = {_FINITE: False}  # see `_require_finite`
    found: np.ndarray = check_array(X, allow_nd=True, input_name="X", estimator=name, **checks)
    return found


def _require_numbers(X: Any) -> None:
    if np.dtype(X.dtype).kind not in "fiub":
        raise RefusedData(f"dtype='numeric' is not compatible with arrays of type {X.dtype}: X needs numbers")


def _require_finite(rows: Stored, name: str) -> None:
    if rows.dtype.kind != "f":
        return
    size = max(1, BLOCK // max(1, rows.dtype.itemsize * math.prod(rows.shape[1:])))
    most = LOOKED_AT // max(1, rows.dtype.itemsize * math.prod(rows.shape[1:]))
    for start in range(0, min(rows.shape[0], max(1, most)), size):
        require_finite(rows.read(start, min(start + size, rows.shape[0])), name, start)


def require_finite(block: np.ndarray, name: str, first: int = 0) -> None:
    """ValueError where a value is not finite, or not as float32: which images hold some, and what to do with them.

    `block`: images of X, the first of them number `first`. The words begin as scikit-learn's, whose advice is of
    classifiers.
    """
    with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as it will be read
        shown = block.astype(np.float32, copy=False)
    try:
        assert_all_finite(shown, estimator_name=name, input_name="X")
    except ValueError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
    else:
        return
    bad = np.flatnonzero(~np.isfinite(shown.reshape(len(shown), -1)).all(axis=1)) + first
    numbers = ", ".join(map(str, bad[:3].tolist())) + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")
    raise RefusedData(
        f"{reason}, in {'image' if len(bad) == 1 else 'images'} {numbers}. Leave them out: "
        "X[np.isfinite(X.reshape(len(X), -1)).all(axis=1)], or fill them: np.nan_to_num(X)"
    )


def check_names(estimator: Any, X: Any, *, reset: bool) -> None:
    """Keeps the names of a data frame's columns as `feature_names_in_`, or holds X against them."""
    try:
        from sklearn.utils.validation import _check_feature_names
    except ImportError:  # before scikit-learn 1.6
        estimator._check_feature_names(X, reset=reset)
    else:
        _check_feature_names(estimator, X, reset=reset)
