"""Records of a run are read around damage, and what is left out is told by file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepcae.errors import DeepcaeWarning
from deepcae.solver.metrics import Metrics, read_metrics
from deepcae.solver.records import LastPass, Step, Test, Warned, WarningKind
from deepcae.solver.run import Run
from deepcae.solver.solver import Solver
from solver.tiny import write_training

GOOD = {"kind": "test", "iteration": 4, "net_index": 0, "outputs": {"loss": 1.5}, "weights": {"loss": 1.0}, "loss": 1.5}


def _changed(**changes: Any) -> bytes:
    entry = {**GOOD, **changes}
    return json.dumps({name: value for name, value in entry.items() if value != "absent"}).encode()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\xff" + _changed()[1:], "no JSON in UTF-8"),
        (_changed().replace(b"loss", b"lo\xe9s"), "no JSON in UTF-8"),
        (b"\x00" * 40, "no JSON in UTF-8"),
        (b"[" * 100_000, "no JSON in UTF-8"),
        (_changed()[:-9], "no JSON in UTF-8"),
        (b"[1, 2]", "a record is an object, not a list"),
        (b"7", "a record is an object, not a int"),
        (b"null", "a record is an object, not a NoneType"),
        (_changed(kind="absent"), "'kind' is missing or no text"),
        (_changed(kind=["test"]), "'kind' is missing or no text"),
        (_changed(iteration="absent"), "'iteration' is missing"),
        (_changed(iteration="4"), "'iteration' is no count"),
        (_changed(iteration=True), "'iteration' is no count"),
        (_changed(iteration=-1), "'iteration' is no count"),
        (_changed(iteration=10**30), "'iteration' is no count"),
        (_changed(outputs="absent"), "'outputs' is missing"),
        (_changed(outputs=[1.5]), "'outputs' is no mapping of numbers"),
        (_changed(outputs={"loss": "much"}), "'outputs' is no mapping of numbers"),
        (_changed(outputs={"loss": {"a": 1}}), "'outputs' is no mapping of numbers"),
        (_changed(outputs={"loss": [1, None]}), "'outputs' is no mapping of numbers"),
        (_changed(outputs={"loss": 10**400}), "'outputs' is no mapping of numbers"),
        (_changed(weights=3), "'weights' is no mapping of numbers"),
        (_changed(loss=[]), "'loss' is no number"),
        (_changed(net_index="0"), "'net_index' is no count"),
        (_changed(kind="warned"), "'message' is missing"),
        (_changed(kind="warned", message=3), "'message' is no text"),
        (_changed(kind="warned", message="x", warning=["data"]), "'warning' is no text"),
        (_changed(kind="warned", message="x", layer=0), "'layer' is no text"),
        (_changed(kind="warned", message="x", facts=[1.0]), "'facts' is no mapping of numbers"),
        (_changed(kind="finished", seconds="nan"), "'seconds_per_iteration' is missing"),
        (_changed(kind="finished", seconds="nan", seconds_per_iteration=1), "'seconds' is no number"),
    ],
)
def test_damaged_lines_are_left_out_and_told(line: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(_changed() + b"\n" + line + b"\n" + _changed(iteration=8) + b"\n")
    told: list[str] = []
    assert [entry["iteration"] for entry in read_metrics(path, told.append)] == [4, 8]
    assert told == [f"{path}:2: damaged, left out: {why}"]


def test_much_damage_is_summed_up(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"?\n" * 100 + _changed() + b"\n")
    told: list[str] = []
    assert len(read_metrics(path, told.append)) == 1
    assert [sentence.removeprefix(str(path)) for sentence in told] == [
        *(f":{n}: damaged, left out: no JSON in UTF-8" for n in (1, 2, 3)),
        ": 97 more damaged lines, left out",
    ]


def test_the_half_line_of_a_kill_needs_no_word(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(_changed() + b"\n" + _changed()[:20])
    assert len(read_metrics(path)) == 1  # warnings are errors here
    path.write_bytes(_changed() + b"\n" + _changed())
    assert len(read_metrics(path)) == 2
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_whatever_is_written_is_read(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    metrics = Metrics(tmp_path / "metrics.jsonl")
    metrics.write(Step(0, nan, inf, 0.1, -inf, displayed=True, outputs={"a": 1, "b": (nan, 2.0)}, weights={"a": 1.0}))
    metrics.write(Test(0, 1, {"a": inf}, nan, {"a": 1.0}))
    metrics.write(LastPass(1, 1.0, nan, {}))
    metrics.write(Warned(1, "größer", WarningKind.SATURATED, "ß", "ß", {"share": nan}))
    assert metrics.close() == ""
    assert [entry["kind"] for entry in read_metrics(tmp_path / "metrics.jsonl")] == [
        "train",
        "test",
        "last_pass",
        "warned",
    ]


def test_a_run_goes_on_over_damaged_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    solver = write_training(tmp_path)
    list(Solver(solver, out="run").solve())
    path = Path("run/metrics.jsonl")
    content = bytearray(path.read_bytes())
    content[40] = 0xFF
    path.write_bytes(content)
    with pytest.warns(DeepcaeWarning, match=r"^run/metrics\.jsonl:1: damaged, left out: no JSON in UTF-8$"):
        assert len(Run("run").metrics()) > 20
    records = list(Solver(solver, out="run", snapshot="latest", overrides="max_iter: 20").solve())
    told = [record.message for record in records if isinstance(record, Warned)]
    assert told == ["run/metrics.jsonl:1: damaged, left out: no JSON in UTF-8"]
    assert len([e for e in Run("run").metrics() if e["kind"] == "train"]) == 20


def test_a_full_disk_at_the_start_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a training there is nothing to lose yet."""
    import errno
    import os

    from deepcae.errors import SnapshotError

    monkeypatch.chdir(tmp_path)
    solver = Solver(write_training(tmp_path), out="run")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    sentence = r"^run/[a-z.]+: cannot be written: No space left on device; the training has not begun$"
    with pytest.raises(SnapshotError, match=sentence):
        next(solver.solve())
    assert not Path("run/snap.lock").exists()
