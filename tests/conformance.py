"""How deepcae compares with real Caffe, as a table: `make conformance`.

    family · cases · passed · worst relative error

Runs the tests that judge by Caffe's reference data and sums up what they compared. An error is relative to the greatest
value of the array; families without one are compared exactly, or (fillers) by their statistics.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))

import reference  # noqa: E402  # found only now

MEASURED = ("net/test_reference_nets.py", "solver/test_caffe_runs.py")  # these say their families themselves
FAMILIES = {
    "net/test_filter_split.py::test_as_caffe": "filters and splits",
    "layers/test_filler.py::test_distributes_as_caffe_does": "fillers",
    "layers/test_reference.py::test_dropout_relates_its_arrays_as_caffe_does": "layers, random",
    "data/test_caffe_cases.py": "data layers",
    "data/test_output.py::test_one_batch_is_caffes_file": "data layers",
    "proto/test_upgrade.py::test_caffes_own_upgrades": "legacy upgrades",
    "proto/test_binary.py::test_a_file_of_caffe_is_written_as_caffe_wrote_it": "files re-written",
    "proto/test_binary.py::test_the_model_of_2014_is_as_caffe_upgraded_it": "files re-written",
    "proto/test_binary.py::test_models_of_the_fork": "files re-written",
    "solver/test_caffe_files.py": "trainings from Caffe's files",
    "cli/test_fatal_cases.py::test_check_agrees_with_caffe": "texts that Caffe refuses",
}


class Outcomes:
    """Which tests passed and which failed, by name."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self.passed.add(report.nodeid)


def main() -> int:
    outcomes = Outcomes()
    files = sorted({name.split("::")[0] for name in FAMILIES} | set(MEASURED))
    code = pytest.main([*(str(TESTS / name) for name in files), "-q", "--no-header"], plugins=[outcomes])
    families = {name: set(nodes) for name, nodes in reference.COMPARED.items()}
    for start, family in FAMILIES.items():
        ran = {node for node in outcomes.passed | outcomes.failed if node.split("tests/")[-1].startswith(start)}
        families.setdefault(family, set()).update(ran)
    rows = [("family", "cases", "passed", "worst relative error")]
    for family, nodes in sorted(families.items()):
        cases = {_case(node) for node in nodes}
        failed = {_case(node) for node in nodes & outcomes.failed}
        worst = f"{reference.WORST[family]:.1e}" if family in reference.WORST else "–"
        rows.append((family, str(len(cases)), str(len(cases - failed)), worst))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    print(f"\nReference data: {reference.reference_dir()}\n")
    for row in rows:
        print(
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        )
    return int(code)


def _case(node: str) -> str:
    """The reference case that a test is about: what stands in brackets, or its own name."""
    return node.split("[", 1)[1].rstrip("]") if "[" in node else node


if __name__ == "__main__":
    sys.exit(main())
