"""docs/coverage.md says what is so: every option is set by a reference case, tested elsewhere, or explained."""

from __future__ import annotations

import re
from pathlib import Path

import option_coverage

ROOT = Path(__file__).parents[1]


def test_every_option_is_accounted_for() -> None:
    nothing = [row for row in option_coverage.uncovered() if option_coverage.answer(*row) is None]
    assert nothing == []


def test_the_tests_that_are_named_exist() -> None:
    for _, text in option_coverage.ELSEWHERE:
        for file, name in re.findall(r"(\w+/test_\w+\.py)(?:::(\w+))?", text):
            source = (ROOT / "tests" / file).read_text()
            assert not name or f"def {name}(" in source, f"{file}::{name}"


def test_every_line_is_needed() -> None:
    rows = list(option_coverage.uncovered())
    used = {option_coverage.answer(*row) for row in rows}
    assert {text for _, text in option_coverage.ELSEWHERE} <= used


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "coverage.md").read_text() == option_coverage.table()
