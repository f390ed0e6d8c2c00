"""What `check` finds in one file: a network in every state it is written for, a solver with the networks it names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import DataError, Place, Problem, SpecError
from ..layers.source import Data, ImageData
from ..net.graph import Graph, build_graph
from ..net.oddities import oddities
from ..net.plan import Plan, draft_plan
from ..net.step import Step
from ..proto.document import Document
from ..proto.lookup import resolve
from ..solver.begin import default_out
from ..solver.check import check_layer_names, check_solver
from ..solver.nets import choose_nets, looked_in
from ..solver.run import Run
from . import written
from .states import State, graph_of, states_of
from .texts import read_document


class MissingFile(Problem):
    """A data file that a text names and that is not there."""


def same(problem: Problem) -> tuple[str, int | None, int | None, str]:
    """Equal for two problems that are one: by whatever path the file was named, or looked for."""
    place, said = problem.place, "" if isinstance(problem, MissingFile) else problem.message
    if place is None:
        return "", None, None, said
    return os.path.realpath(place.file), place.line, place.column, said.replace(place.file, "")


@dataclass
class Findings:
    """Problems make the file unusable; warnings do not."""

    file: str
    kind: str = "file"
    examined: str = ""  # what was looked at, in words
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)  # what it would write when it is carried out
    remarks: list[str] = field(default_factory=list)  # of what is no fault, and may surprise
    bare: dict[Problem, Problem] = field(default_factory=dict)  # without the states told

    @property
    def ok(self) -> bool:
        return not self.problems


def examine(path: Path) -> Findings:
    """All findings of one file, or of the texts of a run."""
    findings = Findings(str(path))
    if path.is_dir():
        _examine_run(findings, path)
        return findings
    try:
        findings.kind, document = read_document(path)
    except SpecError as error:
        findings.problems.extend(error.problems)
    else:
        findings.warnings.extend(document.notes)
        if findings.kind == "net":
            _examine_net(findings, document, states_of(document), [document.folder])
        else:
            _examine_solver(findings, document, default_out(path))
    findings.problems = sorted(map(_placed, findings.problems), key=_by_place)
    findings.warnings = sorted(map(_placed, findings.warnings), key=_by_place)
    return findings


def _examine_run(findings: Findings, folder: Path) -> None:
    """Adds what is wrong with the texts that a run keeps; its data are looked up where the training found them."""
    findings.kind = "run"
    try:
        run = Run(folder)
        _examine_solver(findings, run.solver_document, folder, run.folders)
    except SpecError as error:
        findings.problems.extend(error.problems)
    except DataError as error:
        findings.problems.append(Problem(str(error).removeprefix(f"{folder}: "), Place(str(folder))))
    findings.problems = sorted(map(_placed, findings.problems), key=_by_place)


def _examine_net(findings: Findings, document: Document, states: Sequence[State], folders: Sequence[Path]) -> None:
    """Adds what is wrong with `document` in any of `states`; what only some of them suffer from says which."""
    problems: dict[Problem, list[State]] = {}
    warnings: dict[Problem, list[State]] = {}
    for state in states:
        plans: list[Plan] = []
        found, odd = judge(graph_of(document, state), folders, plans=plans)
        found += written.clashes(plans)
        odd += written.outside(plans)
        findings.writes += (file for file in written.files_of(plans) if file not in findings.writes)
        for kind, seen in ((found, problems), (odd, warnings)):
            for problem in kind:
                seen.setdefault(problem, []).append(state)
    for kind, seen in ((findings.problems, problems), (findings.warnings, warnings)):
        told = {_where(problem, where, states): problem for problem, where in seen.items()}
        findings.bare |= told
        kind += told
    findings.examined = "; ".join(filter(None, [findings.examined, *map(str, states)]))


def _where(problem: Problem, where: Sequence[State], states: Sequence[State]) -> Problem:
    """The problem, with the states that suffer from it if not all do."""
    if len(where) == len(states):
        return problem
    return replace(problem, message=f"{problem.message} (in {'; '.join(map(str, where))})")


def _examine_solver(findings: Findings, document: Document, out: Path, folders: Sequence[Path] = ()) -> None:
    """Adds what is wrong with the solver's fields and with the networks it names, each in the state it is used in.

    `out`: the run's folder, of which the snapshots are told.
    """
    findings.problems.extend(check_solver(document))
    if not document.message.HasField("max_iter"):
        findings.warnings.append(Problem("max_iter is missing: `train` needs one", _start_of(document)))
    findings.examined = "its fields"
    try:
        train, tests = choose_nets(document, folders)
    except SpecError as error:
        findings.problems.extend(problem for problem in error.problems if problem not in findings.problems)
        return
    snapshots, outside = written.snapshots_of(document, out)
    findings.writes.append(snapshots)
    if not outside and (moved := written.moved_prefix(document)):
        findings.remarks.append(moved)
    findings.warnings.extend(outside)
    plans: list[Plan] = []
    for choice in (train, *tests):
        graph = build_graph(choice.document, choice.phase, choice.level, choice.stages)
        if choice is train:
            findings.problems.extend(check_layer_names(document, [node.param.name for node in graph.nodes]))
        passes = document.message.iter_size if choice is train else 1
        found, odd = judge(graph, looked_in(choice.document, folders), passes, plans)
        for kind, known in ((found, findings.problems), ([*choice.document.notes, *odd], findings.warnings)):
            there = {same(problem) for problem in known}
            known += {same(problem): problem for problem in kind if same(problem) not in there}.values()
        findings.examined += f", {choice.label} of {choice.document.filename}"
    findings.problems.extend(written.clashes(plans))
    findings.warnings.extend(problem for problem in written.outside(plans) if problem not in findings.warnings)
    findings.writes += written.files_of(plans)


def judge(
    graph: Graph, folders: Sequence[Path], passes: int = 1, plans: list[Plan] | None = None
) -> tuple[list[Problem], list[Problem]]:
    """What is wrong with a network in one state, data files that are missing included; and what is odd in it.

    The plan is added to `plans`.
    """
    missing: list[Any] = []

    def shapes_of_files(param: Any, phase: int, where: Sequence[Path]) -> Any:
        from ..data.source import shapes

        found = shapes(param, phase, where)
        if found is None and param not in missing:
            missing.append(param)
        return found

    plan = draft_plan(graph, shapes_of_files, folders=folders)
    if plans is not None:
        plans.append(plan)
    problems = [*graph.problems, *_missing_files(plan, missing, folders)]
    odd = [*([] if graph.problems else oddities(plan, passes)), *plan.odd_layouts()]
    if not problems:
        odd += [*_of_values(plan, folders, problems), *_dear(plan, folders)]
    return problems, odd


def _of_values(plan: Plan, folders: Sequence[Path], problems: list[Problem]) -> Iterator[Problem]:
    """What is odd in the values of the files' first rows; adds to `problems` what cannot be read."""
    from ..data.source import ranges
    from ..net.unscaled import unscaled

    for step in plan.sources:
        if step.kind.reads_file:
            try:
                spans = ranges(step.node.param, plan.phase, folders)
            except DataError as error:
                place = plan.graph.place(step.node, *step.kind.file_field.split("."))
                problems.append(Problem(f"{step.node.label}: {error}", place))
            else:
                yield from (each.problem for each in unscaled(plan, spans))


