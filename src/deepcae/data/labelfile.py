"""A file with a value for each image, a number or a word: what `--labels` and `--colour-by` read.

| file                 | holds                                                                                    |
|----------------------|------------------------------------------------------------------------------------------|
| `.csv`, `.tsv`       | a line for each image: its value, or columns, with names in the first line or without    |
| `.txt`               | the same; or lines `name label`, split at the last blank, as Caffe lists images          |
| `.json`              | a list; an object of names and values, or of columns, each a list; a list of `{name, value}` |
| `.npy`, `.npz`, HDF5, IDX | an array (n,): the named one, `label`, or the only one; of (n, k) columns 0, 1, ... |

Where the first column, or an object, names the images, their names decide, else the order of the lines.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bounds import require_small
from ..errors import DataError
from ..inplace import open_to_read, read_file, why_no_file
from ..npy import array_from
from .contents import contents_of
from .load import load_labels

ENDINGS = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".npy",
    ".npz",
    ".h5",
    ".hdf5",
    ".mat",
)  # by which a name is known to be one of a file
LARGEST = 2**26  # bytes of a text
_TRUTHS = {"True": "1", "False": "0"}
Words = Sequence[Any]
Columns = Mapping[str, Words]


def read_values(
    path: Path, names: Sequence[str], column: str | None = None, ask: Callable[[str], str] = "column {}".format
) -> np.ndarray:
    """(n,): the values of the images of these `names`, which may be empty: numbers, NaN for missing ones; or words.

    An array (n, k) without a `column` stays one. `ask`: how a column is named, for messages. DataError for a file that
    holds no such values, or another number of them.
    """
    if why := why_no_file(path):
        raise DataError(f"{path}: {why}")
    kind = path.suffix.lower()
    if kind == ".json":
        found = _of_json(path, names, column, ask)
    elif kind in (".csv", ".tsv", ".txt"):
        found = _of_lines(path, names, column, ask)
    else:
        return _of_array(path, len(names), column, ask)
    if len(found) != len(names):
        raise _another_count(path, len(found), len(names))
    return _numbers_or_words(found, path)


def read_pairs(path: Path) -> tuple[list[str], np.ndarray] | None:
    """The names and the values of a text file that has both in each line, and no more; None for any other."""
    try:
        rows = _rows(path)
    except DataError:
        return None
    if any(len(row) != 2 for row in rows):
        return None
    return [row[0].strip() for row in rows], _numbers_or_words([row[1].strip() for row in rows], path)


def _of_array(path: Path, count: int, column: str | None, ask: Callable[[str], str]) -> np.ndarray:
    is_npy = path.suffix.lower() == ".npy"
    labels = _npy(path) if is_npy else load_labels(path, column)
    if len(labels) != count:
        raise _another_count(path, len(labels), count)
    if column is not None and not is_npy and labels.ndim == 1 and column not in (held := contents_of(path)).names:
        raise DataError(f"{path}: has no array '{column}'; these are there: {', '.join(held.names)}")
    if column is None or labels.ndim == 1:
        return labels
    columns = {str(number): each.tolist() for number, each in enumerate(labels.reshape(count, -1).T)}
    return np.asarray(_chosen(columns, path, column, ask))


def _npy(path: Path) -> np.ndarray:
    """(n,) or (n, k), of numbers or words."""
    try:
        array = array_from(read_file(path))
    except ValueError as error:
        raise DataError(f"{path}: is no .npy file that can be read ({error})") from None
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiubU":
        raise DataError(f"{path}: has shape {list(array.shape)}, type {array.dtype}; needs a value for each image")
    return array.reshape(-1) if array.size == len(array) else array


def _of_lines(path: Path, names: Sequence[str], column: str | None, ask: Callable[[str], str]) -> Words:
    rows = _rows(path)
    head = rows.pop(0) if _has_head(rows, names, column) else [str(number) for number in range(len(rows[0]))]
    if any(len(row) != len(head) for row in rows):
        raise DataError(f"{path}: not all of its lines have {len(head)} columns")
    columns = {name.strip(): [row[at].strip() for row in rows] for at, name in enumerate(head)}
    first = next(iter(columns.values()))
    if len(head) > 1 and _name_images(first, names):
        values = _chosen(dict(list(columns.items())[1:]), path, column, ask)
        return _by_name(dict(zip(first, values, strict=True)), path, names)
    return _chosen(columns, path, column, ask)


def _rows(path: Path) -> list[list[str]]:
    text = _text(path)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    lines = [line for line in text.splitlines() if line.strip()]
    if path.suffix.lower() == ".txt" and delimiter not in first and all(" " in line.strip() for line in lines):
        rows = [line.strip().rsplit(None, 1) for line in lines]
    else:
        try:
            rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error as error:
            raise DataError(f"{path}: is no table that can be read ({error})") from None
    if not rows:
        raise DataError(f"{path}: is empty")
    return rows


def _has_head(rows: Sequence[Sequence[str]], names: Sequence[str], column: str | None) -> bool:
    """Whether the first line has names: it is one more than there are images, or asked for, or holds no number."""
    first = [word.strip() for word in rows[0]]
    if len(rows) in (len(names), len(names) + 1):
        return len(rows) > len(names) or (column is not None and column in first and not column.isdigit())
    return not any(map(_is_number, first)) and not _name_images(first[:1], names)


def _of_json(path: Path, names: Sequence[str], column: str | None, ask: Callable[[str], str]) -> Words:
    try:
        require_small(path)
        found = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON that can be read ({error})") from error
    if isinstance(found, list) and found and all(isinstance(each, dict) for each in found):
        if not all({"name", "value"} <= set(each) for each in found):
            raise DataError(f"{path}: holds a list of objects, which must be {{name, value}} each")
        found = {str(each["name"]): each["value"] for each in found}
    if isinstance(found, list):
        return found
    if not isinstance(found, dict):
        raise DataError(f"{path}: must hold a list of values, or an object of names or columns")
    columns = {name: values for name, values in found.items() if isinstance(values, list)}
    if column is not None or columns:
        return _chosen(columns, path, column, ask)
    return _by_name(found, path, names)


def _chosen(columns: Columns, path: Path, column: str | None, ask: Callable[[str], str]) -> Words:
    if column is None and len(columns) == 1:
        column = next(iter(columns))
    if column is not None and column in columns:
        return columns[column]
    known = ", ".join(list(columns)[:8]) or "none"
    if column is not None:
        raise DataError(f"{path}: has no column '{column}'; these are there: {known}")
    raise DataError(f"{path}: has {len(columns)} columns; name one, as {ask('NAME')}; these are there: {known}")


def _name_images(found: Words, names: Sequence[str]) -> bool:
    known = {each for name in names for each in (name, Path(name).name) if name}
    return any(name in known for name in found)


def _by_name(found: Mapping[str, Any], path: Path, names: Sequence[str]) -> Words:
    values = []
    for name in names:
        value = found.get(name, found.get(Path(name).name))
        if value is None:
            raise DataError(f"{path}: has no label for '{name}'")
        values.append(value)
    return values


def _numbers_or_words(found: Words, path: Path) -> np.ndarray:
    """Numbers, where all that is there is numbers or missing; else words."""
    if any(isinstance(each, list | dict) for each in found):
        raise DataError(f"{path}: holds something else than one value for each image")
    words = ["" if each is None else str(each) for each in found]
    if any(words) and all(not word or _is_number(word) for word in words):
        return np.array([float(_TRUTHS.get(word, word)) if word else np.nan for word in words])
    return np.array(words)


def _is_number(word: str) -> bool:
    try:
        value = float(_TRUTHS.get(word, word))
    except ValueError:
        return False
    return math.isfinite(value) or not any(map(str.isdigit, word))  # too many digits are a word


def _another_count(path: Path, found: int, wanted: int) -> DataError:
    return DataError(f"{path}: holds {found} values, but there are {wanted} images; give one for each")


def _text(path: Path) -> str:
    try:
        with open_to_read(path) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise DataError(f"{path}: has more than {LARGEST / 2**20:.0f} MiB; give values as .npy")
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
