"""What a fit keeps of itself in its folder may be damaged, or anything."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepcae.cli import main
from deepcae.cli.fitkept import Kept
from deepcae.cli.fitting import Fit
from deepcae.errors import DataError
from deepcae.proto.lookup import FIT
from deepcae.solver.lock import Lock

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
    assert (kept.options, kept.lengths, kept.design) == (WHOLE["wishes"], WHOLE["lengths"], WHOLE["design"])


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_one_is_told_and_can_be_given_up(content: Any, tmp_path: Path) -> None:
    (tmp_path / FIT).write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"fit\.json: is damaged .*; take another -o, or --overwrite"):
        Kept(tmp_path, afresh=False)
    assert Kept(tmp_path, afresh=True).options is None


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


def state_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a fit that has stored its images; and other images, other.npy."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    for name, count in (("images", 40), ("other", 30)):
        np.save(f"{name}.npy", rng.random((count, 12, 10)).astype(np.float32))

    def stopped(fit: Fit, *rest: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Fit, "_train", stopped)
        assert main(["fit", "images.npy", "-o", "run", "--dims", "2", "--linear", "-q"]) == 130
    return Path("run")


AGAIN = ["fit", "other.npy", "-o", "run", "--dims", "3", "--linear", "--overwrite", "-q"]


@pytest.mark.parametrize("held", ["fit", "design"])
def test_nothing_is_overwritten_beside_one_that_works_there(
    held: str, begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = Lock(str(begun / held))
    lock.acquire()
    before = state_of(begun)
    assert main(AGAIN) == 1
    assert "another training is writing there" in capsys.readouterr().err
    assert state_of(begun) == before
    lock.release()
    assert not list(begun.glob("*.lock"))


@pytest.mark.parametrize(
    ("text", "told"),
    [("base_lrr: 1", "did you mean 'base_lr'"), ('type: "Adm"', "did you mean 'Adam'"), ("max_iter: -1", "at least 0")],
)
def test_a_typo_costs_nothing_of_what_is_there(
    text: str, told: str, begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state_of(begun)
    assert main([*AGAIN, "--set", text]) == 2
    assert told in capsys.readouterr().err
    assert state_of(begun) == before


def test_a_folder_of_which_nothing_has_come_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "no-such.npy", "-o", "run", "--dims", "3"]) == 2
    assert not Path("run").exists()
