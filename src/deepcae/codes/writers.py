"""Codes to disk, block by block: one writer for each format. Only a `.mat` keeps all of them in memory until the end.

A writer is a context that yields `put(start, block)`: rows `start` … of all, with their labels and columns. Every block
has the inner shape, the types and the columns of the first.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import DataError
from ..h5disk import new_h5
from ..npy import Spool
from .table import Codes

MAT_LIMIT = 2**31 - 1  # bytes per variable: the sizes in a MATLAB 5 file are 32 bits wide
PIECE = 2**16  # rows of words that are written at a time
Put = Callable[[int, Codes], object]


@dataclass(frozen=True)
class Job:
    """What is to be written. `total`: how many rows will come; `names`: of codes and labels in the file."""

    temporary: Path
    target: Path
    total: int
    names: tuple[str, str]
    attributes: dict[str, Any] | None

    def arrays(self, block: Codes) -> dict[str, np.ndarray]:
        """The block's arrays by their names in the file."""
        labels = {} if block.labels is None else {self.names[1]: block.labels}
        return {self.names[0]: block.codes, **block.columns, **labels}


@contextmanager
def _h5(job: Job) -> Iterator[Put]:
    words: dict[str, Words] = {}
    with new_h5(job.temporary) as (file, require_whole):

        def put(start: int, block: Codes) -> None:
            for name, values in job.arrays(block).items():
                if values.dtype.kind == "U":  # the longest of all is known at the end
                    words.setdefault(name, Words()).add(values)
                    continue
                if not start:
                    file.create_dataset(name, (job.total, *values.shape[1:]), values.dtype)
                file[name][start : start + len(values)] = values
            require_whole()

        yield put
        for name, column in words.items():
            column.into(file, name)
        file.attrs.update({key: _fixed(np.asarray(value)) for key, value in (job.attributes or {}).items()})


class Words:
    """A column of words that comes in blocks: each word once, and its number in each row."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._rows: list[np.ndarray] = []

    def add(self, words: np.ndarray) -> None:
        different, places = np.unique(words, return_inverse=True)
        known = [self.numbers.setdefault(word, len(self.numbers)) for word in different.tolist()]
        self._rows.append(np.array(known, np.int32)[places.reshape(-1)])

    @property
    def rows(self) -> np.ndarray:
        """(N,): the number of each row's word."""
        return np.concatenate(self._rows)

    def into(self, group: Any, name: str) -> Any:
        """A dataset of UTF-8 strings of one length, written in pieces."""
        rows, encoded = self.rows, _fixed(np.array([*self.numbers]))
        dataset = group.create_dataset(name, rows.shape, encoded.dtype)
        for start in range(0, len(rows), PIECE):
            dataset[start : start + PIECE] = encoded[rows[start : start + PIECE]]
        return dataset


def _fixed(values: np.ndarray) -> np.ndarray:
    """Words as UTF-8 strings of one length; numbers as they are."""
    if values.dtype.kind != "U":
        return values
    encoded = np.char.encode(values, "utf-8")
    return encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))


@contextmanager
def _npz(job: Job) -> Iterator[Put]:
    folder = job.temporary.parent
    with ExitStack() as stack:
        spools: dict[str, Spool] = {}

        def put(start: int, block: Codes) -> None:
            for name, values in job.arrays(block).items():
                if name not in spools:
                    spools[name] = stack.enter_context(Spool(folder))
                spools[name].add(values)

        yield put
        if job.attributes is not None:
            spools["attributes"] = stack.enter_context(Spool(folder))
            spools["attributes"].add(np.array(json.dumps(job.attributes, sort_keys=True)))
        with zipfile.ZipFile(job.temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, spool in spools.items():
                spool.into(archive, name)


@contextmanager
def _csv(job: Job) -> Iterator[Put]:
    with job.temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")

        def put(start: int, block: Codes) -> None:
            rows = block.codes.reshape(len(block.codes), -1)
            others = dict(block.columns) | ({} if block.labels is None else {"label": block.labels})
            if not start:
                writer.writerow([*(f"code_{column + 1}" for column in range(rows.shape[1])), *others])
            lines = map(",".join([_digits(rows)] * rows.shape[1]).__mod__, map(tuple, rows.tolist()))
            if not others:
                stream.writelines(f"{line}\n" for line in lines)
                return
            columns = zip(*(_words(values) for values in others.values()), strict=True)
            if all(values.dtype.kind != "U" for values in others.values()):
                stream.writelines(f"{line},{','.join(row)}\n" for line, row in zip(lines, columns, strict=True))
            else:
                writer.writerows([*line.split(","), *row] for line, row in zip(lines, columns, strict=True))

        yield put


def _digits(values: np.ndarray) -> str:
    """Enough of them to read back the same number."""
    return "%.17g" if values.dtype == np.float64 else "%.9g"


def _words(values: np.ndarray) -> list[str]:
    """A column's values as words; of floats as many digits as it takes."""
    return list(map(_digits(values).__mod__, values.tolist())) if values.dtype == np.float32 else [
        str(value) for value in values.tolist()
    ]  # fmt: skip


@contextmanager
def _mat(job: Job) -> Iterator[Put]:
    from scipy.io import savemat

    parts: list[dict[str, np.ndarray]] = []

    def put(start: int, block: Codes) -> None:
        if (size := block.codes[:1].nbytes * job.total) > MAT_LIMIT:
            raise DataError(
                f"{job.target}: codes take {size / 2**30:.2f} GiB, and a .mat file holds less than 2 GiB per variable; "
                "save as .h5, which MATLAB reads with h5read"
            )
        parts.append(job.arrays(block))

    yield put
    variables: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for name in list(variables)[1:]:
        variables[name] = variables[name].reshape(-1, 1)
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
