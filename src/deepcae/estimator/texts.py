"""The texts of an estimator: which network and solver its parameters ask for, and how arrays are fed to them.

The texts name files, as a run's do (`ConvAutoencoder.save` writes them). For arrays their data layers give way to one
Input layer; what `transform_param` of a data layer says is done to the rows before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.kept import StoredRows
from ..data.scaling import Scaling
from ..data.stream import Shape
from ..data.transform import TURNS
from ..errors import SpecError
from ..layers.base import Layer
from ..proto.document import Document
from ..proto.read import read_net, read_net_text, read_solver, read_solver_text
from ..proto.schema import TEST, TRAIN, LayerParameter, NetParameter, SolverParameter, message_class
from ..proto.text import merge, to_text
from ..zoo import ZooModel, build, build_design, names
from ..zoo.designed import DesignedModel
from ..zoo.streams import whole_test

TransformationParameter = message_class("TransformationParameter")
Choose = Callable[[DesignedModel, Callable[[Document], object]], DesignedModel]
DESIGN = "auto"
BATCH = 100  # images per iteration, where no text says it
TESTS = 20  # in a training
EPOCHS, LEAST = 60, 500  # passes over the images, and iterations at least, for a net that comes without a solver
SOLVER = """\
# For a network that came without a solver.
net: "net.prototxt"
type: "Adam"
base_lr: 0.001
lr_policy: "poly"  # falls to 0 in a straight line
power: 1
momentum: 0.9
momentum2: 0.999
max_iter: {iterations}
test_interval: {interval}
patience: 12  # tests without a better one, then it ends
"""
_OF_FILES = (
    "net", "train_net", "test_net", "train_net_param", "test_net_param", "test_state", "train_state", "weights",
    "test_iter", "snapshot", "snapshot_best", "best_gain", "display",
)  # fmt: skip


@dataclass(frozen=True)
class Texts:
    """`net`, `solver`: as a run has them. `start`: weights to begin with, a NetParameter, if there are any.

    `is_pca`: whether the net is PCA with these.
    """

    net: str
    solver: str
    start: Any = None
    is_pca: bool = False

    def document(self) -> Document:
        """The net's."""
        return read_net_text(self.net)


@dataclass(frozen=True)
class Wanted:
    """What the texts are for. `images`: all of them, as stored; `held_out`: how many are not trained with."""

    image: Shape
    dims: int
    images: StoredRows
    held_out: int
    scaling: Scaling
    batch: int | None


def texts_for(architecture: Any, solver: Any, wanted: Wanted, choose: Choose | None = None) -> Texts:
    """The texts that `architecture` (a parameter of ConvAutoencoder) means, the fields of `solver` over its own.

    `choose`: takes one of two designs, if there are two. It is told how `solver` is laid over a text.
    """

    def lay(document: Document) -> None:
        _lay_over(document, solver)

    made = _made(architecture, wanted)
    if choose is not None and isinstance(made, DesignedModel) and architecture == DESIGN:
        made = choose(made, lay)
    document = read_solver_text(made.solver_text, "solver")
    lay(document)
    net, is_pca = _scaled(made.net_text, wanted.scaling), isinstance(made, DesignedModel) and made.starts_as_pca
    return Texts(net, to_text(document.message), getattr(made, "start", None), is_pca)


