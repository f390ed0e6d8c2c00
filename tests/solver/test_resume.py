"""A training that was stopped and resumed is the training that was never stopped: every byte and every loss."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from deepcae.errors import DeepcaeWarning, SnapshotError
from deepcae.kernels import choice
from deepcae.proto.binary import read_state
from deepcae.solver.records import Finished, Record, Snapshotted, Started, Step, Test, Warned, WarningKind
from deepcae.solver.snapshot import MANIFEST, MODEL, STATE, find, latest
from deepcae.solver.solver import Solver
from deepcae.solver.update import RULES
from solver.tiny import write_training


def _digest(folder: Path, iteration: int = 16, ending: str = "") -> str:
    """Of the model and the state; the state names its model, so both runs must lie in folders of one name."""
    digest = hashlib.sha256()
    for part in (MODEL, STATE):
        digest.update((folder / f"snap_iter_{iteration}{part}{ending}").read_bytes())
    return digest.hexdigest()


def _numbers(records: list[Record]) -> list[object]:
    """What a log shows, less times."""
    told: list[object] = []
    for record in records:
        if isinstance(record, Step):
            told.append((record.iteration, record.loss, record.smoothed_loss, record.lr, dict(record.outputs)))
        elif isinstance(record, Test):
            told.append((record.iteration, record.net_index, dict(record.outputs), record.loss))
    return told


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("iter_size", [1, 4])
@pytest.mark.parametrize("type", list(RULES))
def test_resumed_is_unbroken(
    type: str, iter_size: int, shuffle: bool, dropout: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solver = write_training(tmp_path, type=type, iter_size=iter_size, shuffle=shuffle, dropout=dropout)
    monkeypatch.chdir(tmp_path)
    unbroken = list(Solver(solver, out="run").solve())
    wanted = _digest(tmp_path / "run")
    for path in Path("run").glob("snap_iter_*"):
        if "_iter_8." not in path.name:
            path.unlink()
    resumed = list(Solver(solver, out="run", snapshot="latest").solve())
    assert isinstance(resumed[0], Started)
    assert (resumed[0].iteration, resumed[0].seed) == (8, 7)
    assert _digest(tmp_path / "run") == wanted
    assert not any(isinstance(record, Warned) for record in resumed)
    told = _numbers(unbroken)
    assert _numbers(resumed) == told[-len(_numbers(resumed)) :]


@pytest.mark.parametrize("type", ["SGD", "Adam"])
def test_resumed_is_unbroken_in_hdf5(type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from one format to the other."""
    solver = write_training(tmp_path, type=type)
    monkeypatch.chdir(tmp_path)
    hdf5 = "snapshot_format: HDF5"
    told, wanted = {}, {}
    for form, ending in (("", ""), (hdf5, ".h5")):
        told[form] = _numbers(list(Solver(solver, out="run", overrides=form).solve()))
        wanted[form] = _digest(Path("run"), ending=ending)
        Path("run").rename(f"unbroken{ending}")
    assert told[hdf5] == told[""]
    for start, then, ending in ((hdf5, hdf5, ".h5"), ("", hdf5, ".h5"), (hdf5, "", "")):
        list(Solver(solver, out="run", overrides=start + " max_iter: 8").solve())
        resumed = Solver(solver, out="run", snapshot="latest", overrides=then + " max_iter: 16")
        assert resumed.iteration == 8
        assert not any(isinstance(record, Warned) for record in resumed.solve())
        assert _digest(Path("run"), ending=ending) == wanted[then]
        Path("run").rename(f"{bool(start)}-{bool(then)}")


