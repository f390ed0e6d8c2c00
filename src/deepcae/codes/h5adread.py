"""Codes from an .h5ad file, as `h5ad` or anndata wrote it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..bounds import require_room
from ..errors import DataError, warn
from .h5ad import MAP
from .h5values import dataset_of, labels_of
from .job import numbers_or_words
from .table import Codes
from .varwords import are_varied, read_words

MOST_COLUMNS = 64  # beside codes and labels


def read_h5ad(path: Path) -> Codes:
    """Codes (n, N), labels and columns. DataError for what is damaged, or leads out of the file."""
    with h5py.File(path, "r") as file:
        about = _values(file, path, "uns/deepcae")
        attributes = {name: values[()].item() for name, values in about.items() if values.shape == ()}
        plain = {name: value.decode() if isinstance(value, bytes) else value for name, value in attributes.items()}
        name = f"obsm/{plain.pop(MAP)}" if MAP in plain else "X"
        if name not in file:
            raise DataError(f"{path}: has no '{name}'; it holds {', '.join(list(file)[:8]) or 'nothing'}")
        codes = dataset_of(file, path, name)
        require_room(codes.size * codes.dtype.itemsize, path.stat().st_size)
        found = {
            name: labels_of(each, codes, path)
            for name, each in _values(file, path, "obs").items()
            if each.shape == codes.shape[:1] and name != "_index"
        }
        columns = {name: numbers_or_words(values) for name, values in found.items()}
        return Codes(codes[()], columns.pop("label", None), plain, columns)


def _values(file: h5py.File, path: Path, group: str) -> dict[str, Any]:
    """The datasets of a group that can be read; of categories their words, or else their numbers, told."""
    found: dict[str, Any] = {}
    if group.partition("/")[0] not in file or group not in file:
        return found
    inside = {name: f"{group}/{name}" for name in list(file[group])[:MOST_COLUMNS]}
    of_words = {name: f"{at}/categories" if f"{at}/codes" in file else at for name, at in inside.items()}
    varied = [name for name, at in of_words.items() if are_varied(file, at)]
    read = read_words(path, [of_words[name] for name in varied])
    for name, at in inside.items():
        with suppress(DataError):
            words = read.get(of_words[name])
            if of_words[name] == at:
                found[name] = dataset_of(file, path, at) if words is None else words
                continue
            found[name] = numbers = dataset_of(file, path, f"{at}/codes")
            if words is None and name in varied:
                warn(f"{path}: the words of '{name}' cannot be read; its numbers are taken")
                continue
            words = numbers_or_words(np.asarray(dataset_of(file, path, of_words[name]))) if words is None else words
            if len(words) and numbers.dtype.kind in "iu":
                found[name] = np.where(numbers[:] < 0, "", words[np.clip(numbers[:], 0, len(words) - 1)])
    return found