def _made(architecture: Any, wanted: Wanted) -> ZooModel:
    if callable(architecture):
        architecture = architecture(wanted.image, wanted.dims)
    if isinstance(architecture, ZooModel):
        return architecture
    if isinstance(architecture, str) and architecture == DESIGN:
        return build_design(
            wanted.image, wanted.dims, batch=wanted.batch, scaling=wanted.scaling, images=wanted.images,
            num_test=wanted.held_out or None,
        )  # fmt: skip
    if isinstance(architecture, str) and architecture in names():
        return build(architecture, wanted.dims, batch=wanted.batch)
    batch = wanted.batch or BATCH
    iterations = max(LEAST, EPOCHS * wanted.images.total // batch)
    solver = SOLVER.format(iterations=iterations, interval=max(1, iterations // 40))
    return ZooModel("given", wanted.dims, to_text(_message(architecture)), solver)


def _message(architecture: Any) -> Any:
    """The NetParameter that is meant by a path, a text, or a message."""
    if isinstance(architecture, str) and "{" in architecture:
        return read_net_text(architecture, "architecture").message
    if isinstance(architecture, str) and not Path(architecture).exists():
        raise SpecError(f"architecture is '{architecture}': neither a file nor one of auto, {', '.join(names())}")
    if isinstance(architecture, str | Path | NetParameter | Document):
        return read_net(architecture).message
    what = f"architecture is {type(architecture).__name__}"
    raise SpecError(f"{what}; may be 'auto', a name of the zoo, a path, a NetParameter or a function of image and dims")


def _lay_over(document: Document, fields: Any) -> None:
    if fields is None or fields == "":
        return
    if isinstance(fields, SolverParameter | Document):
        fields = to_text(getattr(fields, "message", fields))
    elif isinstance(fields, Path) or (isinstance(fields, str) and ":" not in fields):
        fields = to_text(read_solver(fields).message)
    if not isinstance(fields, str):
        raise SpecError(
            f"solver is {type(fields).__name__}; may be a SolverParameter, a path, or text: 'base_lr: 0.01'"
        )
    merge(document, fields, "solver")


def _scaled(net_text: str, scaling: Scaling) -> str:
    """The net's text, whose data layers scale what they read; its own transform_param stays."""
    if not scaling.text:
        return net_text
    message = read_net_text(net_text).message
    readers = [layer for layer in message.layer if _reads(layer) and Layer.registry[layer.type].reads_file]
    if not readers or any(layer.transform_param.ByteSize() for layer in readers):
        return net_text
    for layer in readers:
        layer.transform_param.CopyFrom(_of_scaling(scaling))
    return to_text(message)


def _reads(layer: Any) -> bool:
    """Whether it brings in what a caller or a file has, and not noise."""
    kind = Layer.registry.get(layer.type)
    return kind is not None and kind.is_source and not kind.draws


@dataclass(frozen=True)
class Fitted:
    """A net's text with an Input layer in place of its data layers.

    `top`: its blob; `shape`: of a row of it; `transforms`: what its data layers did to rows, by phase.
    """

    def __reduce__(self) -> Any:  # messages are pickled as bytes
        parts = {phase: said.SerializeToString() for phase, said in self.transforms.items()}
        return _unpickled, (self.net.SerializeToString(), self.top, self.shape, parts, self.batch)

    net: Any
    top: str
    shape: Shape
    transforms: dict[int, Any]
    batch: int  # images per iteration


def _unpickled(net: bytes, top: str, shape: Shape, parts: dict[int, bytes], batch: int) -> Fitted:
    transforms = {phase: TransformationParameter.FromString(said) for phase, said in parts.items()}
    return Fitted(NetParameter.FromString(net), top, shape, transforms, batch)


def for_arrays(net_text: str, image: Shape, scaling: Scaling, batch: int | None, total: int) -> Fitted:
    """The net's text, ready to be fed with arrays of `total` rows. SpecError where it reads other than images."""
    message = read_net_text(net_text).message
    readers = [layer for layer in message.layer if _reads(layer)]
    tops = dict.fromkeys(layer.top[0] for layer in readers if layer.top)
    _check(message, readers, list(tops), image)
    top, shape = next(iter(tops)), _shape_of(readers, image)
    batch = min(batch or _batch_of(readers) or BATCH, total)
    fed = LayerParameter(name=top, type="Input", top=[top])
    fed.input_param.shape.add().dim.extend([batch, *shape])
    kept = [layer for layer in message.layer if not _reads(layer)]
    for drawn in (shape for layer in kept for shape in layer.dummy_data_param.shape):
        drawn.dim[0] = batch
    del message.layer[:]
    message.layer.extend([fed, *kept])
    return Fitted(message, top, shape, {phase: _transform(readers, phase, scaling) for phase in (TRAIN, TEST)}, batch)


def _check(message: Any, readers: Sequence[Any], tops: Sequence[str], image: Shape) -> None:
    name = message.name or "the network"
    if len(tops) != 1:
        raise SpecError(f"{name} reads {len(tops)} blobs ({', '.join(tops)}); ConvAutoencoder feeds images alone")
    others = dict.fromkeys(top for layer in readers for top in layer.top[1:])
    read = {bottom for layer in message.layer for bottom in layer.bottom}
    if used := [top for top in others if top in read]:
        raise SpecError(f"{name} reads '{used[0]}' beside its images; ConvAutoencoder has images alone to give")
    if any(layer.transform_param.crop_size for layer in readers):
        raise SpecError(f"{name} crops its images (crop_size), and would restore parts of them; take that line out")


def _shape_of(readers: Sequence[Any], image: Shape) -> Shape:
    """Of a row as the text states it, where that is another shape of as many values."""
    for layer in readers:
        for stated in layer.input_param.shape:
            shape = tuple(stated.dim[1:])
            if math.prod(shape) == math.prod(image):
                return shape
    return image


def _batch_of(readers: Sequence[Any]) -> int:
    """Images per training iteration, as the text has it; 0 where it does not say."""
    for layer in readers:
        field = Layer.registry[layer.type].file_field.split(".")[0]
        if field and TRAIN in ([rule.phase for rule in layer.include if rule.HasField("phase")] or [TRAIN]):
            return int(getattr(layer, field).batch_size)
    return 0


def _transform(readers: Sequence[Any], phase: int, scaling: Scaling) -> Any:
    """The transform_param of the data layer of a phase; where none has one, what the scaling says."""
    for layer in readers:
        rules = [rule.phase for rule in layer.include if rule.HasField("phase")]
        if phase in (rules or [phase]) and layer.transform_param.ByteSize():
            return _told(layer.transform_param, phase)
    return _of_scaling(scaling)


def _of_scaling(scaling: Scaling) -> Any:
    said = TransformationParameter(scale=scaling.scale)
    if scaling.offset:
        said.mean_value.append(scaling.offset)
    return said


def _told(transform: Any, phase: int) -> Any:
    """A test looks at each image as it is."""
    said = TransformationParameter()
    said.CopyFrom(transform)
    if phase == TEST:
        for name in TURNS:
            said.ClearField(name)
    return said


def solver_for(texts: Texts, fitted: Fitted, wanted: Wanted, seed: int, patience: int | None = None) -> Document:
    """The solver's text for a training in memory, of which nothing is written; `patience` in place of its own."""
    document = read_solver_text(texts.solver, "solver")
    param = document.message
    for field in _OF_FILES:
        param.ClearField(field)
    param.net_param.CopyFrom(fitted.net)
    param.snapshot_after_train, param.snapshot_prefix, param.random_seed = False, "convautoencoder", seed
    if wanted.held_out:
        param.test_iter.append(whole_test(wanted.held_out, fitted.batch).iterations)
        param.test_interval = param.test_interval or max(1, param.max_iter // TESTS)
        param.patience = param.patience if patience is None else patience
    else:
        param.test_interval = param.patience = 0
    return document


def limit(solver: Document, iterations: int) -> None:
    """Another end, and tests that fit to it."""
    param = solver.message
    param.max_iter = iterations
    if param.test_iter:
        param.test_interval = max(1, min(param.test_interval, iterations // TESTS))
