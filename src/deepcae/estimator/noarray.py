"""Inputs that are no arrays, but are given as one: file names, groups of arrays, generators, arrays with gaps."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import numpy as np

from .refused import RefusedData

SHOWN = 3  # names of arrays that a message has


def require_array(X: Any) -> None:
    """RefusedData for what is no array, but holds or names some, with what to give; and for masked values."""
    kind = type(X).__name__
    if isinstance(X, str | Path):
        raise RefusedData(f"X is {str(X)!r}, but needs an array: numpy.load or h5py.File give those of a file")
    if isinstance(X, Iterator):
        raise RefusedData(f"X is a {kind}, which can be read once only; give numpy.stack(list(X))")
    if isinstance(X, Set):
        raise RefusedData(f"X is a {kind}, which has no order; give an array")
    if hasattr(X, "keys") and not hasattr(X, "dtype") and not hasattr(X, "iloc") and not hasattr(X, "columns"):
        names = [repr(name) for name in list(X.keys())[: SHOWN + 1]]
        more = ", ..." if len(names) > SHOWN else ""
        held = (
            f"with {', '.join(names[:SHOWN])}{more}; give one of its arrays, X[{names[0]}]" if names else "of nothing"
        )
        raise RefusedData(f"X is a {kind} {held}")
    require_unmasked(X)


def require_unmasked(X: Any) -> None:
    """RefusedData for a masked array of which a value is masked: numpy would take what stands below the mask."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        count = int(np.ma.count_masked(X))
        raise RefusedData(f"X has {count} masked values; fill them, X.filled(0), or leave these images out")


def from_torch(X: Any) -> Any:
    """The numpy array of a tensor, whose memory it is where that can be; anything else as it is."""
    if not hasattr(X, "detach"):
        return X
    if str(getattr(X, "device", "")) == "meta":
        raise RefusedData("X is a tensor of device 'meta', which holds no values")
    if X.is_complex():
        raise RefusedData(f"Complex data not supported: X is of type {X.dtype}")
    X = X.detach().cpu().resolve_neg()
    return (X.float() if str(X.dtype) == "torch.bfloat16" else X).numpy()
