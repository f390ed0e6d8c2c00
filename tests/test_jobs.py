"""Work in other processes: what a job finds and tells, how it is stopped, and that none is left."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deepcae.jobs import Job, Pool

WORK = """
import json, signal, sys, time
from pathlib import Path

def tell():
    task = json.load(sys.stdin)
    print("a line", task["number"], file=sys.stderr, flush=True)
    print("error: a complaint", file=sys.stderr, flush=True)
    print("an answer", task["number"])
    return task["number"]

def wait():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    signal.signal(signal.SIGHUP, lambda *_: print("a snapshot", file=sys.stderr, flush=True))
    print("ready", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.05)

def together():
    task = json.load(sys.stdin)
    folder = Path(task["folder"])
    mine = folder / task["name"]
    mine.write_text("")
    time.sleep(0.3)
    print(len(list(folder.iterdir())))
    mine.unlink()
"""


@pytest.fixture
def work(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "work_of_jobs.py").write_text(WORK)
    return {"PYTHONPATH": str(tmp_path)}


def test_a_job_finds_its_task_and_its_lines_are_heard(work: dict[str, str]) -> None:
    heard: list[tuple[str, str]] = []
    jobs = [Job(f"job {n}", "work_of_jobs:tell", {"number": n}, work) for n in range(3)]
    ended = list(Pool(2, lambda job, line: heard.append((job.name, line))).run(jobs))
    assert {each.job.name for each in ended} == {"job 0", "job 1", "job 2"}
    for each in ended:
        number = each.job.task["number"]
        assert (each.code, each.answer) == (number, f"an answer {number}\n")
        assert each.lines == (f"a line {number}", "error: a complaint")
        assert each.errors == ["error: a complaint"]
    assert sorted(heard) == [(f"job {n}", f"a line {n}") for n in range(3)]


@pytest.mark.parametrize("places", [1, 2])
def test_no_more_run_at_a_time_than_there_are_places(places: int, work: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    jobs = [
        Job(f"job {n}", "work_of_jobs:together", {"folder": str(tmp_path / "here"), "name": str(n)}, work)
        for n in range(4)
    ]
    found = [int(each.answer) for each in Pool(places).run(jobs)]
    assert len(found) == 4
    assert max(found) <= places


def test_a_stop_reaches_all_and_none_begins_after_it(work: dict[str, str]) -> None:
    pool = Pool(2, lambda job, line: ready.append(line))
    ready: list[str] = []
    jobs = [Job(f"job {n}", "work_of_jobs:wait", {}, work) for n in range(3)]
    for job in jobs[:2]:
        pool.start(job)
    while ready.count("ready") < 2:
        time.sleep(0.02)
    pool.request_snapshot()
    while ready.count("a snapshot") < 2:
        time.sleep(0.02)
    pool.request_stop()
    ended = list(pool.run(jobs[2:]))
    assert [each.code for each in ended] == [5, 5]
    assert not pool.running


def test_whoever_leaves_early_leaves_nobody_behind(work: dict[str, str]) -> None:
    pool = Pool(2)

    def interrupted() -> None:
        with pool:
            for n in range(2):
                pool.start(Job(f"job {n}", "work_of_jobs:wait", {}, work))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not pool.running


def test_what_cannot_begin_ends_with_its_complaint() -> None:
    (ended,) = Pool(1).run([Job("nobody", "deepcae.nothing:at_all", {})])
    assert ended.code == 1
    assert "ModuleNotFoundError" in ended.lines[-1]
