"""The plan of a network: its layers made, its blobs' shapes known, its parameters listed. No torch, no data read.

Everything that can be wrong with a network text surfaces here, all of it at once. What cannot be known (the size of
images in a file that is not there) is None; where a loss compares the network's output with the missing input, the
input's size is taken from the output.
Source: Caffe's net.cpp (Init, AppendTop, AppendBottom, AppendParam).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data.layout import misfit, samples
from ..errors import DataError, LayerError, Problem, SpecError
from ..inplace import of_the_machine
from ..layers import Layer, make_layer
from ..layers.base import Learned, Shape
from ..layers.limits import excessive_blob, wide_settings
from ..layers.shape import Flatten, Split
from ..proto.suggest import closest
from .advice import authors_name, explain_mismatch
from .backward import lost_gradients, mark_backward
from .graph import Graph, Node
from .layouts import odd_layouts
from .params import ParamPlan, Params
from .step import Step
from .switches import tell_pooled

SourceShapes = Callable[[Any, int, Sequence[Path]], "list[Shape] | None"]
MaybeShape = Shape | None


@dataclass
class Plan:
    """A network ready to be given tensors."""

    graph: Graph
    steps: list[Step]
    params: list[ParamPlan]
    shapes: dict[str, MaybeShape]
    outputs: tuple[str, ...]  # tops that nobody reads, in alphabetical order (Caffe's)
    assumed: dict[str, str] = field(default_factory=dict)  # blob -> why its shape is an assumption
    lost: dict[int, set[int]] = field(default_factory=dict)  # see `lost_gradients`

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def phase(self) -> int:
        return self.graph.phase

    @property
    def sources(self) -> list[Step]:
        """The layers whose tops are fed from outside: data layers and Input layers."""
        return [step for step in self.steps if step.is_source]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Caffe's net inputs: the tops of Input layers."""
        return tuple(top for step in self.steps if step.kind.fed_by_caller for top in step.tops)

    @property
    def fed(self) -> tuple[str, ...]:
        """Every blob that comes from outside: the tops of all sources."""
        return tuple(top for step in self.sources for top in step.tops)

    def require(self, blob: str) -> str:
        """`blob`, if the net has one of this name. DataError with the closest name, or all of them, otherwise."""
        if blob in self.shapes:
            return blob
        near = closest(blob, self.shapes)
        hint = f"; did you mean '{near}'?" if near else f"; it has {', '.join(self.shapes)}"
        raise DataError(f"net '{self.name}' has no blob '{blob}'{hint}")

    def owner(self, index: int) -> int:
        """The parameter whose tensor parameter `index` uses: itself, or the one that it shares."""
        owner = self.params[index].owner
        return index if owner is None else owner

    def learning(self) -> dict[str, list[Step]]:
        """The layers that have learned blobs, by name; of several layers with one name in file order."""
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            if step.params:
                found.setdefault(step.name, []).append(step)
        return found

    def matched(self, other: Plan) -> list[tuple[Step, Step]]:
        """(layer here, layer of `other` whose learned blobs it uses): by name, the k-th for the k-th.

        Where the layers of a name are not equally many, the last one there serves the first one here, as in Caffe.
        """
        theirs = other.learning()
        pairs: list[tuple[Step, Step]] = []
        for name, mine in self.learning().items():
            sources = theirs.get(name, [])
            pairs += zip(mine, sources if len(sources) == len(mine) else sources[-1:], strict=False)
        return pairs

    def odd_layouts(self) -> Iterator[Problem]:
        """Warnings of data that seem to lie otherwise than the net reads them."""
        return odd_layouts(self.graph, self.steps, self.shapes)

    @property
    def num_parameters(self) -> int:
        """Learnable values; shared ones count once."""
        return sum(param.count for param in self.params if param.owner is None and param.shape is not None)

    @property
    def num_learned(self) -> int:
        """Those of them that a solver moves: without blobs of `lr_mult: 0`."""
        return sum(param.count for param in self.params if param.owner is None and param.lr_mult)


def make_plan(
    graph: Graph,
    source_shapes: SourceShapes | None = None,
    input_shapes: Mapping[str, Shape] | None = None,
    folders: Sequence[Path] | None = None,
) -> Plan:
    """Makes layers, wires blobs, infers shapes, resolves parameters. Raises SpecError with all problems of the network.

    `source_shapes(layer_param, phase, folders)` tells the shapes that a data file holds (None: no such file; default:
    what `data` finds); `input_shapes` overrides the shapes of blobs fed from outside.
    """
    plan = draft_plan(graph, source_shapes, input_shapes, folders)
    if graph.problems:
        where = f" (in phase {('TRAIN', 'TEST')[graph.phase]})" if graph.left_out else ""
        found = (*graph.problems, *plan.odd_layouts())
        raise SpecError([Problem(f"{problem.message}{where}", problem.place) for problem in found])
    return plan


