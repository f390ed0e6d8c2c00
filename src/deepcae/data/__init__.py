"""Data: where blobs come from. `open_rows` is the one door for files, lists of files and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contents import open_rows as open_rows

__all__ = ["open_rows"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'deepcae.data' has no attribute {name!r}")
    from . import contents  # only now: numpy and h5py are loaded by it

    return getattr(contents, name)
