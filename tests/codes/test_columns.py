"""Columns beside codes: in files of every format, and values that a person names to colour points by."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae import codes
from deepcae.errors import DataError

CODES = np.arange(24, dtype=np.float32).reshape(12, 2) / 7
ERROR = np.linspace(0.1, 3, 12, dtype=np.float32)


@pytest.mark.parametrize("ending", ["h5", "npz", "csv", "mat"])
@pytest.mark.parametrize("labels", [None, np.arange(12) % 3, np.array(["cat", "dog", "cow"] * 4)])
def test_columns_go_there_and_back(ending: str, labels: np.ndarray | None, tmp_path: Path) -> None:
    columns = {"error": ERROR, "time": np.arange(12) * 0.25}
    path = codes.save(tmp_path / f"c.{ending}", CODES, labels, {"net": "a"}, columns)
    found = codes.load(path)
    np.testing.assert_array_equal(found.codes, CODES)
    assert list(found.columns) == ["error", "time"]
    np.testing.assert_allclose(found.columns["error"], ERROR, rtol=1e-7)
    np.testing.assert_array_equal(found.columns["time"], columns["time"])
    np.testing.assert_array_equal(found.error, found.columns["error"])
    assert (found.labels is None) == (labels is None)
    if labels is not None:
        np.testing.assert_array_equal(found.labels, labels)


def test_csv_names_its_columns(tmp_path: Path) -> None:
    codes.save(tmp_path / "c.csv", CODES[:2], np.array([1, 0]), None, {"error": ERROR[:2]})
    first, second, _ = (tmp_path / "c.csv").read_text().split("\n", 2)
    assert first == "code_1,code_2,error,label"
    assert second == "0,0.142857149,0.100000001,1"


def test_columns_that_others_added_are_read_and_all_else_is_left_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", codes=CODES, speed=ERROR, images=np.zeros((12, 4)), one=np.zeros(3))
    assert list(codes.load(tmp_path / "c.npz").columns) == ["speed"]
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["codes"], file["speed"], file["images"] = CODES, ERROR[:, None], np.zeros((12, 4))
        file["names"] = np.array([b"a"] * 12)
        file.create_group("more")
        file["away"] = h5py.ExternalLink("other.h5", "x")
    found = codes.load(tmp_path / "c.h5")
    assert sorted(found.columns) == ["names", "speed"]
    assert found.columns["names"].tolist() == ["a"] * 12
    text = "code_1,code_2,site,speed\n1,2,left,0.5\n3,4,right,7\n"
    (tmp_path / "c.csv").write_text(text)
    read = codes.load(tmp_path / "c.csv")
    assert read.labels is None
    assert read.columns["site"].tolist() == ["left", "right"]
    assert read.columns["speed"].tolist() == [0.5, 7.0]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("speed,code_1", "expected a header"),
        ("code_1,a,a", "two columns of one name"),
        ("code_1," + ",".join(map(str, range(65))), "65 columns behind the codes"),
    ],
)
def test_headers_that_say_nothing(header: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(f"{header}\n1,2,3\n")
    with pytest.raises(DataError, match=words):
        codes.load(tmp_path / "c.csv")
