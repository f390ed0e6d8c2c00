"""A file with a class or a number for each image: CSV, JSON, or an array.

| file    | holds                                                                                                   |
|---------|---------------------------------------------------------------------------------------------------------|
| `.csv`  | a line for each image: its label, or its name and its label; columns with a head have names             |
| `.json` | a list of labels; an object of names and labels, or of columns, each a list; a list of `{name, value}`   |
| `.npy`, `.npz`, HDF5 | an array (n,), called `label`, or the only one                                             |

Numbers stay numbers. Words become classes 0, 1, …, sorted.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bounds import require_small
from ..data.folder import natural
from ..data.load import load_labels
from ..errors import DataError
from .options import Options

_LARGEST = 2**26  # bytes of a text


def read_label_file(options: Options, names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels (n,) of the images of these names, which may be empty, and the classes that they count, if they do.

    DataError where the number differs, or a name is missing.
    """
    path = options.labels
    assert path is not None
    if path.suffix.lower() == ".csv":
        return _numbered(_of_csv(path, options.label_column, names), path)
    if path.suffix.lower() == ".json":
        return _numbered(_of_json(path, options.label_column, names), path)
    labels = load_labels(path)
    if len(labels) != len(names):
        raise _other_count(path, len(labels), len(names))
    return labels, ()


def _of_csv(path: Path, column: str | None, names: Sequence[str]) -> list[Any]:
    lines = [line for line in csv.reader(_text(path).splitlines(), delimiter=_delimiter(path)) if any(line)]
    if not lines:
        raise DataError(f"{path}: is empty")
    head = lines.pop(0) if len(lines) == len(names) + 1 or column is not None else None
    width = len(lines[0]) if lines else 0
    if column is not None:
        if head is None or column not in head:
            raise DataError(f"{path}: has no column '{column}'; its first line is {', '.join(head or [])}")
        at = head.index(column)
    elif width > 2:
        raise DataError(f"{path}: has {width} columns; name one with --label-column: {', '.join(head or lines[0])}")
    else:
        at = width - 1
    if any(len(line) <= at for line in lines):
        raise DataError(f"{path}: has lines of less than {at + 1} columns")
    if at > 0 and _name_images([line[0] for line in lines], names):
        return _by_name({line[0]: line[at] for line in lines}, path, names)
    return _in_order([line[at] for line in lines], path, names)


def _of_json(path: Path, column: str | None, names: Sequence[str]) -> list[Any]:
    try:
        require_small(path)
        found = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON that can be read ({error})") from error
    if (
        isinstance(found, list)
        and found
        and all(isinstance(each, dict) and {"name", "value"} <= set(each) for each in found)
    ):
        found = {str(each["name"]): each["value"] for each in found}
    if isinstance(found, list):
        return _in_order(found, path, names)
    if not isinstance(found, dict):
        raise DataError(f"{path}: must hold a list of labels, or an object of names or columns")
    columns = {name: values for name, values in found.items() if isinstance(values, list)}
    if column is None and len(columns) == 1:
        column = next(iter(columns))
    if column is not None:
        if column not in columns:
            raise DataError(f"{path}: has no column '{column}'; it holds {', '.join(columns) or 'none'}")
        return _in_order(columns[column], path, names)
    if columns:
        raise DataError(f"{path}: has {len(columns)} columns; name one with --label-column: {', '.join(columns)}")
    return _by_name(found, path, names)


def _name_images(found: Sequence[str], names: Sequence[str]) -> bool:
    known = {each for name in names for each in (name, Path(name).name) if name}
    return any(name in known for name in found)


def _by_name(found: dict[str, Any], path: Path, names: Sequence[str]) -> list[Any]:
    labels = []
    for name in names:
        label = found.get(name, found.get(Path(name).name))
        if label is None:
            raise DataError(f"{path}: has no label for '{name}'")
        labels.append(label)
    return labels


def _in_order(found: list[Any], path: Path, names: Sequence[str]) -> list[Any]:
    if len(found) != len(names):
        raise _other_count(path, len(found), len(names))
    return found


def _numbered(found: list[Any], path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers as they are; words as numbers of classes."""
    if any(isinstance(each, list | dict) or each is None for each in found):
        raise DataError(f"{path}: holds something else than one label for each image")
    try:
        return np.array([float(each) for each in found], np.float32), ()
    except (ValueError, OverflowError):
        classes = sorted({str(each) for each in found}, key=natural)
        number = {name: index for index, name in enumerate(classes)}
        return np.array([number[str(each)] for each in found], np.float32), tuple(classes)


def _other_count(path: Path, found: int, wanted: int) -> DataError:
    return DataError(f"{path}: holds {found} labels, but there are {wanted} images")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path}: has more than {_LARGEST / 2**20:.0f} MiB; give labels as .npy")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _delimiter(path: Path) -> str:
    first = _text(path).split("\n", 1)[0]
    return max(",;\t", key=first.count)
