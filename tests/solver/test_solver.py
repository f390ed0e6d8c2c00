"""The loop: which networks it makes, what it does in which order, when it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepcae.errors import DataError, SpecError, TrainingError
from deepcae.proto.read import read_solver_text
from deepcae.solver.records import Finished, LastPass, Record, Snapshotted, Started, Step, Test, Warned
from deepcae.solver.signals import handle_signals
from deepcae.solver.snapshot import latest
from deepcae.solver.solver import Solver
from solver.tiny import write_training


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_training(tmp_path)


def _told(records: list[Record]) -> list[tuple[str, int]]:
    return [(type(record).__name__, record.iteration) for record in records]


def test_the_order_of_a_whole_training(training: Path) -> None:
    records = list(Solver(training, overrides="max_iter: 6 snapshot: 4 test_interval: 3 display: 3").solve())
    assert _told(records) == [
        ("Started", 0),
        ("Test", 0), ("Step", 0), ("Step", 1), ("Step", 2),
        ("Test", 3), ("Step", 3), ("Snapshotted", 4), ("Step", 4), ("Step", 5),
        ("Snapshotted", 6), ("LastPass", 6), ("Test", 6),
        ("Finished", 6),
    ]  # fmt: skip
    steps = [record for record in records if isinstance(record, Step)]
    assert [step.iteration for step in steps if step.displayed] == [0, 3]
    assert all(bool(step.outputs) == step.displayed for step in steps)
    finished = records[-1]
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.snapshot) == ("done", "snap_iter_6.caffemodel")
    last_test = next(record for record in reversed(records) if isinstance(record, Test))
    last_pass = next(record for record in records if isinstance(record, LastPass))
    assert (finished.test, finished.train) == (last_test.outputs, last_pass.outputs)
    assert finished.seconds_per_iteration > 0


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (
            "max_iter: 3 test_initialization: false",
            [("Step", 0), ("Step", 1), ("Test", 2), ("Step", 2), ("Snapshotted", 3)],
        ),
        ("max_iter: 3 snapshot_after_train: false", [("Test", 0), ("Step", 0), ("Step", 1), ("Test", 2), ("Step", 2)]),
        ("max_iter: 2 snapshot: 2", [("Test", 0), ("Step", 0), ("Step", 1), ("Snapshotted", 2), ("Test", 2)]),
    ],
)
def test_the_order_with_other_settings(overrides: str, wanted: list[tuple[str, int]], training: Path) -> None:
    text = Path("solver.prototxt").read_text().replace("snapshot: 4", "").replace("display: 1", "")
    Path("solver.prototxt").write_text(text.replace("test_interval: 5", "test_interval: 2"))
    assert _told(list(Solver("solver.prototxt", overrides=overrides).solve()))[1:-1] == wanted


def test_a_test_is_the_mean_over_its_batches_and_goes_on_where_it_ended(training: Path) -> None:
    """test_iter 3 of batch 2 over 7 rows: the second test begins at row 6."""
    solver = Solver(training)
    first, second = solver.test(), solver.test()
    rows = [solver.state.tests[0].feed.batch(i)["data"] for i in range(6)]
    for record, batches in ((first, rows[:3]), (second, rows[3:])):
        losses = [solver.test_nets[0](data=batch)["loss"].item() for batch in batches]
        assert record.outputs == {"loss": pytest.approx(np.mean(losses), rel=1e-6)}
        assert record.loss == pytest.approx(np.mean(losses), rel=1e-6)


def test_several_test_nets_with_their_states(training: Path) -> None:
    """test_net_param, test_net, then net for the rest; each with its test_state."""
    net = Path("net.prototxt").read_text()
    extra = 'layer { name: "acc" type: "Silence" bottom: "out" include { phase: TEST stage: "quiet" } }'
    Path("net.prototxt").write_text(net.replace('name: "tiny"', 'name: "tiny" # x') + extra)
    Path("other.prototxt").write_text(net.replace('name: "tiny"', 'name: "other"'))
    inline = net.replace('name: "tiny"', 'name: "inline"')
    text = (
        f"test_net_param {{ {inline} }} test_net: 'other.prototxt' test_iter: [1, 2, 3, 4] "
        "test_state {} test_state {} test_state { stage: 'quiet' } test_state { level: 2 }"
    )
    solver = Solver(training, overrides=text)
    assert [net.name for net in solver.test_nets] == ["inline", "other", "tiny", "tiny"]
    assert ["acc" in [step.name for step in net.plan.steps] for net in solver.test_nets] == [False, False, True, False]
    assert [net.plan.graph.level for net in solver.test_nets] == [0, 0, 0, 2]
    assert all(net.params["fc1"][0] is solver.net.params["fc1"][0] for net in solver.test_nets)
    solver.step(1)
    assert [fed.position for fed in solver.state.tests] == [1, 2, 3, 4]


def test_train_net_and_train_state(training: Path) -> None:
    net = Path("net.prototxt").read_text()
    Path("net.prototxt").write_text(net + 'layer { name: "s" type: "Silence" bottom: "h" include { stage: "extra" } }')
    text = Path("solver.prototxt").read_text().replace("net:", "train_net:").replace("test_iter: 3", "")
    Path("solver.prototxt").write_text(text + 'train_state { stage: "extra" }')
    solver = Solver("solver.prototxt")
    assert "s" in [step.name for step in solver.net.plan.steps]
    assert solver.test_nets == []


def test_a_solver_text_with_its_net_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net = (
        'layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 3 } '
        'data_filler { type: "gaussian" } } } '
        'layer { name: "f" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3 } } '
        'layer { name: "l" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "l" }'
    )
    document = read_solver_text(f'net_param {{ {net} }} base_lr: 0.1 lr_policy: "fixed" max_iter: 3 random_seed: 1')
    records = list(Solver(document, out="run").solve())
    assert isinstance(records[-1], Finished)
    assert Path("run/solver_iter_3.caffemodel").exists()


def test_stepping_needs_no_max_iter(training: Path) -> None:
    text = Path("solver.prototxt").read_text().replace("max_iter: 16", "")
    Path("solver.prototxt").write_text(text)
    solver = Solver("solver.prototxt")
    assert [record.iteration for record in solver.step(2) if isinstance(record, Step)] == [0, 1]
    with pytest.raises(SpecError, match=r"^solver.prototxt:1:1: max_iter is missing; it has no default$"):
        next(solver.solve())


def test_the_smoothed_loss_begins_anew_with_each_call(training: Path) -> None:
    """Mean of the first three, then a window of three; a second call starts with its first loss (as in Caffe)."""
    solver = Solver(training)
    steps = [record for record in solver.step(5) if isinstance(record, Step)]
    losses = [step.loss for step in steps]
    means = [np.mean(losses[max(0, i - 2) : i + 1]) for i in range(5)]
    assert [step.smoothed_loss for step in steps] == pytest.approx(means, rel=1e-6)
    again = next(record for record in solver.step(1) if isinstance(record, Step))
    assert again.smoothed_loss == again.loss


def test_iter_size_sums_gradients_of_successive_batches(tmp_path: Path) -> None:
    """Four batches of 4 are one of 16, where nothing is random."""
    solvers = []
    for iter_size, batch_size in ((4, 4), (1, 16)):
        folder = tmp_path / str(batch_size)
        solver = write_training(folder, iter_size=iter_size, dropout=0, shuffle=False)
        net = (folder / "net.prototxt").read_text().replace("batch_size: 4", f"batch_size: {batch_size}")
        (folder / "net.prototxt").write_text(net)
        solvers.append(Solver(solver))
        solvers[-1].step(3)
    for ours, theirs in zip(solvers[0].net.learnable, solvers[1].net.learnable, strict=True):
        torch.testing.assert_close(ours.tensor, theirs.tensor, rtol=1e-4, atol=1e-6)


def test_several_passes_where_nothing_is_learned() -> None:
    net = (
        'layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 3 } '
        'data_filler { type: "constant" value: 2 } } } '
        'layer { name: "p" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } } '
        'layer { name: "l" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "l" }'
    )
    solver = Solver(read_solver_text(f'net_param {{ {net} }} base_lr: 0.1 lr_policy: "fixed" iter_size: 3'))
    losses = [record.loss for record in solver.step(2) if isinstance(record, Step)]
    assert losses == [6.0, 6.0]


def test_outputs_of_several_elements_are_told_one_by_one(training: Path) -> None:
    net = Path("net.prototxt").read_text()
    power = 'layer { name: "p" type: "Reduction" bottom: "out" top: "sums" reduction_param { axis: 1 } }'
    if "Reduction" not in _types():
        power = 'layer { name: "p" type: "Slice" bottom: "out" top: "sums" top: "r" slice_param { slice_point: 1 } }'
        power += 'layer { name: "q" type: "Silence" bottom: "r" }'
    Path("net.prototxt").write_text(net + power)
    solver = Solver(training)
    step = next(record for record in solver.step(1) if isinstance(record, Step))
    sums = step.outputs["sums"]
    assert isinstance(sums, tuple)
    assert len(sums) == 4
    test = solver.test()
    assert isinstance(test.outputs["sums"], tuple)


def _types() -> set[str]:
    from deepcae.layers import Layer

    return set(Layer.registry)


def test_inputs_that_nothing_feeds_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = Solver(write_training(tmp_path))
    solver.state.train.feed = _Nothing()
    with pytest.raises(DataError, match=r"net 'tiny': no data layer gives blob\(s\) data"):
        solver.step(1)


class _Nothing:
    def batch(self, index: int) -> dict[str, Any]:
        return {}


def test_the_metrics_and_texts_of_a_run(training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder stands for itself: read from elsewhere, it gives its net, its weights and its numbers."""
    from deepcae.solver.run import Run

    list(Solver(training, out="run", overrides="max_iter: 12").solve())
    (tmp_path / "run").rename(tmp_path / "moved")
    (tmp_path / "else").mkdir()
    (tmp_path / "else/net.prototxt").write_text('name: "not this one"')
    monkeypatch.chdir(tmp_path / "else")
    run = Run("../moved")
    assert run.solver_document.message.max_iter == 12
    assert run.net_document.message.name == "tiny"
    newest = run.latest_snapshot()
    assert newest is not None
    assert newest.iteration == 12
    assert [entry["kind"] for entry in run.metrics()[:3]] == ["started", "test", "train"]
    assert run.metrics()[2]["outputs"].keys() == {"loss"}
    net = run.net("TEST")
    assert net.inputs == ("data",)
    again = Solver(run.solver_document, out="../moved", snapshot="latest", folders=run.folders)
    assert again.iteration == 12
    assert isinstance(list(again.solve())[-1], Finished)


