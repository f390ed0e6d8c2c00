"""Codes on disk: one row (or map) of numbers per example, their labels, and where they came from.

| ending | holds | opened elsewhere with |
|---|---|---|
| `.h5`  | datasets `codes`, `labels`; attributes of the file       | h5py, MATLAB `h5read` |
| `.npz` | arrays `codes`, `labels`; `attributes` as one JSON text  | `numpy.load` |
| `.csv` | header `code_1,...,code_K,label`; no attributes          | anything |
| `.mat` | variables `codes`, `labels`, struct `attributes`         | MATLAB, Octave |
"""

from __future__ import annotations

import csv
import difflib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from ..atomic import whole_file
from ..errors import DataError
from ..npy import MOST_DENSE, arrays_from

MAT_LIMIT = 2**31 - 1  # bytes per variable: the sizes in a MATLAB 5 file are 32 bits wide
Attribute = str | int | float | bool


@dataclass(frozen=True)
class Codes:
    """What a file of codes holds. `codes`: (N, K) or (N, C, H, W); `labels`: (N,) or None."""

    codes: np.ndarray
    labels: np.ndarray | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)


def save(
    path: str | os.PathLike[str],
    codes: np.ndarray,
    labels: np.ndarray | None = None,
    attributes: Mapping[str, Attribute] | None = None,
) -> Path:
    """Write codes (N, ...) and their labels (N,) in the format that the ending names; the file appears whole.

    `.csv` lays the axes of one example out in one row (in C order) and carries no attributes.
    """
    target = Path(path)
    write = _WRITERS[ending(target)]
    content = _checked(target, codes, labels, dict(attributes or {}))
    try:
        with whole_file(target) as temporary:
            write(temporary, content, target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target


def load(path: str | os.PathLike[str]) -> Codes:
    """Read a file that `save` wrote, or one laid out alike. Nothing in the file is ever executed or unpickled."""
    source = Path(path)
    read = _READERS[ending(source)]
    if not source.is_file():
        raise DataError(f"{source}: no such file")
    try:
        content = read(source)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, csv.Error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{source}: not a readable {source.suffix} file of codes: {reason}") from error
    return _checked(source, content.codes, content.labels, content.attributes)


def ending(path: Path) -> str:
    """The ending of a file of codes; DataError for one that names no format."""
    found = path.suffix.lower()
    if found not in _WRITERS:
        close = difflib.get_close_matches(found, _WRITERS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise DataError(
            f"{path}: codes are kept as {', '.join(_WRITERS)}, not {found or 'a file without ending'}{hint}"
        )
    return found


def _checked(path: Path, codes: Any, labels: Any, attributes: dict[str, Attribute]) -> Codes:
    codes = np.asarray(codes)
    if codes.ndim < 2:
        raise DataError(f"{path}: codes have shape {codes.shape}; expected one row per example, (N, K)")
    if codes.dtype.kind not in "fiub":
        raise DataError(f"{path}: codes are of type {codes.dtype}; expected numbers")
    if not codes.size:
        raise DataError(f"{path}: holds no codes (their shape is {list(codes.shape)})")
    if labels is None:
        return Codes(codes, None, attributes)
    labels = np.asarray(labels)
    if labels.size != len(codes):
        raise DataError(f"{path}: {labels.size} labels for {len(codes)} codes")
    return Codes(codes, numbers_or_words(labels.reshape(-1)), attributes)


def numbers_or_words(labels: np.ndarray) -> np.ndarray:
    """Labels (N,) of numbers as they are; others (bytes of HDF5, cells of MATLAB) as words."""
    if labels.dtype.kind in "fiubU":
        return labels
    words = [np.asarray(label).item() if np.size(label) == 1 else label for label in labels.tolist()]
    return np.array([word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word) for word in words])


def _write_h5(temporary: Path, content: Codes, _: Path) -> None:
    with h5py.File(temporary, "w") as file:
        file.create_dataset("codes", data=content.codes)
        if content.labels is not None:
            file.create_dataset("labels", data=_fixed(content.labels))
        file.attrs.update({key: _fixed(np.asarray(value)) for key, value in content.attributes.items()})


def _read_h5(path: Path) -> Codes:
    with h5py.File(path, "r") as file:
        arrays = {name: _h5_array(file, path, name) for name in ("codes", "labels") if name in file}
        if "codes" not in arrays:
            raise _missing(path, list(file))
        attributes = {key: _attribute(file, key) for key in file.attrs if _is_fixed(file.attrs.get_id(key).dtype)}
        return Codes(arrays["codes"], arrays.get("labels"), attributes)


def _fixed(values: np.ndarray) -> np.ndarray:
    """Words as UTF-8 strings of one length; numbers as they are."""
    if values.dtype.kind != "U":
        return values
    encoded = np.char.encode(values, "utf-8")
    return encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))


def _is_fixed(dtype: np.dtype) -> bool:
    """Values of variable length are never read: in a hostile file they lead HDF5's library anywhere, or in circles."""
    return dtype.kind in "fiubS"


def _attribute(file: h5py.File, key: str) -> Attribute:
    value = file.attrs[key]
    plain: Attribute = value.decode() if isinstance(value, bytes) else np.asarray(value).item()
    return plain


