"""What a fit keeps of itself in its folder may be damaged, or anything."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from deepcae.cli.fitkept import Kept
from deepcae.errors import DataError
from deepcae.proto.lookup import FIT

WHOLE: dict[str, Any] = {
    "about": "made by deepcae",
    "wishes": {"paths": ["/a"], "dims": 2, "set": ["max_iter: 4"]},
    "stamps": {"a/1.png": [10, 20]},
    "design": {"linear": True, "race": 0, "set": [], "pca": 1.5, "mean": None},
    "lengths": [{"minutes": None, "set": [], "course": [], "begins": 0, "ends": 4, "held_out_alone": False}],
    "made": {"codes.h5": ["codes.h5"]},
}
DAMAGED: dict[str, Any] = {
    "no object": [1],
    "wishes": {**WHOLE, "wishes": "x"},
    "set of wishes": {**WHOLE, "wishes": {"set": [1]}},
    "stamps": {**WHOLE, "stamps": []},
    "design": {**WHOLE, "design": [1]},
    "race": {**WHOLE, "design": {"linear": None, "race": "x"}},
    "error of PCA": {**WHOLE, "design": {"pca": "x"}},
    "lengths": {**WHOLE, "lengths": [1, 2]},
    "no course": {**WHOLE, "lengths": [{"set": [], "begins": 0, "ends": 4}]},
    "ends": {**WHOLE, "lengths": [{"set": [], "course": [], "begins": 0, "ends": None}]},
    "made": {**WHOLE, "made": ["codes.h5"]},
    "names that are none": {**WHOLE, "made": {"codes.h5": [None]}},
}


def test_a_whole_one_is_read(tmp_path: Path) -> None:
    (tmp_path / FIT).write_text(json.dumps(WHOLE))
    kept = Kept(tmp_path, afresh=False)
    assert (kept.wishes, kept.lengths, kept.design) == (WHOLE["wishes"], WHOLE["lengths"], WHOLE["design"])


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_one_is_told_and_can_be_given_up(content: Any, tmp_path: Path) -> None:
    (tmp_path / FIT).write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"fit\.json: is damaged .*; take another -o, or --overwrite"):
        Kept(tmp_path, afresh=False)
    assert Kept(tmp_path, afresh=True).wishes is None


@pytest.mark.parametrize("kind", ["pipe", "deep", "endless"])
def test_one_that_is_no_such_file_is_told(kind: str, tmp_path: Path) -> None:
    if kind == "pipe":
        os.mkfifo(tmp_path / FIT)
    elif kind == "deep":
        (tmp_path / FIT).write_text("[" * 100_000)
    else:
        (tmp_path / FIT).symlink_to("/dev/zero")
    with pytest.raises(DataError, match="is damaged"):
        Kept(tmp_path, afresh=False)