def test_a_run_folder_that_is_none_is_told(tmp_path: Path) -> None:
    from deepcae.solver.run import Run

    with pytest.raises(DataError, match=r"no run there, run\.json is missing"):
        Run(tmp_path)


@pytest.mark.parametrize(
    ("given", "out", "wanted"),
    [
        ("", None, "texts/solver"),
        ("snap", None, "snap"),
        ("folder/", None, "folder/solver"),
        ("", "run", "run/solver"),
        ("deep/snap", "run", "run/deep/snap"),
        ("/tmp/snap", "run", "/tmp/snap"),
    ],
)
def test_where_snapshots_go(given: str, out: str | None, wanted: str) -> None:
    from deepcae.solver.run import snapshot_prefix
    from deepcae.writes import writes_elsewhere

    text = f'snapshot_prefix: "{given}"' if given else ""
    with writes_elsewhere(given.startswith("/")):
        assert snapshot_prefix(read_solver_text(text, "texts/solver.prototxt"), out) == wanted


def test_a_prefix_never_leads_out_of_the_run(training: Path) -> None:
    with pytest.raises(SpecError, match=r"^--set:1:1: snapshot_prefix '\.\./x' leads out of the run's folder"):
        Solver(training, out="run", overrides='snapshot_prefix: "../x"')


