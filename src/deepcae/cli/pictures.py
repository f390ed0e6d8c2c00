"""`deepcae layers`, `plot`, `report`: what a network learned, to look at."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..atomic import foreign_kept
from ..errors import DataError, DeepcaeError
from . import options, screen
from .screen import say

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from ..trained.examples import Examples
    from ..trained.network import Named, Trained

SHOWN = 20  # images in the picture of reconstructions
ENDINGS = (".png", ".svg", ".pdf")


class What(StrEnum):
    """The pictures of a run."""

    scatter = "scatter"
    curves = "curves"
    filters = "filters"
    reconstructions = "reconstructions"


def layers(
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture: .png, .svg or .pdf.")],
    run: options.OptionalRun = None,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="[DATA]", help="Images; without it the run's test data.", show_default=False),
    ] = None,
    index: Annotated[int, typer.Option("--index", min=0, help="Which image, from 0.")] = 0,
    model: options.Model = None,
    weights: options.Weights = None,
    strict: options.Strict = False,
    snapshot: options.Snapshot = None,
    image_blob: options.ImageBlob = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
) -> None:
    """Draw one image's way through the network, a panel per blob (the paper's Fig. 7)."""
    from ..trained.examples import open_examples
    from ..trained.network import Named
    from ..trained.passes import way
    from ..viz.layers import layer_panels
    from ..viz.style import save
    from .device import choose_device
    from .trained import open_trained, tell

    _check_ending(out)
    if model is not None and data is None:
        run, data = None, run
    trained = open_trained(
        run, model, weights, choose_device(device, threads), strict, Named(image_blob), snapshot, quiet
    )
    examples = open_examples(trained, data)
    panels = way(trained, examples, index)
    _, label = examples.one(index)
    title = f"{trained.net.name}: image {index} of {examples.origin}"
    named = "digit" if examples.classified else str(examples.labels)
    save(layer_panels(panels, label, title, named=named), out)
    known = "" if label is None else f" ({'class' if examples.classified else named} {label})"
    tell(trained)
    if not quiet:  # an answer: how many blobs the way has
        screen.tell(f"wrote {out}: {len(panels)} blobs of image {index}{known}")


def plot(
    source: Annotated[Path, typer.Argument(metavar="RUN|CODES", help="A run directory, or a file of codes.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A folder, or one picture: .png, .svg, .pdf.", show_default="RUN")
    ] = None,
    what: Annotated[list[What] | None, typer.Option("--what", help="Only these.", show_default="all")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Images; without it the run's test data.")] = None,
    image_blob: options.ImageBlob = None,
    code_blob: options.CodeBlob = None,
    restored_blob: options.RestoredBlob = None,
    snapshot: options.Snapshot = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
) -> None:
    """Draw the codes by class, the losses, the filters, and reconstructions beside originals."""
    from ..trained.network import Named
    from ..viz.style import save

    named = Named(image_blob, code_blob, restored_blob)
    names = _pictures(source, out, what)
    if not source.exists():
        raise DataError(f"{source}: neither a run nor a file of codes is there")
    shown = (snapshot, named)
    makers = _of_run(source, data, shown, device, threads, quiet) if source.is_dir() else _of_codes(source)
    for each, path in names.items():
        if each not in makers:
            raise typer.BadParameter(f"{source} is a file of codes; {each.value} needs a RUN")
        try:
            figure = makers[each]()
        except DeepcaeError as error:
            if what or len(makers) == 1:
                raise
            say(f"no {each.value}: {error}", quiet)  # not every net restores images, or still has its data
            continue
        with foreign_kept(path != out):
            save(figure, path)
        say(f"wrote {path}", quiet)


def report(
    run: options.Run,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The page.", show_default="RUN/report.html")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Images to show it with.", show_default="the run's test data")
    ] = None,
    image_blob: options.ImageBlob = None,
    code_blob: options.CodeBlob = None,
    restored_blob: options.RestoredBlob = None,
    snapshot: options.Snapshot = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
) -> None:
    """Write one self-contained page with all pictures and numbers of a run."""
    from ..report.build import build
    from ..solver.run import Run
    from ..trained.network import Named
    from .device import choose_device

    told = Run(run).choose(snapshot).told
    if told:
        say(f"{run}: {told}", quiet)
    named, where = Named(image_blob, code_blob, restored_blob), choose_device(device, threads)
    with foreign_kept(out is None):
        path = build(Run(run), out, data, device=where, named=named, tell=say, snapshot=snapshot)
    say(f"wrote {path}", quiet)


def _pictures(source: Path, out: Path | None, what: list[What] | None) -> dict[What, Path]:
    """Which pictures are drawn, and where each goes: one file, or a folder of them."""
    target = out or (source if source.is_dir() else source.parent)
    if target.suffix.lower() in ENDINGS and not target.is_dir():
        wanted = list(what or [What.scatter])
        if len(wanted) > 1:
            raise typer.BadParameter(f"{target} is one picture, and {len(wanted)} are asked for; give a folder")
        return {wanted[0]: target}
    if target.suffix and not target.is_dir():
        _check_ending(target)
    possible = list(What) if source.is_dir() else [What.scatter]
    return {each: target / f"{each.value}.png" for each in (what or possible)}


def _check_ending(path: Path) -> None:
    if path.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"{path}: a picture ends in {', '.join(ENDINGS)}")


def _of_codes(path: Path) -> dict[What, Callable[[], Figure]]:
    from ..codes import files

    loaded = files.load(path)
    return {What.scatter: lambda: _map(loaded.codes, loaded.classes, path.stem)}


def _of_run(
    folder: Path, data: Path | None, shown: tuple[str | None, Named], device: str, threads: int | None, quiet: bool
) -> dict[What, Callable[[], Figure]]:
    """How each picture of a run is made; nothing is read or computed before it is asked for."""
    from ..solver.run import Run
    from ..trained.examples import open_examples
    from ..trained.kernels import kernels
    from ..trained.passes import restored
    from ..viz import filters, loss_curves, reconstructions
    from .device import choose_device
    from .trained import open_trained, tell

    run = Run(folder)

    @cache
    def trained() -> Trained:
        snapshot, named = shown
        return open_trained(folder, None, None, choose_device(device, threads), False, named, snapshot, quiet)

    @cache
    def examples() -> Examples:
        return open_examples(trained(), data)

    def told(figure: Figure) -> Figure:
        tell(trained())
        return figure

    if data is not None:
        examples()  # what is named and not there is no reason to draw the rest
    return {
        What.scatter: lambda: told(_scatter(trained(), examples(), quiet)),
        What.curves: lambda: loss_curves(run.metrics()),
        What.filters: lambda: filters(kernels(trained())),
        What.reconstructions: lambda: told(reconstructions(*restored(trained(), examples(), SHOWN))),
    }


def _scatter(trained: Trained, examples: Examples, quiet: bool) -> Figure:
    from .codes import encoded

    codes, labels = encoded(trained, examples, trained.code, quiet)
    flat = codes.reshape(len(codes), -1)
    title = f"{trained.net.name}, N = {flat.shape[1]}"
    return _map(flat, labels if examples.classified else None, title, examples.origin)


def _map(codes: np.ndarray, labels: np.ndarray | None, title: str, about: str = "") -> Figure:
    """Codes of two numbers as they are, others as their t-SNE map; `about` stands below the title."""
    from ..codes import classes_separated, tsne
    from ..viz import scatter

    flat = codes.reshape(len(codes), -1)
    plane = flat if flat.shape[1] == 2 else tsne(flat)
    separated = None
    if labels is not None and len(labels) > 1:
        found = classes_separated(plane, labels)
        separated = (found.count, found.total)
    if flat.shape[1] == 2:
        return scatter(plane, labels, title, separated=separated, note=about)
    note = " · ".join(filter(None, [about, f"t-SNE of {flat.shape[1]} dimensions"]))
    return scatter(plane, labels, title, separated=separated, note=note, axis_names=("", ""), scales=False)
