"""Which states (phase, level, stages) a network text is written for, as its include and exclude rules tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..errors import SpecError
from ..net.graph import Graph, build_graph
from ..proto.document import Document

if TYPE_CHECKING:
    from ..net.net import Net

MOST_STATES = 32  # each is a network of its own to be looked at; real texts mention two to six


@dataclass(frozen=True)
class State:
    """One way to use a network."""

    phase: str
    level: int = 0
    stages: tuple[str, ...] = ()

    def __str__(self) -> str:
        level = f", level {self.level}" if self.level else ""
        stages = f", stage {','.join(self.stages)}" if self.stages else ""
        return f"phase {self.phase}{level}{stages}"


def states_of(document: Document) -> list[State]:
    """TRAIN and TEST, each with no stage and with every set of stages and every level that a rule mentions.

    A state in which no layer brings data in is left out if another one has such a layer: nobody means that one
    (`mnist_autoencoder` in the TEST phase without a stage).
    """
    candidates = list(islice(dict.fromkeys(_mentioned(document.message.layer)), MOST_STATES))
    fed = [state for state in candidates if _is_fed(graph_of(document, state))]
    return fed or candidates


def chosen(
    document: Document, phase: str | None, usual: str, level: int = 0, stages: tuple[str, ...] = (), last: bool = False
) -> tuple[State, str]:
    """The state to build a network in, and a sentence for who did not ask for it.

    `phase` is what was asked for; None: the `usual` one, or the other where only that can be built. Without level and
    stages those that a rule mentions are looked for where none does not do; `last`: the last of them goes first.
    SpecError where no layer takes part in the phase that was asked for.
    """
    asked = State(phase or usual, level, stages)
    states = [state for state in states_of(document) if (state.level, state.stages) == (level, stages)]
    states = states if level or stages else states_of(document)
    ways = [state for state in reversed(states) if _can_be_built(document, state)]
    same = [state for state in ways if state.phase == asked.phase]
    if not (last and same) and _can_be_built(document, asked):
        return asked, ""
    if same:
        return same[0], "" if last else f"{document.filename}: this is {same[0]}; without a stage it cannot be built"
    if phase is None and ways:
        missing = f"phase {usual} lacks layers that others read from (--phase {usual} says which)"
        return ways[0], f"{document.filename}: this is {ways[0]}; {missing}"
    if not graph_of(document, asked).nodes and document.message.layer:
        others = "; ".join(map(str, ways))
        raise SpecError(f"{document.filename}: no layer takes part in {asked}" + (f"; it has {others}" if ways else ""))
    return asked, ""


def _can_be_built(document: Document, state: State) -> bool:
    """Whether data come in, and every layer finds what it reads."""
    graph = graph_of(document, state)
    return _is_fed(graph) and not graph.problems


def graph_of(document: Document, state: State) -> Graph:
    return build_graph(document, state.phase, state.level, state.stages)


def built(document: Document, state: State, **more: Any) -> Net:
    """The net in that state; random weights are those of seed 0."""
    from ..net.net import Net

    return Net(document, state.phase, level=state.level, stages=state.stages, seed=0, **more)


def _mentioned(layers: Any) -> Iterator[State]:
    yield State("TRAIN")
    yield State("TEST")
    for layer in layers:
        for rule in (*layer.include, *layer.exclude):
            phases = [("TRAIN", "TEST")[rule.phase]] if rule.HasField("phase") else ["TRAIN", "TEST"]
            level = rule.min_level if rule.HasField("min_level") else 0
            for phase in phases:
                yield State(phase, level, tuple(rule.stage))
                for stage in rule.not_stage:
                    yield State(phase, level, (stage,))


def _is_fed(graph: Graph) -> bool:
    return any(not node.param.bottom and node.param.top for node in graph.nodes)
