"""Trainings that go on from the files of real Caffe, and of the 2015 fork, and end where those ended."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from deepcae.net.blobs import array_of
from deepcae.net.hdf5 import read_state as read_hdf5_state
from deepcae.net.weights import load_weights
from deepcae.proto.binary import read_state, read_weights
from deepcae.solver.log import log_lines, plain_lines
from deepcae.solver.records import Finished, Step, Warned
from deepcae.solver.solver import Solver
from reference import reference_dir

FORK = ["sgd", "nesterov", "sgd_iter_size"]
NUMBERS = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of Caffe's run, to be run from the folder above it, as its texts want."""
    shutil.copytree(reference_dir("files", "ae"), tmp_path / "ae")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _same(got: Any, wanted: np.ndarray, what: str) -> None:
    tolerance = 1e-4 * float(np.abs(wanted).max()) + 1e-6
    np.testing.assert_allclose(np.asarray(got).reshape(wanted.shape), wanted, rtol=0, atol=tolerance, err_msg=what)


def test_caffes_state_resumes_as_in_caffe(folder: Path) -> None:
    """A bare state: the data begin anew, and that is told. The end is that of Caffe's own resumed run."""
    solver = Solver("ae/solver.prototxt", snapshot="ae/ae_iter_10.solverstate", overrides='snapshot_prefix: "ae/ours"')
    records = list(solver.solve())
    assert any(isinstance(record, Warned) and "no manifest" in record.message for record in records)
    expected = dict(np.load("ae/expected.npz"))
    for j, name in enumerate(map(str, expected["param_names"])):
        layer, index = name.split("/")
        _same(solver.net.params[layer][int(index)].detach().numpy(), expected[f"resumed_param_{j}"], name)
    wanted = _training_lines(Path("ae/caffe_resume.log").read_text())
    _same_lines([line for record in records for line in log_lines(record)], wanted)


def test_a_state_with_its_data_position_goes_on_as_if_unbroken(folder: Path) -> None:
    solver = Solver("ae/solver.prototxt", snapshot="ae/ae_iter_10.solverstate")
    solver.state.train.position, solver.state.tests[0].position = 10, 4
    steps = [record for record in solver.step(10) if isinstance(record, Step)]
    losses = dict(re.findall(r"Iteration (\d+) .*\n.* cross_entropy = (\S+)", Path("ae/caffe_train.log").read_text()))
    for step in (steps[0], steps[5]):
        assert step.outputs["cross_entropy"] == pytest.approx(float(losses[str(step.iteration)]), rel=1e-4)
    state = read_state("ae/ae_iter_20.solverstate")
    for j, blob in enumerate(solver.state.updater.history):
        _same(blob.numpy(), array_of(state.history[j]), f"history {j}")


def test_our_files_are_what_caffe_writes(folder: Path) -> None:
    """Names, layers with Splits, phases, blobs, state: as in the files of Caffe's run with the same solver."""
    for theirs in Path("ae").glob("ae_iter_20.*"):
        theirs.rename(f"ae/caffes_20{theirs.suffix}")
    list(Solver("ae/solver.prototxt", snapshot="ae/ae_iter_10.solverstate").solve())
    ours, theirs_net = read_weights("ae/ae_iter_20.caffemodel"), read_weights("ae/caffes_20.caffemodel")
    for mine, its in zip(ours.layer, theirs_net.layer, strict=True):
        assert [list(blob.shape.dim) for blob in mine.blobs] == [list(blob.shape.dim) for blob in its.blobs]
        for layer in (mine, its):
            layer.ClearField("blobs")
        assert mine == its
    state, its_state = read_state("ae/ae_iter_20.solverstate"), read_state("ae/caffes_20.solverstate")
    assert state.learned_net == "ae/ae_iter_20.caffemodel"
    for field in ("iter", "learned_net", "current_step"):
        assert getattr(state, field) == getattr(its_state, field)
    assert [list(blob.shape.dim) for blob in state.history] == [list(blob.shape.dim) for blob in its_state.history]


def _layout(path: str) -> dict[str, Any]:
    """Every group and dataset of an HDF5 file: its name, type, shape, and how it is laid out."""
    found: dict[str, Any] = {}

    def add(name: str, item: Any) -> None:
        found[name] = None
        if isinstance(item, h5py.Dataset):
            kind = item.id.get_type()
            text = (kind.get_strpad(), kind.get_cset()) if item.dtype.kind == "S" else None
            found[name] = item.shape, item.dtype, text, item.chunks, item.id.get_create_plist().get_layout()

    with h5py.File(path) as file:
        file.visititems(add)
    return found


