"""Which states (phase, level, stages) a network text is written for, as its include and exclude rules tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..net.graph import Graph, build_graph
from ..proto.document import Document

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


def graph_of(document: Document, state: State) -> Graph:
    return build_graph(document, state.phase, state.level, state.stages)


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
