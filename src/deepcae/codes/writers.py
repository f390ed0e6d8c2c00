"""Codes to disk, block by block: one writer for each format. Only a `.mat` keeps all of them in memory until the end.

A writer is a context that yields `put(start, codes, labels)`: rows `start` … of all, and their labels or None. Every
block has the inner shape and the types of the first.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import DataError
from ..h5disk import new_h5
from ..npy import Spool

MAT_LIMIT = 2**31 - 1  # bytes per variable: the sizes in a MATLAB 5 file are 32 bits wide
Put = Callable[[int, np.ndarray, np.ndarray | None], object]


@dataclass(frozen=True)
class Job:
    """What is to be written. `total`: how many rows will come; `names`: of codes and labels in the file."""

    temporary: Path
    target: Path
    total: int
    names: tuple[str, str]
    attributes: dict[str, Any] | None


@contextmanager
def _h5(job: Job) -> Iterator[Put]:
    words: list[np.ndarray] = []
    with new_h5(job.temporary) as (file, require_whole):

        def put(start: int, codes: np.ndarray, labels: np.ndarray | None) -> None:
            for name, values in zip(job.names, (codes, labels), strict=True):
                if values is None:
                    continue
                if values.dtype.kind == "U":  # the longest of all is known at the end
                    words.append(values)
                    continue
                if not start:
                    file.create_dataset(name, (job.total, *values.shape[1:]), values.dtype)
                file[name][start : start + len(values)] = values
            require_whole()

        yield put
        if words:
            file.create_dataset(job.names[1], data=_fixed(np.concatenate(words)))
        file.attrs.update({key: _fixed(np.asarray(value)) for key, value in (job.attributes or {}).items()})


def _fixed(values: np.ndarray) -> np.ndarray:
    """Words as UTF-8 strings of one length; numbers as they are."""
    if values.dtype.kind != "U":
        return values
    encoded = np.char.encode(values, "utf-8")
    return encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))


@contextmanager
def _npz(job: Job) -> Iterator[Put]:
    folder = job.temporary.parent
    with Spool(folder) as codes_spool, Spool(folder) as labels_spool:

        def put(start: int, codes: np.ndarray, labels: np.ndarray | None) -> None:
            codes_spool.add(codes)
            if labels is not None:
                labels_spool.add(labels)

        yield put
        with zipfile.ZipFile(job.temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            codes_spool.into(archive, job.names[0])
            if job.attributes is not None:
                with Spool(folder) as text:
                    text.add(np.array(json.dumps(job.attributes, sort_keys=True)))
                    text.into(archive, "attributes")
            if len(labels_spool):
                labels_spool.into(archive, job.names[1])


@contextmanager
def _csv(job: Job) -> Iterator[Put]:
    with job.temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")

        def put(start: int, codes: np.ndarray, labels: np.ndarray | None) -> None:
            rows = codes.reshape(len(codes), -1)
            if not start:
                names = [f"code_{column + 1}" for column in range(rows.shape[1])]
                writer.writerow(names if labels is None else [*names, "label"])
            digits = "%.17g" if rows.dtype == np.float64 else "%.9g"  # enough to read back the same number
            lines = map(",".join([digits] * rows.shape[1]).__mod__, map(tuple, rows.tolist()))
            if labels is None:
                stream.writelines(f"{line}\n" for line in lines)
            elif labels.dtype.kind != "U":
                stream.writelines(f"{line},{label}\n" for line, label in zip(lines, labels.tolist(), strict=True))
            else:
                writer.writerows([*line.split(","), label] for line, label in zip(lines, labels.tolist(), strict=True))

        yield put


@contextmanager
def _mat(job: Job) -> Iterator[Put]:
    from scipy.io import savemat

    parts: list[np.ndarray] = []
    their_labels: list[np.ndarray] = []

    def put(start: int, codes: np.ndarray, labels: np.ndarray | None) -> None:
        if (size := codes[:1].nbytes * job.total) > MAT_LIMIT:
            raise DataError(
                f"{job.target}: codes take {size / 2**30:.2f} GiB, and a .mat file holds less than 2 GiB per variable; "
                "save as .h5, which MATLAB reads with h5read"
            )
        parts.append(codes)
        if labels is not None:
            their_labels.append(labels)

    yield put
    variables: dict[str, Any] = {job.names[0]: np.concatenate(parts)}
    if their_labels:
        variables[job.names[1]] = np.concatenate(their_labels).reshape(-1, 1)
    if job.attributes:
        variables["attributes"] = job.attributes
    with job.temporary.open("wb") as stream:
        savemat(stream, variables, appendmat=False, long_field_names=True)


WRITERS: dict[str, Callable[[Job], AbstractContextManager[Put]]] = {
    ".h5": _h5,
    ".npz": _npz,
    ".csv": _csv,
    ".mat": _mat,
}
