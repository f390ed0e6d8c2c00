"""What the drawing of an architecture shows: the feature maps and neurons on the way from the input to the losses.

A row is one way, followed back from a loss through the first bottom of each layer, of an Eltwise layer through that
behind which most is learned. A stage is what a convolution, a fully connected or pooling layer makes (or any other that
changes the number of values); layers that keep it (activations, norms, Reshape) are named under it. A way that begins
like an earlier one begins where it leaves that. What is learned on the way to another bottom of an Eltwise layer is a
row, too, which joins the first one there: a linear way beside an encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..layers.base import Shape, count
from ..layers.join import Eltwise
from ..layers.shape import Slice
from ..layers.unpool import Unpooling
from ..net.advice import authors_name
from ..net.plan import Plan
from ..net.step import Step
from ..net.summary import summarize
from .words import counted, kind_of, num_output, operation

_STAGES = ("source", "convolution", "dense", "pooling")
_NOTED = ("neuron", "norm")


@dataclass
class Stage:
    """One stack of maps or column of neurons. `part`: encoder, code, decoder, or nothing."""

    name: str  # the layer's, for an input the blob's
    blob: str
    shape: Shape | None  # of one sample: (C, H, W) or (N,)
    operation: str
    kind: str  # of the layer, as in `words`
    maps: int = 0  # how many the layer says it makes, for where the shape is not known
    notes: list[str] = field(default_factory=list)
    part: str = ""


@dataclass
class Row:
    """Stages at columns `first`, `first + 1`, …; `leaves`, `joins`: where it leaves, joins another: (row, column)."""

    first: int
    stages: list[Stage]
    leaves: tuple[int, int] | None = None
    joins: tuple[int, int] | None = None


@dataclass
class Architecture:
    """Rows; `links`: (row, from column, to column, switches or not) beside the flow; `ties`: (row, row, column)."""

    name: str
    facts: str
    rows: list[Row]
    links: list[tuple[int, int, int, bool]] = field(default_factory=list)
    ties: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class _Hop:
    """A step, the top of it that the way goes on with, and the bottom that it comes from."""

    step: Step
    top: str
    bottom: str


@dataclass(frozen=True)
class _Side:
    """A way beside the way number `main`, which it joins at the step `join`."""

    main: int
    join: Step
    way: list[_Hop]


def make_architecture(plan: Plan) -> Architecture:
    """The stages of a planned network."""
    summary = summarize(plan)
    ways = list(_ways(plan))
    sides = list(_sides(plan, ways))
    joints = {id(side.join) for side in sides}
    rows: list[Row] = []
    columns: list[dict[int, int]] = []
    for way in ways:
        row, places = _row(plan, way, ways[: len(rows)], columns, joints)
        rows.append(row)
        columns.append(places)
    if summary.code is not None and rows:
        _name_parts(rows[0], summary.code)
    shown = {id(hop.step) for way in ways for hop in way}
    for side in sides:
        row, _ = _row(plan, side.way, ways, columns, joints)
        if _joined(row, (side.main, columns[side.main][id(side.join)]), rows[0]):
            rows.append(row)
            shown.update(id(hop.step) for hop in side.way)
    known = all(shape is not None for shape in plan.shapes.values())
    facts = (
        [
            f"parameters {summary.counted}"
            if summary.learned < summary.parameters
            else f"{summary.parameters:,} parameters"
        ]
        if known
        else []
    )
    if summary.code is not None:
        facts.append(f"auto-encoder size {summary.size:,}")
    losses = [step.name for step in plan.steps if step.layer is not None and step.layer.is_loss]
    facts += [f"{'losses' if len(losses) > 1 else 'loss'}: {', '.join(losses)}"] if losses else []
    others = sum(step.kind.is_product and id(step) not in shown for step in plan.steps)
    facts += [f"not shown: {counted(others, 'layer')} on side branches"] if others else []
    found = Architecture(summary.name or "network", " · ".join(facts), rows)
    found.links = list(_links(plan, ways, columns))
    found.ties = list(_ties(plan, ways, columns))
    return found


def _ways(plan: Plan) -> Iterator[list[_Hop]]:
    """Each way from a source to what a loss reads (without losses: to the last layer), the longest of those alike.

    Ways on which nothing is learned (of labels, of the image that is compared with) are left out, if any is left then.
    """
    ends = [
        (index, bottom)
        for index, step in enumerate(plan.steps)
        if step.layer is not None and step.layer.is_loss
        for bottom in step.bottoms
    ] or [(len(plan.steps), [top for step in plan.steps for top in step.tops][-1])]
    chosen = _chosen(plan)
    ways = [_back(plan.steps[:index], blob, chosen) for index, blob in ends]
    ways = [way for way in ways if any(hop.step.kind.is_product for hop in way)] or ways
    seen: list[set[int]] = []
    for way in sorted(ways, key=len, reverse=True):
        steps = {id(hop.step) for hop in way if not hop.step.kind.copies}
        if not any(steps <= other for other in seen):
            seen.append(steps)
            yield way


def _chosen(plan: Plan) -> dict[int, str]:
    """Of each step with bottoms, by its id, the bottom that a way comes from."""
    learned: dict[str, int] = {}  # of a blob: the learning layers on its way
    chosen: dict[int, str] = {}
    for step in plan.steps:
        bottoms = step.bottoms if issubclass(step.kind, Eltwise) else step.bottoms[:1]
        behind = max(bottoms, key=lambda bottom: learned.get(bottom, 0), default="")  # the first of those alike
        chosen[id(step)] = behind
        learned.update(dict.fromkeys(step.tops, learned.get(behind, 0) + step.kind.is_product))
    return chosen


def _back(steps: Sequence[Step], blob: str, chosen: dict[int, str]) -> list[_Hop]:
    way = []
    for step in reversed(steps):
        if blob in step.tops:
            way.append(_Hop(step, blob, chosen[id(step)]))
            if not step.bottoms:
                break
            blob = chosen[id(step)]
    return way[::-1]


def _sides(plan: Plan, ways: list[list[_Hop]]) -> Iterator[_Side]:
    """The ways to the other bottoms of Eltwise layers, where something is learned on them that no other way has."""
    chosen, seen = _chosen(plan), {id(hop.step) for way in ways for hop in way}
    for main, way in enumerate(ways):
        for hop in [hop for hop in way if issubclass(hop.step.kind, Eltwise)]:
            before = plan.steps[: next(k for k, step in enumerate(plan.steps) if step is hop.step)]
            for bottom in hop.step.bottoms:
                side = _back(before, bottom, chosen)
                if any(each.step.kind.is_product and id(each.step) not in seen for each in side):
                    seen.update(id(each.step) for each in side)
                    yield _Side(main, hop.step, side)


def _joined(row: Row, joins: tuple[int, int], main: Row) -> bool:
    """Whether a way beside another has room between the stages that it leaves and joins; then it stands there."""
    if row.leaves is None or row.leaves[0] != joins[0]:
        return False
    room = joins[1] - row.leaves[1] - 1
    if not 0 < len(row.stages) <= room:
        return False
    row.first, row.joins = row.leaves[1] + 1 + (room - len(row.stages)) // 2, joins
    parts = {column: stage.part for column, stage in enumerate(main.stages, main.first)} if not joins[0] else {}
    for column, stage in enumerate(row.stages, row.first):
        stage.part = parts.get(column, "")
    return True


def _row(
    plan: Plan, way: list[_Hop], earlier: list[list[_Hop]], columns: list[dict[int, int]], joints: set[int]
) -> tuple[Row, dict[int, int]]:
    """The stages of a way that no earlier one has, and the column of each of its steps."""
    shared, leaves = 0, None
    for index, other in enumerate(earlier):
        same = next((k for k, (a, b) in enumerate(zip(way, other, strict=False)) if not _alike(a, b)), len(other))
        if same > shared:
            shared, leaves = same, (index, columns[index][id(other[same - 1].step)])
    stages: list[Stage] = []
    first = leaves[1] + 1 if leaves else 0
    places = dict(columns[leaves[0]]) if leaves else {}
    for hop in way[shared:]:
        shape = plan.shapes.get(hop.top)
        sample = None if shape is None else shape[1:]
        if id(hop.step) in joints or _is_stage(plan, hop, fresh=not stages):
            source = kind_of(hop.step.type) == "source"
            label = hop.top if source or issubclass(hop.step.kind, Slice) else hop.step.name
            param = hop.step.node.param
            stages.append(Stage(label, hop.top, sample, operation(param), kind_of(param.type), num_output(param)))
        elif kind_of(hop.step.type) in _NOTED or not hop.step.kind.is_view:
            stages[-1].notes.append(hop.step.type.lower())
        places[id(hop.step)] = first + len(stages) - 1
    return Row(first, stages, leaves), places


def _alike(a: _Hop, b: _Hop) -> bool:
    return a == b or (a.step is b.step and a.step.kind.copies)


def _is_stage(plan: Plan, hop: _Hop, fresh: bool) -> bool:
    kind = kind_of(hop.step.type)
    if kind in _STAGES or fresh:
        return True
    if kind in _NOTED or hop.step.kind.is_view:
        return False
    before, after = plan.shapes.get(hop.step.bottoms[0]), plan.shapes.get(hop.top)
    return before is None or after is None or count(before) != count(after)


def _name_parts(row: Row, code: str) -> None:
    middle = next((k for k, stage in enumerate(row.stages) if stage.blob == code), None)
    if middle is not None:
        for k, stage in enumerate(row.stages[1:], 1):
            stage.part = "encoder" if k < middle else "code" if k == middle else "decoder"


def _links(plan: Plan, ways: list[list[_Hop]], columns: list[dict[int, int]]) -> Iterator[tuple[int, int, int, bool]]:
    """What a layer reads beside its first bottom, where that was made on the same way: switches, skips."""
    makers: dict[str, Step] = {}
    of_blob: list[dict[str, Step]] = []
    for step in plan.steps:
        of_blob.append({bottom: makers[name] for bottom in step.bottoms if (name := _plain(plan, bottom)) in makers})
        makers.update(dict.fromkeys(step.tops, step))
    for row, (way, places) in enumerate(zip(ways, columns, strict=True)):
        on_way = {id(hop.step): hop.bottom for hop in way}
        for step, made in zip(plan.steps, of_blob, strict=True):
            if id(step) not in on_way or step.kind.copies:
                continue
            for bottom in [each for each in step.bottoms if each != on_way[id(step)]]:
                maker = made.get(bottom)
                if maker is not None and id(maker) in on_way and places[id(maker)] < places[id(step)]:
                    yield row, places[id(maker)], places[id(step)], issubclass(step.kind, Unpooling)


def _plain(plan: Plan, blob: str) -> str:
    return authors_name(plan.steps, blob)


def _ties(plan: Plan, ways: list[list[_Hop]], columns: list[dict[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Where steps of neighbouring rows learn one and the same blob."""
    for upper in range(len(ways) - 1):
        for hop, other in ((a, b) for a in ways[upper] for b in ways[upper + 1] if a.step is not b.step):
            if _owners(plan, hop.step) & _owners(plan, other.step):
                column = columns[upper][id(hop.step)]
                if column == columns[upper + 1][id(other.step)]:
                    yield upper, upper + 1, column


def _owners(plan: Plan, step: Step) -> set[str]:
    """The names under which a step's learned blobs are shared, as its text gives them."""
    return {spec.name for spec in step.node.param.param if spec.name}
