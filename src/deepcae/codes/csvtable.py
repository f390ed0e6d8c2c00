"""A .csv of codes, block by block, in arrays no wider than its words need.

The types begin narrow (float32; labels int64) and the file is read again with wider ones where a word does not fit:
float64 for more digits than single precision writes, or a number beyond it; float64, then words, for labels.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from ..bounds import require_room
from ..errors import DataError
from ..inplace import open_to_read

CSV_VALUES = 2**16  # of a .csv that are words at a time
LONGEST_LABEL = 1000  # characters of a label
LONGEST_LINE = 4 * 2**20  # characters of a row
_SHORT = len("-1.23456789e-20")  # the longest word of single precision
Row = tuple[int, list[str]]  # the line's number, and its words


@dataclass(frozen=True)
class _Types:
    """Of codes, and of labels: int64, float64, or words of so many letters."""

    codes: np.dtype
    labels: np.dtype


class _TooNarrow(Exception):
    """The types with which the file must be read again."""

    def __init__(self, types: _Types) -> None:
        super().__init__()
        self.types = types


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Codes (N, K), float32 or float64, and labels (N,) or None. DataError or ValueError."""
    types = _Types(np.dtype(np.float32), np.dtype(np.int64))
    while True:
        try:
            return _read(path, types)
        except _TooNarrow as wider:
            types = wider.types


def _read(path: Path, types: _Types) -> tuple[np.ndarray, np.ndarray | None]:
    with open_to_read(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as stream:
        size = path.stat().st_size  # utf-8-sig: spreadsheets put a mark before the first letter
        rows = csv.reader(_lines(stream, path))
        header = next(rows, [])
        if not header or not header[0].startswith("code"):
            raise DataError(f"{path}:1: expected a header 'code_1,code_2,...' with an optional last column 'label'")
        labelled = header[-1] == "label"
        width = len(header) - labelled
        codes, labels = bytearray(), bytearray()
        numbered = ((number, row) for number, row in enumerate(rows, 2) if row)  # no blank lines
        while block := list(islice(numbered, max(1, CSV_VALUES // len(header)))):
            _check(path, block, len(header), labelled)
            require_room(len(codes) + len(labels) + 2 * len(block) * types.labels.itemsize, size)
            codes += _codes([row[:width] for _, row in block], types).view(np.uint8).data
            if labelled:
                labels += _labels([row[-1] for _, row in block], types).view(np.uint8).data
    found = np.frombuffer(codes, types.codes).reshape(-1, width)
    return found, np.frombuffer(labels, types.labels) if labelled else None


def _lines(stream: TextIO, path: Path) -> Iterator[str]:
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise DataError(f"{path}:{number}: a line of {LONGEST_LINE} characters or more; keep such codes as .h5")
        yield line


def _check(path: Path, block: list[Row], columns: int, labelled: bool) -> None:
    for number, row in block:
        if len(row) != columns:
            raise DataError(f"{path}:{number}: {len(row)} columns; the header has {columns}")
        if labelled and len(row[-1]) > LONGEST_LABEL:
            raise DataError(f"{path}:{number}: a label of {len(row[-1])} characters")


def _codes(rows: list[list[str]], types: _Types) -> np.ndarray:
    """(n, K) of the wanted type."""
    values = np.array(rows, np.float64)
    if types.codes == np.float64:
        return values
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype(np.float32)
    kept = np.array_equal(np.isfinite(single), np.isfinite(values)) and np.array_equal(single == 0, values == 0)
    if not kept or any(len(word) > _SHORT for row in rows for word in row):
        raise _TooNarrow(_Types(np.dtype(np.float64), types.labels))
    return single


def _labels(words: list[str], types: _Types) -> np.ndarray:
    """(n,) of the wanted type."""
    if types.labels.kind != "U":
        try:
            return np.array(words, types.labels)
        except (ValueError, OverflowError):
            longest = max(map(len, words))
            wider = np.dtype(np.float64 if types.labels.kind == "i" else f"U{max(1, longest)}")
            raise _TooNarrow(_Types(types.codes, wider)) from None
    letters, longest = types.labels.itemsize // 4, max(map(len, words))
    if longest > letters:
        raise _TooNarrow(_Types(types.codes, np.dtype(f"U{max(longest, 2 * letters)}")))
    return np.array(words, types.labels)
