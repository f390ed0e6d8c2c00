"""Columns beside codes: in files of every format, and values that a person names to colour points by."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae import codes
from deepcae.codes.columns import Column, column
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
    [("speed,code_1", "expected a header"), ("code_1,a,a", "two columns of one name"),
     ("code_1," + ",".join(map(str, range(65))), "65 columns behind the codes")],
)  # fmt: skip
def test_headers_that_say_nothing(header: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(f"{header}\n1,2,3\n")
    with pytest.raises(DataError, match=words):
        codes.load(tmp_path / "c.csv")


def none(name: str) -> np.ndarray:
    raise DataError(f"asked for {name}")


FILES = {
    "one.csv": "speed\n0.5\n1\n\n2.5\n",
    "two.csv": "speed,side\n0.5,l\n,r\n2.5,l\n",
    "bare.txt": "0.5\n1\n2.5\n",
    "tabs.tsv": "speed\tside\n0.5\tl\n1\tr\n2.5\tl\n",
    "list.json": "[0.5, 1, 2.5]",
    "named.json": json.dumps({"speed": [0.5, 1, 2.5]}),
    "records.json": json.dumps([{"name": "speed", "value": [0.5, None, 2.5]}, {"name": "x", "value": [1, 1, 1]}]),
}


@pytest.mark.parametrize(
    ("name", "second"),
    [("one.csv", 1), ("two.csv:speed", np.nan), ("bare.txt", 1), ("tabs.tsv:speed", 1), ("list.json", 1),
     ("named.json:speed", 1), ("named.json", 1), ("records.json:speed", np.nan), ("values.npy", 1),
     ("table.npy:1", 1)],
)  # fmt: skip
def test_values_of_a_file(name: str, second: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file, text in FILES.items():
        Path(file).write_text(text)
    np.save("values.npy", np.array([0.5, 1, 2.5]))
    np.save("table.npy", np.array([[9, 0.5], [9, 1], [9, 2.5]]))
    found = column(name, 3, none)
    np.testing.assert_array_equal(found.values, [0.5, second, 2.5])
    assert not found.classes
    assert found.name == name.partition(":")[2] or name.partition(".")[0] == found.name


def test_words_are_classes(tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text(FILES["two.csv"])
    found = column(f"{tmp_path}/two.csv:side", 3, none)
    assert found.classes
    assert found.values.tolist() == ["l", "r", "l"]
    with pytest.raises(DataError, match="a word of its own for each"):
        Column.of("file", np.array([f"{number}.png" for number in range(50)]))


@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        ("two.csv", 3, "has 2 columns; name one, as .*two.csv:NAME; these are there: speed, side"),
        ("two.csv:speeds", 3, "has no column 'speeds'; these are there: speed, side"),
        ("one.csv", 4, "holds 3 values, and there are 4 images"),
        ("none.csv", 3, "no such file"),
        ("bad.json", 3, "is no file of values"),
        ("cube.npy", 3, "needs a value for each image"),
        ("short.csv", 2, "not all of its lines have 2 columns"),
        ("speed", 3, "asked for speed"),
    ],
)
def test_values_that_are_not_there(
    name: str, count: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file, text in FILES.items():
        Path(file).write_text(text)
    Path("bad.json").write_text("{")
    Path("short.csv").write_text("a,b\n1,2\n3\n")
    np.save("cube.npy", np.zeros((3, 2, 2)))
    with pytest.raises(DataError, match=words):
        column(name, count, none)
