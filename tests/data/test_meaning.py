"""Labels stand for words, where the file says so; what it says is never trusted further than that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deepcae.data.contents import contents_of
from deepcae.data.meaning import Meaning, meaning_of, put_meaning

NAMED = Meaning("kind of cell", ("no cell", "cell", "Purkinje, großer"))


def write(path: Path, meaning: Meaning, **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((4, 1, 2, 2), np.float32)
        file["label"] = np.arange(4, dtype=np.float32) % 3
        put_meaning(file["label"], meaning)
        file["label"].attrs.update(attributes)
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", NAMED)
    assert meaning_of(path, "label") == NAMED
    assert meaning_of(path, "data") == meaning_of(path, "other") == Meaning()
    assert NAMED.words(np.array([2, 0])).tolist() == ["Purkinje, großer", "no cell"]


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [0.5, 1.0], []], ids=["beyond", "below", "fractions", "none"])
def test_numbers_without_a_word_stay_numbers(labels: list[float]) -> None:
    given = np.array(labels)
    assert NAMED.words(given) is given


def test_a_list_of_files_that_disagree_has_no_words(tmp_path: Path) -> None:
    names = [write(tmp_path / "a.h5", NAMED).name, write(tmp_path / "b.h5", NAMED).name]
    (listed := tmp_path / "all.txt").write_text("\n".join(names) + "\n")
    assert contents_of(listed).meaning("label") == NAMED
    write(tmp_path / "b.h5", Meaning("", ("cell", "no cell")))
    assert contents_of(listed).meaning("label") == Meaning()


@pytest.mark.parametrize(
    "attributes",
    [{"classes": b"[1, 2]"}, {"classes": b"[\"a\""}, {"classes": "text of any length"}, {"classes": np.arange(3)},
     {"classes": np.array([b"a", b"b"])}, {"classes": b"\xff\xfe"}],
)  # fmt: skip
def test_what_somebody_else_calls_classes_is_left_alone(attributes: dict[str, Any], tmp_path: Path) -> None:
    assert meaning_of(write(tmp_path / "a.h5", Meaning(), **attributes), "label") == Meaning()


def test_very_many_classes_stay_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", Meaning("x" * 999, tuple(f"class {number}" for number in range(9999))))
    assert meaning_of(path, "label") == Meaning("x" * 200)
