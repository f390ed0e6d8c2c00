"""`zoo design --neighbours`: a loss that keeps neighbours in the text, and what it does to a code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepcae import Solver, zoo
from deepcae.check.findings import examine
from deepcae.cli import main
from deepcae.data import open_rows
from deepcae.errors import SpecError
from deepcae.net.roles import roles_of
from deepcae.proto.read import read_net, read_solver_text
from deepcae.proto.text import to_text
from deepcae.solver.records import Test
from deepcae.zoo.design import design
from deepcae.zoo.designed import DesignedModel, build_design, default_batch
from zoo.test_linear import error_of_pca, images, store


def built(
    folder: Path,
    neighbours: float,
    count: int = 80,
    batch: int | None = None,
    linear: bool | None = None,
    tests: int = 40,
) -> DesignedModel:
    train, test = images(count, (1, 12, 12)), images(tests, (1, 12, 12), seed=1)
    lists = store(folder, train, test)
    return build_design(
        (1, 12, 12), 2, *lists, folder=folder, neighbours=neighbours, batch=batch, width=0.5,
        linear=linear,
    )  # fmt: skip


def test_the_text_has_the_loss_in_units_of_what_pca_leaves(tmp_path: Path) -> None:
    model = built(tmp_path, 0.5)
    path = zoo.write(model, tmp_path)[0]
    assert (examine(path).problems, examine(path).warnings) == ([], [])
    document = read_net(path)
    last = document.message.layer[-1]
    assert (last.type, list(last.bottom), last.neighbour_loss_param.perplexity) == (
        "NeighbourLoss",
        ["code", "data"],
        3,
    )
    train = images(80, (1, 12, 12))
    assert last.loss_weight[0] == pytest.approx(0.5 * error_of_pca(train, train, 2), rel=1e-2)
    plan = Solver(str(tmp_path / "solver.prototxt"), overrides="snapshot_best: false").net.plan
    roles = roles_of(plan)
    assert (roles.images, roles.code, roles.restored, roles.labels) == ("data", "code", "restored", None)
    without = built(tmp_path, 0.0).net_text
    assert "neighbour" not in without
    del document.message.layer[-1]
    zoo.write(built(tmp_path, 0.0, linear=False), tmp_path)
    plainer = read_net(path).message
    tested = plainer.layer[1].hdf5_data_param
    assert tested.batch_size < 40, "batches that tell of chance; neighbours are looked for in larger ones"
    tested.batch_size = document.message.layer[1].hdf5_data_param.batch_size
    assert to_text(document.message) == to_text(plainer), "else it is the design without a linear way"


def test_beside_a_linear_way_the_code_may_leave_that_of_pca(tmp_path: Path) -> None:
    model = built(tmp_path, 0.5, linear=True)
    assert model.starts_as_pca
    assert 'type: "NeighbourLoss"' in model.net_text
    assert "lr_mult: 0.1" in built(tmp_path, 0.0, linear=True).net_text
    assert "lr_mult: 0.1" not in model.net_text


def test_neighbours_are_looked_for_in_large_batches_of_large_sets() -> None:
    plan, large = design((1, 28, 28), 2), design((3, 200, 200), 2)
    assert [default_batch(plan, count, 1.0) for count in (None, 2499, 2500, 60_000)] == [100, 100, 250, 250]
    assert (default_batch(plan, 60_000), default_batch(large, 60_000, 1.0)) == (100, large.batch)


def test_it_learns_at_the_whole_rate(tmp_path: Path) -> None:
    rates = [read_solver_text(built(tmp_path, each).solver_text).message.base_lr for each in (0.5, 0.0)]
    assert rates[0] == rates[1] > 0


def test_training_lowers_it(tmp_path: Path) -> None:
    zoo.write(built(tmp_path, 2.0), tmp_path)
    solver = Solver(
        str(tmp_path / "solver.prototxt"),
        overrides="max_iter: 60 test_interval: 60 random_seed: 1 snapshot_after_train: false snapshot_best: false",
    )
    first, last = (each.outputs for each in solver.solve() if isinstance(each, Test))
    assert last["neighbour_loss"] < 0.8 * first["neighbour_loss"]  # type: ignore[operator]


def test_small_batches_get_a_smaller_perplexity_and_tiny_ones_are_refused(tmp_path: Path) -> None:
    assert "perplexity: 2.5 }" in built(tmp_path, 1.0, batch=6, tests=36).net_text
    with pytest.raises(SpecError, match="a batch of 5 is too small to look for neighbours in; give --batch"):
        built(tmp_path, 1.0, batch=5)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_that_are_none_are_refused(weight: float) -> None:
    with pytest.raises(SpecError, match="must be a weight of at least 0"):
        build_design((1, 12, 12), 2, images=open_rows(np.zeros((40, 1, 12, 12), np.float32)), neighbours=weight)


def test_the_command_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = map(str, store(tmp_path, images(60, (1, 12, 12)), images(40, (1, 12, 12), seed=1)))
    words = ["zoo", "design", "--dims", "2", "--data", *lists, "-o", str(tmp_path / "m"), "--neighbours", "1"]
    assert main(words) == 0
    assert 'type: "NeighbourLoss"' in (tmp_path / "m" / "net.prototxt").read_text()
    capsys.readouterr()
    assert main([*words, "--plain"]) == 2
    assert "neighbours are kept by the design, not by the paper's" in capsys.readouterr().err
    assert main(["zoo", "cae2", "--neighbours", "1", "-o", str(tmp_path / "c")]) == 2
    assert "--neighbours and --set are for design" in capsys.readouterr().err