def _h5_array(file: h5py.File, path: Path, name: str) -> np.ndarray:
    if not isinstance(
        file.get(name, getlink=True), h5py.HardLink
    ):  # an external link would read any file of this machine
        raise DataError(f"{path}: '{name}' is a link to elsewhere; expected a dataset of this file")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise DataError(f"{path}: '{name}' is a group; expected a dataset")
    if dataset.is_virtual or dataset.external:
        raise DataError(f"{path}: '{name}' keeps its values in other files, which is refused")
    if not _is_fixed(dataset.dtype):
        raise DataError(f"{path}: '{name}' is of type {dataset.dtype}; expected numbers, or words of a fixed length")
    if dataset.size * dataset.dtype.itemsize > MOST_DENSE * dataset.id.get_storage_size():
        raise DataError(f"{path}: '{name}' says it has shape {dataset.shape}, but so much is not stored")
    return np.asarray(dataset[()])


def _write_npz(temporary: Path, content: Codes, _: Path) -> None:
    arrays = {"codes": content.codes, "attributes": np.array(json.dumps(content.attributes, sort_keys=True))}
    if content.labels is not None:
        arrays["labels"] = content.labels
    with temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def _read_npz(path: Path) -> Codes:
    arrays, names = arrays_from(path, ("codes", "labels", "attributes"))
    if "codes" not in arrays:
        raise _missing(path, names)
    attributes = json.loads(str(arrays["attributes"])) if "attributes" in arrays else {}
    return Codes(arrays["codes"], arrays.get("labels"), attributes)


def _write_csv(temporary: Path, content: Codes, _: Path) -> None:
    rows = content.codes.reshape(len(content.codes), -1)
    digits = "%.17g" if rows.dtype == np.float64 else "%.9g"  # enough to read back the same number
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        names = [f"code_{column + 1}" for column in range(rows.shape[1])]
        stream.write(",".join(names if content.labels is None else [*names, "label"]) + "\n")
        if content.labels is None:
            np.savetxt(stream, rows, digits, delimiter=",")
        else:
            _write_labelled_rows(stream, rows, content.labels, digits)


def _write_labelled_rows(stream: IO[str], rows: np.ndarray, labels: np.ndarray, digits: str) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    for row, label in zip(rows.tolist(), labels.tolist(), strict=True):
        writer.writerow([*(digits % value for value in row), label])


def _read_csv(path: Path) -> Codes:
    with path.open(newline="", encoding="utf-8-sig") as stream:  # spreadsheets put a mark before the first letter
        header = next(csv.reader(stream), [])
        if not header or not header[0].startswith("code"):
            raise DataError(f"{path}:1: expected a header 'code_1,code_2,...' with an optional last column 'label'")
        numbered = [(number, row) for number, row in enumerate(csv.reader(stream), 2) if row]  # no blank lines
    for number, row in numbered:
        if len(row) != len(header):
            raise DataError(f"{path}:{number}: {len(row)} columns; the header has {len(header)}")
    rows = [row for _, row in numbered]
    labelled = header[-1] == "label"
    width = len(header) - labelled
    codes = np.array([row[:width] for row in rows], dtype=np.float64).reshape(len(rows), width)
    if all(len(word) <= len("-1.23456789e-20") for row in rows for word in row[:width]):
        codes = _in_single_precision(codes)  # no number has more digits than single precision writes
    return Codes(codes, _parsed_labels([row[-1] for row in rows]) if labelled else None)


def _in_single_precision(codes: np.ndarray) -> np.ndarray:
    """float32, unless a number is too large or too small for it."""
    with np.errstate(over="ignore", under="ignore"):
        single = codes.astype(np.float32)
    kept = np.array_equal(np.isfinite(single), np.isfinite(codes)) and np.array_equal(single == 0, codes == 0)
    return single if kept else codes


def _parsed_labels(words: list[str]) -> np.ndarray:
    for kind in (np.int64, np.float64):
        try:
            return np.array(words, dtype=kind)
        except (ValueError, OverflowError):
            continue
    return np.array(words)


def _write_mat(temporary: Path, content: Codes, target: Path) -> None:
    from scipy.io import savemat

    if content.codes.nbytes > MAT_LIMIT:
        raise DataError(
            f"{target}: codes take {content.codes.nbytes / 2**30:.2f} GiB, and a .mat file holds less than 2 GiB per "
            "variable; save as .h5, which MATLAB reads with h5read"
        )
    variables: dict[str, Any] = {"codes": content.codes}
    if content.labels is not None:
        variables["labels"] = content.labels.reshape(-1, 1)
    if content.attributes:
        variables["attributes"] = content.attributes
    savemat(temporary, variables, appendmat=False, long_field_names=True)


def _read_mat(path: Path) -> Codes:
    from .mat import read_mat

    arrays, attributes, names = read_mat(path)
    if "codes" not in arrays:
        raise _missing(path, names)
    labels = arrays.get("labels")
    if labels is not None and labels.dtype.kind == "U":
        labels = np.char.rstrip(labels)  # MATLAB's words are rows of one length, filled up with blanks
    return Codes(arrays["codes"], labels, attributes)


def _missing(path: Path, names: list[str]) -> DataError:
    found = ", ".join(f"'{name}'" for name in names[:8]) or "nothing"
    return DataError(f"{path}: has no 'codes'; it holds {found}")


_WRITERS: dict[str, Callable[[Path, Codes, Path], None]] = {
    ".h5": _write_h5,
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".mat": _write_mat,
}
_READERS: dict[str, Callable[[Path], Codes]] = {
    ".h5": _read_h5,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".mat": _read_mat,
}
