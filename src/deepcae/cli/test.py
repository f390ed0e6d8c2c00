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
    from ..trained.learned import RangeCheck


def evaluate(
    *,
    run: options.OptionalRun = None,
    network: options.Network,
    iterations: Annotated[
        int | None, typer.Option("--iterations", min=1, help="Batches to average.", show_default="the solver's, or 50")
    ] = None,
    state: options.State,
    seed: options.Seed = None,
    machine: options.Machine,
    output: options.Output,
) -> None:
    """Average a network's outputs over batches of its test data."""
    from ..solver.run import Run
    from ..trained.learned import Learned, RangeCheck
    from ..trained.network import AS_TOLD
    from .texts import net_of_text
    from .trained import files_of, load_all, of_run, require_no_files, weight_files

    quiet, device = output.quiet, machine.chosen()
    net: Net
    folders: Sequence[Path]
    if run is not None:
        require_no_files(network)
        trained = of_run(run, device, AS_TOLD, network.snapshot, quiet)
        net, folders, learned = trained.net, trained.folders, Learned.of_run(Run(run))
        from_solver = next(reversed(Run(run).solver_document.message.test_iter), None)
    else:
        model, weights = files_of(network)
        learned = Learned.of_weights(weight_files(weights, network.snapshot, quiet=True))
        net, folders = net_of_text(model, "TEST", state, device=device)
        for report in load_all(net, weights, network.strict, network.snapshot, quiet):
            say(str(report), quiet)
        from_solver = None
    count = iterations or from_solver or 50
    say(f"Running for {count} iterations.", quiet)
    ranges = RangeCheck(learned)
    means, loss = averages(net, folders, count, seed or 0, quiet, ranges)
    for strange in ranges.warnings():
        say(f"warning: {strange}")
    if output.json:
        answer({"outputs": {name: _plain(value) for name, value in means.items()}, "loss": loss})
    else:
        tell(f"Loss: {loss:.6g}")
        for line in _output_lines(means, net.loss_weights):
            tell(line)


def averages(
    net: Net, folders: Sequence[Path], iterations: int, seed: int, quiet: bool, ranges: RangeCheck
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
                ranges.require_layout("its data", images, batch[images].shape[1:])
                ranges.show("its data", images, batch[images])
            blobs = net(batch, want=wanted)
            outputs.write(blobs)
            values = {name: blob.detach().cpu().numpy().astype(np.float64) for name, blob in blobs.items()}
            for name in net.outputs:
                totals[name] = totals[name] + values[name] if name in totals else values[name]
            loss += sum(weight * float(values[name].sum()) for name, weight in net.loss_weights.items())
            advance(index + 1)
    return {name: total / iterations for name, total in totals.items()}, loss / iterations


def _plain(mean: np.ndarray) -> float | list[float]:
    """For programs: an output's value, or those of its elements."""
    values: list[float] = mean.reshape(-1).tolist()
    return values[0] if len(values) == 1 else values


def _output_lines(means: Mapping[str, Any], weights: Mapping[str, float]) -> list[str]:
    """Caffe's lines: each element of each output, with its share of the loss."""
    lines = []
    for name, mean in means.items():
        for value in mean.reshape(-1).tolist():
            weight = weights.get(name, 0.0)
            share = f" (* {weight:.6g} = {weight * value:.6g} loss)" if weight else ""
            lines.append(f"{name} = {value:.6g}{share}")
    return lines