# Stopping


def test_a_request_stops_after_the_iteration_with_a_snapshot(training: Path) -> None:
    solver = Solver(training, overrides="snapshot: 0")
    records = []
    for record in solver.solve():
        records.append(record)
        if isinstance(record, Step) and record.iteration == 2:
            solver.request_stop()
    assert _told(records)[-3:] == [("Step", 2), ("Snapshotted", 3), ("Finished", 3)]
    assert isinstance(records[-1], Finished)
    assert records[-1].reason == "stopped"


def test_a_request_for_a_snapshot_is_met_once(training: Path) -> None:
    solver = Solver(training, overrides="snapshot: 0 max_iter: 5")
    records = []
    for record in solver.solve():
        records.append(record)
        if isinstance(record, Step) and record.iteration == 1:
            solver.request_snapshot()
    assert [record.iteration for record in records if isinstance(record, Snapshotted)] == [2, 5]


class _Asking:
    """A feed that asks for something while its batch is read: in the middle of a test."""

    def __init__(self, feed: Any, at: int, ask: Any) -> None:
        self.feed, self.at, self.ask = feed, at, ask

    def batch(self, index: int) -> Any:
        if index == self.at:
            self.ask()
        return self.feed.batch(index)


@pytest.mark.parametrize("what", ["stop", "snapshot"])
def test_a_request_within_a_test_leaves_a_state_before_it(what: str, training: Path) -> None:
    """The test at iteration 5 is interrupted: a resumed run makes it again from the same data, and ends the same."""
    list(Solver(training, out="a/run").solve())
    wanted = Path("a/run/snap_iter_16.caffemodel").read_bytes()
    solver = Solver(training, out="b/run", overrides="snapshot: 0")
    ask = solver.request_stop if what == "stop" else solver.request_snapshot
    solver.state.tests[0].feed = _Asking(solver.state.tests[0].feed, 4, ask)
    records = []
    for record in solver.solve():
        records.append(record)
        if isinstance(record, Snapshotted):
            solver.request_stop()
    newest = latest("b/run/snap")
    assert newest is not None
    assert newest.iteration in (5, 6)
    extras = Path("b/run/snap_iter_5.resume.json").read_text()
    assert '"test_positions": [\n  3\n ]' in extras
    resumed = list(Solver(training, out="b/run", snapshot="b/run/snap_iter_5").solve())
    assert isinstance(resumed[1], Test)
    assert Path("b/run/snap_iter_16.caffemodel").read_bytes() == wanted


