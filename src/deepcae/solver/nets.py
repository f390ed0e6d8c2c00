"""Which networks a solver text names: one to train, any number to test, each with its state.

The train net comes from the one given of net, net_param, train_net, train_net_param. Test nets are, in this order, the
test_net_param, the test_net, then net or net_param once for every test_iter entry that is left.
A state is merged from: the phase (TRAIN or TEST), the net text's own `state`, then train_state or test_state[k];
stages add up.
Source: Caffe's `Solver::InitTrainNet`, `Solver::InitTestNets`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Problem, SpecError
from ..proto.document import Document
from ..proto.lookup import beside, resolve
from ..proto.read import read_net
from ..proto.schema import TEST, TRAIN

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")


@dataclass(frozen=True)
class NetChoice:
    """A network of a solver: its text and the state it is built in."""

    label: str  # "train net", "test net #0"
    document: Document
    phase: int
    level: int
    stages: tuple[str, ...]  # of the solver's state; those of the text's own are added by the graph


@dataclass(frozen=True)
class NetPath:
    """Where a solver text names a network: a field, or an element of one."""

    field: str
    index: int | None = None

    def value(self, param: Any) -> Any:
        """The file name, or the message of a network inside the solver text."""
        value = getattr(param, self.field)
        return value if self.index is None else value[self.index]

    def set_value(self, param: Any, name: str) -> None:
        """Puts another file name in its place."""
        if self.index is None:
            setattr(param, self.field, name)
        else:
            getattr(param, self.field)[self.index] = name


def train_path(param: Any) -> NetPath | None:
    """Where the train net is named; None if nowhere."""
    return next((NetPath(field) for field in TRAIN_FIELDS if param.HasField(field)), None)


def test_paths(param: Any) -> list[NetPath]:
    """Where the test nets are named, in their order."""
    paths = [NetPath("test_net_param", i) for i in range(len(param.test_net_param))]
    paths += [NetPath("test_net", i) for i in range(len(param.test_net))]
    generic = next((field for field in ("net_param", "net") if param.HasField(field)), None)
    if generic is not None:
        paths += [NetPath(generic)] * (len(param.test_iter) - len(paths))
    return paths


def keep_to(document: Document, folder: Path, if_there: bool = False) -> Document:
    """Lets the networks that a solver names be the files in `folder`, whatever lies in the working directory.

    So the weights to start from, as far as they lie there. `if_there`: the networks, too, only as far as they do.
    """
    param = document.message
    for at in dict.fromkeys([path for path in (train_path(param), *test_paths(param)) if path]):
        named = at.value(param)
        if isinstance(named, str):
            at.set_value(param, str((beside(named, folder) or named) if if_there else folder / named))
    for index, entry in enumerate(param.weights):
        param.weights[index] = ",".join(str(beside(name, folder) or name) for name in entry.split(","))
    return document


def looked_in(document: Document, folders: Sequence[Path]) -> list[Path]:
    """The folders in which the files that a text names are looked up: its own first, unless `folders` has it, as those
    of a run do. Its texts are copies, and their names are meant from where the originals lie.
    """
    return list(folders) if document.folder in folders else [document.folder, *folders]


def choose_nets(document: Document, folders: Sequence[Path] = ()) -> tuple[NetChoice, list[NetChoice]]:
    """The train net and the test nets, read. SpecError with all problems of all texts.

    Files are looked up in the working directory, the solver text's folder, then `folders`.
    """
    param = document.message
    problems: list[Problem] = []
    read: dict[NetPath, Document] = {}
    train_at, tests_at = train_path(param), test_paths(param)
    for path in dict.fromkeys([*([train_at] if train_at else []), *tests_at]):
        try:
            read[path] = _read(document, path, folders)
        except SpecError as error:
            problems.extend(error.problems)
    if train_at is None:
        problems.append(Problem(f"no train net: give one of {', '.join(TRAIN_FIELDS)}", document.place()))
    if problems or train_at is None:
        raise SpecError(problems)
    tests = []
    for k, path in enumerate(tests_at):
        state = param.test_state[k] if k < len(param.test_state) else None
        tests.append(_choice(f"test net #{k}", read[path], TEST, state))
    train_state = param.train_state if param.HasField("train_state") else None
    return _choice("train net", read[train_at], TRAIN, train_state), tests


def _read(document: Document, at: NetPath, folders: Sequence[Path]) -> Document:
    value = at.value(document.message)
    if not isinstance(value, str):
        return read_net(document.part(at.field, at.index))
    path = resolve(value, document.folder, *folders)
    if not os.path.exists(path):
        looked = f"looked in the working directory and {document.folder}"
        raise SpecError(
            Problem(f"{at.field}: no such file '{value}' ({looked})", document.place(at.field, at.index or 0))
        )
    return read_net(path)


def _choice(label: str, document: Document, phase: int, state: Any) -> NetChoice:
    level = 0
    stages: tuple[str, ...] = ()
    for given in (document.message.state, state):
        if given is None:
            continue
        phase = given.phase if given.HasField("phase") else phase
        level = given.level if given.HasField("level") else level
    if state is not None:
        stages = tuple(state.stage)
    return NetChoice(label, document, phase, level, stages)
