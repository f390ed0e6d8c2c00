"""A value for each example, by which points are coloured: a column of the codes, or of a file that a person names."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..inplace import why_no_file
from .job import numbers_or_words
from .kinds import are_classes

ENDINGS = (".csv", ".tsv", ".txt", ".json", ".npy")
LARGEST = 2**28  # bytes of such a file


@dataclass(frozen=True)
class Column:
    """`values` (N,): classes, or numbers, of which those that are missing are NaN."""

    name: str
    values: np.ndarray
    classes: bool

    @classmethod
    def of(cls, name: str, values: np.ndarray) -> Column:
        """What the values are, they tell themselves. DataError for words that no two examples share."""
        found = are_classes(values)
        if not found and values.dtype.kind not in "fiub":
            raise DataError(f"'{name}' holds a word of its own for each example, which gives no colours")
        return cls(name, values if found else values.astype(np.float64), found)


def column(name: str, count: int, find: Callable[[str], np.ndarray]) -> Column:
    """The column that `name` means, of `count` values: what `find` gives for it, or `FILE` or `FILE:NAME` on disk.

    FILE is a .csv or .tsv (with names in its first line), a .txt of numbers, a .json (a list, or lists by name), or a
    .npy. DataError for another number of values.
    """
    file, _, inside = name.partition(":")
    if not file.lower().endswith(ENDINGS):
        return Column.of(name, find(name))
    values = _of_file(Path(file), inside)
    if len(values) != count:
        raise DataError(f"{name}: holds {len(values)} values, and there are {count} images; one for each is needed")
    return Column.of(inside or Path(file).stem, values)


def _of_file(path: Path, inside: str) -> np.ndarray:
    if why := why_no_file(path):
        raise DataError(f"{path}: {why}")
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path}: has {path.stat().st_size} bytes; a file of values has {LARGEST} at most")
    try:
        if path.suffix.lower() == ".npy":
            array = np.load(path, allow_pickle=False)
            return _chosen({str(number): each for number, each in enumerate(_columns_of(array))}, path, inside)
        text = path.read_text(encoding="utf-8-sig")
        named = _of_json(json.loads(text)) if path.suffix.lower() == ".json" else _of_lines(text, path)
    except (ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{path}: is no file of values: {(str(error).splitlines() or ['damaged'])[0]}") from None
    return _chosen(named, path, inside)


def _columns_of(array: np.ndarray) -> np.ndarray:
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiubU":
        raise ValueError(f"its shape is {list(array.shape)}, its type {array.dtype}; needs a value for each image")
    return array.reshape(len(array), -1).T


def _of_json(found: Any) -> Mapping[str, Any]:
    if isinstance(found, dict):
        return found
    if isinstance(found, list) and found and all(isinstance(each, dict) and {"name", "value"} <= set(each)
                                                 for each in found):  # fmt: skip
        return {str(each["name"]): each["value"] for each in found}
    return {"values": found}


def _of_lines(text: str, path: Path) -> Mapping[str, Any]:
    lines = text.splitlines()
    delimiter = "\t" if path.suffix.lower() == ".tsv" or ("\t" in text and "," not in text) else ","
    rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    if not rows:
        raise ValueError("it is empty")
    names = [str(number) for number in range(len(rows[0]))]
    if not any(map(_is_number, rows[0])):
        names, rows = rows[0], rows[1:]
    if any(len(row) != len(names) for row in rows):
        raise ValueError(f"not all of its lines have {len(names)} columns")
    return {name.strip(): [row[place] for row in rows] for place, name in enumerate(names)}


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _chosen(named: Mapping[str, Any], path: Path, inside: str) -> np.ndarray:
    if not inside and len(named) == 1:
        inside = next(iter(named))
    if inside not in named:
        known = ", ".join(list(named)[:8])
        asked = f"has no column '{inside}'" if inside else f"has {len(named)} columns; name one, as {path}:NAME"
        raise DataError(f"{path}: {asked}; these are there: {known}")
    return _values(named[inside], path)


def _values(found: Any, path: Path) -> np.ndarray:
    """Numbers, where all that is there is numbers or missing; else words."""
    array = np.asarray(found)
    if array.ndim != 1:
        raise DataError(f"{path}: needs one value for each image, in one list")
    if array.dtype.kind in "fiub":
        return array
    words = ["" if word is None else str(word).strip() for word in array.tolist()]
    if all(not word or _is_number(word) for word in words) and any(words):
        return np.array([float(word) if word else np.nan for word in words])
    return numbers_or_words(np.array(words))
