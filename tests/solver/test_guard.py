"""What stops a training, what is warned of, and what is not."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepcae.errors import TrainingError
from deepcae.kernels import choice
from deepcae.solver.guard import LOOK_EVERY, PERSISTENT, Guard, is_stuck
from deepcae.solver.metrics import Metrics, read_metrics
from deepcae.solver.records import Failed, Record, Snapshotted, Warned, WarningKind
from deepcae.solver.run import Run
from deepcae.solver.snapshot import latest
from deepcae.solver.solver import Solver
from deepcae.zoo import build
from paper.results import write_images
from solver.tiny import write_training


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_training(tmp_path, dropout=0)


class _Poisoned:
    """A feed with one bad value in batch `at`."""

    def __init__(self, feed: Any, at: int, value: float) -> None:
        self.feed, self.at, self.value = feed, at, value

    def batch(self, index: int) -> dict[str, np.ndarray]:
        batch = {name: np.array(array) for name, array in self.feed.batch(index).items()}
        if index == self.at:
            batch["data"][2, 3] = self.value
        return batch


def _train(solver: Solver) -> tuple[list[Record], str]:
    """The records up to the failure, and what it says."""
    records: list[Record] = []
    try:
        for record in solver.solve():
            records.append(record)  # noqa: PERF402  (what came before the failure is kept)
    except TrainingError as error:
        return records, str(error)
    raise AssertionError("the training did not fail")


@pytest.mark.parametrize(("value", "shown"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_a_bad_value_in_the_data(value: float, shown: str, training: Path) -> None:
    solver = Solver(training, out="run")
    solver.state.train.feed = _Poisoned(solver.state.train.feed, 6, value)
    records, said = _train(solver)
    where = f"data blob 'data' holds {shown} at [2, 3] (1 of 24 values are not finite)"
    assert said.startswith(f"iteration 6: layer 'd' (HDF5Data): {where}")
    assert records[-1] == Failed(6, said, "d")
    newest = latest("run/snap")
    assert newest is not None
    assert newest.iteration == 4
    assert Run("run").metrics()[-1] == {"kind": "failed", "iteration": 6, "message": said, "layer": "d"}
    assert all(bool(torch.isfinite(blob.tensor).all()) for blob in solver.net.learnable)


def test_a_bad_weight_is_named(training: Path) -> None:
    solver = Solver(training)
    with torch.no_grad():
        solver.net.params["fc2"][1][4] = math.nan
    _, said = _train(solver)
    wanted = "iteration 0: layer 'fc2': its learned blob 1 holds nan at [4] (1 of 6 values are not finite) (loss = nan)"
    assert said == wanted


def test_a_layer_that_overflows_is_named(training: Path) -> None:
    solver = Solver(training)
    with torch.no_grad():
        solver.net.params["fc2"][0].fill_(3e38)
    _, said = _train(solver)
    assert said.startswith("iteration 0: layer 'fc2' (InnerProduct): blob 'out' holds inf at [0, 0] (24 of 24 values")


def test_a_gradient_that_overflows_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loss is finite: only the gradients tell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(choice, "_preference", ["torch"])  # a pass with hooks
    solver = Solver(write_training(tmp_path, dropout=0))
    blob = solver.net.learnable[2].tensor
    blob.register_hook(lambda gradient: gradient * math.inf)
    _, said = _train(solver)
    assert "iteration 0: layer 'fc2': the gradient of its learned blob 0 holds" in said


def test_divergence_stops_and_keeps_the_last_good_snapshot(training: Path) -> None:
    solver = Solver(training, out="run", overrides="base_lr: 50000 snapshot: 1 max_iter: 400")
    _, said = _train(solver)
    assert said.startswith("iteration ")
    newest = latest("run/snap")
    assert newest is not None
    again = Solver(training, snapshot=newest.state)
    assert all(bool(torch.isfinite(blob.tensor).all()) for blob in again.net.learnable)


def test_a_state_that_is_not_finite_is_never_saved(training: Path) -> None:
    solver = Solver(training, out="run")
    solver.step(3)
    solver.state.updater.history[1][0] = math.inf
    with pytest.raises(TrainingError, match="iteration 3: the solver's history is not finite; no snapshot is taken"):
        solver.snapshot()
    assert latest("run/snap") is None


def test_large_but_finite_gradients_do_not_stop(training: Path) -> None:
    """The square of their norm is beyond float32, they are not."""
    solver = Solver(training, overrides="clip_gradients: 1")
    for blob in solver.net.learnable:
        blob.tensor.register_hook(lambda gradient: gradient * 1e30)
    solver.step(1)
    assert solver.iteration == 1


# Saturation


def _saturate(solver: Solver) -> None:
    with torch.no_grad():
        solver.net.params["fc1"][0].zero_()
        solver.net.params["fc1"][1].fill_(100.0)


def _warned(solver: Solver) -> list[Warned]:
    return [record for record in solver.solve() if isinstance(record, Warned)]


def _warnings(solver: Solver) -> list[str]:
    return [record.message for record in _warned(solver)]


def test_a_saturated_layer_and_a_constant_output_are_named_once(training: Path) -> None:
    """The paper's failed runs: the same output for every input, and a loss that stays where it is."""
    looks = LOOK_EVERY * (PERSISTENT + 12)
    solver = Solver(training, overrides=f"max_iter: {looks} snapshot: 0 display: 10 test_interval: {looks}")
    _saturate(solver)
    told = _warned(solver)
    assert [record.message.split(", and the loss is stuck at")[0] for record in told] == [
        "layer 'sig1' (Sigmoid): 100.0 % of blob 'h' is saturated",
        "layer 'sig1' (Sigmoid): blob 'h' is the same for every input",
        "layer 'fc2' (InnerProduct): blob 'out' is the same for every input",
    ]
    assert [(record.kind, record.layer, record.blob) for record in told] == [
        (WarningKind.SATURATED, "sig1", "h"),
        (WarningKind.CONSTANT, "sig1", "h"),
        (WarningKind.CONSTANT, "fc2", "out"),
    ]
    assert told[0].facts["share"] == 1
    assert all(record.message.endswith(f"stuck at {record.facts['loss']:.6g}") for record in told)


