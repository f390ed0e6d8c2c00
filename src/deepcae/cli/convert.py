"""`deepcae convert`: a network and its weights for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError, SpecError, TrainingError
from . import options
from .screen import answer, say, tell

if TYPE_CHECKING:
    import numpy as np

    from ..convert import Difference, OnnxModel
    from ..net.net import Net


class Format(StrEnum):
    """What the other program reads."""

    onnx = "onnx"
    safetensors = "safetensors"
    torch = "torch"
    caffemodel = "caffemodel"


SUFFIXES = {
    Format.onnx: ".onnx",
    Format.safetensors: ".safetensors",
    Format.torch: ".pt",
    Format.caffemodel: ".caffemodel",
}
CERTAIN_FILLERS = ("constant", "bilinear")  # a layer that begins with these needs no weights from a file


def convert(
    *,
    net: Annotated[Path, typer.Argument(metavar="NET|RUN", help="A network's text, or a run directory.")],
    to: Annotated[Format, typer.Option("--to", help="The format.")],
    weights: Annotated[
        str | None,
        typer.Argument(metavar="[WEIGHTS]", help="Its weights in any of the formats; without them the run's own."),
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The file.", show_default="named as WEIGHTS")] = None,
    outputs: Annotated[
        str, typer.Option("--outputs", metavar="A,B", help="ONNX: blobs to give.", show_default="code and results")
    ] = "",
    inputs: Annotated[
        str, typer.Option("--inputs", metavar="A,B", help="ONNX: blobs to begin at.", show_default="the data")
    ] = "",
    shape: Annotated[
        list[str] | None,
        typer.Option("--shape", metavar="BLOB=N,C,H,W", help="An input's shape, where its data file is not there."),
    ] = None,
    state: options.State,
    snapshot: options.Snapshot = None,
    output: options.Output,
) -> None:
    """Write a network for other programs: ONNX, safetensors, PyTorch, or today's .caffemodel."""
    if to is not Format.onnx and (outputs or inputs):
        raise typer.BadParameter(f"--outputs and --inputs cut a graph; --to {to.value} writes weights only")
    quiet = output.quiet
    loaded = _loaded(net, weights, state, _shapes(shape or []), snapshot, quiet)
    target = out or _named(net, weights, to)
    if to is Format.onnx:
        model, differences = _write_onnx(loaded, target, options.stage_names(outputs), options.stage_names(inputs))
        told: dict[str, Any] = {
            "inputs": list(model.inputs), "outputs": list(model.outputs), "nodes": len(model.proto.graph.node),
            "any_batch": model.free_batch, "differences": [vars(each) for each in differences],
        }  # fmt: skip
        batch = "any batch size" if model.free_batch else "the batch size of the text"
        blobs = f"from {', '.join(model.inputs)} to {', '.join(model.outputs)}"
        wrote = f"{told['nodes']} nodes {blobs}, for {batch}"
    else:
        _write_weights(loaded, target, to)
        differences, told = [], {"layers": len(loaded.params), "differences": []}
        wrote = f"the weights of {len(loaded.params)} layer(s)"
    if output.json:
        answer({"file": str(target), **told})
        return
    say(f"wrote {target}: {wrote}", quiet)
    if differences:
        _show(differences)


def _show(differences: list[Difference]) -> None:
    from ..convert import runtime

    width = max(len(each.output) for each in differences)
    tell(f"largest differences between {runtime()} and the net:")
    for each in differences:
        inputs = f"{each.inputs}, batch {each.batch}"
        tell(f"  {each.output:{width}}  {inputs:16}  {each.absolute:.1e} absolute  {each.relative:.1e} relative")


def _shapes(given: list[str]) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for word in given:
        name, _, sizes = word.rpartition("=")
        parts = sizes.split("x" if "x" in sizes else ",")
        if not name or not all(part.isdecimal() and int(part) for part in parts):
            raise typer.BadParameter(f"--shape {word!r} is not of the form data=64,1,28,28")
        shape = tuple(int(part) for part in parts)
        shapes[name] = (1,) * (4 - len(shape)) + shape if "x" in sizes else shape  # 28x28: an image, 1,1,28,28
    return shapes


def _named(net: Path, weights: str | None, to: Format) -> Path:
    """The file's name where none is given: that of the weights or of the run, in the working directory."""
    source = Path(weights.split(",")[-1]) if weights else net.resolve()
    name = source.name if source.is_dir() else source.name.removesuffix(".h5").removesuffix(source.suffix)
    target = Path((Path(name).stem if Path(name).suffix in SUFFIXES.values() else name) + SUFFIXES[to])
    if target.exists():
        raise DataError(f"{target}: is there already; give -o to name the new file")
    return target


