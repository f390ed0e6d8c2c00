"""Opens the trained network that a command names: RUN, or --model and --weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..net.net import Net
from ..solver.run import Run
from ..trained.learned import Learned
from ..trained.network import AS_TOLD, Named, Trained
from .screen import say
from .texts import net_of_text

if TYPE_CHECKING:
    from .options import Network


def open_trained(
    run: Path | None, network: Network, device: str, named: Named = AS_TOLD, quiet: bool = False
) -> Trained:
    """The net of RUN with the weights of --snapshot, see `Run.choose`, or the one of --model and --weights."""
    if run is not None:
        require_no_files(network)
        return of_run(run, device, named, network.snapshot, quiet)
    model, weights = files_of(network)
    files = weight_files(weights, network.snapshot, quiet)
    net, folders = net_of_text(model, "TEST", device=device, last=True)
    _load(net, files, network.strict)
    return Trained(net, str(model), folders, named, learned=Learned.of_weights(files))


def require_no_files(network: Network) -> None:
    """A usage error where files are given beside a RUN."""
    if network.model is not None or network.weights is not None:
        raise typer.BadParameter("give RUN, or --model and --weights, not both")


def files_of(network: Network) -> tuple[Path, str]:
    """--model and --weights, where there is no RUN. A usage error unless both are given."""
    if network.model is None or network.weights is None:
        raise typer.BadParameter("give RUN, or both --model and --weights")
    return network.model, network.weights


def tell(trained: Trained, quiet: bool = False) -> None:
    """What was strange in what the net was shown, on stderr, whether quiet or not."""
    for strange in trained.range_check.warnings():
        say(f"warning: {strange}")
    for line in trained.range_check.untold():
        say(line, quiet)


def of_run(run: Path, device: str, named: Named, snapshot: str | None, quiet: bool) -> Trained:
    """The test net of RUN; says which weights it has where there was a choice."""
    trained = Trained.of_run(Run(run), device, named, snapshot)
    if trained.chosen is not None and trained.chosen.told:
        say(f"{run}: {trained.chosen.told}", quiet)
    return trained


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
    if chosen.words:
        say(f"{folder}: {chosen.words}: {chosen.snapshot.model}", quiet)
    return str(chosen.snapshot.model)
