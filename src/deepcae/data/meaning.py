"""What the labels of a file stand for: attributes of the dataset, which `deepcae data` writes and Caffe does not read.

| attribute | holds                                                                       |
|-----------|-----------------------------------------------------------------------------|
| `title`   | what the numbers are called, such as `runningSpeed`                         |
| `classes` | a JSON list of words: number i stands for word i                            |
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .stored import DAMAGE

MOST = 60_000  # bytes of an attribute: HDF5 keeps up to 64 KiB of them with a dataset
LONGEST = 200  # letters of a title


@dataclass(frozen=True)
class Meaning:
    """`title`: what labels are called, "" where nobody says; `classes`: the words that their numbers stand for."""

    title: str = ""
    classes: tuple[str, ...] = ()

    def words(self, labels: np.ndarray) -> np.ndarray:
        """Labels (n,) as words; as they are where they are no numbers of `classes`."""
        known = self.classes and labels.dtype.kind in "iu" and len(labels)
        if not known or labels.min() < 0 or labels.max() >= len(self.classes):
            return labels
        found: np.ndarray = np.array(self.classes)[labels]
        return found


def put_meaning(labels: h5py.Dataset, meaning: Meaning) -> None:
    """Writes the attributes, as words of a fixed length. Too many classes stay numbers."""
    told = {"title": meaning.title[:LONGEST], "classes": json.dumps(meaning.classes) if meaning.classes else ""}
    for name, text in told.items():
        if text and len(text.encode()) <= MOST:
            labels.attrs[name] = np.bytes_(text.encode())


def meaning_of(path: Path, name: str) -> Meaning:
    """What the file's dataset `name` says of its numbers: nothing, where it is no such file, or damaged."""
    with suppress(*DAMAGE), h5py.File(path, "r", locking="best-effort") as file:
        if isinstance(file.get(name, getlink=True), h5py.HardLink) and isinstance(file[name], h5py.Dataset):
            title, classes = _text(file[name], "title"), json.loads(_text(file[name], "classes") or "[]")
            if isinstance(classes, list) and all(isinstance(each, str) for each in classes):
                return Meaning(title, tuple(classes))
    return Meaning()


def _text(dataset: Any, name: str) -> str:
    """An attribute of fixed length; others are never read: in a hostile file they lead HDF5's library anywhere."""
    if name not in dataset.attrs:
        return ""
    found = dataset.attrs.get_id(name)
    return bytes(dataset.attrs[name]).decode() if found.dtype.kind == "S" and found.shape == () else ""