CUT_OFF = "max_iter: 1000 display: 10 test_interval: 1000"


@pytest.fixture(scope="module")
def told_of_the_whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a saturated training that nobody cuts off is warned of."""
    folder = tmp_path_factory.mktemp("whole")
    whole = Solver(write_training(folder, dropout=0), out=folder / "run", overrides=f"{CUT_OFF} snapshot: 0")
    _saturate(whole)
    assert list(whole.solve())
    return _told(folder / "run")


def _told(run: Path) -> list[dict[str, Any]]:
    return [entry for entry in Run(run).metrics() if entry["kind"] == "warned"]


@pytest.mark.parametrize("at", [1, 7 * LOOK_EVERY + 1, 8 * LOOK_EVERY, 8 * LOOK_EVERY + 1, 12 * LOOK_EVERY, 999])
def test_a_run_that_is_cut_off_and_resumed_is_warned_of_the_same(
    at: int, training: Path, told_of_the_whole: list[dict[str, Any]]
) -> None:
    """Whatever the guard had seen before the cut counts after it, and nothing is told twice."""
    solver = Solver(training, out="parts", overrides=f"{CUT_OFF} snapshot: {at}")
    _saturate(solver)
    for _ in solver.solve():
        if solver.iteration > at:
            break
    rest = Solver(training, out="parts", overrides=f"{CUT_OFF} snapshot: 0", snapshot=f"parts/snap_iter_{at}")
    assert list(rest.solve())
    assert _told(Path("parts")) == told_of_the_whole
    assert len(told_of_the_whole) == 3


@pytest.mark.parametrize(("scale", "told"), [(1.0, 0), (255.0, 1)])
def test_targets_that_are_no_probabilities_are_told_once(
    scale: float, told: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_images(tmp_path / "data")
    model = build("cae1", 2, data.train, data.test)
    text = model.net_text.replace("hdf5_data_param {", f"transform_param {{ scale: {scale} }} hdf5_data_param {{")
    Path("net.prototxt").write_text(text)
    Path("solver.prototxt").write_text(model.solver_text)
    said = _warned(Solver("solver.prototxt", overrides="max_iter: 120 snapshot: 0 test_interval: 999 display: 10"))
    assert len([record for record in said if "targets" in record.message]) == told
    said = [record for record in said if record.kind == WarningKind.TARGETS]
    assert len(said) == told
    for record in said:
        where = rf"layer '{record.layer}' \(SigmoidCrossEntropyLoss\): its targets '{record.blob}'"
        assert record.layer == "cross_entropy_loss"
        assert re.match(rf"{where} lie in 0\.\S+\.\.25\S+, but must lie in 0\.\.1; ", record.message)
        assert 0 <= record.facts["least"] < 1
        assert 250 < record.facts["most"] <= 255


def test_a_dead_relu_is_named_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    solver = Solver(
        write_training(tmp_path, dropout=0, neuron="ReLU"),
        overrides=f"max_iter: {3 * LOOK_EVERY} snapshot: 0 display: 10",
    )
    with torch.no_grad():
        solver.net.params["fc1"][1].fill_(-100.0)
    (told,) = _warned(solver)
    assert told.message == "layer 'sig1' (ReLU): all outputs of blob 'h' are 0 and pass no gradient"
    assert (told.kind, told.layer, told.blob, told.facts) == (WarningKind.DEAD, "sig1", "h", {})


@pytest.mark.parametrize(
    ("neuron", "bias", "saturates"),
    [
        ("TanH", -100.0, True), ("TanH", 100.0, True), ("ELU", -100.0, True), ("ELU", 2.0, False),
        ("BNLL", -100.0, True), ("BNLL", 2.0, False), ("Swish", -100.0, True), ("Swish", 2.0, False),
        ("PReLU", -100.0, False), ("ReLU", 2.0, False),
    ],
)  # fmt: skip
def test_every_activation_saturates_at_its_own_tails(neuron: str, bias: float, saturates: bool, training: Path) -> None:
    text = write_training(training.parent, dropout=0, neuron=neuron)
    looks = LOOK_EVERY * (PERSISTENT + 12)
    solver = Solver(text, overrides=f"base_lr: 0 max_iter: {looks} snapshot: 0 display: 10 test_interval: {looks}")
    with torch.no_grad():
        solver.net.params["fc1"][1].fill_(bias)
    told = [record for record in _warned(solver) if record.kind == WarningKind.SATURATED]
    assert [(record.layer, record.blob, record.facts["share"]) for record in told] == [("sig1", "h", 1.0)] * saturates


@pytest.mark.parametrize(
    ("neuron", "slope", "kind"),
    [("PReLU", 0.25, None), ("PReLU", 0.01, WarningKind.SATURATED), ("PReLU", 0.0, WarningKind.DEAD)],
)
def test_a_learned_slope_decides(neuron: str, slope: float, kind: WarningKind | None, training: Path) -> None:
    text = write_training(training.parent, dropout=0, neuron=neuron)
    looks = LOOK_EVERY * (PERSISTENT + 12)
    solver = Solver(text, overrides=f"base_lr: 0 max_iter: {looks} snapshot: 0 display: 10 test_interval: {looks}")
    with torch.no_grad():
        solver.net.params["fc1"][1].fill_(-100.0)
        solver.net.params["sig1"][0].fill_(slope)
    told = {record.kind for record in _warned(solver) if record.layer == "sig1"}
    assert told - {WarningKind.CONSTANT} == ({kind} if kind is not None else set())


def test_a_clip_whose_bounds_hold_all_is_dead(training: Path) -> None:
    """Without clip_param both bounds are 0, as in Caffe."""
    net = training.with_name("net.prototxt")
    plain = 'type: "Sigmoid"'
    for bounds, where in (("", "are 0"), ("clip_param { min: 1 max: 2 }", "lie at its bounds")):
        write_training(training.parent, dropout=0)
        net.write_text(net.read_text().replace(plain, f'type: "Clip" {bounds}'))
        solver = Solver(training, overrides=f"max_iter: {3 * LOOK_EVERY} snapshot: 0 display: 10 test_interval: 999")
        with torch.no_grad():
            solver.net.params["fc1"][1].fill_(-100.0)
        (told,) = _warned(solver)
        assert told.message == f"layer 'sig1' (Clip): all outputs of blob 'h' {where} and pass no gradient"


def test_a_layer_that_saturates_while_the_loss_falls_is_no_alarm(training: Path) -> None:
    """As the classic auto-encoders begin."""
    solver = Solver(training)
    saturated = {"h": torch.ones(4, 8), "out": torch.rand(4, 6)}
    guard = Guard(solver.net, 10)
    told: list[Warned] = []
    for k in range(40):
        told += guard.look(k * guard.every, 200 * 0.99**k, 1.0, saturated)
    assert told == []


def test_a_steady_loss_with_living_layers_is_no_alarm(training: Path) -> None:
    """As every good training ends."""
    solver = Solver(training)
    guard = Guard(solver.net, 10)
    random = torch.Generator().manual_seed(0)
    told: list[Warned] = []
    for k in range(40):
        living = {"h": torch.rand(4, 8, generator=random), "out": torch.rand(4, 6, generator=random)}
        told += guard.look(k * guard.every, 20 + 0.1 * (k % 3), 1.0, living)
    assert told == []


def test_gradients_that_are_gone_are_told(training: Path) -> None:
    solver = Solver(training)
    guard = Guard(solver.net, 10)
    living = {"h": torch.rand(4, 8), "out": torch.rand(4, 6)}
    told: list[Warned] = []
    for k in range(3 * PERSISTENT):
        told += guard.look(k * guard.every, 20.0, 10.0 if k == 0 else 1e-6, living)
    (warned,) = told
    assert warned.message == "the gradients are gone (norm 1e-06, greatest 10): no weight moves any more"
    assert (warned.kind, warned.facts) == (WarningKind.GRADIENTS_GONE, {"norm": 1e-6, "greatest": 10.0})


STUCK = {"saturated", "constant", "gradients_gone"}


@pytest.mark.parametrize("kind", WarningKind)
def test_a_run_is_stuck_by_the_kinds_of_its_warnings_alone(kind: WarningKind, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    metrics.write(Warned(0, "the loss is stuck at 3, the gradients are gone", WarningKind.RESUMED))
    metrics.write(Warned(9, "in whatever words", kind, facts={"loss": math.nan}))
    assert metrics.close() == ""
    assert is_stuck(read_metrics(path)) == (kind in STUCK)


@pytest.mark.parametrize(
    ("message", "stuck"),
    [
        ("layer 'a' (Sigmoid): 100.0 % of blob 'a' is saturated, and the loss is stuck at 202.6", True),
        ("layer 'a' (Sigmoid): blob 'a' is the same for every input, and the loss is stuck at nan", True),
        ("the gradients are gone (norm 1e-06, greatest 10): no weight moves any more", True),
        ("layer 'a' (ReLU): all outputs of blob 'a' are 0 and pass no gradient", False),
        ("the snapshot was made with 2 threads, this run has 1: its last bits may differ", False),
    ],
)
def test_a_stuck_run_of_before_warnings_had_kinds_is_still_told(message: str, stuck: bool, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"kind": "warned", "iteration": 5, "message": message}) + "\n")
    assert is_stuck(read_metrics(path)) == stuck


@pytest.mark.parametrize(("display", "every"), [(0, 100), (1, 50), (7, 56), (100, 100)])
def test_looks_fall_on_displayed_iterations(display: int, every: int, training: Path) -> None:
    assert Guard(Solver(training).net, display).every == every


def test_snapshots_of_a_failed_run_are_none_but_the_scheduled(training: Path) -> None:
    solver = Solver(training)
    solver.state.train.feed = _Poisoned(solver.state.train.feed, 9, math.nan)
    records, _ = _train(solver)
    assert [record.iteration for record in records if isinstance(record, Snapshotted)] == [4, 8]
