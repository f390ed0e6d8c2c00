"""The trained network that a command names: RUN, or --model and --weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from ..net.net import Net
from ..solver.run import Run
from ..trained.learned import Learned
from ..trained.network import AS_TOLD, Named, Trained
from .screen import say


def open_trained(
    run: Path | None,
    model: Path | None,
    weights: str | None,
    device: str,
    strict: bool = False,
    named: Named = AS_TOLD,
    snapshot: str | None = None,
    quiet: bool = False,
) -> Trained:
    """The net of RUN with the weights of `snapshot`, see `Run.choose`, or the one of --model and --weights."""
    if run is not None and (model is not None or weights is not None):
        raise typer.BadParameter("give RUN, or --model and --weights, not both")
    if run is not None:
        return of_run(run, device, named, snapshot, quiet)
    if model is None or weights is None:
        raise typer.BadParameter("give RUN, or both --model and --weights")
    files = weight_files(weights, snapshot, quiet)
    return Trained(*_from_files(model, files, device, strict), named, learned=Learned.of_weights(files))


def tell(trained: Trained, quiet: bool = False) -> None:
    """What was strange in what the net was shown, on stderr, whether quiet or not."""
    for strange in trained.watch.warnings():
        say(f"warning: {strange}")
    for line in trained.watch.untold():
        say(line, quiet)


def of_run(run: Path, device: str, named: Named, snapshot: str | None, quiet: bool) -> Trained:
    """The test net of RUN; says which weights it has where there was a choice."""
    trained = Trained.of_run(Run(run), device, named, snapshot)
    if trained.chosen is not None and trained.chosen.told:
        say(f"{run}: {trained.chosen.told}", quiet)
    return trained


def _from_files(model: Path, weights: list[str], device: str, strict: bool) -> tuple[Net, str, list[Path]]:
    from ..check.states import built, chosen
    from ..check.texts import net_of

    document, folders = net_of(model)
    state, told = chosen(document, None, "TEST", last=True)
    if told:
        say(told)
    net = built(document, state, device=device, folders=folders)
    _load(net, weights, strict)
    return net, str(model), folders


def load_all(
    net: Net, weights: str, strict: bool = False, snapshot: str | None = None, quiet: bool = False
) -> list[Any]:
    """Copies the weights of each file of Caffe's comma-separated list; the report of each."""
    return _load(net, weight_files(weights, snapshot, quiet), strict)


def _load(net: Net, files: list[str], strict: bool) -> list[Any]:
    from ..net.weights import load_weights

    return [load_weights(net, path, strict) for path in files]


def weight_files(weights: str, snapshot: str | None = None, quiet: bool = False) -> list[str]:
    """The files of Caffe's comma-separated list; a run stands for its weights of `snapshot`, see `Run.choose`."""
    return [
        _of_folder(Path(path), snapshot, quiet) if Path(path).is_dir() else path for path in weights.split(",") if path
    ]


def _of_folder(folder: Path, snapshot: str | None, quiet: bool) -> str:
    chosen = Run(folder).choose(snapshot)
    if chosen.told:
        say(f"{folder}: {chosen.told.replace(' (--snapshot last)', '')}: {chosen.snapshot.model}", quiet)
    return str(chosen.snapshot.model)
