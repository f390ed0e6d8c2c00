"""Files of labels: in the order of the images, or by their names; numbers, or words that become classes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from deepcae.errors import DataError
from deepcae.prepare import look
from deepcae.prepare.labels import read_label_file
from deepcae.prepare.options import Options

NAMES = ["x/a.png", "x/b.png", "x/c.png"]
READ: dict[str, tuple[str, str | None, list[float], tuple[str, ...]]] = {
    "a.csv": ("3\n1.5\n2\n", None, [3, 1.5, 2], ()),
    "head.csv": ("speed\n3\n1\n2\n", None, [3, 1, 2], ()),
    "words.csv": ("dog\ncat\ndog\n", None, [1, 0, 1], ("cat", "dog")),
    "named.csv": ("c.png,3\na.png,1\nb.png,2\n", None, [1, 2, 3], ()),
    "paths.csv": ("file;class\nx/b.png;two\nx/a.png;one\nx/c.png;two\n", None, [0, 1, 1], ("one", "two")),
    "columns.csv": ("t,speed,kind\n0,5,a\n1,6,b\n2,7,a\n", "speed", [5, 6, 7], ()),
    "tabs.csv": ("t\tspeed\tkind\n0\t5\ta\n1\t6\tb\n2\t7\ta\n", "kind", [0, 1, 0], ("a", "b")),
    "giant.json": (f"[1, 2, 1{'0' * 400}]", None, [0, 1, 2], ("1", "2", f"1{'0' * 400}")),
    "caffe.txt": ("x/b.png 4\nx/c.png 2\nx/a.png 3\n", None, [3, 4, 2], ()),
    "blanks.txt": ("x/b.png two\n\nx/c.png one\nx/a.png one\n", None, [0, 1, 0], ("one", "two")),
    "more.csv": ("file,class\nx/z.png,9\nx/b.png,4\nx/c.png,2\nx/a.png,3\nx/y.png,9\n", None, [3, 4, 2], ()),
    "more_columns.csv": ("f,k,s\nb.png,u,4\nc.png,v,2\na.png,u,3\nd.png,u,1\n", "s", [3, 4, 2], ()),
    "numbered.csv": ("9,5\n9,6\n9,7\n", "1", [5, 6, 7], ()),
    "truths.json": ("[true, false, true]", None, [1, 0, 1], ()),
    "list.json": ("[1, 2.5, 3]", None, [1, 2.5, 3], ()),
    "names.json": ('{"a.png": "u", "x/b.png": "v", "c.png": "u", "other": "w"}', None, [0, 1, 0], ("u", "v")),
    "column.json": ('{"speed": [4, 5, 6]}', None, [4, 5, 6], ()),
    "columns.json": ('{"speed": [4, 5, 6], "place": [1, 2, 3]}', "place", [1, 2, 3], ()),
    "named.json": (
        '[{"name": "speed", "value": [4, 5, 6]}, {"name": "place", "value": [1, 2, 3]}]',
        "place",
        [1, 2, 3],
        (),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_labels_are_read(name: str, tmp_path: Path) -> None:
    text, column, expected, classes = READ[name]
    (tmp_path / name).write_text(text)
    labels, found = read_label_file(Options(labels=tmp_path / name, label_column=column), NAMES)
    assert (labels.tolist(), found) == (expected, classes)


def test_arrays_of_labels_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([2, 0, 1]))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["label"] = np.array([[2.5], [0], [1]])
    np.save(tmp_path / "words.npy", np.array(["dog", "cat", "dog"]))
    for name, expected in (("a.npy", [2, 0, 1]), ("a.h5", [2.5, 0, 1]), ("words.npy", [1, 0, 1])):
        assert read_label_file(Options(labels=tmp_path / name), NAMES)[0].tolist() == expected
    with h5py.File(tmp_path / "both.h5", "w") as file:
        file["data"], file["label"], file["speed"] = np.zeros((3, 4)), [2, 0, 1], [0.5, 1.5, 2.5]
    asked = Options(labels=tmp_path / "both.h5", label_column="speed")
    assert read_label_file(asked, NAMES)[0].tolist() == [0.5, 1.5, 2.5]
    with pytest.raises(DataError, match="has no array 'sped'; these are there: data, label, speed"):
        read_label_file(Options(labels=tmp_path / "both.h5", label_column="sped"), NAMES)
    np.save(tmp_path / "two.npy", np.array([[2, 5], [0, 6], [1, 7]]))
    assert read_label_file(Options(labels=tmp_path / "two.npy"), NAMES)[0].shape == (3, 2)
    assert read_label_file(Options(labels=tmp_path / "two.npy", label_column="1"), NAMES)[0].tolist() == [5, 6, 7]


REFUSED = {
    "a.csv": ("1\n2\n", None, "holds 2 values, but there are 3 images"),
    "b.csv": ("", None, "is empty"),
    "c.csv": ("a.png,1\nb.png,2\nd.png,3\n", None, "has no label for 'x/c.png'"),
    "d.csv": (
        "t,u,v\n1,2,3\n1,2,3\n1,2,3\n",
        None,
        "has 3 columns; name one, as --label-column NAME; these are there: t, u, v",
    ),
    "e.csv": ("t,u\n1,2\n1,2\n1,2\n", "w", "has no column 'w'; these are there: t, u"),
    "f.csv": ("\x00\xff", None, "holds"),
    "g.csv": ("a,b\n1,2\n3\n4,5\n", "a", "not all of its lines have 2 columns"),
    "h.csv": ("1,5\n2,6\n3,7\n", None, "has 2 columns; name one"),
    "i.csv": ("a.png,\nb.png,u\nc.png,v\n", None, r"has no value for image 0 \(x/a.png\)"),
    "h.json": ('[{"u": 1}, {"u": 2}, {"u": 3}]', None, "must be {name, value} each"),
    "a.json": ("{", None, "is no JSON"),
    "b.json": ("[1, 2]", None, "holds 2 values"),
    "c.json": ('{"u": [1], "v": [2]}', None, "has 2 columns; name one, as --label-column NAME; these are there: u, v"),
    "d.json": ("3", None, "must hold a list of values"),
    "e.json": ("[1, [2], 3]", None, "something else than one value"),
    "f.json": ('{"u": [1, 2, 3], "v": [2]}', "w", "has no column 'w'; these are there: u, v"),
    "g.json": (json.dumps([1, None, 2]), None, r"has no value for image 1 \(x/b.png\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_told(name: str, tmp_path: Path) -> None:
    text, column, message = REFUSED[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_label_file(Options(labels=tmp_path / name, label_column=column), NAMES)


def test_bytes_that_are_no_text_and_missing_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no text in UTF-8"):
        read_label_file(Options(labels=tmp_path / "a.csv"), NAMES)
    with pytest.raises(DataError, match="no such file"):
        read_label_file(Options(labels=tmp_path / "b.csv"), NAMES)


@pytest.mark.parametrize("ending", ["csv", "txt", "json", "npy"])
def test_a_pipe_of_labels_is_not_waited_for(ending: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"a.{ending}")
    with pytest.raises(DataError, match="is a pipe"):
        read_label_file(Options(labels=tmp_path / f"a.{ending}"), NAMES)


def test_a_class_begins_no_line_of_its_own_and_steers_no_terminal(tmp_path: Path) -> None:
    for name in ("\x1b[31mred", "blue\nsecond"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(10):
            pixels = np.full((8, 8), 20 * number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    (told,) = (
        line for line in look([tmp_path / "pictures"], Options()).understood.lines() if line.startswith("labels")
    )
    assert "\\x1b[31mred, blue\\nsecond" in told
