"""The key of a result: it changes with all that moves a weight, and with nothing else."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from deepcae.data.datasets import write_pairs
from deepcae.errors import SpecError
from deepcae.kernels import choice
from deepcae.paper import experiment as module
from deepcae.paper.experiment import Data, Experiment
from paper.results import write_images

ONE = Experiment("cae1", 2, seed=1, iterations=10)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return write_images(tmp_path / "data")


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, network="cae2"),
        replace(ONE, dims=3),
        replace(ONE, seed=2),
        replace(ONE, iterations=11),
        replace(ONE, settings="base_lr: 0.1"),
        replace(ONE, changes='layer { name: "conv1sig" type: "ReLU" }'),
    ],
    ids=["network", "dims", "seed", "iterations", "settings", "changes"],
)
def test_the_key_changes_with_what_the_experiment_is(data: Data, other: Experiment) -> None:
    assert other.key(data) != ONE.key(data)


def test_the_key_changes_with_data_kernels_and_arithmetic(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ONE.key(data)
    assert ONE.key(write_images(tmp_path / "others", seed=1)) != key
    monkeypatch.setattr(choice, "_preference", ["torch"])
    assert ONE.key(data) != key
    monkeypatch.setattr(choice, "_preference", ["auto"])
    assert ONE.key(data) == key
    monkeypatch.setattr(module, "ARITHMETIC", module.ARITHMETIC + 1)
    assert ONE.key(data) != key


def test_the_key_stays_where_no_weight_moves(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ONE.key(data)
    assert ONE.key(write_images(tmp_path / "elsewhere")) == key
    assert replace(ONE, settings="display: 7 test_interval: 3 snapshot: 2", variant="named").key(data) == key
    monkeypatch.chdir(data.train.parent)
    assert ONE.key(Data(Path("train.txt"), Path("test.txt"), Path("pairs"))) == key


def test_where_training_images_end_is_part_of_the_key(data: Data) -> None:
    folder, keys = data.train.parent, set()
    shutil.copy(folder / "train.h5", folder / "more.h5")
    for train, test in (("train more", "test"), ("train", "more test"), ("train more test", "test"), ("train", "test")):
        for name, files in (("a.txt", train), ("b.txt", test)):
            (folder / name).write_text("\n".join(f"{each}.h5" for each in files.split()))
        keys.add(ONE.key(Data(folder / "a.txt", folder / "b.txt", data.pairs)))
    assert len(keys) == 4
    assert ONE.key(data) in keys


def test_pairs_of_other_images_lie_elsewhere(data: Data, tmp_path: Path) -> None:
    other = write_images(tmp_path / "other", seed=1)
    lists = [Data(each.train, each.test, tmp_path).pair_lists for each in (data, other)]
    assert len({*lists[0], *lists[1]}) == 4


def test_pairs_are_known_by_the_images_they_are_made_of(data: Data) -> None:
    siamese = Experiment("siamese", 2, seed=1, iterations=10)
    key = siamese.key(data)
    write_pairs(data.pair_lists[0].parent, (data.train, data.test))
    assert siamese.key(data) == key


def test_a_change_that_changes_nothing_is_refused(data: Data) -> None:
    with pytest.raises(SpecError, match=r"^cae1-2-seed-1:1:1: layer 'tanh' is not in the network"):
        replace(ONE, changes='layer { name: "tanh" type: "TanH" }').texts(data)


def test_an_experiment_survives_json() -> None:
    one = replace(ONE, changes='layer { name: "a" }', settings="x", variant="v")
    assert Experiment.from_json(one.to_json()) == one
    assert one.name == "cae1-2-v-seed-1"
