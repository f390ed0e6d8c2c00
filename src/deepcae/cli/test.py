"""`deepcae test`: a trained network on its test data, as `caffe test` does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SpecError
from . import options
from .screen import answer, bar, say, tell

if TYPE_CHECKING:
    import numpy as np

    from ..net.net import Net
    from ..trained.learned import Watch


def evaluate(
    run: options.OptionalRun = None,
    model: options.Model = None,
    weights: options.Weights = None,
    strict: options.Strict = False,
    snapshot: options.Snapshot = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", min=1, help="Batches to average.", show_default="the solver's, or 50")
    ] = None,
    phase: options.TestPhase = None,
    level: options.Level = 0,
    stage: options.Stage = "",
    seed: options.Seed = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Average a network's outputs over batches of its test data."""
    from ..solver.run import Run
    from ..trained.learned import Learned, Watch
    from .device import choose_device
    from .trained import weight_files

    where = choose_device(device, threads)
    if run is not None and (model is not None or weights is not None):
        raise typer.BadParameter("give RUN, or --model and --weights, not both")
    if run is not None:
        learned = Learned.of_run(Run(run))
        net, folders, from_solver = _of_run(run, where, snapshot, quiet)
    elif model is None or weights is None:
        raise typer.BadParameter("give RUN, or both --model and --weights")
    else:
        learned = Learned.of_weights(weight_files(weights, snapshot, quiet=True))
        net, folders, from_solver = _of_files(
            model, weights, options.phase_name(phase), level, options.stage_names(stage), where, quiet, strict, snapshot
        )
    count = iterations or from_solver or 50
    say(f"Running for {count} iterations.", quiet)
    watch = Watch(learned)
    means, loss = averages(net, folders, count, seed or 0, quiet, watch)
    for strange in watch.warnings():
        say(f"warning: {strange}")
    if json:
        answer({"outputs": {name: _plain(value) for name, value in means.items()}, "loss": loss})
    else:
        tell(f"Loss: {loss:.6g}")
        for line in _output_lines(means, net.loss_weights):
            tell(line)


def _of_run(folder: Path, device: str, snapshot: str | None, quiet: bool) -> tuple[Net, Sequence[Path], int | None]:
    from ..solver.run import Run
    from ..trained.network import AS_TOLD
    from .trained import of_run

    trained, test_iter = of_run(folder, device, AS_TOLD, snapshot, quiet), Run(folder).solver_document.message.test_iter
    return trained.net, trained.folders, test_iter[-1] if test_iter else None


def _of_files(
    model: Path,
    weights: str,
    phase: str | None,
    level: int,
    stages: tuple[str, ...],
    device: str,
    quiet: bool,
    strict: bool,
    snapshot: str | None,
) -> tuple[Net, Sequence[Path], int | None]:
    from ..check.states import built, chosen
    from ..check.texts import net_of
    from .trained import load_all

    document, folders = net_of(model)
    state, told = chosen(document, phase, "TEST", level, stages)
    if told:
        say(told)
    net = built(document, state, device=device, folders=folders)
    for report in load_all(net, weights, strict, snapshot, quiet):
        say(str(report), quiet)
    return net, folders, None


def averages(
    net: Net, folders: Sequence[Path], iterations: int, seed: int, quiet: bool, watch: Watch
) -> tuple[dict[str, np.ndarray], float]:
    """The mean of each output, element by element, over `iterations` batches, and the mean objective."""
    import numpy as np

    from ..data.output import Outputs
    from ..data.source import Feed
    from ..net.roles import roles_of
    from ..net.sinks import refusals
    from ..writes import reach

    if problems := list(refusals([net.plan], reach())):
        raise SpecError(problems)
    read = {top for layer in net.sources for top in layer.top}
    if unread := [name for name in net.inputs if name not in read]:
        raise SpecError(
            f"net '{net.name}' has no test data: '{unread[0]}' is fed from outside, as in a deployed net; "
            "`deepcae encode --model M --weights W DATA` takes images"
        )

    totals: dict[str, np.ndarray] = {}
    loss, images = 0.0, roles_of(net.plan).images or ""
    with (
        Feed(net.sources, net.phase, folders, seed) as feed,
        Outputs(net.sinks) as outputs,
        bar("testing", iterations, quiet) as advance,
    ):
        outputs.require_replaceable()
        wanted = list(dict.fromkeys([*net.outputs, *net.loss_weights, *outputs.blobs]))
        for index in range(iterations):
            batch = feed.batch(index)
            if images in batch:
                watch.require_layout("its data", images, batch[images].shape[1:])
                watch.show("its data", images, batch[images])
            blobs = net(batch, want=wanted)
            outputs.write(blobs)
            values = {name: blob.detach().cpu().numpy().astype(np.float64) for name, blob in blobs.items()}
            for name in net.outputs:
                totals[name] = totals[name] + values[name] if name in totals else values[name]
            loss += sum(weight * float(values[name].sum()) for name, weight in net.loss_weights.items())
            advance(index + 1)
    return {name: total / iterations for name, total in totals.items()}, loss / iterations


def _plain(mean: np.ndarray) -> float:
    """One number for an output: its value, or the mean of its elements."""
    return float(mean.mean())


def _output_lines(means: Mapping[str, Any], weights: Mapping[str, float]) -> list[str]:
    """Caffe's lines: each element of each output, with its share of the loss."""
    lines = []
    for name, mean in means.items():
        for value in mean.reshape(-1).tolist():
            weight = weights.get(name, 0.0)
            share = f" (* {weight:.6g} = {weight * value:.6g} loss)" if weight else ""
            lines.append(f"{name} = {value:.6g}{share}")
    return lines
