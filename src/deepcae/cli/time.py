"""`deepcae time`: where the time of a network's passes goes, layer by layer, as `caffe time` does it, and the limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DataError
from . import options
from .screen import answer, bar, say, tell

if TYPE_CHECKING:
    import numpy as np

    from ..check.states import State
    from ..data.source import Source
    from ..net.net import Net
    from ..net.step import Step
    from ..proto.document import Document
    from ..timing.timing import Inputs, Read


def time_layers(
    *,
    model: Annotated[Path | None, typer.Option("--model", help="The network's text.")] = None,
    solver: Annotated[
        Path | None, typer.Option("--solver", help="A solver text, for its train net and whole steps with the update.")
    ] = None,
    weights: options.Weights = None,
    iterations: Annotated[int, typer.Option("--iterations", min=1, help="Passes to take the medians of.")] = 50,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Another batch size.", show_default="the text's")
    ] = None,
    state: options.TrainState,
    machine: options.Machine,
    rule: Annotated[
        bool, typer.Option("--rule", help="Tell which kernels this processor takes, and why; time nothing.")
    ] = False,
    output: options.Output,
) -> None:
    """Time each layer's passes, and tell how far the whole is from what the machine's arithmetic allows.

    The network is fed with its own data, or with random numbers where there are none. Weights are not needed.
    """
    if rule:
        from .timetable import told_rule

        told = told_rule()
        answer(told) if output.json else tell("\n".join(f"{name}: {value}" for name, value in told.items()))
        return
    if (model is None) == (solver is None):
        raise typer.BadParameter("give --model, or --solver")
    if solver is not None and (state, batch) != (options.TrainState(), None):
        raise typer.BadParameter(
            "--solver says how its net is built; give --phase, --level, --stage, --batch to --model"
        )
    from ..timing.timing import measure
    from .timetable import figures, show
    from .trained import load_all

    device, quiet = machine.chosen(), output.quiet
    if model is not None:
        net = _net_of_model(model, state, device, batch)
    else:
        assert solver is not None
        net = _net_of_solver(solver, device)
    for report in load_all(net, weights) if weights else []:
        say(str(report), quiet)
    with ExitStack() as opened, bar("timing", iterations, quiet) as advance:
        inputs, fed_with = _inputs(net, opened)
        step, passes = _steps(solver, inputs, device, weights) if solver is not None else (None, 1)
        timing = measure(net, inputs, iterations, step, passes, advance)
    if output.json:
        answer(figures(net, fed_with, iterations, timing))
    else:
        show(net, fed_with, timing)


def _net_of_model(model: Path, asked: options.TrainState, device: str, batch: int | None) -> Net:
    from ..check.states import built
    from .texts import text_in_state

    document, folders, state = text_in_state(model, "TRAIN", asked)
    resized = _resized(document, state, folders, batch) if batch is not None else {}
    return built(document, state, device=device, folders=folders, input_shapes=resized)


def _resized(document: Document, state: State, folders: list[Path], batch: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the blobs that come from outside, with `batch` samples."""
    from ..check.states import graph_of
    from ..net.plan import make_plan

    plan = make_plan(graph_of(document, state), folders=folders)
    shapes = {top: shape for top in plan.fed if (shape := plan.shapes[top])}
    samples = {shape[0] for shape in list(shapes.values())[:1]}  # a matrix that comes with them keeps its rows
    return {top: (batch, *shape[1:]) for top, shape in shapes.items() if shape[0] in samples}


def _net_of_solver(solver: Path, device: str) -> Net:
    from ..net.net import Net
    from ..proto.read import read_solver
    from ..solver.nets import choose_nets

    train, _ = choose_nets(read_solver(solver))
    folders = [train.document.folder, solver.parent]
    return Net(
        train.document, train.phase, level=train.level, stages=train.stages, seed=0, device=device, folders=folders
    )


def _inputs(net: Net, opened: ExitStack) -> tuple[Inputs, str]:
    """What feeds `net`, and that in words: its data layers where their files are, random numbers from 0 to 1 elsewhere.

    DataError for a blob whose shape is in a file that is not there.
    """
    from numpy.random import default_rng

    from ..data.source import open_source, shapes
    from ..layers.source import Input, MemoryData
    from ..timing.timing import Inputs

    generator = default_rng(0)
    fixed: dict[str, np.ndarray] = {}
    sources: dict[int, Read] = {}
    for number, step in enumerate(net.plan.steps):
        assert step.layer is not None
        if not step.layer.is_source:
            continue
        param, planned = step.node.param, {top: net.plan.shapes[top] for top in step.tops}
        if issubclass(step.kind, Input | MemoryData) or shapes(param, net.phase, net.folders) is None:
            for top, shape in planned.items():
                fixed[top] = generator.random(_known(top, shape, step), dtype="float32")
        else:
            source = open_source(param, net.phase, net.folders, 0)
            opened.callback(source.close)
            sources[number] = _of_shapes(source, planned)
    told = ["its own data"] if sources else []
    told += [f"random numbers for {', '.join(fixed)}"] if fixed else []
    return Inputs(fixed, sources), " and ".join(told) or "nothing"


def _known(top: str, shape: tuple[int, ...] | None, step: Step) -> tuple[int, ...]:
    """The shape; where only the file that is missing tells it, and images come with the blob, one label for each."""
    if shape is not None:
        return shape
    if step.layer is not None and top in step.tops[1:]:
        return (step.layer.batch_size,)
    raise DataError(f"blob '{top}': its shape is in the file that layer '{step.name}' reads, and that is not there")


def _of_shapes(source: Source, planned: Mapping[str, tuple[int, ...] | None]) -> Read:
    """Batches of `source` with as many samples as planned, its own ones repeated where they are fewer."""
    import numpy as np

    if all(shape == planned[top] for top, shape in source.shapes.items()):
        return source.batch
    return lambda index: {top: np.resize(array, planned[top] or ()) for top, array in source.batch(index).items()}


def _steps(solver: Path, inputs: Inputs, device: str, weights: str | None) -> tuple[Callable[[], object], int]:
    """A whole step of the training, and how many passes it takes. The rate is 0: the weights stay as they are."""
    from ..solver.solver import Solver
    from .trained import weight_files

    alone = "base_lr: 0 display: 0 snapshot: 0 test_initialization: false test_interval: 1000000000"
    feed = (lambda net, seed: _inputs(net, ExitStack())[0]) if inputs.fixed else None
    training = Solver(
        solver, device=device, overrides=alone, weights=weight_files(weights) if weights else None, feed=feed
    )
    training.state.train.writes = False
    return training.step, training.param.iter_size