def _dear(plan: Plan, folders: Sequence[Path]) -> Iterator[Problem]:
    """Data layers that read files of which far more is unpacked than is read."""
    from ..data.source import cost_note

    for step in plan.sources:
        if why := cost_note(step.node.param, plan.graph.phase, folders):
            place = plan.graph.place(step.node, "hdf5_data_param", "source")
            yield Problem(f"{step.node.label}: {why}", place)


def _missing_files(plan: Plan, missing: Sequence[Any], folders: Sequence[Path]) -> Iterator[Problem]:
    graph = plan.graph
    for step in plan.steps:
        if step.layer is not None and step.node.param in missing:
            field_path = step.layer.file_field.split(".")
            name = _value(step.node.param, field_path)
            sentence = f"{step.node.label}: no such file '{name}' ({_looked_in(folders)}){_how_to_make(step, name)}"
            yield MissingFile(sentence, graph.place(step.node, *field_path))
            mean = step.node.param.transform_param.mean_file
            if mean and not os.path.isfile(resolve(mean, *folders)):
                sentence = f"{step.node.label}: no such mean_file '{mean}' ({_looked_in(folders)})"
                sentence += "; `deepcae compute_image_mean` makes it of an LMDB"
                yield MissingFile(sentence, graph.place(step.node, "transform_param", "mean_file"))


def _looked_in(folders: Sequence[Path]) -> str:
    others = [str(folder) for folder in folders if folder != Path()]
    return " and ".join(["looked in the working directory", *others])


def _how_to_make(step: Step, name: str) -> str:
    """What makes a data layer's missing file: for HDF5Data one of our commands, if file and folder bear its names."""
    if issubclass(step.kind, Data):
        return "; `deepcae convert_imageset` makes an LMDB of images; HDF5 files are read by a layer of type HDF5Data"
    if issubclass(step.kind, ImageData):
        return "; it is a text file with a line `image label` for each image"
    path = Path(name)
    folder = path.parent.name
    ours = folder in ("mnist", "digits", "pairs") and path.name in ("train.txt", "test.txt")
    return f"; 'deepcae data {folder} -o {path.parent}' makes it" if ours else ""


def _value(message: Any, path: Sequence[str]) -> Any:
    for name in path:
        message = getattr(message, name)
    return message


def _placed(problem: Problem) -> Problem:
    """A problem of a file as a whole stands at its beginning, so that every line begins FILE:LINE:COL."""
    place = problem.place
    if place is None or place.line is not None:
        return problem
    return replace(problem, place=Place(place.file, 1, 1))


def _start_of(document: Document) -> Place:
    return Place(document.filename, 1, 1)


def _by_place(problem: Problem) -> tuple[str, int, int]:
    place = problem.place
    return (place.file, place.line or 0, place.column or 0) if place else ("", 0, 0)
