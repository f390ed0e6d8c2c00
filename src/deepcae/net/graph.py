"""Which layers a phase has, and who consumes whose blob: Caffe's filtering and split insertion, as pure data.

Filtering: a layer is kept if any `include` rule matches the state, dropped if any `exclude` rule does.
Splits: a top that is used more than once (a use as a loss counts) gets a `Split` layer right after its producer, named
`<blob>_<layer>_<top index>_split`, with tops `…_split_0`, `…_split_1`, … in the order of use.
Source: Caffe's net.cpp (FilterNet, StateMeetsRule) and insert_splits.cpp.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import Place, Problem
from ..proto.schema import TEST, TRAIN, LayerParameter
from ..proto.suggest import closest
from ..proto.text import Document

PHASES = {"TRAIN": TRAIN, "TEST": TEST}
_HINTS = 100  # problems up to which a likely name is looked for: likeness is slow to tell
Top = tuple[int, int]  # (index of the layer among the kept ones, index of the top in it)


@dataclass
class Node:
    """A layer that takes part, or a Split that was put in (`index` is None: it stands in no text)."""

    param: Any
    index: int | None

    @property
    def label(self) -> str:
        return f"layer '{self.param.name}' ({self.param.type})"


@dataclass
class Graph:
    """The layers of one phase in order of execution, and what is wrong with their wiring."""

    document: Document
    phase: int
    level: int
    stages: tuple[str, ...]
    nodes: list[Node] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    left_out: bool = False  # whether a bottom is made only by layers that do not take part

    @cached_property
    def made_by(self) -> dict[str, str]:
        """The first layer of the text that makes each blob, whether it takes part or not."""
        return {blob: layer.name for layer in reversed(self.document.message.layer) for blob in layer.top}

    @property
    def name(self) -> str:
        return self.document.message.name

    def place(self, node: Node, *path: str | int) -> Place:
        """Where `node`, or a field of it, stands in the author's text."""
        return self.document.place("layer", node.index, *path) if node.index is not None else self.document.place()

    def complain(self, node: Node, sentence: str, *path: str | int) -> None:
        """Adds a problem of a layer, or of a field of it."""
        self.problems.append(Problem(f"{node.label}: {sentence}", self.place(node, *path)))


def phase_number(phase: str | int) -> int:
    """0 (TRAIN) or 1 (TEST) from either spelling. ValueError for anything else."""
    number = PHASES.get(phase.upper()) if isinstance(phase, str) else phase
    if number not in (TRAIN, TEST):
        raise ValueError(f"phase is TRAIN or TEST, not {phase!r}")
    return number


def build_graph(document: Document, phase: str | int, level: int = 0, stages: Iterable[str] = ()) -> Graph:
    """The graph of one phase of a network. `stages` are added to those of the text's own `state`."""
    message = document.message
    number = phase_number(phase)
    all_stages = (*message.state.stage, *stages)
    if not message.layer:
        nothing = Problem("holds no layers; a network has at least one", document.place())
        return Graph(document, number, level, tuple(all_stages), problems=[nothing])
    graph = Graph(document, number, level, tuple(stage for stage in all_stages if stage))
    kept = _filter(graph, message.layer)
    uses, sources = _trace(graph, kept)
    _insert_splits(graph, kept, uses, sources)
    return graph


def _filter(graph: Graph, layers: Sequence[Any]) -> list[Node]:
    kept = []
    for index, layer in enumerate(layers):
        node = Node(LayerParameter(), index)
        node.param.CopyFrom(layer)
        if layer.include and layer.exclude:
            graph.complain(node, "has both include and exclude rules; give one kind only", "exclude", 0)
        matches = any(_matches(graph, rule) for rule in (layer.include or layer.exclude))
        if matches if layer.include else not matches:
            if not node.param.HasField("phase"):
                node.param.phase = graph.phase
            kept.append(node)
    return kept


