"""From a solver text to its networks with their data, and the weights they start from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from ..data.ahead import Ahead
from ..data.source import Feed
from ..errors import DataError, Problem, SpecError
from ..layers.python import python_layers
from ..net.net import Net
from ..net.sinks import refusals
from ..net.weights import load_weights
from ..proto.document import Document
from ..proto.lookup import resolve
from .check import check_layer_names, check_solver
from .nets import NetChoice, choose_nets, looked_in
from .passes import Batches, FedNet
from .records import Loaded
from .resume import seed_of
from .snapshot import Snapshot
from .state import TrainingState

OpenFeed = Callable[[Net, int], Batches]  # of a net and the run's seed


def seed_for(given: int | None, resumed: Snapshot | None, param: Any) -> int:
    """The run's seed: the one given, that of the snapshot, the text's random_seed, or one from the system's entropy."""
    candidates = [given, seed_of(resumed) if resumed is not None else None, param.random_seed]
    for seed in candidates:
        if seed is not None and seed >= 0:
            return seed
    return int.from_bytes(os.urandom(4), "little")


def build_nets(
    document: Document,
    seed: int,
    device: str | torch.device,
    folders: Sequence[Path],
    allow_python_layers: bool,
    feed: OpenFeed,
) -> tuple[FedNet, list[FedNet]]:
    """The train net and the test nets, which share its weights. SpecError with all problems of all texts."""
    problems = check_solver(document)
    train, tests = _choose(document, folders, problems)
    nets: list[Net] = []
    for choice in (train, *tests):
        try:
            with python_layers(allow_python_layers):
                nets.append(_make(choice, seed, device, folders, nets[0] if nets else None))
        except SpecError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
        else:
            if choice is train:
                problems.extend(check_layer_names(document, [step.name for step in nets[0].plan.steps]))
    if problems:
        raise SpecError(problems)
    feeds = [_feed(choice, net, seed, feed) for choice, net in zip((train, *tests), nets, strict=True)]
    return feeds[0], feeds[1:]


def require_ready(state: TrainingState) -> None:
    """SpecError with what keeps a training from beginning: no max_iter, files that it may not write or replace."""
    problems = list(refusals([fed.net.plan for fed in (state.train, *state.tests)], state.train.outputs.reach))
    if not state.param.HasField("max_iter"):
        problems.insert(0, Problem("max_iter is missing; it has no default", state.document.place()))
    if problems:
        raise SpecError(problems)
    for fed in (state.train, *state.tests):
        fed.outputs.require_replaceable()


def _choose(document: Document, folders: Sequence[Path], problems: list[Problem]) -> tuple[NetChoice, list[NetChoice]]:
    try:
        return choose_nets(document, folders)
    except SpecError as error:
        raise SpecError(dict.fromkeys([*problems, *error.problems])) from None


def _make(choice: NetChoice, seed: int, device: str | torch.device, folders: Sequence[Path], share: Net | None) -> Net:
    return Net(
        choice.document, choice.phase, level=choice.level, stages=choice.stages, seed=seed, device=device, share=share,
        folders=looked_in(choice.document, folders),
    )  # fmt: skip


def open_feed(net: Net, seed: int) -> Batches:
    """What the net's data layers name, opened; read ahead of the net, unless it lies in memory."""
    feed = Feed(net.sources, net.phase, net.folders, seed)
    return feed if feed.at_hand else Ahead(feed.batch)


def _feed(choice: NetChoice, net: Net, seed: int, feed: OpenFeed) -> FedNet:
    try:
        return FedNet(net, feed(net, seed))
    except DataError as error:
        raise DataError(f"{choice.label}: {error}") from error


def load_initial(
    state: TrainingState, weights: str | Path | Sequence[str | Path] | None, strict: bool = False
) -> Iterator[Loaded]:
    """Loads the weights to start from: those given, else the solver text's. Tells what was matched, for each file.

    With `strict`, a layer that only the file or only the train net has is a SnapshotError.
    """
    if weights is None:
        names = [name for entry in state.param.weights for name in entry.split(",") if name]
    else:
        names = [str(weights)] if isinstance(weights, str | Path) else [str(name) for name in weights]
    for name in names:
        path = resolve(name, *state.folders)
        report = load_weights(state.net, path, strict=strict)
        for fed in state.tests:
            load_weights(fed.net, path)
        yield Loaded(state.iteration, str(report), not (report.ignored or report.kept or report.duplicates))