def draft_plan(
    graph: Graph,
    source_shapes: SourceShapes | None = None,
    input_shapes: Mapping[str, Shape] | None = None,
    folders: Sequence[Path] | None = None,
) -> Plan:
    """As `make_plan`, but returns what could be planned and leaves the complaints in `graph.problems`."""
    steps, outputs = _wire(graph)
    inference = _Inference(graph, steps, source_shapes or _shapes_from_files, dict(input_shapes or {}), folders)
    shapes, params, assumed = inference.run()
    mark_backward(graph, inference.steps, params)
    lost = lost_gradients(inference.steps, params, shapes)
    return Plan(graph, inference.steps, params, shapes, outputs, assumed, lost)


def _shapes_from_files(param: Any, phase: int, folders: Sequence[Path]) -> list[Shape] | None:
    from ..data.source import shapes  # numpy and h5py are loaded only where a file has to be looked into

    return shapes(param, phase, folders)


def _wire(graph: Graph) -> tuple[list[Step], tuple[str, ...]]:
    """Steps with their blob names, and the outputs. Complains of blobs made twice and of wrong numbers of blobs."""
    steps: list[Step] = []
    made_by: dict[str, str] = {}
    unread: dict[str, None] = {}
    for node in graph.nodes:
        layer = _make(graph, node)
        bottoms, tops = tuple(node.param.bottom), list(node.param.top)
        for bottom in bottoms:
            unread.pop(bottom, None)
        for j, top in enumerate(tops):
            in_place = j < len(bottoms) and bottoms[j] == top
            if not in_place and top in made_by:
                graph.complain(node, _made_twice(top, made_by[top], node), "top", j)
            made_by[top] = node.param.name
            unread[top] = None
        if layer is not None and layer.is_loss and not tops:
            tops.append(f"(automatic {node.param.name})")
        steps.append(Step(node, layer, bottoms, tuple(tops), loss_weights=_loss_weights(graph, node, layer, len(tops))))
    return steps, tuple(sorted(unread))


def _made_twice(top: str, maker: str, node: Node) -> str:
    if any(bottom.startswith(f"{top}_") and "_split_" in bottom for bottom in node.param.bottom):
        return (
            f"writes over '{top}' in place, but an earlier layer reads '{top}' as it was; "
            "move that layer behind this one or give this top another name"
        )
    return f"top '{top}' is already made by layer '{maker}'"


def _make(graph: Graph, node: Node) -> Layer | None:
    for path, sentence in wide_settings(node.param):
        graph.complain(node, sentence, *path)
        return None
    try:
        return make_layer(node.param, graph.phase)
    except LayerError as error:
        graph.complain(node, str(error), *_path(error.at))
        return None


def _path(at: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in at.split(".") if part)


def _loss_weights(graph: Graph, node: Node, layer: Layer | None, num_tops: int) -> tuple[float, ...]:
    weights = tuple(node.param.loss_weight)
    if weights and len(weights) != num_tops:
        graph.complain(
            node,
            f"loss_weight is given {len(weights)} times for {num_tops} top(s): once per top, or not",
            "loss_weight",
        )
        return (0.0,) * num_tops
    if not weights:
        weights = (1.0 if layer is not None and layer.is_loss else 0.0,) + (0.0,) * (num_tops - 1) if num_tops else ()
    return weights


