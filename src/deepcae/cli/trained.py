"""The trained network that a command names: RUN, or --model and --weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from ..errors import DataError
from ..net.net import Net
from ..solver.run import Run
from ..trained.network import AS_TOLD, Named, Trained
from .screen import say


def open_trained(
    run: Path | None,
    model: Path | None,
    weights: str | None,
    device: str,
    strict: bool = False,
    named: Named = AS_TOLD,
) -> Trained:
    """The net of RUN with its latest weights, or the one of --model and --weights."""
    if run is not None and (model is not None or weights is not None):
        raise typer.BadParameter("give RUN, or --model and --weights, not both")
    if run is not None:
        return Trained.of_run(Run(run), device, named)
    if model is None or weights is None:
        raise typer.BadParameter("give RUN, or both --model and --weights")
    return Trained(*_from_files(model, weights, device, strict), named)


def tell(trained: Trained) -> None:
    """What was strange in what the net was shown, on stderr, whether quiet or not."""
    for strange in trained.watch.warnings():
        say(f"warning: {strange}")


def _from_files(model: Path, weights: str, device: str, strict: bool) -> tuple[Net, str, list[Path]]:
    from .screen import say
    from .states import built, chosen
    from .texts import net_of

    document, folders = net_of(model)
    state, told = chosen(document, None, "TEST", last=True)
    if told:
        say(told)
    net = built(document, state, device=device, folders=folders)
    load_all(net, weights, strict)
    return net, str(model), folders


def load_all(net: Net, weights: str, strict: bool = False) -> list[Any]:
    """Copies the weights of each file of Caffe's comma-separated list; the report of each."""
    from ..net.weights import load_weights

    return [load_weights(net, path, strict) for path in weight_files(weights)]


def weight_files(weights: str) -> list[str]:
    """The files of Caffe's comma-separated list; a run stands for its newest weights."""
    return [_newest(Path(path)) if Path(path).is_dir() else path for path in weights.split(",") if path]


def _newest(folder: Path) -> str:
    snapshot = Run(folder).latest_snapshot()
    if snapshot is None:
        raise DataError(f"{folder}: no complete snapshot there yet")
    return str(snapshot.model)
