"""Codes to disk, block by block: one writer for each format. Only `.mat` and `.nwb` keep all of them in memory until
the end.

A writer is a context that yields `put(start, block)`: rows `start` … of all, with their labels and columns. Every block
has the inner shape, the types and the columns of the first.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np

from ..errors import DataError
from ..h5disk import new_h5
from ..npy import Spool
from .h5ad import write_h5ad
from .job import Job, Put, Words, columns_of, fixed
from .nwb import write_nwb
from .parquet import write_parquet
from .projector import write_projector
from .table import Codes

MAT_LIMIT = 2**31 - 1  # bytes per variable: the sizes in a MATLAB 5 file are 32 bits wide


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
        file.attrs.update({key: fixed(np.asarray(value)) for key, value in (job.attributes or {}).items()})


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
            others = columns_of(block)
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
    return (
        list(map(_digits(values).__mod__, values.tolist()))
        if values.dtype == np.float32
        else [str(value) for value in values.tolist()]
    )


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
    ".parquet": write_parquet,
    ".h5ad": write_h5ad,
    ".nwb": write_nwb,
    ".projector": write_projector,
}
FOLDERS = {".projector"}
