"""Codes on disk: one row (or map) of numbers per example, their labels, and where they came from.

| ending | holds | opened elsewhere with |
|---|---|---|
| `.h5`  | datasets `codes`, `labels`; attributes of the file       | h5py, MATLAB `h5read` |
| `.npz` | arrays `codes`, `labels`; `attributes` as one JSON text  | `numpy.load` |
| `.csv` | header `code_1,...,code_K,error,label`; no attributes    | anything |
| `.mat` | variables `codes`, `labels`, struct `attributes`         | MATLAB, Octave |
| `.parquet` | columns as of `.csv`, typed; attributes as metadata  | pandas, polars, R's arrow |
| `.h5ad`, `.nwb`, `.projector` | see the files of their names | scanpy; pynwb, TensorBoard (not read back) |

Further columns, such as `error`, are arrays of their own name beside `codes`, with one value for each row.
"""

from __future__ import annotations

import csv
import difflib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..atomic import whole_file, whole_folder
from ..bounds import require_room
from ..errors import DataError, first_line
from ..inplace import unread, why_no_file
from ..npy import arrays_from
from .csvtable import read_csv
from .h5adread import read_h5ad
from .h5values import dataset_of, is_fixed, labels_of
from .job import Job, numbers_or_words
from .parquet import read_parquet
from .table import Attribute, Codes
from .writers import FOLDERS, WRITERS

Write = Callable[..., None]  # (codes, labels=None, columns={}, pictures=None): the next rows
MOST_COLUMNS = 64  # beside codes and labels


def save(
    path: str | os.PathLike[str],
    codes: np.ndarray,
    labels: np.ndarray | None = None,
    attributes: Mapping[str, Attribute] | None = None,
    columns: Mapping[str, np.ndarray] | None = None,
    of: np.ndarray | None = None,
) -> Path:
    """Write codes (N, ...), labels and columns (N,) in the format that the ending names; the file appears whole.

    `of` (N, ...): the codes that these are a map of, which `.h5ad` keeps with it.

    `.csv` lays the axes of one example out in one row (in C order) and carries no attributes.
    """
    with writing(path, len(np.atleast_1d(codes)), attributes or {}, of=of) as write:
        write(codes, labels, columns)
    return Path(path)


@contextmanager
def writing(
    path: str | os.PathLike[str],
    total: int,
    attributes: Mapping[str, Attribute] | None = None,
    names: tuple[str, str] = ("codes", "labels"),
    of: np.ndarray | None = None,
) -> Iterator[Write]:
    """What `save` does for `total` rows that come in blocks: yields `write(codes, labels, columns)`, for each.

    The memory that is needed is that of a block, except for `.mat` and `.nwb`. The file appears when the context ends
    without an error. `names`: of codes and labels in the file.
    """
    target = Path(path)
    open_writer = WRITERS[ending(target)]
    done = 0
    try:
        whole = whole_folder if ending(target) in FOLDERS else whole_file
        with whole(target) as temporary:
            about = None if attributes is None else dict(attributes)
            with open_writer(Job(temporary, target, total, names, about, of)) as put:

                def write(
                    codes: np.ndarray,
                    labels: np.ndarray | None = None,
                    columns: Mapping[str, np.ndarray] | None = None,
                    pictures: np.ndarray | None = None,
                ) -> None:
                    nonlocal done
                    block = _checked(target, Codes(codes, labels, {}, dict(columns or {}), pictures))
                    put(done, block)
                    done += len(block.codes)

                yield write
                if done != total:
                    raise ValueError(f"{done} of {total} rows were written")
    except FileExistsError:
        raise DataError(f"{target}: is there already, and is left alone; give another name") from None
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error.strerror or error}") from error


def load(path: str | os.PathLike[str]) -> Codes:
    """Read a file that `save` wrote, or one laid out alike. Nothing in the file is ever executed or unpickled."""
    source = Path(path)
    read = _READERS.get(ending(source))
    if read is None:
        raise DataError(f"{source}: is for other programs, and is not read back; keep the codes as .h5 as well")
    with _readable(source):
        content = read(source)
    return _checked(source, content)


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[Codes]:
    """What `load` gives; but the codes of an .h5 file stay there and are read where they are sliced."""
    source = Path(path)
    if ending(source) != ".h5":
        yield load(source)
        return
    with ExitStack() as stack:
        with _readable(source):
            file = stack.enter_context(h5py.File(source, "r"))
            content = _from_h5(file, source)
        yield _checked(source, content)


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    """Says in one sentence what is wrong with a file."""
    if why := why_no_file(source):
        raise DataError(f"{source}: {why}")
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, csv.Error) as error:
        reason = first_line(error)
        sentence = f"{source}: not a readable {source.suffix} file of codes: {reason}"
        raise DataError(unread(source, error, sentence)) from error


