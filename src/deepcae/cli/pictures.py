"""`deepcae layers`, `report`: what a network learned, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..atomic import foreign_kept
from . import options, screen
from .screen import answer, say

ENDINGS = (".png", ".svg", ".pdf")


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
    json: options.Json = False,
) -> None:
    """Draw one image's way through the network, a panel per blob (the paper's Fig. 7)."""
    from ..recording.origin import known_origins
    from ..trained.examples import open_examples
    from ..trained.network import Named
    from ..trained.passes import way
    from ..viz.layers import layer_panels
    from ..viz.style import save
    from .device import choose_device
    from .trained import open_trained, tell

    check_ending(out)
    if model is not None and data is None:
        run, data = None, run
    trained = open_trained(
        run, model, weights, choose_device(device, threads), strict, Named(image_blob), snapshot, quiet
    )
    examples = open_examples(trained, data)
    panels = way(trained, examples, index)
    _, label = examples.one(index)
    origins = known_origins(trained, data, len(examples))
    called = "" if origins is None else f" ({origins.told_shortly} {origins.called(index)})"
    title = f"{trained.title}: image {index} of {examples.origin}{called}"
    named = "class" if examples.classified else str(examples.labels)
    save(layer_panels(panels, label, title, named=named, images=trained.image_blobs), out)
    known = "" if label is None else f" ({named} {label})"
    tell(trained)
    if json:
        answer({"file": str(out), "image": index, "label": label, "blobs": [name for name, _ in panels]})
    elif not quiet:  # an answer: how many blobs the way has
        screen.tell(f"wrote {out}: {len(panels)} blobs of image {index}{known}")


def report(
    run: options.Run,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The page.", show_default="RUN/report.html")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Images to show it with.", show_default="the run's test data")
    ] = None,
    colour_by: options.ColourBy = None,
    image_blob: options.ImageBlob = None,
    code_blob: options.CodeBlob = None,
    restored_blob: options.RestoredBlob = None,
    snapshot: options.Snapshot = None,
    limit: options.Limit = options.SHOWN,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
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
        path = build(
            Run(run),
            out,
            data,
            limit=limit,
            device=where,
            named=named,
            tell=say,
            snapshot=snapshot,
            colour_by=colour_by or (),
        )
    if json:
        answer({"file": str(path)})
    else:
        say(f"wrote {path}", quiet)


def check_ending(path: Path) -> None:
    """A usage error for a file that is no picture."""
    if path.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"{path}: a picture ends in {', '.join(ENDINGS)}")
