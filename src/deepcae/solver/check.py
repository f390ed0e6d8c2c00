"""What is wrong with a solver text, all of it at once and with its place. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import Problem
from ..proto.document import Document
from ..proto.schema import SolverParameter
from ..proto.suggest import closest
from .lr import policy_problems
from .nets import TRAIN_FIELDS
from .update import RULES

Complaint = tuple[tuple[str | int, ...], str]  # path of the field, sentence

REGULARIZATIONS = ("L2", "L1")
_AT_LEAST = {
    "max_iter": 0,
    "patience": 0,
    "iter_size": 1,
    "average_loss": 1,
    "display": 0,
    "test_interval": 0,
    "snapshot": 0,
    "base_lr": 0,
    "weight_decay": 0,
    "delta": 0,
}
_BELOW_ONE = ("best_gain", "momentum", "momentum2", "rms_decay")


def check_solver(document: Document) -> list[Problem]:
    """The problems of the solver's own fields; the networks it names are not read.

    max_iter may be missing: a program that takes the steps itself needs none.
    """
    param = document.message
    found = [*_nets(param), *_rate(param), *_update(param), *_numbers(param), *_tests(param)]
    problems = [Problem(sentence, document.place(*path)) for path, sentence in dict.fromkeys(found)]
    return sorted(problems, key=lambda problem: (problem.place.line or 0) if problem.place else 0)


def check_layer_names(document: Document, names: Iterable[str]) -> list[Problem]:
    """What keeps the layers of the train net, Splits included, from being saved in the solver's snapshot_format."""
    if document.message.snapshot_format == SolverParameter.BINARYPROTO:
        return []
    from ..net.hdf5 import unsavable  # loads numpy

    cure = "give it another name, or take snapshot_format BINARYPROTO"
    return [Problem(f"{sentence}; {cure}", document.place("snapshot_format")) for sentence in unsavable(names)]


def _nets(param: Any) -> Iterator[Complaint]:
    given = [field for field in TRAIN_FIELDS if param.HasField(field)]
    if not given:
        yield (), f"no train net: give one of {', '.join(TRAIN_FIELDS)}"
    if len(given) > 1:
        yield (given[1],), f"both {given[0]} and {given[1]} name the train net; give one of {', '.join(TRAIN_FIELDS)}"


def _rate(param: Any) -> Iterator[Complaint]:
    if not param.HasField("base_lr"):
        yield (), "base_lr is missing; it has no default"
    for field, sentence in policy_problems(param):
        yield (field,), sentence


def _update(param: Any) -> Iterator[Complaint]:
    rule = RULES.get(param.type)
    if rule is None:
        near = closest(param.type, RULES)
        hint = f"; did you mean '{near}'?" if near else ""
        yield ("type",), f"type '{param.type}' is unknown; it must be one of {', '.join(RULES)}{hint}"
    elif not rule.uses_momentum and param.momentum:
        yield ("momentum",), f"momentum is {param.momentum:g}, but {param.type} has none: it must be 0 or absent"
    if param.regularization_type not in REGULARIZATIONS:
        allowed = " or ".join(REGULARIZATIONS)
        yield ("regularization_type",), f"regularization_type is '{param.regularization_type}'; it must be {allowed}"


def _numbers(param: Any) -> Iterator[Complaint]:
    for field, least in _AT_LEAST.items():
        value = getattr(param, field)
        if not value >= least or value == float("inf"):
            yield (field,), f"{field} is {value:g}; it must be at least {least} and finite"
    for field in _BELOW_ONE:
        value = getattr(param, field)
        if not 0 <= value < 1:
            yield (field,), f"{field} is {value:g}; it must be at least 0 and less than 1"
    for k, value in enumerate(param.test_iter):
        if value < 1:
            yield ("test_iter", k), f"test_iter is {value}; it must be at least 1"


def _tests(param: Any) -> Iterator[Complaint]:
    num_nets = len(param.test_net) + len(param.test_net_param)
    num_iters = len(param.test_iter)
    generic = param.HasField("net") or param.HasField("net_param")
    if num_iters < num_nets or (num_iters > num_nets and not generic):
        path = ("test_iter", num_iters - 1) if num_iters else ()
        yield path, f"test_iter is given {num_iters} time(s) for {num_nets} test net(s): once for each"
    num_tests = max(num_iters, num_nets)
    if len(param.test_state) not in (0, num_tests):
        path = ("test_state", len(param.test_state) - 1)
        yield path, f"test_state is given {len(param.test_state)} time(s) for {num_tests} test net(s): once for each"
    if num_tests and param.test_interval == 0:
        given = param.HasField("test_interval")
        told = "is 0" if given else "is missing"
        yield (
            ("test_interval",) if given else (),
            f"test_interval {told}; it must be greater than 0 for {num_tests} test net(s)",
        )
