"""Runs trained as one program tell and leave what each does alone, up to rounding; and what several come to."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path

import pytest
import torch

from deepcae import zoo
from deepcae.errors import Incomplete, TrainingError
from deepcae.net.stack import Unbatchable
from deepcae.solver.capture import Recorder
from deepcae.solver.records import Failed, Finished, Record, Step, Test, Warned
from deepcae.solver.runs import folder_of, statistics, verdict
from deepcae.solver.solver import Solver
from deepcae.solver.stacked import StackedTraining
from deepcae.solver.update import RULES
from solver.test_ahead import Memory, told
from solver.tiny import write_training

SEEDS = (7, 8, 9)


def solvers_of(text: Path, out: Path, **settings: object) -> list[Solver]:
    return [Solver(text, out=folder_of(out, seed), seed=seed, **settings) for seed in SEEDS]  # type: ignore[arg-type]


def solved(joint: StackedTraining) -> list[list[Record]]:
    records: list[list[Record]] = [[] for _ in joint.solvers]
    collect(joint, records)
    return records


def collect(joint: StackedTraining, records: list[list[Record]]) -> None:
    for k, record in joint.solve():
        records[k].append(record)


def check_as_alone(alone: Solver, expected: list[Record], joint: Solver, found: list[Record]) -> None:
    assert [type(record) for record in found] == [type(record) for record in expected]
    assert told(found) == [pytest.approx(entry, rel=1e-4, abs=1e-6) for entry in told(expected)]
    for a, b in zip(alone.net.tensors, joint.net.tensors, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-6)
    for a, b in zip(alone.state.updater.history, joint.state.updater.history, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-6)
    assert (alone.out, joint.out) != (None, None)
    assert names(alone) == names(joint)


def names(solver: Solver) -> list[str]:
    assert solver.out is not None
    return sorted(path.name for path in solver.out.iterdir())


@pytest.mark.parametrize("recorder", [None, Memory()])
@pytest.mark.parametrize(
    "extra", ["", "display: 5 snapshot: 6 iter_size: 2", "clip_gradients: 0.05 snapshot_diff: true"]
)
@pytest.mark.parametrize("type", [each for each in RULES if each != "Muon"])  # which is not stacked: test_muon
def test_together_is_as_alone(type: str, extra: str, recorder: Recorder | None, tmp_path: Path) -> None:
    text = write_training(tmp_path, type=type, dropout=0.0)
    alone = solvers_of(text, tmp_path / "alone", overrides=extra)
    expected = [list(solver.solve()) for solver in alone]
    joint = StackedTraining(solvers_of(text, tmp_path / "joint", overrides=extra), recorder and StackMemory())
    found = solved(joint)
    for k in range(len(SEEDS)):
        check_as_alone(alone[k], expected[k], joint.solvers[k], found[k])
    assert not torch.equal(alone[0].net.tensors[0], alone[1].net.tensors[0])


class StackMemory(Memory):
    """A recorder of several runs' losses."""

    def record(self, work):  # type: ignore[no-untyped-def]
        return work


def test_the_papers_network_together(tmp_path: Path) -> None:
    """Convolutions with a kernel per run."""
    import h5py
    import numpy as np

    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["data"] = np.random.default_rng(0).random((30, 1, 28, 28), dtype=np.float32)
        file["label"] = np.zeros(30, np.float32)
    (tmp_path / "list.txt").write_text("data.h5\n")
    lists = {"train_list": tmp_path / "list.txt", "test_list": tmp_path / "list.txt"}
    zoo.write(zoo.build("cae1", 2, **lists), tmp_path)
    few = "max_iter: 3 test_iter: 1 display: 1 test_interval: 2"
    alone = solvers_of(tmp_path / "solver.prototxt", tmp_path / "alone", overrides=few)
    expected = [list(solver.solve()) for solver in alone]
    joint = StackedTraining(solvers_of(tmp_path / "solver.prototxt", tmp_path / "joint", overrides=few))
    for k, found in enumerate(solved(joint)):
        assert told(found) == [pytest.approx(entry, rel=1e-5) for entry in told(expected[k])]


