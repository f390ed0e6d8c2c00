"""Codes as Parquet, by pyarrow: columns `code_1`, `code_2`, …, those beside them, and `label`; attributes as JSON.

The file's metadata hold the attributes under `deepcae`. Rows are written as they come, and read a row group at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..bounds import require_room
from ..errors import DataError
from .job import Job, Put, columns_of, library
from .table import Codes

MOST_COLUMNS = 64  # behind the codes
KEY = b"deepcae"


@contextmanager
def write_parquet(job: Job) -> Iterator[Put]:
    arrow, parquet = library("pyarrow", job.target), library("pyarrow.parquet", job.target)
    about = {KEY: json.dumps(job.attributes, sort_keys=True).encode()} if job.attributes else None
    with ExitStack() as stack:
        open_file: list[Any] = []

        def put(start: int, block: Codes) -> None:
            rows = block.codes.reshape(len(block.codes), -1)
            named = {f"code_{number + 1}": np.ascontiguousarray(rows[:, number]) for number in range(rows.shape[1])}
            table = arrow.table(named | columns_of(block))
            if not open_file:
                schema = table.schema.with_metadata(about)
                open_file.append(stack.enter_context(parquet.ParquetWriter(str(job.temporary), schema)))
            open_file[0].write_table(table.replace_schema_metadata(about))

        yield put


def read_parquet(path: Path) -> Codes:
    """ValueError and the like for a damaged file."""
    parquet = library("pyarrow.parquet", path)
    with parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        codes = [name for name in names if name.startswith("code")]
        others = [name for name in names if name not in codes][:MOST_COLUMNS]
        if not codes:
            raise DataError(f"{path}: has no columns 'code_1', 'code_2', ...; it has {', '.join(names[:8])}")
        require_room(8 * file.metadata.num_rows * (len(codes) + len(others)), path.stat().st_size)
        rows: list[np.ndarray] = []
        beside: dict[str, list[np.ndarray]] = {name: [] for name in others}
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[*codes, *others])
            rows.append(np.stack([table[name].to_numpy() for name in codes], axis=1))
            for name in others:
                beside[name].append(table[name].to_numpy())
        about = json.loads((file.schema_arrow.metadata or {}).get(KEY, b"{}"))
    columns = {name: _plain(np.concatenate(parts)) for name, parts in beside.items() if parts}
    found = np.concatenate(rows) if rows else np.empty((0, len(codes)), np.float32)
    return Codes(found, columns.pop("label", None), about if isinstance(about, dict) else {}, columns)


def _plain(values: np.ndarray) -> np.ndarray:
    """Numbers, or words; a missing word is empty."""
    if values.dtype.kind != "O":
        return values if values.dtype.kind in "fiubU" else values.astype("U")
    return np.array(["" if value is None else str(value) for value in values.tolist()])