def test_our_hdf5_files_are_what_caffe_writes(folder: Path) -> None:
    """Groups, datasets, types and values, with the lines of Caffe's log, as in its run with the same solver."""
    for part in ("caffemodel.h5", "solverstate.h5"):
        Path(f"ae/aeh_iter_20.{part}").rename(f"ae/caffes.{part}")
    solver = Solver("ae/solver_hdf5.prototxt", snapshot="ae/aeh_iter_10.solverstate.h5")
    solver.state.train.position, solver.state.tests[0].position = 10, 4
    records = list(solver.solve())
    assert any(isinstance(record, Warned) and "no manifest" in record.message for record in records)
    for part in ("caffemodel.h5", "solverstate.h5"):
        ours, caffes = f"ae/aeh_iter_20.{part}", f"ae/caffes.{part}"
        assert _layout(ours) == _layout(caffes)
        assert Path(ours).read_bytes()[:24] == Path(caffes).read_bytes()[:24]  # the same version of the format
        with h5py.File(ours) as mine, h5py.File(caffes) as its:
            for name, about in _layout(ours).items():
                if about is not None and about[1] == np.float32:
                    _same(mine[name][()], its[name][()], name)
                elif about is not None:
                    assert mine[name][()] == its[name][()]
    expected = dict(np.load("ae/expected.npz"))
    assert sorted(_layout("ae/aeh_iter_20.caffemodel.h5")) == sorted(map(str, expected["hdf5_model_items"]))
    for j, name in enumerate(map(str, expected["param_names"])):
        layer, index = name.split("/")
        _same(solver.net.params[layer][int(index)].detach().numpy(), expected[f"hdf5_param_{j}"], name)
    said = [line.split(" ")[-6:] for record in records for line in log_lines(record) if "Snapshotting" in line]
    log = Path("ae/caffe_train_hdf5.log").read_text().splitlines()
    assert said == [line.split(" ")[-6:] for line in log if "Snapshotting" in line][-2:]


