"""Codes as AnnData keeps them in an .h5ad file, which scanpy reads: an image is an observation, a code a variable.

| in the file | holds |
|---|---|
| `X` | codes (N, K); `var` names them `code_1`, `code_2`, … |
| `obs` | the columns and `label`: numbers as arrays, words as categories |
| `obsm/X_tsne`, `X_pca` | points of a map (N, 2), where `deepcae embed` wrote it; its codes are in `X` |
| `uns/deepcae` | the attributes; `map` names the points, which are what is read then |

Written through h5py as the format is published (AnnData's on-disk format, versions 0.1 and 0.2 of its encodings),
block by block: anndata would hold all of it, and asks for an older pandas. Words of variable length, as anndata writes
them, are read by `varwords`.
Source: https://anndata.readthedocs.io/en/stable/fileformat-prose.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..h5disk import new_h5
from .job import Job, Put, Words, columns_of, fixed
from .table import Codes

ARRAY, STRINGS, FRAME = ("array", "0.2.0"), ("string-array", "0.2.0"), ("dataframe", "0.2.0")
CATEGORICAL, DICT, STRING, NUMBER = (("categorical", "0.2.0"), ("dict", "0.1.0"), ("string", "0.2.0"),
                                     ("numeric-scalar", "0.2.0"))  # fmt: skip
MAP = "map"  # the attribute that names an array in obsm; none of the person's


@contextmanager
def write_h5ad(job: Job) -> Iterator[Put]:
    """Codes as `X`, or a map of them in `obsm` beside these; columns as `obs`. For anndata and scanpy."""
    words: dict[str, Words] = {}
    names: list[str] = []
    with new_h5(job.temporary) as (file, require_whole):
        _is(file, ("anndata", "0.1.0"))
        obs, obsm = _is(file.create_group("obs"), FRAME), _is(file.create_group("obsm"), DICT)
        about = dict(job.attributes or {})
        if job.of is not None:
            about[MAP] = f"X_{about.get('method', 'map')}"
            _is(file.create_dataset("X", data=job.of.reshape(len(job.of), -1)), ARRAY)
        place, name_of_codes = (file, "X") if job.of is None else (obsm, about[MAP])

        def put(start: int, block: Codes) -> None:
            rows = block.codes.reshape(len(block.codes), -1)
            stop = start + len(rows)
            if not start:
                _is(place.create_dataset(name_of_codes, (job.total, rows.shape[1]), rows.dtype), ARRAY)
            place[name_of_codes][start:stop] = rows
            for name, values in columns_of(block).items():
                if not start:
                    names.append(name)
                if values.dtype.kind == "U":
                    words.setdefault(name, Words()).add(values)
                    continue
                if not start:
                    _is(obs.create_dataset(name, (job.total,), values.dtype), ARRAY)
                obs[name][start:stop] = values
            require_whole()

        yield put
        for name, column in words.items():
            _categories(obs, name, column)
        _named(obs, [str(row) for row in range(job.total)], names)
        var = _is(file.create_group("var"), FRAME)
        _named(var, [f"code_{number + 1}" for number in range(file["X"].shape[1])], [])
        for name in ("layers", "obsp", "varm", "varp", "uns"):
            _is(file.create_group(name), DICT)
        _attributes(_is(file["uns"].create_group("deepcae"), DICT), about)


def _is(item: Any, encoding: tuple[str, str]) -> Any:
    item.attrs["encoding-type"], item.attrs["encoding-version"] = encoding
    return item


def _named(frame: Any, index: list[str], columns: list[str]) -> None:
    """The names of a frame's rows, and the order of its columns."""
    _is(frame.create_dataset("_index", data=fixed(np.array(index))), STRINGS)
    frame.attrs["_index"] = "_index"
    frame.attrs["column-order"] = fixed(np.array(columns)) if columns else np.empty(0, "S1")


def _categories(obs: Any, name: str, column: Words) -> None:
    order = sorted(column.numbers)
    places = np.empty(len(order), np.int32)
    places[[column.numbers[word] for word in order]] = np.arange(len(order))
    group = _is(obs.create_group(name), CATEGORICAL)
    group.attrs["ordered"] = False
    _is(group.create_dataset("categories", data=fixed(np.array(order))), STRINGS)
    _is(group.create_dataset("codes", data=places[column.rows]), ARRAY)


def _attributes(group: Any, about: Mapping[str, Any]) -> None:
    for name, value in about.items():
        array = np.asarray(value)
        _is(group.create_dataset(name, data=fixed(array)), STRING if array.dtype.kind == "U" else NUMBER)
