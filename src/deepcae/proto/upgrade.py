"""Old syntaxes to today's, in Caffe's order: V0 → V1, data settings → transform_param, V1 → today, input fields → a
layer of type Input, BatchNorm's three params. Places keep pointing to the author's text; `Document.notes` says what was
changed.
"""

from __future__ import annotations

from ..errors import Place, Problem, SpecError
from .document import Document
from .images import insert_reshapes
from .legacy import SOLVER_TYPES
from .schema import LayerParameter
from .spots import Spot
from .v0 import upgrade_v0
from .v1 import DATA_PARAMS, MOVED, upgrade_v1

_INLINE_NETS = ("net_param", "train_net_param")


def upgrade(document: Document) -> Document:
    """The upgrade that fits the document's message; messages other than networks and solvers have only one syntax."""
    name = document.message.DESCRIPTOR.name
    if name == "NetParameter":
        return upgrade_net(document)
    return upgrade_solver(document) if name == "SolverParameter" else document


def upgrade_net(document: Document) -> Document:
    """A network of any age in today's schema, in place; the same document, for chaining. Raises SpecError."""
    old = bool(document.message.layers)
    upgrade_layers(document)
    if old:
        insert_reshapes(document)
    return document


def upgrade_layers(document: Document) -> None:
    """Caffe's own upgrade of a network: what a weights file needs, and the greater part of what a text needs."""
    if document.message.layer and document.message.layers:
        place = document.place("layers", 0)
        raise SpecError(Problem("both 'layer' and the old 'layers' are given: a network has one syntax", place))
    if layers := document.message.layers:
        year = 2013 if any(layer.HasField("layer") for layer in layers) else 2014
        document.note(f"the syntax is that of {year}; read as today's", document.place("layers", 0))
    upgrade_v0(document)
    upgrade_v1(document)
    _warn_of_ignored(document)
    _inputs_to_layer(document)
    _freeze_batch_norm(document)


def _warn_of_ignored(document: Document) -> None:
    """Caffe moves data settings to transform_param in old layers only; in today's `layer` it ignores them."""
    for index, layer in enumerate(document.message.layer):
        name = DATA_PARAMS.get(layer.type, "")
        for field in MOVED if name and layer.HasField(name) else ():
            if getattr(layer, name).HasField(field):
                sentence = f"'{field}' in {name} is ignored, as in Caffe; write it in transform_param"
                document.note(sentence, document.place("layer", index, name, field))


def _inputs_to_layer(document: Document) -> None:
    """`input: "x" input_dim: ...` or `input_shape { }` → a layer of type Input before all others."""
    message, spot = document.message, document.spot
    if not message.input:
        return
    count, where = len(message.input), document.place("input")
    if message.input_shape or message.input_dim:
        if message.input_shape:
            given, wanted, field = len(message.input_shape), count, "input_shape"
            shapes = [list(shape.dim) for shape in message.input_shape]
        else:
            given, wanted, field = len(message.input_dim), 4 * count, "input_dim"
            shapes = [list(message.input_dim[start : start + 4]) for start in range(0, given, 4)]
        if given != wanted:
            sentence = f"{field} is wanted {wanted} times (inputs: {count}), given {given} times"
            raise SpecError(Problem(sentence, document.place(field)))
        layer = LayerParameter(name="input", type="Input", top=message.input)
        for shape in shapes:
            layer.input_param.shape.add(dim=shape)
        layer_spot = Spot(where, {"top": spot.values("input", count)})
        param = Spot(document.place(field), {"shape": spot.values(field, given)[:: 4 if field == "input_dim" else 1]})
        layer_spot.fields["input_param"] = [param]
        layers = [layer, *message.layer]
        spots = [layer_spot, *spot.values("layer", len(message.layer))]
        message.ClearField("layer")
        message.layer.extend(layers)
        spot.fields["layer"] = spots
        document.note("'input' fields read as a layer of type Input", where)
    else:
        document.note("'input' without input_shape or input_dim makes no blob, as in Caffe", where)
    for name in ("input", "input_shape", "input_dim"):
        message.ClearField(name)
        spot.fields.pop(name, None)


def _freeze_batch_norm(document: Document) -> None:
    """BatchNorm's three blobs are statistics: whatever its three `param` say, no solver moves them."""
    for index, layer in enumerate(document.message.layer):
        if layer.type != "BatchNorm" or len(layer.param) != 3:
            continue
        if any(param.lr_mult or param.decay_mult for param in layer.param):
            sentence = f"layer '{layer.name}' (BatchNorm): lr_mult and decay_mult of its statistics set to 0"
            document.note(sentence, document.place("layer", index, "param", 0))
        for param in layer.param:
            param.lr_mult = param.decay_mult = 0


def upgrade_solver(document: Document) -> Document:
    """A solver with the old `solver_type: ADAM` as `type: "Adam"`, its inline networks upgraded too, in place."""
    message, spot = document.message, document.spot
    if message.HasField("solver_type"):
        place = document.place("solver_type")
        if message.HasField("type"):
            sentence = "solver_type and type are both given; solver_type is the old word for type: keep only type"
            raise SpecError(Problem(sentence, place))
        old = message.SolverType.Name(message.solver_type)
        message.type = SOLVER_TYPES[old]
        spot.fields["type"] = spot.fields.pop("solver_type", [Spot(place)])
        message.ClearField("solver_type")
        document.note(f'solver_type: {old} read as type: "{message.type}"', place)
    parts = [document.part(name) for name in _INLINE_NETS if message.HasField(name)]
    parts += [document.part("test_net_param", index) for index in range(len(message.test_net_param))]
    for part in parts:
        for note in upgrade_net(part).notes:
            document.note(note.message, note.place or Place(document.filename))
    return document