def ending(path: Path) -> str:
    """The ending of a file of codes; DataError for one that names no format."""
    found = path.suffix.lower()
    if found not in WRITERS:
        close = difflib.get_close_matches(found, WRITERS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise DataError(f"{path}: codes are kept as {', '.join(WRITERS)}, not {found or 'a file without ending'}{hint}")
    return found


def _checked(path: Path, given: Codes) -> Codes:
    codes: Any = given.codes
    codes = codes if isinstance(codes, StoredRows) else np.asarray(codes)
    if len(codes.shape) < 2:
        raise DataError(f"{path}: codes have shape {codes.shape}; expected one row per example, (N, K)")
    if codes.dtype.kind not in "fiub":
        raise DataError(f"{path}: codes are of type {codes.dtype}; expected numbers")
    if not math.prod(codes.shape):
        raise DataError(f"{path}: holds no codes (their shape is {list(codes.shape)})")
    columns = {name: _column(path, name, values, len(codes)) for name, values in given.columns.items()}
    labels = None if given.labels is None else _column(path, "labels", given.labels, len(codes))
    return Codes(codes, labels, given.attributes, columns, given.pictures)


def _column(path: Path, name: str, values: Any, count: int) -> np.ndarray:
    """(N,): numbers or words. DataError for another number of values."""
    array = np.asarray(values)
    if array.size != count:
        raise DataError(f"{path}: {array.size} {name} for {count} codes")
    return numbers_or_words(array.reshape(-1))


def _read_h5(path: Path) -> Codes:
    with h5py.File(path, "r") as file:
        content = _from_h5(file, path)
        require_room(math.prod(content.codes.shape) * content.codes.dtype.itemsize, path.stat().st_size)
        return replace(content, codes=content.codes[:])


def _from_h5(file: h5py.File, path: Path) -> Codes:
    if "codes" not in file:
        raise _missing(path, list(file))
    codes: Any = StoredRows(dataset_of(file, path, "codes"), path)
    labels = labels_of(dataset_of(file, path, "labels"), codes, path) if "labels" in file else None
    attributes = {key: _attribute(file, key) for key in file.attrs if is_fixed(file.attrs.get_id(key).dtype)}
    return Codes(codes, labels, attributes, _h5_columns(file, codes, path))


def _h5_columns(file: h5py.File, codes: StoredRows, path: Path) -> dict[str, Any]:
    """All else that has one value for each code; what is something else is left alone."""
    found: dict[str, Any] = {}
    for name in [name for name in file if name not in ("codes", "labels")][:MOST_COLUMNS]:
        with suppress(DataError):
            dataset = dataset_of(file, path, name)
            if codes.shape and dataset.shape in ((codes.shape[0],), (codes.shape[0], 1)):
                found[name] = numbers_or_words(labels_of(dataset, codes, path).reshape(-1))
    return found


class StoredRows:
    """Codes that lie in an open file; a slice of them is an array."""

    def __init__(self, dataset: h5py.Dataset, path: Path) -> None:
        self._dataset, self._path = dataset, path
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        with _readable(self._path):
            return np.asarray(self._dataset[rows] if self.shape else self._dataset[()])


def _attribute(file: h5py.File, key: str) -> Attribute:
    if math.prod(file.attrs.get_id(key).shape) != 1:
        raise ValueError(f"attribute {key!r} is more than one value")
    value = file.attrs[key]
    plain: Attribute = value.decode() if isinstance(value, bytes) else np.asarray(value).item()
    return plain


def _read_npz(path: Path) -> Codes:
    arrays, names = arrays_from(path, ("codes", "labels", "attributes"))
    if "codes" not in arrays:
        raise _missing(path, names)
    attributes = json.loads(str(arrays["attributes"])) if "attributes" in arrays else {}
    if not isinstance(attributes, dict):
        raise DataError(f"{path}: 'attributes' is no JSON object, but a {type(attributes).__name__}")
    return Codes(arrays["codes"], arrays.get("labels"), attributes, _npz_columns(path, arrays["codes"], names))


def _npz_columns(path: Path, codes: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """All else that has one value for each code; what is something else is left alone."""
    others = [name for name in names if name not in ("codes", "labels", "attributes")][:MOST_COLUMNS]
    found: dict[str, np.ndarray] = {}
    for name in others:
        with suppress(ValueError):
            array = arrays_from(path, (name,))[0][name]
            if codes.ndim and array.shape in ((len(codes),), (len(codes), 1)) and array.dtype.kind in "fiubU":
                found[name] = array.reshape(-1)
    return found


def _read_csv(path: Path) -> Codes:
    codes, columns = read_csv(path)
    return Codes(codes, columns.pop("label", None), {}, columns)


def _read_mat(path: Path) -> Codes:
    from .mat import read_mat

    arrays, attributes, names = read_mat(path)
    if "codes" not in arrays:
        raise _missing(path, names)
    for name, values in arrays.items():
        if values.dtype.kind == "U":
            arrays[name] = np.char.rstrip(values)  # MATLAB's words are rows of one length, filled up with blanks
    labels = arrays.get("labels")
    columns = {name: values for name, values in arrays.items() if name not in ("codes", "labels")}
    return Codes(arrays["codes"], labels, attributes, columns)


def _missing(path: Path, names: list[str]) -> DataError:
    found = ", ".join(f"'{name}'" for name in names[:8]) or "nothing"
    return DataError(f"{path}: has no 'codes'; it holds {found}")


_READERS: dict[str, Callable[[Path], Codes]] = {
    ".h5": _read_h5,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".mat": _read_mat,
    ".parquet": read_parquet,
    ".h5ad": read_h5ad,
}
