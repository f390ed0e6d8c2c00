"""A user's file as arrays: what `encode` and the pictures take in."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Container, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from ..bounds import require_room
from ..errors import DataError
from ..inplace import open_to_read, unread, why_no_file
from ..npy import array_from, arrays_from, layout_of, members_of
from .plain import FileArray, PackedArray, PlainRows, Stored

HDF5_START = b"\x89HDF\r\n\x1a\n"
LABELS = ("label", "labels")  # what people call them


def load_images(path: str | Path, limit: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """(images, labels or None) of an HDF5 file, a list of them (.txt), .npy, .npz or IDX (zipped or not).

    Images are float32 (n, C, H, W), vectors (n, K); labels float32 (n,), or (n, K) where a row has several. HDF5 and
    .npz hold them as `data` and `label` (or `labels`).
    Numbers are taken as they stand, but the bytes (uint8) of IDX, .npy and .npz are grey levels and become x / 255. The
    labels of `train-images-idx3-ubyte` are read from `train-labels-idx1-ubyte` beside it. `limit`: the first rows only.
    """
    path = Path(path)
    if why := why_no_file(path):
        raise DataError(f"{path}: {why}")
    start = _start_of(path)
    if start == HDF5_START or path.suffix == ".txt":
        return _from_hdf5(path, limit)
    rows = open_rows(path)
    count = rows.total if limit is None else min(limit, rows.total)
    _require_room(path, 4 * count * math.prod(rows.shapes["data"]), [path])
    arrays = rows.read(slice(0, count))
    rows.close()
    return arrays["data"], arrays.get("label")


def load_labels(path: str | Path) -> np.ndarray:
    """Labels (n,), (n, K): the array of an .npy or IDX file, `label` (or `labels`) of .npz, HDF5 and lists of it."""
    path = Path(path)
    if why := why_no_file(path):
        raise DataError(f"{path}: {why}")
    from .idx import is_idx, read_idx

    start = _start_of(path)
    if start.startswith(b"\x93NUMPY"):
        return _from_npy(path)[:]
    if start != HDF5_START and path.suffix != ".txt" and not start.startswith(b"PK") and is_idx(path):
        return read_idx(path)
    labels = load_images(path)[1]
    if labels is None:
        raise DataError(f"{path}: has neither 'label' nor 'labels'")
    return labels


def _start_of(path: Path) -> bytes:
    """The first bytes, by which the format is known."""
    try:
        with open_to_read(path) as file:
            return file.read(8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def open_rows(path: Path) -> PlainRows:
    """What `load_images` gives of an IDX, .npy or .npz file, to be read in blocks.

    The images stay in the file, zipped or not; in Fortran's order they are held in memory as stored.
    """
    start = _start_of(path)
    if start.startswith(b"\x93NUMPY"):
        return PlainRows(_from_npy(path), None, path)
    if start.startswith(b"PK"):
        return PlainRows(*_from_npz(path), path)
    from .idx import is_idx

    if not is_idx(path):
        raise DataError(f"{path}: is neither HDF5, a .txt list of HDF5 files, .npy, .npz nor IDX")
    return PlainRows(*_from_idx(path), path)


def read_all(path: str | Path, dataset: str = "data", limit: int | None = None) -> np.ndarray:
    """All rows (or the first `limit`) of a dataset of an HDF5 file, or of the files that a list names; float32."""
    return _read(Path(path), (dataset,), limit)[dataset]


def _read(path: Path, datasets: tuple[str, ...], limit: int | None) -> Mapping[str, np.ndarray]:
    from .hdf5 import HDF5Rows

    rows = HDF5Rows(_hdf5_files(path), datasets, memory_limit=0)
    try:
        count = rows.total if limit is None else min(limit, rows.total)
        _require_room(path, 4 * count * sum(map(math.prod, rows.shapes.values())), _hdf5_files(path))
        return rows.read(slice(0, count))
    finally:
        rows.close()


def _require_room(path: Path, held: int, files: list[Path]) -> None:
    try:
        require_room(held, sum(file.stat().st_size for file in files))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _hdf5_files(path: Path) -> list[Path]:
    from .hdf5 import read_list

    if why := why_no_file(path):
        raise DataError(f"{path}: {why}")
    return [path] if _start_of(path) == HDF5_START else read_list(path)


def _from_hdf5(path: Path, limit: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    from .hdf5 import opened

    with opened(_hdf5_files(path)[0]) as file:
        label = _label_in(file)
    arrays = _read(path, ("data", label) if label else ("data",), limit)
    return _as_images(arrays["data"], path), _by_row(arrays[label]) if label else None


def _from_npz(path: Path) -> tuple[Stored, np.ndarray | None]:
    try:
        with members_of(path) as (archive, entries):
            images = "data" if "data" in entries or len(entries) != 1 else next(iter(entries))
            if images not in entries:
                names = ", ".join(map(repr, entries)) or "nothing"
                raise DataError(f"{path}: has no array 'data'; it holds {names}")
            entry, label = entries[images], _label_in(entries)
            with archive.open(entry) as member:
                layout = layout_of(member, entry.file_size)
            if layout.in_fortran_order:
                return arrays_from(path, [images])[0][images], arrays_from(path, [label])[0][label] if label else None
        labels = arrays_from(path, [label])[0][label] if label else None
    except ValueError as error:
        raise DataError(unread(path, error, f"{path}: is damaged or holds Python objects ({error})")) from error
    return PackedArray(path, layout.shape, layout.dtype, layout.begin, lambda: _member(path, entry)), labels


def _member(path: Path, entry: zipfile.ZipInfo) -> IO[bytes]:
    """An array of an .npz, unpacked as it is read."""
    with zipfile.ZipFile(path) as archive:
        return archive.open(entry)  # which keeps the file open


def _label_in(names: Container[str]) -> str | None:
    return next((name for name in LABELS if name in names), None)


def _by_row(labels: np.ndarray) -> np.ndarray:
    """(n, 1, ...) → (n,); several values of a row stay apart."""
    return labels.reshape(-1) if labels.size == len(labels) else labels


def _from_idx(path: Path) -> tuple[Stored, np.ndarray | None]:
    from .idx import read_idx, stored_idx

    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    return stored_idx(path), read_idx(beside) if beside != path and beside.is_file() else None


def _from_npy(path: Path) -> Stored:
    try:
        with open_to_read(path) as file:
            layout = layout_of(file, path.stat().st_size)
            if layout.in_fortran_order:
                file.seek(0)
                return array_from(file.read())
    except (ValueError, OSError) as error:
        raise DataError(unread(path, error, f"{path}: is damaged or holds Python objects ({error})")) from error
    return FileArray(path, layout.shape, layout.dtype, layout.begin)


def _as_images(array: np.ndarray, path: Path) -> np.ndarray:
    """(n, H, W) → (n, 1, H, W)."""
    if array.ndim < 2 or not array.size:
        raise DataError(
            f"{path}: its data have shape {list(array.shape)}; needs rows of values, (n, C, H, W) or (n, K)"
        )
    return array[:, None] if array.ndim == 3 else array
