"""Files of codes that are made to harm: what HDF5's and scipy's readers would follow is not read."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.codes import files
from deepcae.errors import DataError

CODES = np.eye(2, 3, dtype=np.float32)


def test_words_of_any_length_are_refused_as_labels(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["codes"], file["labels"] = CODES, np.array(["a", "b"], dtype=h5py.string_dtype())
    with pytest.raises(DataError, match="'labels' is of type object; expected numbers, or words of a fixed length"):
        files.load(tmp_path / "c.h5")


def test_words_of_any_length_are_passed_over_as_attributes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["codes"] = CODES
        file.attrs.update({"net": "text", "fixed": np.bytes_("text"), "iter": 3})
    assert files.load(tmp_path / "c.h5").attributes == {"fixed": "text", "iter": 3}


def test_values_in_other_files_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("codes", (2, 3), "f4", external=[(str(tmp_path / "secret"), 0, 24)])
    with pytest.raises(DataError, match="'codes' keeps its values in other files"):
        files.load(tmp_path / "c.h5")


def test_a_shape_without_values_costs_nothing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("codes", (2**40, 3), "f4", chunks=(1024, 3))
    with pytest.raises(DataError, match=r"'codes' has shape \[1099511627776, 3\], but no values of it are stored"):
        files.load(tmp_path / "c.h5")


def test_a_reader_that_dies_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.save(tmp_path / "c.mat", CODES)
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(DataError, match=r"c\.mat: not a readable \.mat file of codes: it is damaged"):
        files.load(path)


@pytest.mark.parametrize("text", ["[1]", "3", '"words"', "null"])
def test_attributes_that_are_no_object_are_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "codes.npz"
    np.savez(path, codes=np.zeros((3, 2), np.float32), attributes=text)
    with pytest.raises(DataError, match=r"codes\.npz: 'attributes' is no JSON object, but a "):
        files.load(path)
