"""What a script may do with a solver: step, look, interfere, save and go on."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import deepcae.pycaffe as caffe
from deepcae.errors import DeepcaeError, Incomplete, SnapshotError
from deepcae.solver.kept import find_best
from deepcae.solver.records import Test
from deepcae.solver.solver import Solver

NET = """
layer { name: "data" type: "HDF5Data" top: "x" top: "t" include { phase: TRAIN }
  hdf5_data_param { source: "train.txt" batch_size: 4 } }
layer { name: "data" type: "HDF5Data" top: "x" top: "t" include { phase: TEST }
  hdf5_data_param { source: "test.txt" batch_size: 5 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" }
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.1 lr_policy: "step" gamma: 0.5 stepsize: 10 momentum: 0.9 weight_decay: 0.01
max_iter: 7 snapshot_prefix: "snaps/s" random_seed: 3 display: 2
"""
TESTED = "test_iter: 2 test_interval: 3"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, rows in (("train", 12), ("test", 10)):
        with h5py.File(f"{name}.h5", "w") as file:
            file["x"] = rng.standard_normal((rows, 3)).astype(np.float32)
            file["t"] = rng.standard_normal((rows, 2)).astype(np.float32)
        Path(f"{name}.txt").write_text(f"{name}.h5\n")
    Path("net.prototxt").write_text(NET)
    caffe.init_log(2)
    yield
    caffe.init_log(0)


def make(kind: str = "SGDSolver", text: str = SOLVER) -> Any:
    Path("solver.prototxt").write_text(text)
    return getattr(caffe, kind)("solver.prototxt")


def test_an_iteration_lies_open_afterwards() -> None:
    solver = make()
    weights = solver.net.params["ip"][0].data
    before = weights.copy()
    solver.step(1)
    x, t = solver.net.blobs["x"].data, solver.net.blobs["t"].data
    with h5py.File("train.h5") as file:
        np.testing.assert_array_equal(x, file["x"][:4])
    gradient = (solver.net.blobs["ip"].data - t) / 4
    np.testing.assert_allclose(solver.net.blobs["ip"].diff, gradient, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(solver.net.blobs["loss"].data, 8 * (gradient**2).sum() / 4, rtol=1e-5, atol=1e-7)
    update = 0.1 * (gradient.T @ x + 0.01 * before)
    np.testing.assert_allclose(solver.net.params["ip"][0].diff, update, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(weights, before - update, rtol=1e-4, atol=1e-7)
    assert solver.iter == 1


def test_a_test_net_reads_its_data_and_shares_the_weights() -> None:
    solver = make(text=SOLVER + TESTED)
    (test_net,) = solver.test_nets
    out = test_net.forward()
    with h5py.File("test.h5") as file:
        x, t = file["x"][:5], file["t"][:5]
    for _ in range(2):
        ip = solver.net.params["ip"]
        wanted = ((x @ ip[0].data.T + ip[1].data - t) ** 2).sum() / 10
        np.testing.assert_allclose(out["loss"], wanted, rtol=1e-4)
        assert np.shares_memory(ip[0].data, test_net.params["ip"][0].data)
        assert not np.shares_memory(ip[0].diff, test_net.params["ip"][0].diff)
        solver.step(1)
        while test_net._sources.position % 2:  # back to the first of two batches
            test_net.forward()
        out = test_net.forward()


def test_a_script_may_make_its_own_iteration() -> None:
    """forward, backward and apply_update by hand are step(1)."""
    by_hand, stepped = make(), make()
    for _ in range(4):
        by_hand.net.clear_param_diffs()
        by_hand.net.forward()
        by_hand.net.backward()
        by_hand.apply_update()
        stepped.step(1)
    assert by_hand.iter == stepped.iter == 4
    np.testing.assert_array_equal(by_hand.net.params["ip"][0].data, stepped.net.params["ip"][0].data)


def test_diffs_that_a_script_writes_move_the_weights() -> None:
    solver = make(text=SOLVER.replace("weight_decay: 0.01", ""))
    before = solver.net.params["ip"][1].data.copy()
    solver.net.params["ip"][1].diff[...] = [1, -2]
    solver.apply_update()
    np.testing.assert_allclose(solver.net.params["ip"][1].data, before - [0.1, -0.2], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(solver.net.params["ip"][1].diff, [0.1, -0.2], rtol=1e-6, atol=1e-7)


def test_callbacks_come_in_their_places() -> None:
    solver = make(text=SOLVER + "iter_size: 2")
    seen: list[str] = []
    solver.net.before_forward(lambda i: seen.append("forward") if i == 0 else None)
    solver.net.after_backward(lambda i: seen.append("backward") if i == 0 else None)

    def ready() -> None:
        seen.append(f"ready {solver.iter}")
        solver.net.params["ip"][0].diff[...] = 0
        solver.net.params["ip"][1].diff[...] = 0

    solver.add_callback(lambda: seen.append(f"start {solver.iter}"), ready)
    solver.param.weight_decay = 0
    before = solver.net.params["ip"][0].data.copy()
    solver.step(2)
    one = ["forward", "backward"] * 2
    assert seen == ["start 0", *one, "ready 0", "start 1", *one, "ready 1"]
    np.testing.assert_array_equal(solver.net.params["ip"][0].data, before)


def test_settings_count_at_once() -> None:
    solver = make()
    assert solver.lr == np.float32(0.1)
    solver.param.base_lr = 0.02
    assert solver.lr == np.float32(0.02)
    solver.step(10)
    assert solver.lr == np.float32(0.01)
    solver.param.max_iter = 12
    solver.param.layer_wise_reduce = False
    solver.solve()
    assert solver.iter == 12


def test_solve_ends_with_a_snapshot_and_the_last_lines(capfd: pytest.CaptureFixture[str]) -> None:
    caffe.init_log(0)
    solver = make(text=SOLVER.replace("max_iter: 7", "max_iter: 6") + TESTED)
    solver.solve()
    assert {path.name for path in Path("snaps").iterdir()} >= {"s_iter_6.caffemodel", "s_iter_6.solverstate"}
    lines = [line.split("] ", 1)[1] for line in capfd.readouterr().err.splitlines()]
    assert [line for line in lines if "Testing" in line] == [f"Iteration {n}, Testing net (#0)" for n in (0, 3, 6)]
    assert any(line.startswith("Iteration 6, loss = ") for line in lines)


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_a_restored_training_goes_on_as_if_nothing_had_been(form: str) -> None:
    text = SOLVER + f"snapshot: 4 snapshot_format: {form}"
    whole = make(text=text)
    whole.step(6)
    ending = ".h5" if form == "HDF5" else ""
    resumed = make(text=text)
    resumed.restore(f"snaps/s_iter_4.solverstate{ending}")
    assert resumed.iter == 4
    resumed.step(2)
    np.testing.assert_array_equal(resumed.net.params["ip"][0].data, whole.net.params["ip"][0].data)
    np.testing.assert_array_equal(resumed.net.blobs["x"].data, whole.net.blobs["x"].data)
    third = make(text=text)
    third.solve(f"snaps/s_iter_4.solverstate{ending}")
    assert third.iter == 7


def test_another_net_may_share_the_weights() -> None:
    solver = make()
    net = caffe.Net("net.prototxt", caffe.TEST)
    solver.share_weights(net)
    solver.step(1)
    np.testing.assert_array_equal(net.params["ip"][0].data, solver.net.params["ip"][0].data)


@pytest.mark.parametrize("kind", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "Muon"])
def test_the_type_is_the_class_or_the_texts(kind: str) -> None:
    text = f'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" type: "{kind}" max_iter: 9'
    if kind in ("AdaDelta", "Adam", "Muon"):
        text += " momentum: 0.9"
    Path("solver.prototxt").write_text(text)
    solver = caffe.get_solver("solver.prototxt")
    assert type(solver) is getattr(caffe, f"{kind}Solver")
    solver.step(2)
    assert type(caffe.SGDSolver("solver.prototxt")) is caffe.SGDSolver
    assert caffe.SGDSolver("solver.prototxt").param.type == "SGD"


def test_a_loss_that_is_not_finite_ends_nothing() -> None:
    solver = make()
    solver.net.params["ip"][0].data[...] = np.nan
    solver.step(2)
    assert np.isnan(solver.net.blobs["loss"].data)


def test_weights_that_the_net_takes_over_are_trained() -> None:
    solver, other = make(), caffe.Net("net.prototxt", caffe.TRAIN)
    solver.step(1)
    solver.net.share_with(other)
    before = other.params["ip"][0].data.copy()
    solver.step(1)
    assert not np.array_equal(other.params["ip"][0].data, before)
    np.testing.assert_array_equal(solver.net.params["ip"][0].data, other.params["ip"][0].data)


def test_arrays_of_a_memory_layer_train() -> None:
    text = NET[NET.index('layer { name: "ip"') :].replace("num_output: 2", "num_output: 1")
    memory = """layer { name: "m" type: "MemoryData" top: "x" top: "t"
      memory_data_param { batch_size: 2 channels: 3 height: 1 width: 1 } }"""
    Path("net.prototxt").write_text(memory + text)
    solver = make()
    with pytest.raises(DeepcaeError, match="set_input_arrays"):
        solver.step(1)
    rows = np.random.default_rng(0).standard_normal((4, 3, 1, 1)).astype(np.float32)
    solver.net.set_input_arrays(rows, rows[:, 0, 0, 0].copy())
    losses = []
    for _ in range(100):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    assert losses[-1] < losses[0] / 5


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: caffe.SGDSolver("none.prototxt"), RuntimeError, "Could not open file none.prototxt"),
        (lambda: caffe.get_solver("none.prototxt"), RuntimeError, "Could not open file none.prototxt"),
        (lambda: make().restore("none.solverstate"), RuntimeError, "Could not open file none.solverstate"),
        (lambda: make(text=SOLVER + "net_param { }"), DeepcaeError, "solver.prototxt:"),
        (lambda: make("AdaGradSolver"), DeepcaeError, "AdaGrad has none"),
        (lambda: make(text='base_lr: 1 lr_policy: "fixed" net: "gone.prototxt"'), DeepcaeError, "gone.prototxt"),
    ],
)
def test_mistakes_are_exceptions(call: Any, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        call()


def test_a_full_disk_ends_no_training(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    solver, replace = make(text=SOLVER + "snapshot: 2"), os.replace

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    caffe.init_log(1)
    monkeypatch.setattr(os, "replace", full)
    solver.step(4)
    warned = capsys.readouterr().err.splitlines()
    assert len(warned) == 2
    assert "Iteration 4: snaps/s_iter_4.caffemodel: the snapshot cannot be written: No space left" in warned[1]
    with pytest.raises(SnapshotError, match="s_iter_4"):
        solver.snapshot()  # asked for by name
    with pytest.raises(Incomplete, match=r"^snaps/s_iter_7\.caffemodel: the snapshot cannot be written: No space left"):
        solver.solve()
    assert solver.iter == 7
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(
        Incomplete, match=r"^snaps/s_iter_6\.caffemodel: .*\nsnaps/s_iter_2 … .*_4: 2 snapshots are missing"
    ):
        solver.solve()  # what could not be written is missing still
    assert Path("snaps/s_iter_7.ok.json").exists()


def test_a_log_that_nobody_takes_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    caffe.init_log(0)
    solver = make()
    monkeypatch.setattr(sys, "stderr", _Full())
    solver.solve()
    assert solver.iter == 7
    with pytest.raises(OSError, match="No space"):
        print("the test shows something", file=sys.stderr)


class _Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_best_test_is_kept_for_a_script_as_for_the_command() -> None:
    """A script's own training: the same file, of the same iteration, with the weights that were tested."""
    text = SOLVER.replace("max_iter: 7", "max_iter: 12") + "test_iter: 2 test_interval: 2 snapshot_best: true"
    solver = make(text=text)
    solver.solve()
    found = find_best("snaps/s")
    tests = [record for record in Solver("solver.prototxt", out="run").solve() if isinstance(record, Test)]
    least = min(tests, key=lambda test: test.loss)
    assert found is not None
    assert found.iteration == least.iteration
    assert found.loss == pytest.approx(least.loss, rel=1e-6)
    again = make(text=text)
    again.restore("snaps/s_best.solverstate")
    assert again.iter == found.iteration
    losses = [float(again.test_nets[0].forward()["loss"]) for _ in range(2)]
    assert np.mean(losses) == pytest.approx(found.loss, rel=1e-6)


def test_a_script_is_told_of_overfitting(capfd: pytest.CaptureFixture[str]) -> None:
    """Four rows are fitted by heart."""
    caffe.init_log(0)
    with h5py.File("train.h5", "r+") as file:
        for name in ("x", "t"):
            rows = file[name][:4]
            del file[name]
            file[name] = 3 * rows
    text = SOLVER.replace("max_iter: 7", "max_iter: 120").replace("weight_decay: 0.01", "").replace("0.1 lr", "0.02 lr")
    make(text=text.replace('"step" gamma: 0.5 stepsize: 10', '"fixed"') + "test_iter: 2 test_interval: 4").solve()
    assert "overfitting: the test loss was best at iteration" in capfd.readouterr().err
