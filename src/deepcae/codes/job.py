"""What a writer of codes is given, and what it gives: the ground of the formats, and of what several of them need."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import DataError
from .table import Codes

PIECE = 2**16  # rows of words that are written at a time
Put = Callable[[int, Codes], object]


@dataclass(frozen=True)
class Job:
    """What is to be written. `total`: how many rows will come; `names`: of codes and labels in the file.

    `of` (N, ...): the codes that these are a map of.
    """

    temporary: Path
    target: Path
    total: int
    names: tuple[str, str]
    attributes: dict[str, Any] | None
    of: np.ndarray | None = None

    def arrays(self, block: Codes) -> dict[str, np.ndarray]:
        """The block's arrays by their names in the file."""
        labels = {} if block.labels is None else {self.names[1]: block.labels}
        return {self.names[0]: block.codes, **block.columns, **labels}


def columns_of(block: Codes) -> dict[str, np.ndarray]:
    """All that stands beside the codes, the labels as `label`."""
    return dict(block.columns) | ({} if block.labels is None else {"label": block.labels})


def library(name: str, path: Path) -> Any:
    """A module that not everybody has installed. DataError that says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise DataError(
            f"{path}: {path.suffix} files need {package}, which is not installed: pip install 'deepcae[export]'"
        ) from None


class Words:
    """A column of words that comes in blocks: each word once, and its number in each row."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._rows: list[np.ndarray] = []

    def add(self, words: np.ndarray) -> None:
        """The words of further rows, (n,)."""
        different, places = np.unique(words, return_inverse=True)
        known = [self.numbers.setdefault(word, len(self.numbers)) for word in different.tolist()]
        self._rows.append(np.array(known, np.int32)[places.reshape(-1)])

    @property
    def rows(self) -> np.ndarray:
        """(N,): the number of each row's word."""
        return np.concatenate(self._rows)

    def into(self, group: Any, name: str) -> Any:
        """A dataset of UTF-8 strings of one length, written in pieces."""
        rows, encoded = self.rows, fixed(np.array([*self.numbers]))
        dataset = group.create_dataset(name, rows.shape, encoded.dtype)
        for start in range(0, len(rows), PIECE):
            dataset[start : start + PIECE] = encoded[rows[start : start + PIECE]]
        return dataset


def fixed(values: np.ndarray) -> np.ndarray:
    """Words as UTF-8 strings of one length; numbers as they are."""
    if values.dtype.kind != "U":
        return values
    encoded = np.char.encode(values, "utf-8")
    return encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))


def numbers_or_words(labels: np.ndarray) -> np.ndarray:
    """Labels (N,) of numbers as they are; others (bytes of HDF5, cells of MATLAB) as words."""
    if labels.dtype.kind in "fiubU":
        return labels
    words = [np.asarray(label).item() if np.size(label) == 1 else label for label in labels.tolist()]
    return np.array([word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word) for word in words])