def test_caffes_two_formats_hold_the_same_state(folder: Path) -> None:
    expected = dict(np.load("ae/expected.npz"))
    for iteration in (10, 20):
        state = read_hdf5_state(Path(f"ae/aeh_iter_{iteration}.solverstate.h5"))
        assert (state.iter, state.current_step) == (iteration, expected[f"state{iteration}_current_step"])
        assert state.learned_net == f"ae/aeh_iter_{iteration}.caffemodel.h5"
        for j, blob in enumerate(state.history):
            wanted = expected[f"state{iteration}_history_{j}"]
            np.testing.assert_allclose(array_of(blob), wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
            assert array_of(blob).shape == wanted.shape


@pytest.mark.parametrize("name", FORK)
def test_training_follows_the_fork(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fork divides by iter_size after it has added the decay: a decay of 1/iter_size gives its run here."""
    shutil.copytree(reference_dir("unpooling", "training", name), tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    expected = dict(np.load("expected.npz"))
    solver = Solver("solver.prototxt", overrides='snapshot_prefix: "ours"')
    solver.param.weight_decay /= solver.param.iter_size
    final = len(expected["displayed_iter"]) - 1
    by_name = {blob.name: blob.tensor for blob in solver.net.learnable}
    for j, param in enumerate(map(str, expected["param_names"])):
        with torch.no_grad():
            by_name[param].copy_(torch.from_numpy(expected[f"param_{j}_initial"]).reshape(by_name[param].shape))
    records = list(solver.solve())
    steps = [record for record in records if isinstance(record, Step)]
    np.testing.assert_allclose([s.loss for s in steps], expected["displayed_loss"][:final], rtol=1e-4)
    np.testing.assert_allclose([s.lr for s in steps], expected["displayed_lr"][:final], rtol=1e-5)
    models = [i for i, file in enumerate(map(str, expected["files"])) if re.match(r"ae_iter_\d+\.caffemodel", file)]
    index = models[-1]
    for j, param in enumerate(map(str, expected["param_names"])):
        _same(by_name[param].detach().numpy(), expected[f"file{index}_param_{j}"], param)
        _same(solver.state.updater.history[j].numpy(), expected[f"file{index + 1}_history_{j}"], f"history of {param}")


def test_the_forks_state_with_blobs_of_four_axes_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(reference_dir("unpooling", "training", "sgd"), tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    solver = Solver("solver.prototxt", snapshot="ae_iter_12.solverstate")
    expected = dict(np.load("expected.npz"))
    assert (solver.iteration, solver.state.current_step) == (12, 1)
    for j in range(len(expected["param_names"])):
        _same(solver.state.updater.history[j].numpy(), expected[f"file1_history_{j}"], str(j))
    solver.state.train.position = 12
    losses = [record.loss for record in solver.step(12) if isinstance(record, Step)]
    np.testing.assert_allclose(losses, expected["displayed_loss"][12:24], rtol=1e-4)


def test_a_caffe_model_is_where_training_starts(folder: Path) -> None:
    solver = Solver("ae/solver.prototxt", weights="ae/ae_iter_10.caffemodel")
    fresh = Solver("ae/solver.prototxt")
    report = load_weights(fresh.net, "ae/ae_iter_10.caffemodel")
    assert report.matched
    for mine, its in zip(solver.net.learnable, fresh.net.learnable, strict=True):
        assert torch.equal(mine.tensor, its.tensor)
    assert solver.iteration == 0


def test_the_solver_texts_weights_are_loaded_and_overridden(folder: Path) -> None:
    text = 'weights: "ae/ae_iter_10.caffemodel,ae/ae_iter_20.caffemodel"'
    last, other = Solver("ae/solver.prototxt", overrides=text), Solver("ae/solver.prototxt", overrides=text, weights=[])
    at_20 = Solver("ae/solver.prototxt", weights="ae/ae_iter_20.caffemodel")
    assert torch.equal(last.net.params["fc1"][0], at_20.net.params["fc1"][0])
    assert not torch.equal(other.net.params["fc1"][0], at_20.net.params["fc1"][0])


def test_layers_that_only_a_test_net_has_are_loaded_too(folder: Path) -> None:
    net = Path("ae/net.prototxt").read_text().replace('name: "fc2"', 'name: "fc2" include { phase: TRAIN }')
    twin = re.search(r'layer \{\s+name: "fc2".*?\n\}\n', net, re.DOTALL)
    assert twin is not None
    tested = twin[0].replace('"fc2" include { phase: TRAIN }', '"fc2t" include { phase: TEST }')
    Path("ae/net.prototxt").write_text(net.replace(twin[0], twin[0] + tested))
    model = read_weights("ae/ae_iter_10.caffemodel")
    layer = next(layer for layer in model.layer if layer.name == "fc2")
    layer.name = "fc2t"
    Path("mine.caffemodel").write_bytes(model.SerializeToString())
    solver = Solver("ae/solver.prototxt", weights="mine.caffemodel")
    loaded = solver.test_nets[0].params["fc2t"][0].detach().numpy()
    _same(loaded, array_of(layer.blobs[0]), "fc2t")


THREADS = "threads to the end: results depend on their number"  # a line of ours, among Caffe's


def _training_lines(log: str) -> list[str]:
    """What Caffe tells from the start of the training on, less what its nets tell of themselves."""
    lines = log[log.index("Resuming from") :].splitlines()
    texts = ["x] Resuming from" + lines[0].removeprefix("Resuming from"), *lines[1:]]
    return [line for line in texts if not re.search(r"net\.cpp|restoring history", line)]


def _same_lines(ours: list[str], theirs: list[str]) -> None:
    ours = [line.split("] ", 1)[1] for line in ours if "manifest" not in line and THREADS not in line]
    theirs = [line.split("] ", 1)[1].replace("ae/ae_iter_20", "ae/ours_iter_20") for line in theirs]
    timing = re.compile(r" \(\S+ iter/s, \S+s/\d+ iters\)")
    for got, wanted in zip(ours, theirs, strict=True):
        got, wanted = timing.sub(" (T)", got), timing.sub(" (T)", wanted)
        assert NUMBERS.sub("N", got) == NUMBERS.sub("N", wanted)
        np.testing.assert_allclose(
            [float(n) for n in NUMBERS.findall(got)], [float(n) for n in NUMBERS.findall(wanted)], rtol=1e-4
        )


def test_lines_come_from_caffes_places(folder: Path) -> None:
    """file:line of each kind of line, as in Caffe's log: some tools look for them."""
    log = Path("ae/caffe_resume.log").read_text()
    solver = Solver("ae/solver.prototxt", snapshot="ae/ae_iter_10.solverstate", overrides='snapshot_prefix: "ae/ours"')
    for record in solver.solve():
        if not isinstance(record, Warned | Finished):
            for place, text in (line for line in plain_lines(record) if THREADS not in line[1]):
                word = re.match(r"\s*\w+", text)
                assert word is not None
                assert re.search(rf"{re.escape(place)}\]\s+{word[0].strip()}", log), (place, text)
