"""Values that a person names to colour points by: of a file, read as labels are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deepcae.codes.columns import Column
from deepcae.errors import DataError
from deepcae.report.coloured import column


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
        ("two.csv", 3, "has 2 columns; name one, as two.csv:NAME; these are there: speed, side"),
        ("two.csv:speeds", 3, "has no column 'speeds'; these are there: speed, side"),
        ("one.csv", 5, "holds 3 values, but there are 5 images; give one for each"),
        ("none.csv", 3, "no such file"),
        ("bad.json", 3, "is no JSON that can be read"),
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


def test_of_some_images_the_values_of_these_are_taken(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(10) / 4)
    found = column(str(tmp_path / "a.npy"), 10, none, np.array([1, 7]))
    assert found.values.tolist() == [0.25, 1.75]
