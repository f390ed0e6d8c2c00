"""A few of the disturbances that `make faults` and `make kills` make of every call, in seconds."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import kills, run
from faults.server import Server, compiler, scratch
from faults.training import Training

pytestmark = pytest.mark.skipif(
    shutil.which(compiler()[0]) is None, reason="needs a C compiler, for what stands between Python and the system"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def training(server: Server) -> Iterator[Training]:
    with scratch() as folder:
        yield Training(server, Path(folder))


@pytest.mark.parametrize("failure", run.FAILURES)
def test_disturbed_calls(failure: str, training: Training) -> None:
    """Two calls out of some hundreds, others in each run of the tests."""
    for at in random.sample(range(1, training.wanted.calls + 1), 2):
        ended, problems = run.disturb(training, failure, at)
        assert problems == [], f"{failure} at call {at}"
        assert ended.killed == (failure == "kill" or failure.startswith("cut"))


def test_the_best_is_found_whenever_a_kill_cuts_it_off(server: Server) -> None:
    """Before the first numbered snapshot it is all that there is to go on from; later an older one is in place."""
    with scratch() as folder:
        best = Training(server, Path(folder), *run.TRAININGS["best"])
        quarter, calls, seen = best.wanted.calls // 4, best.wanted.calls, set[bool]()
        some = (*range(quarter, calls, 4), *range(1, quarter, 4))  # the first files of a run are of no snapshot
        for at in some:  # six calls in a row are where it is cut off
            if len(seen) == 2:
                break
            case = best.begin(f"{at}")
            ended = best.run(case, at=at, failure="kill")
            cut_off = (case / "run/snap_best.ok.json.next").exists()
            is_first = not (case / "run/snap_best.ok.json").exists()
            if cut_off and not (is_first in seen or (case / "run/snap_best.caffemodel.next").exists()):
                seen.add(is_first)
                assert best.problems_now(case, ended) == []
                assert best.problems_after(case, ended) == []
            shutil.rmtree(case.parent)
        assert seen == {True, False}


def test_a_disk_that_is_full_from_the_middle_on(training: Training) -> None:
    case = training.begin("full")
    ended = training.run(case, at=training.wanted.calls // 2, failure="ENOSPC", persistent=True)
    assert ended.code == 1
    errors = [line for line in ended.said.splitlines() if line.startswith("error: ")]
    wanted = (
        "run/restored.h5: cannot be",
        "run/snap_iter_16.caffemodel: the snap",
        "run/snap_iter_12: the snapshot is missing, too",
        "run/metrics.jsonl: lacks",
        "run/train.log: l",
    )
    assert [line[: len(f"error: {start}")] for line, start in zip(errors, wanted, strict=True)] == [
        f"error: {start}" for start in wanted
    ]
    told = [line for line in ended.said.splitlines() if "metrics.jsonl: cannot be written" in line]
    assert len(told) == 1
    assert "No space left on device" in told[0]
    assert "bytes are needed" in told[0]
    assert training.problems_after(case, ended) == []


def test_a_fit_that_takes_the_place_of_another() -> None:
    """One call each: a fit and the same again take seconds."""
    with scratch() as folder, Server(fits=True) as server:
        fit = run.made(server, Path(folder), "fit-overwrite")
        for failure in ("full", "kill"):
            at = random.randint(1, fit.wanted.calls)
            assert run.disturb(fit, failure, at)[1] == [], f"{failure} at call {at}"


def test_kills(training: Training) -> None:
    count, problems = kills.kill(training, random.Random(), 0, 0.3)
    assert problems == []
    assert count <= kills.MOST_IN_A_ROW


def test_the_judge_sees_what_is_wrong(training: Training) -> None:
    """Or the tests above would show nothing."""
    case = training.begin("judged")
    ended = training.run(case)
    (case / "run/.net.prototxt.1.tmp").write_text("left behind")
    model = case / "run/snap_iter_12.caffemodel"
    model.write_bytes(model.read_bytes()[:-1])
    assert any("damaged: run" in each or "snap_iter_12" in each for each in training.problems_now(case, ended))
    (case / "run/snap_iter_8.ok.json").unlink()
    assert any("lost: the snapshot of iteration 8" in each for each in training.problems_now(case, ended))
    (case / "run/snap_iter_16.caffemodel").write_bytes(b"x")
    found = training.problems_after(case, ended)
    assert any(".net.prototxt.1.tmp" in each for each in found)
