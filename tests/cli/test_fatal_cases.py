"""What Caffe refuses to load, `check` refuses, at a line and column; what Caffe accepts, it lets pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepcae.check.findings import examine
from deepcae.layers import CAFFE_TYPES, Layer
from reference import reference_dir

CASES: list[dict[str, Any]] = [
    case
    for folder in (reference_dir(), reference_dir("unpooling"))
    for case in json.loads((folder / "fatal.json").read_text())["cases"]
]
WHILE_IT_RUNS = ("forward", "backward")  # Caffe loads these; only a pass through them ends it
NOT_HERE_YET = CAFFE_TYPES - set(Layer.registry)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_check_agrees_with_caffe(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("net", "solver"):
        if kind in case:
            Path(f"{kind}.prototxt").write_text(case[kind])
    findings = examine(Path("solver.prototxt" if "solver" in case else "net.prototxt"))
    refused = case["outcome"] != "accepted" and case.get("when") not in WHILE_IT_RUNS
    unknown = any(f'type: "{name}"' in case["net"] for name in NOT_HERE_YET)
    assert findings.ok == (not refused and not unknown)
    for problem in findings.problems:
        assert problem.place is not None
        assert problem.place.line is not None
        assert problem.place.column is not None


def test_a_solver_without_max_iter_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    case = next(case for case in CASES if case["name"] == "solver_test_iter_missing")
    Path("net.prototxt").write_text(case["net"])
    Path("solver.prototxt").write_text(case["solver"])
    assert [str(warning) for warning in examine(Path("solver.prototxt")).warnings] == [
        "solver.prototxt:1:1: max_iter is missing: `train` needs one"
    ]
