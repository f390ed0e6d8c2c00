"""Words of variable length in an HDF5 file, as anndata and pandas write them, read in a process of its own.

In a hostile file they lead HDF5's library anywhere, or in circles; that ends the other process only. It writes an .npz
to stdout.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from .. import child
from ..npy import arrays_from
from .mat import limit


def are_varied(file: h5py.File, name: str) -> bool:
    """Whether it is a dataset (n,) of words of variable length, in this file."""
    parts = name.split("/")
    places = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    if not all(isinstance(file.get(place, getlink=True), h5py.HardLink) for place in places):
        return False
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external or len(dataset.shape) != 1:
        return False
    kind = h5py.check_string_dtype(dataset.dtype)
    return kind is not None and kind.length is None


def read_words(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The words (n,) of each dataset; {} where they cannot be read."""
    if not names:
        return {}
    with tempfile.TemporaryFile() as answer:
        reader = child.start(
            "deepcae.codes.varwords:main", str(path.absolute()), *names,
            stdin=subprocess.DEVNULL, stdout=answer, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if reader.wait():
            return {}
        answer.seek(0)
        arrays, _ = arrays_from(answer, None)
    return {name: arrays[str(number)] for number, name in enumerate(names)}


def main() -> None:
    """The process: reads the datasets of the file that its arguments name."""
    path, *names = sys.argv[1:]
    limit(Path(path).stat().st_size)
    with h5py.File(path, "r") as file:
        words = [[word.decode("utf-8", "replace") for word in file[name][()].tolist()] for name in names]
    np.savez(sys.stdout.buffer, **{str(number): np.array(each, "U") for number, each in enumerate(words)})  # type: ignore[arg-type]