def _loaded(
    path: Path, weights: str | None, state: options.State, shapes: Mapping[str, Any], snapshot: str | None, quiet: bool
) -> Net:
    """The net with its weights, all of them from files."""
    from .texts import net_of_text
    from .trained import load_all

    if path.is_dir():
        from ..solver.run import Run

        phase, *further = state.asked()
        if further != [0, ()] or shapes:
            raise typer.BadParameter("--level, --stage and --shape go with a network's text; a run knows its own")
        run = Run(path)
        chosen = run.choose(snapshot)
        net = run.net(phase or "TEST", snapshot=chosen)
        if chosen.told and not weights:
            say(f"{path}: {chosen.told}", quiet)
        for report in load_all(net, weights or "", False, snapshot, quiet):
            say(str(report), quiet)
        return net
    net, _ = net_of_text(path, "TEST", state, last=True, input_shapes=shapes)
    if weights is None and net.tensors:
        raise typer.BadParameter("give the WEIGHTS of this network's text, or a run directory in place of both")
    reports = load_all(net, weights or "", False, snapshot, quiet)
    for report in reports:
        say(str(report), quiet)
    without = _without_values(net, {name for report in reports for name in report.matched})
    if without:
        raise DataError(f"{weights}: holds nothing for layer(s) {', '.join(without)}, whose values would be random")
    return net


def _without_values(net: Net, matched: set[str]) -> list[str]:
    """The layers whose values came from nowhere but a random filler."""
    plan = net.plan
    loaded = {plan.owner(i) for step in plan.steps if step.name in matched for i in step.params}
    return [
        step.name
        for step in plan.steps
        if not step.node.param.blobs
        and any(plan.owner(i) not in loaded and plan.params[i].filler.type not in CERTAIN_FILLERS for i in step.params)
    ]


def _write_weights(net: Net, target: Path, to: Format) -> None:
    from ..atomic import whole_file
    from ..convert.extent import require_sizes
    from ..net.tensors import state_dict_bytes
    from ..net.weights import to_hdf5, to_message, to_safetensors, to_state_dict
    from ..proto.binary import write_message

    require_sizes(net.plan)  # a layer of unknown size has no weights yet
    if to is Format.caffemodel and target.suffix != ".h5":
        write_message(target, to_message(net))
        return
    if to is Format.caffemodel:
        data = to_hdf5(net)
    elif to is Format.torch:
        data = state_dict_bytes(to_state_dict(net))
    else:
        data = to_safetensors(net)
    with whole_file(target) as temporary:
        temporary.write_bytes(data)


def _write_onnx(
    net: Net, target: Path, outputs: tuple[str, ...], inputs: tuple[str, ...]
) -> tuple[OnnxModel, list[Difference]]:
    """Writes the model once it gives what the net gives. TrainingError where it does not."""
    from ..convert import compare, to_onnx

    model = to_onnx(net, outputs, inputs)
    differences = compare(net, model, _examples(net, model))
    wrong = [each for each in differences if each.too_large]
    if wrong:
        worst = max(wrong, key=lambda each: each.relative)
        raise TrainingError(f"{target}: not written, since onnxruntime gives something else than the net: {worst}")
    model.save(target)
    return model, differences


def _examples(net: Net, model: OnnxModel) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """What the two are compared on: random inputs at two batch sizes, and the net's data where they are there."""
    from ..convert import random_inputs

    for batch in (1, 4) if model.free_batch else (None,):
        yield "random", random_inputs(net, model, batch, seed=batch or 0)
    data = _first_batch(net)
    if data and (model.free_batch or all(values.shape == net.plan.shapes[name] for name, values in data.items())):
        inner = [name for name in model.inputs if name not in data]
        computed = {name: blob.cpu().numpy() for name, blob in (net(data, want=inner) if inner else {}).items()}
        yield "data", {name: data[name] if name in data else computed[name] for name in model.inputs}


def _first_batch(net: Net) -> dict[str, np.ndarray]:
    from ..data.source import Feed

    try:
        with Feed(net.sources, net.phase, net.folders, 0) as feed:
            batch = feed.batch(0)
        return batch if set(net.inputs) <= set(batch) else {}
    except (DataError, SpecError, OSError):
        return {}  # converting needs no data