def test_stopped_and_resumed_together_or_alone(tmp_path: Path) -> None:
    text = write_training(tmp_path, dropout=0.0)
    whole = StackedTraining(solvers_of(text, tmp_path / "whole"))
    solved(whole)
    joint = StackedTraining(solvers_of(text, tmp_path / "joint", overrides="display: 0 snapshot: 0"))
    for _, record in joint.solve():
        if joint.solvers[0].iteration >= 6:
            joint.request_stop()
        assert not isinstance(record, Finished) or record.reason == "stopped"
    stopped = {solver.iteration for solver in joint.solvers}
    assert len(stopped) == 1
    assert 6 <= stopped.pop() < 16
    resumed = StackedTraining(solvers_of(text, tmp_path / "joint", snapshot="latest"))
    solved(resumed)
    for a, b in zip(whole.solvers, resumed.solvers, strict=True):
        assert all(map(torch.equal, a.net.tensors, b.net.tensors))
    alone = Solver(
        text, out=folder_of(tmp_path / "joint", 8), snapshot=f"{folder_of(tmp_path / 'joint', 8)}/snap_iter_12"
    )
    list(alone.solve())
    torch.testing.assert_close(alone.net.tensors[0], whole.solvers[1].net.tensors[0], rtol=1e-4, atol=1e-6)


def left_behind(out: Path, *last: int) -> list[Solver]:
    """The runs as a kill leaves them that comes when each has its snapshot of iteration `last` (0: none)."""
    snapshots = dict[int, str | None]()
    for seed, iteration in zip(SEEDS, last, strict=True):
        for path in folder_of(out, seed).glob("snap_iter_*"):
            if int(path.name.split("_")[2].split(".")[0]) > iteration:
                path.unlink()
        for path in folder_of(out, seed).glob("snap_best*") if not iteration else ():
            path.unlink()
        snapshots[seed] = "latest" if iteration else None
    text = out.parent / "solver.prototxt"
    return [Solver(text, out=folder_of(out, seed), seed=seed, snapshot=name) for seed, name in snapshots.items()]


def ends_of(out: Path) -> dict[str, bytes]:
    """The bytes of the last snapshots, and what the metrics tell of iterations and tests, but for the clock's."""
    kinds, clocks = ("train", "test", "last_pass", "kept"), ("seconds", "seconds_per_iteration")
    found = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("snap_iter_16.[crs]*"))}
    for path in sorted(out.rglob("metrics.jsonl")):
        entries = [json.loads(line) for line in path.read_text().splitlines()]
        told = [{n: v for n, v in entry.items() if n not in clocks} for entry in entries if entry["kind"] in kinds]
        found[str(path.relative_to(out))] = json.dumps(told).encode()
    return found


@pytest.mark.parametrize("last", [(4, 8, 8), (16, 4, 12), (12, 4, 0), (0, 0, 16), (8, 8, 8)])
@pytest.mark.parametrize(
    ("type", "policy", "extra"),
    [
        ("SGD", 'lr_policy: "multistep"', ""),
        ("Adam", 'lr_policy: "inv" power: 0.5', "snapshot_best: true"),
        ("AdaDelta", 'lr_policy: "fixed"', "clip_gradients: 0.05 snapshot_diff: true"),
    ],
)
@pytest.mark.parametrize("recorder", [None, Memory()])
def test_runs_left_at_different_iterations_end_with_the_same_bits(
    recorder: Recorder | None, type: str, policy: str, extra: str, last: tuple[int, ...], tmp_path: Path
) -> None:
    text = write_training(tmp_path, type=type, dropout=0.0, iter_size=1 + (type == "AdaDelta"))
    text.write_text(text.read_text().replace('lr_policy: "multistep"', policy) + extra)
    solved(StackedTraining(solvers_of(text, tmp_path / "out"), recorder and StackMemory()))
    whole = ends_of(tmp_path / "out")
    joint = StackedTraining(left_behind(tmp_path / "out", *last), recorder and StackMemory())
    records = solved(joint)
    assert [told[-1].iteration for told in records] == [16, 16, 16]
    assert not [each for told in records for each in told if isinstance(each, Warned) and "bits" in each.message]
    assert ends_of(tmp_path / "out") == whole