def _matches(graph: Graph, rule: Any) -> bool:
    """Whether the state meets all parts that the rule gives; an empty rule matches every state."""
    return (
        (not rule.HasField("phase") or rule.phase == graph.phase)
        and (not rule.HasField("min_level") or graph.level >= rule.min_level)
        and (not rule.HasField("max_level") or graph.level <= rule.max_level)
        and all(stage in graph.stages for stage in rule.stage)
        and not any(stage in graph.stages for stage in rule.not_stage)
    )


def _trace(graph: Graph, kept: list[Node]) -> tuple[Counter[Top], dict[tuple[int, int], Top]]:
    """How often each top is used, and which top each (layer, bottom index) reads: the last one so named before it."""
    last: dict[str, Top] = {}
    uses: Counter[Top] = Counter()
    sources: dict[tuple[int, int], Top] = {}
    makers = {blob: node.param.name for node in reversed(kept) for blob in node.param.top}
    for i, node in enumerate(kept):
        for j, blob in enumerate(node.param.bottom):
            if blob in last:
                sources[i, j] = last[blob]
                uses[last[blob]] += 1
            else:
                known = last if len(graph.problems) < _HINTS else ()
                sentence = _left_out(graph, blob, makers) or _unknown_bottom(blob, known, makers)
                graph.complain(node, sentence, "bottom", j)
        for j, blob in enumerate(node.param.top):
            last[blob] = (i, j)
        for j, weight in enumerate(node.param.loss_weight[: len(node.param.top)]):
            if weight:
                uses[i, j] += 1
    return uses, sources


def _left_out(graph: Graph, blob: str, makers: Mapping[str, str]) -> str:
    """What is said of a blob that only layers make which the state leaves out; "" of others."""
    if blob in makers or blob not in graph.made_by:
        return ""
    graph.left_out = True
    return f"bottom '{blob}' is made by layer '{graph.made_by[blob]}', which does not take part"


def _unknown_bottom(blob: str, known: Iterable[str], makers: Mapping[str, str]) -> str:
    """`makers`: the first layer that makes each blob."""
    if blob in makers:
        return (
            f"bottom '{blob}' is made only later, by layer '{makers[blob]}'; a layer stands after those it reads from"
        )
    near = closest(blob, known)
    hint = f"; did you mean '{near}'?" if near else ""
    return f"bottom '{blob}' is not made by any earlier layer{hint}"


def _insert_splits(graph: Graph, kept: list[Node], uses: Counter[Top], sources: dict[tuple[int, int], Top]) -> None:
    given: Counter[Top] = Counter()  # outputs of each split handed out so far
    original_tops = [list(node.param.top) for node in kept]
    for i, node in enumerate(kept):
        for j, blob in enumerate(node.param.bottom):
            top = sources.get((i, j))
            if top is not None and uses[top] > 1:
                node.param.bottom[j] = _split_top(kept[top[0]].param.name, blob, top[1], given[top])
                given[top] += 1
        graph.nodes.append(node)
        weights = list(node.param.loss_weight)
        for j, blob in enumerate(original_tops[i]):
            if uses[i, j] > 1:
                weight = weights[j] if j < len(weights) else 0.0
                graph.nodes.append(Node(_split(node.param, blob, j, uses[i, j], weight), None))
                if weight:
                    node.param.ClearField("loss_weight")  # a loss layer falls back to its default, 1, as in Caffe
                    given[i, j] += 1


def _split_name(layer: str, blob: str, top: int) -> str:
    return f"{blob}_{layer}_{top}_split"


def _split_top(layer: str, blob: str, top: int, output: int) -> str:
    return f"{_split_name(layer, blob, top)}_{output}"


def _split(producer: Any, blob: str, top: int, outputs: int, loss_weight: float) -> Any:
    split = LayerParameter(
        name=_split_name(producer.name, blob, top), type="Split", bottom=[blob], phase=producer.phase
    )
    split.top.extend(_split_top(producer.name, blob, top, k) for k in range(outputs))
    if loss_weight:
        split.loss_weight.extend([loss_weight] + [0.0] * (outputs - 1))
    return split
