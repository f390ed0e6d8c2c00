"""Wrong files of every kind end in a sentence: those that once did not, great ones, and a short round of the fuzzer.

`make fuzz MINUTES=60` is the long one; a case that it finds goes to `found/` as `<target>-<what it was>-<number>`.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.giants import giants
from fuzz.run import cases
from fuzz.targets import TARGETS
from fuzz.worker import CPU_SECONDS, Outcome, Worker
from reference import GOLDEN

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured through Linux's /proc")

FOUND = sorted(path for path in (Path(__file__).parent / "found").iterdir() if path.name.split("-")[0] in TARGETS)
GIANTS = list(giants())
SLOW = {"codes_mat": 2, "codes_h5ad": 4}  # a process for each case
ROUND = 60


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_found_once_is_refused_or_fine(worker: Worker, path: Path) -> None:
    outcome = worker.run(path.name.split("-")[0], path.read_bytes())
    assert not outcome.is_finding, outcome


@pytest.mark.parametrize(("name", "target", "make"), GIANTS, ids=[f"{target}: {name}" for name, target, _ in GIANTS])
def test_great_files_take_no_more_than_their_size_tells(worker: Worker, name: str, target: str, make) -> None:
    outcome = worker.run(target, make())
    assert not outcome.is_finding, outcome


@pytest.mark.parametrize("target", TARGETS)
def test_a_short_round(worker: Worker, target: str) -> None:
    for data in itertools.islice(cases(target, 0, GOLDEN), SLOW.get(target, ROUND)):
        outcome = worker.run(target, data)
        assert not outcome.is_finding, (outcome, data[:300])


def test_the_fuzzer_sees_what_goes_wrong(worker: Worker) -> None:
    """Its own findings: each kind is told from the others, and the next case runs in a new process."""
    kinds = {kind: worker.run("self_test", kind.encode()).kind for kind in ("fine", "traceback", "memory", "crash")}
    assert kinds == {kind: kind for kind in kinds}
    assert worker.run("self_test", b"hang") == Outcome("hang", f"more than {CPU_SECONDS:g} s of computing")