def test_a_stop_while_runs_catch_up_changes_none_of_those_that_wait(tmp_path: Path) -> None:
    text = write_training(tmp_path, dropout=0.0)
    solved(StackedTraining(solvers_of(text, tmp_path / "out")))
    whole = ends_of(tmp_path / "out")
    joint = StackedTraining(left_behind(tmp_path / "out", 12, 8, 4))
    ahead = {path: path.read_bytes() for path in folder_of(tmp_path / "out", 7).glob("snap*")}
    for k, record in joint.solve():
        assert not isinstance(record, Step | Test) or k == 2
        if record.iteration == 5:
            joint.request_stop()
    assert [solver.iteration for solver in joint.solvers] == [12, 8, 6]
    assert {path: path.read_bytes() for path in folder_of(tmp_path / "out", 7).glob("snap*")} == ahead
    solved(StackedTraining(solvers_of(text, tmp_path / "out", snapshot="latest")))
    assert ends_of(tmp_path / "out") == whole


@pytest.mark.parametrize("at", [4, 5, 6, 9, 10])
def test_a_stop_at_a_test_or_beside_one_costs_no_bits(at: int, tmp_path: Path) -> None:
    text = write_training(tmp_path, dropout=0.0)
    solved(StackedTraining(solvers_of(text, tmp_path / "whole" / "run")))
    joint = StackedTraining(solvers_of(text, tmp_path / "stopped" / "run"))
    for _, record in joint.solve():
        if record.iteration == at:
            joint.request_stop()
    assert len({solver.iteration for solver in joint.solvers}) == 1
    solved(StackedTraining(solvers_of(text, tmp_path / "stopped" / "run", snapshot="latest")))
    assert told_of(tmp_path / "stopped") == told_of(tmp_path / "whole")


def told_of(out: Path) -> list[bytes]:
    return [content for name, content in ends_of(out).items() if not name.endswith(".solverstate")]  # it names a path


def test_a_run_that_fails_while_it_catches_up_is_waited_for_no_longer(tmp_path: Path) -> None:
    text = write_training(tmp_path, dropout=0.0)
    solved(StackedTraining(solvers_of(text, tmp_path / "out")))
    whole = ends_of(tmp_path / "out")
    solvers = left_behind(tmp_path / "out", 8, 4, 12)
    with torch.no_grad():
        solvers[1].net.tensors[0][0, 0] = math.nan
    records = list[list[Record]](([], [], []))
    with pytest.raises(TrainingError, match="seed 8: iteration 4: "):
        collect(StackedTraining(solvers), records)
    assert isinstance(records[1][-1], Failed)
    ends = ends_of(tmp_path / "out")
    for name in (name for name in whole if not name.startswith("seed-8")):
        assert ends[name] == whole[name], name


@pytest.mark.parametrize(("before", "now"), [(1, 3), (3, 1), (3, 3), (1, 1), (2, 3)])
def test_that_a_run_goes_on_in_other_company_is_told(before: int, now: int, tmp_path: Path) -> None:
    text = write_training(tmp_path, dropout=0.0)

    def trained(runs: int, **settings: object) -> list[Record]:
        solvers = [
            Solver(text, out=folder_of(tmp_path / "out", seed), seed=seed, **settings)  # type: ignore[arg-type]
            for seed in SEEDS[:runs]
        ]
        return list(solvers[0].solve()) if runs == 1 else [r for k, r in StackedTraining(solvers).solve() if not k]

    trained(before, overrides="max_iter: 8")
    kept = json.loads((folder_of(tmp_path / "out", 7) / "snap_iter_8.resume.json").read_text())
    assert kept.get("runs_as_one") == (None if before == 1 else before)
    for seed in SEEDS[before:now]:
        list(Solver(text, out=folder_of(tmp_path / "out", seed), seed=seed, overrides="max_iter: 8").solve())
    records = trained(now, snapshot="latest")
    ways = {1: "alone", **{n: f"as one program with all {n} runs (--batched)" for n in (2, 3)}}
    sentence = f"this run was computed {ways[before]} and is {ways[now]} now: the last bits of its numbers may differ"
    told = [record.message for record in records if isinstance(record, Warned) and "was computed" in record.message]
    assert told == ([] if before == now else [sentence])


