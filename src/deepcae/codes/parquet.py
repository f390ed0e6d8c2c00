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

from ..bounds import Allowance, require_room
from ..errors import DataError
from .job import Job, Put, columns_of, library
from .table import Codes

MOST_COLUMNS = 64  # behind the codes
KEY = b"deepcae"


@contextmanager
def write_parquet(job: Job) -> Iterator[Put]:
    """A column for each number of a code and for each of the others; a group of rows for each block."""
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
        others = [each.name for each in file.schema_arrow if each.name not in codes and _is_plain(each.type)][
            :MOST_COLUMNS
        ]
        if not codes:
            raise DataError(f"{path}: has no columns 'code_1', 'code_2', ...; it has {', '.join(names[:8])}")
        rows, stored = file.metadata.num_rows, path.stat().st_size
        require_room(8 * rows * (len(codes) + len(others)), stored)
        require_room(_unpacked(file.metadata, {*codes, *others}), stored)
        about = json.loads((file.schema_arrow.metadata or {}).get(KEY, b"{}"))
    allowance = Allowance(stored)
    with parquet.ParquetFile(path, read_dictionary=others) as file:  # of words, each one once
        found: list[np.ndarray] = []
        beside: dict[str, list[np.ndarray]] = {name: [] for name in others}
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[*codes, *others])
            found.append(np.stack([table[name].to_numpy() for name in codes], axis=1))
            for name in others:
                beside[name].append(_plain(table[name], allowance, path))
    columns = {name: np.concatenate(parts) for name, parts in beside.items() if parts}
    array = np.concatenate(found) if found else np.empty((0, len(codes)), np.float32)
    return Codes(array, columns.pop("label", None), about if isinstance(about, dict) else {}, columns)


def _is_plain(kind: Any) -> bool:
    """Whether a column has one value in each row: no lists, and no raw bytes."""
    return kind.num_fields == 0 and "binary" not in str(kind)


def _unpacked(metadata: Any, wanted: set[str]) -> int:
    """Bytes of the wanted columns as the file says it holds them."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    columns = (group.column(number) for group in groups for number in range(group.num_columns))
    return sum(each.total_uncompressed_size for each in columns if each.path_in_schema.partition(".")[0] in wanted)


def _plain(column: Any, allowance: Allowance, path: Path) -> np.ndarray:
    """Numbers, or words; a missing word is empty. Words take as many letters as the longest one."""
    types = library("pyarrow", path).types
    if not types.is_dictionary(column.type):
        if not (types.is_string(column.type) or types.is_large_string(column.type)):
            values: np.ndarray = column.to_numpy()
            if values.dtype.kind == "O":
                return np.array(["" if value is None else str(value) for value in values.tolist()])
            return values if values.dtype.kind in "fiubU" else values.astype("U")
        column = column.dictionary_encode()
    parts = []
    for chunk in column.chunks:
        words = ["" if word is None else str(word) for word in (*chunk.dictionary.to_pylist(), None)]
        allowance.take(4 * max(map(len, words)) * max(len(chunk), len(words)))
        parts.append(np.array(words)[chunk.indices.fill_null(len(words) - 1).to_numpy()])
    return np.concatenate(parts) if parts else np.empty(0, "U1")
