"""`deepcae check`: everything that is wrong with network and solver texts, with the place of each thing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options
from .screen import answer, tell

if TYPE_CHECKING:
    from ..check.findings import Findings
    from ..errors import Problem


def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE|RUN...", help="Network and solver texts, told apart; or runs.")
    ],
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Say everything that is wrong with texts, as FILE:LINE:COL: lines, before anything is run."""
    from ..check.findings import examine

    all_findings = [examine(file) for file in files]
    if json:
        answer({"ok": all(f.ok for f in all_findings), "files": [_as_json(f) for f in all_findings]})
    else:
        told = set[Any]()  # a net's stand once, whichever of the files name it
        for findings in all_findings:
            _print(findings, quiet, told)
    if not all(findings.ok for findings in all_findings):
        raise typer.Exit(2)


def _print(findings: Findings, quiet: bool, told: set[Any]) -> None:
    """Says what was found, but for what is in `told`, and adds it there."""
    from ..check.findings import MissingFile

    for problem in _new(findings, findings.problems, told):
        tell(problem)
    if findings.problems and all(isinstance(problem, MissingFile) for problem in findings.problems) and not quiet:
        tell(f"{findings.file}: nothing else is wrong, as far as can be told without these data")
    if not quiet:
        for warning in _new(findings, findings.warnings, told):
            tell(f"{warning.place}: warning: {warning.message}")
        if findings.ok:
            writes = f"; it writes {', '.join(findings.writes)}" if findings.writes else ""
            writes += f" ({'; '.join(findings.remarks)})" if findings.remarks else ""
            tell(f"{findings.file}: {findings.kind} is fine ({findings.examined}){writes}")


def _new(findings: Findings, problems: Sequence[Problem], told: set[Any]) -> list[Problem]:
    """Those that no other file told, in whichever states, and by whichever path it names the net."""
    from ..check.findings import same

    bare = {problem: same(findings.bare.get(problem, problem)) for problem in problems}
    new = [problem for problem in problems if bare[problem] not in told]
    told.update(bare.values())
    return new


def _as_json(findings: Findings) -> dict[str, Any]:
    return {
        "file": findings.file,
        "kind": findings.kind,
        "examined": findings.examined,
        "problems": [_problem_as_json(problem) for problem in findings.problems],
        "writes": findings.writes,
        "remarks": findings.remarks,
        "warnings": [_problem_as_json(warning) for warning in findings.warnings],
    }


def _problem_as_json(problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "message": problem.message,
    }