def test_the_runs_differ_where_they_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed, dropout and order of data do reach the weights: or the test above would show nothing."""
    monkeypatch.chdir(tmp_path)
    digests = set()
    for k, options in enumerate([{}, {"dropout": 0.25}, {"shuffle": False}, {"iter_size": 2}]):
        solver = write_training(tmp_path / f"{k}", **options)  # type: ignore[arg-type]
        list(Solver(solver, out=f"{k}/run").solve())
        digests.add((tmp_path / f"{k}/run/snap_iter_16{MODEL}").read_bytes())
    list(Solver(solver, out="seeded", seed=8).solve())
    digests.add((tmp_path / f"seeded/snap_iter_16{MODEL}").read_bytes())
    assert len(digests) == 5


def test_a_drawn_seed_is_recorded_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    solver = write_training(tmp_path)
    first = Solver(solver, out="run", seed=-1, overrides="random_seed: -1")
    list(first.solve())
    assert json.loads(Path("run/run.json").read_text())["seed"] == first.seed
    assert Solver(solver, out="run", snapshot="latest", overrides="random_seed: -1").seed == first.seed
    assert Solver(solver, overrides="random_seed: -1").seed != first.seed


def test_metrics_go_on_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of iterations that the resumed run makes anew are dropped, so the file reads as one training."""
    from deepcae.solver.run import Run

    monkeypatch.chdir(tmp_path)
    solver = write_training(tmp_path)
    list(Solver(solver, out="run").solve())
    unbroken = [(e["kind"], e["iteration"]) for e in Run("run").metrics() if e["kind"] in ("train", "test")]
    with Path("run/metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "iter')  # as a kill leaves it
    list(Solver(solver, out="run", snapshot="run/snap_iter_8.solverstate").solve())
    entries = Run("run").metrics()
    assert [(e["kind"], e["iteration"]) for e in entries if e["kind"] in ("train", "test")] == unbroken
    assert sum(e["kind"] == "finished" for e in entries) == 1
    assert [e["iteration"] for e in entries if e["kind"] == "started"] == [0, 8]


def test_going_back_makes_the_new_line_the_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run resumed from iteration 4 and stopped at 6 is the latest, though the abandoned one reached 16."""
    monkeypatch.chdir(tmp_path)
    solver = write_training(tmp_path)
    list(Solver(solver, out="run").solve())
    again = Solver(solver, out="run", snapshot="run/snap_iter_4", overrides="max_iter: 6")
    list(again.solve())
    newest = latest("run/snap")
    assert newest is not None
    assert newest.iteration == 6


# What is refused, and what is told

TRAINED = {"type": "Adam"}


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    list(Solver(write_training(tmp_path, type="Adam"), out="run").solve())
    return tmp_path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ('type: "SGD"', "run/snap_iter_16.solverstate: was made by the solver Adam; this one is SGD"),
        ('type: "AdaDelta"', "was made by the solver Adam; this one is AdaDelta"),
    ],
)
def test_another_solver_is_refused(change: str, sentence: str, trained: Path) -> None:
    with pytest.raises(SnapshotError, match=sentence):
        Solver("solver.prototxt", snapshot="run/snap_iter_16.solverstate", overrides=change)


def test_another_solvers_bare_state_is_refused_by_its_history(trained: Path) -> None:
    for part in (MANIFEST, ".resume.json"):
        (trained / f"run/snap_iter_16{part}").unlink()
    wanted = "holds 8 history blobs; SGD on this net has 4, 1 for each of the 4 learned blobs"
    with pytest.raises(SnapshotError, match=wanted):
        Solver("solver.prototxt", snapshot="run/snap_iter_16.solverstate", overrides='type: "SGD"')


def test_another_net_is_refused(trained: Path) -> None:
    net = (trained / "net.prototxt").read_text().replace("num_output: 8", "num_output: 9")
    (trained / "net.prototxt").write_text(net)
    wanted = r"history blob 0 \('fc1/0'\) is \[8, 6\] there and \[9, 6\] in this net"
    with pytest.raises(SnapshotError, match=wanted):
        Solver("solver.prototxt", snapshot="run/snap_iter_16.solverstate")


def test_renamed_layers_are_refused(trained: Path) -> None:
    net = (trained / "net.prototxt").read_text().replace('name: "fc2"', 'name: "fc3"')
    (trained / "net.prototxt").write_text(net)
    with pytest.raises(SnapshotError, match="fc3"):
        Solver("solver.prototxt", snapshot="run/snap_iter_16.solverstate")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("run/snap_iter_16.caffemodel", "is a model; training goes on from its state, run/snap_iter_16.solverstate"),
        ("run/snap_iter_17.solverstate", "no such file"),
        ("run/other", "no complete snapshot there"),
        ("solver.prototxt", "is no snapshot, but a text file; give a .solverstate or the folder of a run"),
    ],
)
def test_what_is_no_snapshot_is_refused(name: str, sentence: str, trained: Path) -> None:
    with pytest.raises(SnapshotError) as caught:
        Solver("solver.prototxt", snapshot=name)
    assert str(caught.value) == f"{name}: {sentence}"


@pytest.mark.parametrize("part", [MODEL, STATE, ".resume.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "missing"])
def test_a_damaged_snapshot_is_refused_and_passed_over(part: str, damage: str, trained: Path) -> None:
    path = trained / f"run/snap_iter_16{part}"
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data[:-1] if damage == "cut" else data)
    with pytest.raises(SnapshotError, match="run/snap_iter_16"):
        find("run/snap_iter_16.solverstate")
    with pytest.warns(DeepcaeWarning, match=r"^run/snap_iter_16\..*; this snapshot is passed over$"):
        newest = latest("run")
    assert newest is not None
    assert newest.iteration == 12
    told = [r for r in Solver("solver.prototxt", out="run", snapshot="latest").solve() if isinstance(r, Warned)]
    assert [(record.iteration, record.message.split(".")[0]) for record in told] == [(12, "run/snap_iter_16")]
    assert told[0].kind == WarningKind.FILES


def test_changed_settings_are_told(trained: Path) -> None:
    change = 'lr_policy: "fixed" max_iter: 18 weight_decay: 0.5'
    solver = Solver("solver.prototxt", out="run", snapshot="latest", overrides=change)
    told = [record.message for record in solver.solve() if isinstance(record, Warned)]
    changes = "lr_policy was multistep and is fixed, weight_decay was 0.01 and is 0.5"
    assert told == [f"the solver has changed since the snapshot: {changes}"]


def test_a_changed_net_text_and_seed_are_told(trained: Path) -> None:
    net = (trained / "net.prototxt").read_text().replace("batch_size: 4", "batch_size: 3")
    (trained / "net.prototxt").write_text(net)
    solver = Solver("solver.prototxt", out="run", snapshot="latest", seed=9, overrides="max_iter: 17")
    warned = [record for record in solver.solve() if isinstance(record, Warned)]
    assert {record.kind for record in warned} == {WarningKind.RESUMED}
    assert [record.message for record in warned] == [
        "the seed was 7 and is 9 now: shuffled data come in another order",
        "the network text has changed since the snapshot",
    ]


def test_changed_data_are_told(trained: Path) -> None:
    """Also where the text still names the same files."""
    with h5py.File(trained / "train_1.h5", "w") as file:
        file["data"] = np.zeros((9, 6), np.float32)
    solver = Solver("solver.prototxt", out="run", snapshot="latest", overrides="max_iter: 17")
    told = [record.message for record in solver.solve() if isinstance(record, Warned)]
    start = "the data of layer 'd' (train net) have changed since the snapshot: "
    assert told[0] == f"{start}it had 14 rows and has 16 now"
    assert told[1].startswith(f"{start}train_1.h5: ")
    assert len(told) == 2


def test_snapshots_that_do_not_tell_of_the_data_are_taken(trained: Path) -> None:
    for before in ("absent", None, 3, [None], [{"d": 3}], [{}, {}]):
        _rewrite_extras(trained / "run/snap_iter_16", {"data": before})
        solver = Solver("solver.prototxt", out="run", snapshot="latest")
        assert not [record for record in solver.solve() if isinstance(record, Warned)]


def test_a_resumed_run_keeps_as_many_snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    solver = write_training(tmp_path)
    list(Solver(solver, out="run", keep=2, overrides="max_iter: 12").solve())
    assert _iterations() == [8, 12]
    list(Solver(solver, out="run", snapshot="latest").solve())
    assert _iterations() == [12, 16]
    list(Solver(solver, out="run", snapshot="latest", keep=3, overrides="max_iter: 24").solve())
    assert _iterations() == [16, 20, 24]


def _iterations() -> list[int]:
    return sorted(int(path.name.split("_")[2].split(".")[0]) for path in Path("run").glob(f"*{MANIFEST}"))


def _rewrite_extras(stem: Path, changes: dict[str, object]) -> Path:
    """Puts other values into .resume.json, and its checksum into the manifest."""
    extras, manifest = Path(f"{stem}.resume.json"), Path(f"{stem}{MANIFEST}")
    told = {name: value for name, value in (json.loads(extras.read_text()) | changes).items() if value != "absent"}
    extras.write_text(json.dumps(told))
    listed = json.loads(manifest.read_text())
    listed["files"][extras.name] = {
        "size": extras.stat().st_size,
        "sha256": hashlib.sha256(extras.read_bytes()).hexdigest(),
    }
    manifest.write_text(json.dumps(listed))
    return extras


def test_other_kernels_are_told(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "banded" if choice.preference() == "torch" else "torch"
    monkeypatch.setenv(choice.VARIABLE, other)
    monkeypatch.setattr(choice, "_preference", [])
    solver = Solver("solver.prototxt", out="run", snapshot="latest", overrides="max_iter: 17")
    (told,) = [record.message for record in solver.solve() if isinstance(record, Warned)]
    assert told.startswith("convolutions were computed by rule '")
    assert told.endswith(f"are by rule '{other}' with no compiled kernels now: the last bits of its numbers may differ")


def test_a_renamed_bare_state_is_taken(trained: Path) -> None:
    (trained / "run/snap_iter_16.solverstate").rename("mine.solverstate")
    (trained / "run/snap_iter_16.caffemodel").rename("mine.caffemodel")
    assert Solver("solver.prototxt", snapshot="mine.solverstate").iteration == 16


def test_resuming_what_is_done_takes_no_step(trained: Path) -> None:
    before = (trained / f"run/snap_iter_16{MODEL}").stat().st_mtime_ns
    records = list(Solver("solver.prototxt", out="run", snapshot="latest").solve())
    assert not [record for record in records if isinstance(record, Step | Snapshotted)]
    assert isinstance(records[-1], Finished)
    assert records[-1].reason == "done"
    assert (trained / f"run/snap_iter_16{MODEL}").stat().st_mtime_ns == before


def test_a_run_goes_on_beyond_its_end(trained: Path) -> None:
    """max_iter is raised: the same as if it had been so from the beginning."""
    list(Solver("solver.prototxt", out="run", snapshot="latest", overrides="max_iter: 24").solve())
    list(Solver("solver.prototxt", out="long/run", overrides="max_iter: 24").solve())
    ours, wanted = (Path(folder, f"snap_iter_24{MODEL}").read_bytes() for folder in ("run", "long/run"))
    assert ours == wanted
    assert read_state(f"run/snap_iter_24{STATE}").iter == 24


# Killed

CHILD = """
import sys
import torch
torch.set_num_threads(1)
from deepcae.solver.solver import Solver
snapshot = "latest" if sys.argv[2:] == ["resume"] else None
solver = Solver("solver.prototxt", out="run", snapshot=snapshot, overrides=sys.argv[1])
for record in solver.solve():
    if hasattr(record, "loss"):
        print(record.iteration, flush=True)
"""


LONG = "max_iter: 200 snapshot: 2 test_interval: 50"
KILLS = 2  # and as many as one likes: `make kills`


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, LONG, *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)


def test_kill_and_resume_ends_as_unbroken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """SIGKILL at random times, resumed each time, until it is done."""
    unbroken, killed = tmp_path / "a", tmp_path / "b"
    for folder in (unbroken, killed):
        write_training(folder)
    monkeypatch.chdir(unbroken)
    assert [each.iteration for each in Solver("solver.prototxt", out="run", overrides=LONG).solve()][-1] == 200
    random = np.random.default_rng(int(time.time()))
    kills = 0
    for attempt in range(30):
        child = _start(killed, *(["resume"] if latest(killed / "run/snap") else []))
        assert child.stdout is not None
        if child.stdout.readline() and attempt < KILLS:
            time.sleep(float(random.random()) * 0.15)
            child.kill()
            kills += 1
        child.communicate(timeout=120)
        if child.returncode == 0:
            break
    assert kills == KILLS
    assert _digest(killed / "run", 200) == _digest(unbroken / "run", 200)
    left = [path.name for path in (killed / "run").iterdir() if "tmp" in path.name or path.name.endswith(".lock")]
    assert left == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"seed": None}, "'seed' is missing or no int"),
        ({"train_position": "8"}, "'train_position' is missing or no int"),
        ({"generator": "AAAA"}, "damaged"),
        ({"generator": "%"}, "damaged"),
        ({"smoothed_loss": {}}, "damaged"),
        ({"smoothed_loss": {"start": 1e999, "losses": [], "value": 0}}, "damaged"),
    ],
)
def test_extras_that_are_whole_but_wrong_are_refused(changes: dict[str, object], what: str, tmp_path: Path) -> None:
    solver = write_training(tmp_path)
    list(Solver(solver, out=tmp_path / "run").solve())
    stem = str(tmp_path / "run" / "snap_iter_16")
    extras = _rewrite_extras(Path(stem), changes)
    with pytest.raises(SnapshotError, match=what) as error:
        list(Solver(solver, out=tmp_path / "run", snapshot=stem + STATE).solve())
    assert str(error.value).startswith(str(extras))