CHILD = """
import sys, time
from deepcae.solver.signals import handle_signals
from deepcae.solver.solver import Solver
solver = Solver("solver.prototxt", out="run", overrides="max_iter: 100000 snapshot: 0 test_interval: 50000")
with handle_signals(solver):
    for record in solver.solve():
        print(type(record).__name__, record.iteration, flush=True)
        if "slow" in sys.argv:
            time.sleep(30)
"""


def _child(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    while not child.stdout.readline().startswith("Step" if not arguments else "Started"):
        pass
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_with_a_snapshot(number: signal.Signals, training: Path) -> None:
    child = _child(training.parent)
    child.send_signal(number)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert [line.split()[0] for line in out.splitlines()[-2:]] == ["Snapshotted", "Finished"]
    newest = latest("run/snap")
    assert newest is not None
    assert newest.iteration == int(out.split()[-1])


def test_sighup_takes_a_snapshot_and_goes_on(training: Path) -> None:
    child = _child(training.parent)
    child.send_signal(signal.SIGHUP)
    assert child.stdout is not None
    line = next(line for line in child.stdout if line.startswith("Snapshotted"))
    assert child.stdout.readline().startswith("Step")
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=60)
    assert Path(f"run/snap_iter_{line.split()[1]}.ok.json").exists()


def test_a_second_sigint_leaves_at_once(training: Path) -> None:
    child = _child(training.parent, "slow")
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGINT)
    for _ in range(50):
        try:
            _, err = child.communicate(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in err


def test_handlers_are_put_back(training: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    solver = Solver(training)
    with handle_signals(solver):
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    assert _told(list(solver.solve()))[-1] == ("Finished", 0)


def test_leaving_the_loop_lets_the_lock_go(training: Path) -> None:
    for record in Solver(training, out="run").solve():
        if isinstance(record, Step):
            break
    assert isinstance(next(Solver(training, out="run").solve()), Started)


def test_a_test_that_is_stopped_says_so(training: Path) -> None:
    solver = Solver(training)
    solver.request_stop()
    with pytest.raises(TrainingError, match="test net #0 was stopped before its last batch"):
        solver.test()


def test_no_warning_in_a_plain_training(training: Path) -> None:
    assert not [record for record in Solver(training).solve() if isinstance(record, Warned)]