def test_a_run_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    text = write_training(tmp_path, dropout=0.0)
    alone = solvers_of(text, tmp_path / "alone")
    expected = [list(solver.solve()) for solver in alone]
    solvers = solvers_of(text, tmp_path / "joint")
    with torch.no_grad():
        solvers[1].net.tensors[0][0, 0] = math.nan
    joint, records = StackedTraining(solvers), list[list[Record]](([], [], []))
    with pytest.raises(TrainingError, match="seed 8: iteration 0: "):
        collect(joint, records)
    assert isinstance(records[1][-1], Failed)
    assert not list(folder_of(tmp_path / "joint", 8).glob("*.caffemodel"))
    for k in (0, 2):
        check_as_alone(alone[k], expected[k], solvers[k], records[k])


def test_what_cannot_be_one_program_is_said(tmp_path: Path) -> None:
    text = write_training(tmp_path)
    solvers = solvers_of(text, tmp_path / "dropout")
    with pytest.raises(Unbatchable, match="net 'tiny': "):
        StackedTraining(solvers)
    assert [solver.state.train.position for solver in solvers] == [0, 0, 0]
    assert all(not solver.training.ledger.lag for solver in solvers)
    reduced = Solver(write_training(tmp_path, dropout=0.0), reduce=lambda gradients: None)
    with pytest.raises(Unbatchable, match="`reduce`"):
        StackedTraining([reduced])


@pytest.mark.parametrize(
    ("losses", "stuck", "missing", "stable", "why"),
    [
        ([100, 102, 104], [], 0, True, "'loss' differs by 3.9 % between the runs (5 % may)"),
        ([100, 102, 106], [], 0, False, "'loss' differs by 5.8 %"),
        ([100, 100], [], 0, None, "at least 3 runs"),
        ([200, 200, 200], [2], 0, False, "seed 2 stopped learning"),
        ([100, 100], [], 1, False, "1 of the runs did not come to its end"),
        ([100, 100, math.nan], [], 0, False, "'loss' differs by nan %"),
        ([0, 0, 0], [], 0, True, "0 %"),
    ],
)
def test_the_verdict(losses: list[float], stuck: list[int], missing: int, stable: bool | None, why: str) -> None:
    found, sentence = verdict([{"loss": loss, "l2": 1.0} for loss in losses], stuck, missing)
    assert found is stable
    assert why in sentence


def test_statistics_of_the_runs() -> None:
    assert statistics([{"a": 1.0}, {"a": 2.0}, {"a": 6.0}])["a"] == pytest.approx(
        {"mean": 3.0, "std": 7**0.5, "least": 1.0, "greatest": 6.0}
    )
    assert statistics([{"a": 4.0}])["a"]["std"] == 0
    assert statistics([]) == {}


def test_what_one_run_cannot_write_ends_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solvers = solvers_of(write_training(tmp_path, dropout=0), tmp_path / "out")
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("seed-8/metrics.jsonl"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    records: list[list[Record]] = [[] for _ in solvers]
    with pytest.raises(
        Incomplete, match=r"^seed 8: .*/seed-8/metrics\.jsonl: lacks \d+ lines: No space left on device$"
    ):
        collect(StackedTraining(solvers), records)
    assert [type(told[-1]) for told in records] == [Finished] * 3
    warned = [[record.message for record in told if isinstance(record, Warned)] for told in records]
    assert [len(messages) for messages in warned] == [0, 1, 0]
    assert names(solvers[1]) == names(solvers[0])
