"""Runs are carried out once, by whoever comes; what is killed is gone on with; nothing finished is lost."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from deepcae.errors import DataError, TrainingError
from deepcae.paper.experiment import JUDGING, Data, Experiment
from deepcae.paper.runner import Ended, Runner, Working
from deepcae.paper.store import Store
from deepcae.paper.worker import NO_BETTER, NOT_FINITE, carry_out, task
from paper.results import write_images

pytestmark = pytest.mark.timeout(1200)  # a loaded machine takes a minute to begin a process

SHORT = [Experiment("cae1", 2, seed, 40) for seed in (1, 2, 3)]
LONG = Experiment("cae1", 2, 9, 600, "display: 20")
PARENT = """
import json, sys
from pathlib import Path
from deepcae.paper.experiment import JUDGING, Data, Experiment
from deepcae.paper.runner import Runner
from deepcae.paper.store import Store
out, train, test, pairs, experiments = sys.argv[1:]
store = Store(Path(out), Data(Path(train), Path(test), Path(pairs)))
for event in Runner(store, places=1).run([Experiment.from_json(each) for each in json.loads(experiments)]):
    pass
"""


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return write_images(tmp_path / "data")


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def start(store: Store, *experiments: Experiment) -> subprocess.Popen[str]:
    """A runner of these experiments in a process of its own."""
    data, told = store.data, json.dumps([each.to_json() for each in experiments])
    paths = [str(path) for path in (store.out, data.train, data.test, data.pairs)]
    return subprocess.Popen([sys.executable, "-c", PARENT, *paths, told], stderr=subprocess.PIPE, text=True)


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 500
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def records(store: Store, experiment: Experiment, kind: str) -> list[dict]:
    lines = (store.run(experiment) / "metrics.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


def results(store: Store, *experiments: Experiment) -> list[dict]:
    ended = [event for event in Runner(store, places=2).run(experiments) if isinstance(event, Ended)]
    assert {event.experiment for event in ended} == set(experiments)
    return [store.result(each) or {} for each in experiments]


def carried_out(store: Store, experiment: Experiment) -> dict:
    """As `results` of one, in this process: where not the runner is judged but what it keeps."""
    result = carry_out(experiment, store, os.getppid())
    assert result is not None
    return result


def test_a_result_holds_what_the_tables_need_and_is_found_again(data: Data, tmp_path: Path) -> None:
    store = Store(tmp_path / "out", data)
    found = results(store, SHORT[0])[0]
    assert (found["iterations"], found["threads"], found["key"]) == (40, 1, SHORT[0].key(data))
    assert set(found["test"]) == set(found["train"]) == set(found["mean_image"]) == {"cross_entropy_loss", "l2_error"}
    assert found["outcome"] == NO_BETTER  # noise has nothing to learn
    assert found["knn"] is not None
    assert found["classes"] is not None
    assert len(list(store.run(SHORT[0]).glob("*.caffemodel"))) == 1
    before = store.path(SHORT[0]).stat().st_mtime_ns
    events = list(Runner(store, places=1).run([SHORT[0], SHORT[0]]))
    assert [event.found for event in events if isinstance(event, Ended)] == [True]
    assert [event.iterations for event in events if isinstance(event, Working)] == [40]
    assert store.path(SHORT[0]).stat().st_mtime_ns == before


def test_losses_are_those_of_the_networks_own_test(data: Data, tmp_path: Path) -> None:
    from deepcae.solver.solver import Solver

    store, one = Store(tmp_path / "out", data), Experiment("classic-300", 2, 1, 5)
    found = carried_out(store, one)
    solver = Solver(store.run(one) / "model" / "solver.prototxt", snapshot=str(store.run(one)))
    for index, name in enumerate(("train", "test")):  # the classic networks have a test net for each
        outputs = solver.test(index).outputs
        assert {loss: outputs[loss] for loss in found[name]} == pytest.approx(found[name], rel=1e-5)


@pytest.mark.skipif(sys.platform == "win32", reason="has neither the signals nor the locks")
def test_what_is_killed_goes_on_and_nothing_finished_is_lost(
    data: Data, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    store = Store(tmp_path / "out", data)
    parent = start(store, SHORT[0], LONG)
    processes.append(parent)
    wait_for(lambda: any(store.run(LONG).glob("*.ok.json")))
    kept = store.path(SHORT[0]).read_bytes()
    lock = store.lock(LONG).path
    worker = int(re.search(r"pid (\d+)", lock.read_text())[1])
    for process in (parent.pid, worker):
        os.kill(process, signal.SIGKILL)
    parent.wait()
    assert lock.exists()  # left behind, and in nobody's way
    wait_for(lambda: not store.is_taken(LONG))
    assert store.result(LONG) is None
    resumed = results(store, SHORT[0], LONG)[1]
    assert store.path(SHORT[0]).read_bytes() == kept
    assert records(store, LONG, "started")[-1]["iteration"] > 0
    whole = carried_out(Store(tmp_path / "whole", data), LONG)
    assert resumed["test"] == whole["test"]
    assert resumed["key"] == whole["key"]


@pytest.mark.skipif(sys.platform == "win32", reason="has neither the signals nor the locks")
def test_a_run_whose_runner_is_gone_stops_with_a_snapshot(
    data: Data, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    store = Store(tmp_path / "out", data)
    endless = Experiment("cae1", 2, 1, 100_000_000, "display: 20 snapshot: 0")
    parent = start(store, endless)
    processes.append(parent)
    wait_for(lambda: store.iteration(endless) > 0)
    parent.kill()
    wait_for(lambda: not store.is_taken(endless))
    assert any(store.run(endless).glob("*.ok.json"))
    assert store.result(endless) is None


@pytest.mark.skipif(sys.platform == "win32", reason="has neither the signals nor the locks")
def test_ctrl_c_stops_with_snapshots(data: Data, tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    store = Store(tmp_path / "out", data)
    endless = Experiment("cae1", 2, 1, 100_000_000, "display: 20 snapshot: 0")
    parent = start(store, endless, SHORT[0])
    processes.append(parent)
    wait_for(lambda: store.iteration(endless) > 0)
    parent.send_signal(signal.SIGINT)
    _, said = parent.communicate(timeout=500)
    assert (parent.returncode, said) == (0, "")
    assert any(store.run(endless).glob("*.ok.json"))
    assert store.result(SHORT[0]) is None


@pytest.mark.skipif(sys.platform == "win32", reason="runs there are not kept apart")
def test_two_processes_share_a_folder(data: Data, tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    store = Store(tmp_path / "out", data)
    shared = SHORT[:2]
    processes += [start(store, *shared), start(store, *shared)]  # both want the first at once
    for process in processes:
        _, said = process.communicate(timeout=900)
        assert (process.returncode, said) == (0, "")
    assert len(list((store.out / "results").iterdir())) == len(shared)
    assert [len(records(store, each, "started")) for each in shared] == [1, 1]


def test_what_was_cut_off_while_it_was_judged_is_judged_and_not_trained(data: Data, tmp_path: Path) -> None:
    store = Store(tmp_path / "out", data)
    before = carried_out(store, SHORT[0])
    metrics = store.run(SHORT[0]) / "metrics.jsonl"
    trained = metrics.read_bytes()
    store.path(SHORT[0]).unlink()
    after = carried_out(store, SHORT[0])
    assert metrics.read_bytes() == trained
    changing = ("seconds_in_all",)
    assert {**after, **dict.fromkeys(changing)} == {**before, **dict.fromkeys(changing)}
    assert before["seconds"] > 0


def test_other_rules_of_judging_judge_anew(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "out", data)
    found = carried_out(store, SHORT[0])
    assert store.result(SHORT[0]) is not None
    assert found["judging"] == JUDGING
    monkeypatch.setattr("deepcae.paper.store.JUDGING", JUDGING + 1)
    assert store.result(SHORT[0]) is None


def test_a_handful_of_images_is_judged_by_what_it_allows(tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", test=4)
    found = carried_out(Store(tmp_path / "out", data), SHORT[0])
    assert (found["knn"], found["classes"]) == (None, None)
    assert set(found["test"]) == {"cross_entropy_loss", "l2_error"}


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
def test_ctrl_c_while_a_run_is_being_started_stops_it(data: Data, tmp_path: Path) -> None:
    store = Store(tmp_path / "out", data)
    endless = Experiment("cae1", 2, 1, 100_000_000, "display: 20 snapshot: 0")
    runner = Runner(store, places=1)
    started = subprocess.Popen

    def interrupted(*args: Any, **options: Any) -> subprocess.Popen[str]:
        process = started(*args, **options)
        runner.request_stop()
        return process

    with patch("deepcae.child.subprocess.Popen", interrupted):
        assert not any(isinstance(event, Ended) for event in runner.run([endless]))
    assert store.result(endless) is None


def test_a_worker_without_its_runner_does_not_begin(data: Data, tmp_path: Path) -> None:
    store = Store(tmp_path / "out", data)
    endless = Experiment("cae1", 2, 1, 100_000_000, "display: 20")
    told = {**task(endless, store), "parent": 1_000_000_000}
    worker = [sys.executable, "-m", "deepcae.paper.worker"]
    ended = subprocess.run(worker, input=json.dumps(told), capture_output=True, text=True, timeout=500, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert store.result(endless) is None


@pytest.mark.skipif(sys.platform == "win32", reason="runs there are not kept apart")
def test_a_folder_that_another_training_writes_to_is_no_result(data: Data, tmp_path: Path) -> None:
    from deepcae.solver.lock import Lock

    store = Store(tmp_path / "out", data)
    store.run(SHORT[0]).mkdir(parents=True)
    lock = Lock(str(store.run(SHORT[0]) / "cae1"))
    lock.acquire()
    with pytest.raises(TrainingError, match="another training is writing there"):
        list(Runner(store, places=1).run([SHORT[0]]))
    lock.release()
    assert store.result(SHORT[0]) is None


def test_pairs_are_made_of_what_the_lists_name(data: Data, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    for name in ("train", "test"):
        (lists / f"my-{name}.txt").write_text(f"{data.train.parent / name}.h5\n")
    named = Data(lists / "my-train.txt", lists / "my-test.txt", tmp_path / "pairs")
    found = carried_out(Store(tmp_path / "out", named), Experiment("siamese", 2, 1, 5))
    assert (found["iterations"], found["train"]) == (5, {})
    assert all(path.exists() for path in named.pair_lists)


def test_a_value_that_is_not_finite_is_a_result(data: Data, tmp_path: Path) -> None:
    store = Store(tmp_path / "out", data)
    found = carried_out(store, Experiment("cae1", 2, 1, 40, "base_lr: 1e30"))
    assert found["outcome"] == NOT_FINITE
    assert re.match(r"iteration \d+: ", found["reason"])
    assert "test" not in found


def test_what_cannot_be_trained_is_told_and_the_rest_goes_on(data: Data, tmp_path: Path) -> None:
    store = Store(tmp_path / "out", data)
    wrong = Experiment("cae1", 2, 1, 40, "base_lr: -1")
    with pytest.raises(TrainingError, match=r"^cae1-2-seed-1: .*base_lr is -1; it must be at least 0"):
        list(Runner(store, places=1).run([wrong, SHORT[1]]))
    assert store.result(SHORT[1]) is not None


def test_a_run_whose_metrics_cannot_be_written_is_judged_and_told(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store, real = Store(tmp_path / "out", data), os.write

    def write(descriptor: int, content: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("/metrics.jsonl"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    result = carried_out(store, SHORT[0])
    assert result["iterations"] == 40
    assert store.result(SHORT[0]) is not None
    told = capfd.readouterr().err
    assert re.search(r"^warning: .*/metrics\.jsonl: lacks \d+ lines: No space left on device$", told, re.MULTILINE)


@pytest.mark.parametrize("content", [b"\xff", b"[]", b"7", b"{}", b'{"outcome": 3}', b"[" * 100_000])
def test_a_damaged_result_is_told(content: bytes, data: Data, tmp_path: Path) -> None:
    store = Store(tmp_path / "out", data)
    store.path(SHORT[0]).parent.mkdir(parents=True)
    store.path(SHORT[0]).write_bytes(content)
    with pytest.raises(DataError, match=r"\.json: damaged, no result of a run; remove it, and the run is judged anew"):
        store.result(SHORT[0])


@pytest.mark.parametrize("lies_there", ["no net at all", 'name: "other"'])
def test_texts_of_the_working_directory_are_not_taken(
    lies_there: str, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "out", data)
    alone = carried_out(Store(tmp_path / "alone", data), SHORT[0])
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for name in ("net.prototxt", "solver.prototxt"):
        Path(name).write_text(lies_there)
    result = carried_out(store, SHORT[0])
    assert (result["train"], result["test"]) == (alone["train"], alone["test"])
    assert {path.read_text() for path in Path().iterdir()} == {lies_there}
