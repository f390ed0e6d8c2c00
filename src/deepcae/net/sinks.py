"""The files that the HDF5Output layers of networks write: each has one writer, and lies where a text may write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from ..errors import Problem
from ..layers import Layer
from ..writes import Reach, reach
from .graph import Graph
from .plan import Plan
from .step import Step

_FIELD = ("hdf5_output_param", "file_name")


def sinks(plan: Plan) -> list[Step]:
    """The HDF5Output layers of a network, those with a fault left out."""
    return [step for step in plan.steps if step.kind.writes_file and step.layer is not None]


def file_of(step: Step) -> str:
    """The file that an HDF5Output layer writes."""
    name: str = step.node.param.hdf5_output_param.file_name
    return name


def written_by_all(graphs: Sequence[Graph], runs: int) -> Iterator[Problem]:
    """The HDF5Output layers of networks that several runs are trained of: all would write the same file."""
    for graph in graphs:
        for node in graph.nodes:
            if Layer.registry.get(node.param.type, Layer).writes_file:
                name = node.param.hdf5_output_param.file_name
                why = (
                    reach().refusal(name)
                    or f"each of the {runs} runs would write '{name}'; take the layer out, or train without --runs"
                )
                yield Problem(f"{node.label}: {why}", graph.place(node, *_FIELD))


def refusals(plans: Sequence[Plan], reach: Reach) -> Iterator[Problem]:
    """Why these networks, carried out together, may not write what they name."""
    yield from clashes(plans)
    for plan in plans:
        for step in sinks(plan):
            if why := reach.refusal(file_of(step)):
                yield _problem(plan, step, why)


def clashes(plans: Sequence[Plan]) -> Iterator[Problem]:
    """Layers that write the file of another: neither's rows would stand in it alone. Caffe ends there, too."""
    writers: dict[str, Step] = {}
    for plan in plans:
        for step in sinks(plan):
            first = writers.setdefault(os.path.realpath(file_of(step)), step)
            if first is not step:
                yield _problem(plan, step, _clash(step, first))


def _clash(step: Step, first: Step) -> str:
    written = f"'{file_of(step)}' is written by"
    if first.name != step.name:
        return f"{written} layer '{first.name}' too: give each a file_name of its own"
    return f"{written} several nets of the solver; keep the layer to one: include {{ phase: TEST }}"


def strays(plan: Plan) -> Iterator[Problem]:
    """The files outside the working directory, whatever is allowed."""
    for step in sinks(plan):
        if where := Reach().stray(file_of(step)):
            yield _problem(plan, step, where)


def _problem(plan: Plan, step: Step, sentence: str) -> Problem:
    return Problem(f"{step.node.label}: {sentence}", plan.graph.place(step.node, *_FIELD))