class _Inference:
    """Shapes and parameters, step by step; a second time if the first leaves a missing input that a loss tells."""

    def __init__(
        self,
        graph: Graph,
        steps: list[Step],
        source_shapes: SourceShapes,
        given: dict[str, Shape],
        folders: Sequence[Path] | None,
    ) -> None:
        self.graph, self.steps, self.source_shapes, self.given = graph, steps, source_shapes, given
        self.folders = [graph.document.folder] if folders is None else list(folders)
        self.missing: dict[str, int] = {}  # blob of a source whose file is not there -> batch size
        self.assumed: dict[str, str] = {}

    def run(self) -> tuple[dict[str, MaybeShape], list[ParamPlan], dict[str, str]]:
        before = list(self.graph.problems)
        shapes, params = self._pass()
        guesses = self._guess(shapes) if self.missing else {}
        if guesses:
            self.given.update(guesses)
            self.graph.problems[:] = before
            shapes, params = self._pass()
        return shapes, params, self.assumed

    def _pass(self) -> tuple[dict[str, MaybeShape], list[ParamPlan]]:
        shapes: dict[str, MaybeShape] = {}
        params = Params(self.graph)
        for i, step in enumerate(self.steps):
            bottoms = [shapes.get(name) for name in step.bottoms]
            tops: Sequence[MaybeShape] = [None] * len(step.tops)
            learned: list[Learned] | None = None
            if step.layer is not None:
                try:
                    tell_pooled(self.steps, i, shapes.get)
                    tops, learned = self._infer(step, step.layer, bottoms)
                except LayerError as error:
                    sentence = explain_mismatch(self.steps, i, shapes) or str(error)
                    self.graph.complain(step.node, sentence, *_path(error.at))
            if excess := excessive_blob(step.node.param, tops, learned or ()):
                tops, learned = [None] * len(step.tops), None  # who reads from it has nothing to complain of
                self.graph.complain(step.node, excess[1], *excess[0])
            shapes.update(zip(step.tops, tops, strict=False))
            self.steps[i] = replace(step, params=params.add(step.node, learned))
        return shapes, params.all

    def _infer(
        self, step: Step, layer: Layer, bottoms: list[MaybeShape]
    ) -> tuple[Sequence[MaybeShape], list[Learned] | None]:
        if layer.is_source:
            return self._source(step, layer), []
        known = [shape for shape in bottoms if shape is not None]
        if len(known) < len(bottoms):
            layer.read_files(bottoms, self.folders)
            return layer.shapes_partly(bottoms, self._batch()), None
        tops = layer.shapes(known)
        layer.read_files(known, self.folders)
        return tops, layer.learned(known)

    def _batch(self) -> int | None:
        """The batch size of the missing sources, if they agree on one."""
        sizes = set(self.missing.values())
        return sizes.pop() if len(sizes) == 1 else None

    def _source(self, step: Step, layer: Layer) -> Sequence[MaybeShape]:
        if step.tops and all(top in self.given for top in step.tops):
            return [self.given[top] for top in step.tops]
        shapes: Sequence[MaybeShape] | None
        if layer.reads_file:
            try:
                shapes = self.source_shapes(step.node.param, self.graph.phase, self.folders)
            except DataError as error:
                if of_the_machine(error):  # no fault of the text
                    raise
                self.graph.complain(step.node, str(error), *_path(layer.file_field))
                return [None] * len(step.tops)
            shapes = self._as_stated(step, layer.stated, shapes)
            unknown = [top for top, shape in zip(step.tops, shapes, strict=True) if shape is None]
            self.missing.update(dict.fromkeys(unknown, layer.batch_size))
        else:
            shapes = layer.shapes([])
        return [self.given.get(top, shape) for top, shape in zip(step.tops, shapes, strict=True)]

    def _as_stated(self, step: Step, stated: Sequence[Shape], found: Sequence[Shape] | None) -> Sequence[MaybeShape]:
        """The shapes that the text states, then those of the file; complains where the file has others."""
        for index, (top, wanted) in enumerate(zip(step.tops, stated, strict=False)):
            if found is not None and found[index][1:] != wanted[1:]:
                told = f"its file holds {samples(found[index][1:])} as '{top}', this text is for {samples(wanted[1:])}"
                why = misfit(found[index][1:], wanted[1:], top) or "are these the images that it is meant for?"
                self.graph.complain(step.node, f"{told}: {why}", "input_param", "shape", index)
        rest: Sequence[MaybeShape] = [None] * len(step.tops) if found is None else found
        return [*stated, *rest[len(stated) :]]

    def _guess(self, shapes: dict[str, MaybeShape]) -> dict[str, Shape]:
        """Shapes of missing inputs, from losses that compare them with a blob of known shape."""
        origin = {top: top for top in self.missing}
        for step in self.steps:
            if issubclass(step.kind, Split | Flatten) and step.bottoms and step.bottoms[0] in origin:
                origin.update(dict.fromkeys(step.tops, origin[step.bottoms[0]]))
        guesses: dict[str, Shape] = {}
        for step in self.steps:
            if step.layer is None or not step.layer.compares or len(step.bottoms) != 2:
                continue
            for mine, other in (step.bottoms, step.bottoms[::-1]):
                shape = shapes.get(other)
                if mine in origin and shape is not None and origin[mine] not in guesses:
                    guesses[origin[mine]] = shape
                    name = authors_name(self.steps, other)
                    self.assumed[origin[mine]] = (
                        f"its file is not there; '{name}', which a loss compares with it, has it"
                    )
        return guesses
