"""A network with its tensors: a function from named blobs to named blobs.

    net = Net("net.prototxt", phase="TEST", weights="cae_iter_20000.caffemodel")
    codes = net(data=images, want=["ip2encode"])["ip2encode"]
    images = net(ip2encode=codes, want=["deconv1neursig"])["deconv1neursig"]

Only the layers between what is given and what is wanted are run. `forward` and `loss` keep the autograd graph, for
training; `layerwise.Layerwise` runs the same layers one by one, for Caffe's data/diff view.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import DataError
from ..facts import as_table
from ..layers.base import Context, Shape
from ..layers.python import python_layers
from ..proto.document import Document
from ..proto.read import read_net
from ..proto.schema import NetParameter
from .backward import counted_only
from .execute import Blobs, Hook, bind, execute
from .graph import build_graph
from .initial import initial_tensors, shared_tensors
from .plan import Plan, make_plan
from .strides import choose_strides


@dataclass
class LearnedBlob:
    """A learned blob that a solver moves: `name` is "<layer>/<index>" of its owner."""

    name: str
    tensor: torch.Tensor
    lr_mult: float
    decay_mult: float


class Net:
    """The network of one phase.

    `source`: path of a prototxt, a NetParameter message, or a Document. `weights`: a .caffemodel to start from.
    `generator` (or `seed`): the source of initial weights and of the random layers. `share`: another net whose
    parameters this one uses, layer by layer of equal name (Caffe's test nets). `input_shapes`: shapes of blobs fed from
    outside, in place of those the text or its files give. `device`: where the tensors live. `allow_python_layers`:
    whether the text may name Python code that is then run (type Python).
    Raises SpecError with all problems of the text.
    """

    def __init__(
        self,
        source: Any,
        phase: str | int = "TEST",
        *,
        level: int = 0,
        stages: Iterable[str] = (),
        weights: str | Path | None = None,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        device: str | torch.device = "cpu",
        input_shapes: Mapping[str, Shape] | None = None,
        folders: Sequence[Path] | None = None,
        share: Net | None = None,
        allow_python_layers: bool = False,
    ) -> None:
        self.document = read_net(source)
        self.folders = [self.document.folder] if folders is None else list(folders)
        with python_layers(allow_python_layers):
            self.plan: Plan = make_plan(
                build_graph(self.document, phase, level, stages), input_shapes=input_shapes, folders=self.folders
            )
        self.device = torch.device(device)
        self.generator = generator if generator is not None else _seeded(seed)
        shared = {} if share is None else shared_tensors(self.plan, share.plan, share.tensors)
        self.tensors: list[torch.Tensor] = initial_tensors(self.plan, self.generator, self.device, shared)
        self._prepare()
        if weights is not None:
            from .weights import load_weights

            load_weights(self, weights)

    # What it is

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def phase(self) -> int:
        return self.plan.phase

    @property
    def inputs(self) -> tuple[str, ...]:
        """The blobs fed from outside: tops of data and Input layers."""
        return self.plan.fed

    @property
    def outputs(self) -> tuple[str, ...]:
        """The blobs that no layer reads, in Caffe's (alphabetical) order."""
        return self.plan.outputs

    @property
    def sources(self) -> list[Any]:
        """The LayerParameters of its data layers: what a `data.Feed` reads for it."""
        return [step.node.param for step in self.plan.sources if not step.kind.fed_by_caller]

    @property
    def sinks(self) -> list[Any]:
        """The LayerParameters of its HDF5Output layers: what `data.output.Outputs` writes for it."""
        return [step.node.param for step in self.plan.steps if step.kind.writes_file]

    @property
    def params(self) -> dict[str, list[torch.Tensor]]:
        """Learned tensors by layer name (of several layers with one name, the last: as in Caffe)."""
        return {step.name: [self.tensors[i] for i in step.params] for step in self.plan.steps if step.params}

    @property
    def learnable(self) -> list[LearnedBlob]:
        """The blobs a solver moves, in order of creation; shared ones once, with lr_mult 0 ones included."""
        return [
            LearnedBlob(param.name, self.tensors[i], param.lr_mult, param.decay_mult)
            for i, param in enumerate(self.plan.params)
            if param.owner is None
        ]

    def __repr__(self) -> str:
        phase = ("TRAIN", "TEST")[self.phase]
        return f"<Net '{self.name}' {phase}: {len(self.plan.steps)} layers, {self.plan.num_parameters} parameters>"

    def _repr_html_(self) -> str:
        from .summary import summarize

        found = summarize(self.plan)
        shapes = {name: "x".join(map(str, shape)) for name in self.inputs if (shape := self.plan.shapes[name])}
        facts = {"net": found.name or "unnamed", "phase": found.phase, "layers": f"{len(self.plan.steps)}"}
        facts |= {"parameters": found.counted, **{f"input {name}": words for name, words in shapes.items()}}
        return as_table({**facts, **({"code": found.code} if found.code else {}), "outputs": ", ".join(found.outputs)})

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy: the text, the shapes and the tensors. A copy shares nothing with any other net."""
        graph, document = self.plan.graph, self.document
        text = document.message.SerializeToString(deterministic=True), document.filename
        shapes = {name: self.plan.shapes[name] for name in self.inputs}
        stages = [stage for stage in graph.stages if stage not in document.message.state.stage]
        choice, devices = (self.phase, graph.level, stages, shapes, self.folders), (self.device, self.generator.device)
        return _restored, (text, choice, devices, self.tensors, self.generator.get_state())

    # Running it

    def _prepare(self) -> None:
        """Prepares what every pass needs."""
        self.bound = bind(self.plan, self.tensors)  # by the step's number in the plan
        self.inner = [each for each in self.bound if not each.step.is_source]
        self.overwritten = [self.tensors[i] for i in self.plan.lost]
        self._convolves_in_torch = "torch" in choose_strides(self.plan)
        self._pruned: dict[tuple[frozenset[str], frozenset[str]], list[int]] = {}
        self._checked: set[tuple[tuple[str, Shape], ...]] = set()
        self.loss_weights = {  # of the blobs that make up the objective
            top: weight
            for step in self.plan.steps
            for top, weight in zip(step.tops, step.loss_weights, strict=True)
            if weight
        }
        silent = counted_only(self.plan.steps)
        self._objective = [(top, weight, top not in silent) for top, weight in self.loss_weights.items()]

    def forward(
        self, inputs: Mapping[str, torch.Tensor], generator: torch.Generator | None = None, hook: Hook | None = None
    ) -> Blobs:
        """All blobs, from those fed from outside; keeps the autograd graph. `hook` sees each layer's pass."""
        blobs: Blobs = dict.fromkeys(self.plan.shapes)  # type: ignore[assignment]  # in the plan's order
        for name, tensor in inputs.items():
            blobs[self.plan.require(name)] = _channels_last(tensor) if self._convolves_in_torch else tensor
        context = Context(generator if generator is not None else self.generator)
        execute(self.inner, blobs, context, hook, reuse=hook is None)
        context.apply_updates()
        return blobs

    def loss(self, blobs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The objective: over all tops with a loss weight, the sum of weight times the sum of elements.

        A top that other layers read, too, counts, but its weight starts no gradient: as in Caffe.
        """
        total: torch.Tensor | None = None
        for name, weight, starts_gradient in self._objective:
            blob = blobs[name] if starts_gradient else blobs[name].detach()
            blob = blob if blob.dim() == 0 else blob.sum()
            part = blob if weight == 1 else blob * weight
            total = part if total is None else total + part
        return total if total is not None else torch.zeros((), device=self.device)

    @torch.no_grad()
    def __call__(
        self, inputs: Mapping[str, Any] | None = None, /, *, want: str | Sequence[str] | None = None, **blobs: Any
    ) -> Blobs:
        """The wanted blobs (default: the outputs), from any given ones. Arrays and tensors are taken; no gradients.

        A blob that is given is not computed: `net(code=z, want=["restored"])` runs the decoder alone. The number of
        samples is free; the other axes must be as planned (DataError).
        """
        given = {**(inputs or {}), **blobs}
        wanted = self.outputs if want is None else (want,) if isinstance(want, str) else tuple(want)
        for name in (*given, *wanted):
            self.plan.require(name)
        tensors = {name: self._tensor(name, value) for name, value in given.items()}
        self._check_shapes(tensors)
        context, found = Context(self.generator), dict(tensors)
        steps = [self.bound[i] for i in self.between(frozenset(tensors), frozenset(wanted))]
        execute(steps, found, context, wanted=wanted)
        context.apply_updates()
        return {name: found[name] for name in wanted}

    def _tensor(self, name: str, value: Any) -> torch.Tensor:
        tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value, dtype=np.float32))
        return tensor.to(self.device, torch.float32)

    def _check_shapes(self, given: Blobs) -> None:
        shapes = tuple((name, tuple(tensor.shape)) for name, tensor in given.items())
        if shapes in self._checked:
            return
        for name, shape in shapes:
            planned = self.plan.shapes[name]
            if planned is not None and shape[1:] != planned[1:]:
                allowed = ", ".join(["N", *map(str, planned[1:])])
                raise DataError(f"blob '{name}' of net '{self.name}' has shape ({allowed}); given {list(shape)}")
        fed = {name: shape for name, shape in shapes if name in self.inputs}
        if fed:
            self.planned(fed)
        self._checked.add(shapes)

    def planned(self, given: Mapping[str, Shape]) -> Plan:
        """The plan for these shapes of some blobs; for its other inputs as many samples. SpecError where none fits."""
        graph = build_graph(self.document, self.phase, self.plan.graph.level, self.plan.graph.stages)
        with python_layers(any(step.kind.runs_code for step in self.plan.steps)):  # allowed before, then
            return make_plan(graph, input_shapes=self._resized(given), folders=self.folders)

    def _resized(self, given: Mapping[str, Shape]) -> dict[str, Shape]:
        """Shapes of the inputs: those given, the others as planned, with as many samples as what is given."""
        sizes = {(self.plan.shapes[name] or ())[:1]: shape[:1] for name, shape in given.items()}
        planned = {name: self.plan.shapes[name] or () for name in self.inputs}
        others = {name: sizes[shape[:1]] + shape[1:] for name, shape in planned.items() if shape and shape[:1] in sizes}
        return {**others, **{name: shape for name, shape in given.items() if name in planned}}

    def between(self, given: frozenset[str], wanted: frozenset[str]) -> list[int]:
        """The numbers of the steps that lead from `given` to `wanted`. DataError names an input that is lacking."""
        key = (given, wanted)
        if key not in self._pruned:
            final = given.difference(self.inputs)  # an input that is given may still be rewritten in place
            needed = set(wanted - final)
            steps: list[int] = []
            for index, each in reversed(list(enumerate(self.bound))):
                step = each.step
                if needed.isdisjoint(step.tops):
                    continue
                if step.is_source:
                    lacking = sorted(needed.intersection(step.tops) - given)
                    if lacking:
                        raise DataError(f"net '{self.name}' needs blob(s) {', '.join(lacking)}: give {lacking[0]}=…")
                    continue
                needed.difference_update(step.tops)
                needed.update(set(step.bottoms) - final)
                steps.append(index)
            self._pruned[key] = steps[::-1]
        return self._pruned[key]


def _restored(
    text: tuple[bytes, str],
    choice: tuple[Any, ...],
    devices: tuple[torch.device, torch.device],
    tensors: list[torch.Tensor],
    state: torch.Tensor,
) -> Net:
    """The net that `Net.__reduce__` describes. Its Python layers may run: whoever unpickles a file trusts it anyway."""
    net = Net.__new__(Net)
    phase, level, stages, shapes, net.folders = choice
    net.document = Document(NetParameter.FromString(text[0]), text[1])
    with python_layers(True):
        graph = build_graph(net.document, phase, level, stages)
        net.plan = make_plan(graph, input_shapes=shapes, folders=net.folders)
    net.device, net.tensors, net.generator = devices[0], tensors, torch.Generator(devices[1])
    net.generator.set_state(state)
    net._prepare()
    return net


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    """Images on a CPU with their channels last, once for all who read them: convolutions, and the losses behind."""
    if x.dim() != 4 or x.shape[1] < 2 or x.device.type != "cpu":
        return x
    return x.contiguous(memory_format=torch.channels_last)


def _seeded(seed: int | None) -> torch.Generator:
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
