"""A .csv of codes, block by block, in arrays no wider than its words need: `code_1`, `code_2`, … and other columns.

The types begin narrow (float32; others int64) and the file is read again with wider ones where a word does not fit:
float64 for more digits than single precision writes, or a number beyond it; float64, then words, for other columns.
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
MOST_COLUMNS = 64  # behind the codes
LONGEST_LABEL = 1000  # characters of a label
LONGEST_LINE = 4 * 2**20  # characters of a row
_SHORT = len("-1.23456789e-20")  # the longest word of single precision
Row = tuple[int, list[str]]  # the line's number, and its words


@dataclass(frozen=True)
class _Types:
    """Of codes, and of each other column: int64, float64, or words of so many letters."""

    codes: np.dtype
    others: tuple[np.dtype, ...] = ()

    def wider(self, column: int, dtype: np.dtype) -> _Types:
        return _Types(self.codes, (*self.others[:column], dtype, *self.others[column + 1 :]))


class _TooNarrow(Exception):
    """The types with which the file must be read again."""

    def __init__(self, types: _Types) -> None:
        super().__init__()
        self.types = types


def read_csv(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Codes (N, K), float32 or float64, and the other columns (N,) by name. DataError or ValueError."""
    types = _Types(np.dtype(np.float32))
    while True:
        try:
            return _read(path, types)
        except _TooNarrow as wider:
            types = wider.types


def _read(path: Path, types: _Types) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    with open_to_read(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as stream:
        size = path.stat().st_size  # utf-8-sig: spreadsheets put a mark before the first letter
        rows = csv.reader(_lines(stream, path))
        header = next(rows, [])
        names = _others(header, path)
        width = len(header) - len(names)
        types = types if types.others else _Types(types.codes, (np.dtype(np.int64),) * len(names))
        codes, others = bytearray(), [bytearray() for _ in names]
        numbered = ((number, row) for number, row in enumerate(rows, 2) if row)  # no blank lines
        while block := list(islice(numbered, max(1, CSV_VALUES // len(header)))):
            _check(path, block, len(header), width)
            held = len(codes) + sum(map(len, others))
            require_room(held + 2 * len(block) * sum(each.itemsize for each in types.others), size)
            codes += _codes([row[:width] for _, row in block], types).view(np.uint8).data
            for column, values in enumerate(others):
                values += _other([row[width + column] for _, row in block], types, column).view(np.uint8).data
    found = np.frombuffer(codes, types.codes).reshape(-1, width)
    columns = zip(names, others, types.others, strict=True)
    return found, {name: np.frombuffer(values, dtype) for name, values, dtype in columns}


def _others(header: list[str], path: Path) -> list[str]:
    """The names of the columns behind the codes."""
    width = next((column for column, name in enumerate(header) if not name.startswith("code")), len(header))
    names = header[width:]
    if not width:
        raise DataError(f"{path}:1: expected a header 'code_1,code_2,...' with optional columns, as 'label', behind")
    if len(names) > MOST_COLUMNS or len(set(names)) < len(names):
        why = f"{len(names)} columns" if len(names) > MOST_COLUMNS else "two columns of one name"
        raise DataError(f"{path}:1: {why} behind the codes; up to {MOST_COLUMNS} of different names can be read")
    return names


def _lines(stream: TextIO, path: Path) -> Iterator[str]:
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise DataError(f"{path}:{number}: a line of {LONGEST_LINE} characters or more; keep such codes as .h5")
        yield line


def _check(path: Path, block: list[Row], columns: int, width: int) -> None:
    for number, row in block:
        if len(row) != columns:
            raise DataError(f"{path}:{number}: {len(row)} columns; the header has {columns}")
        for word in row[width:]:
            if len(word) > LONGEST_LABEL:
                raise DataError(f"{path}:{number}: a label of {len(word)} characters")


def _codes(rows: list[list[str]], types: _Types) -> np.ndarray:
    """(n, K) of the wanted type."""
    values = np.array(rows, np.float64)
    if types.codes == np.float64:
        return values
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype(np.float32)
    kept = np.array_equal(np.isfinite(single), np.isfinite(values)) and np.array_equal(single == 0, values == 0)
    if not kept or any(len(word) > _SHORT for row in rows for word in row):
        raise _TooNarrow(_Types(np.dtype(np.float64), types.others))
    return single


def _other(words: list[str], types: _Types, column: int) -> np.ndarray:
    """(n,) of the wanted type."""
    dtype = types.others[column]
    if dtype.kind != "U":
        try:
            return np.array(words, dtype)
        except (ValueError, OverflowError):
            longest = max(map(len, words))
            wider = np.dtype(np.float64 if dtype.kind == "i" else f"U{max(1, longest)}")
            raise _TooNarrow(types.wider(column, wider)) from None
    letters, longest = dtype.itemsize // 4, max(map(len, words))
    if longest > letters:
        raise _TooNarrow(types.wider(column, np.dtype(f"U{max(longest, 2 * letters)}")))
    return np.array(words, dtype)
