"""`deepcae layers`, `report`: what a network learned, to look at."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..atomic import foreign_kept
from ..errors import DataError
from . import options, screen
from .screen import answer, say

if TYPE_CHECKING:
    from ..recording.origin import Origins
    from ..trained.examples import Examples
    from ..trained.network import Trained

ENDINGS = (".png", ".svg", ".pdf")


def layers(
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture: .png, .svg or .pdf.")],
    run: options.OptionalRun = None,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="[DATA]", help="Images; without it the run's test data.", show_default=False),
    ] = None,
    index: Annotated[
        int | None,
        typer.Option(
            "--index",
            min=0,
            show_default="the first held-out image",
            help="Which image, from 0: of the recording or folder that the run was made from, if it knows it.",
        ),
    ] = None,
    network: options.Network,
    image_blob: options.ImageBlob = None,
    machine: options.Machine,
    output: options.Output,
) -> None:
    """Draw one image's way through the network, a panel per blob (the paper's Fig. 7)."""
    from ..recording.nearest import place_of
    from ..trained.network import Named
    from ..trained.passes import layer_by_layer
    from ..viz.layers import layer_panels
    from ..viz.style import save
    from .trained import open_trained, tell

    check_ending(out)
    if network.model is not None and data is None:
        run, data = None, run
    trained = open_trained(run, network, machine.chosen(), Named(image_blob), output.quiet)
    examples, origins = _of_data(trained, data, index)
    row, index = (index or 0) if origins is None or index is None else place_of(origins, index), index or 0
    panels = layer_by_layer(trained, examples, row)
    _, label = examples.one(row)
    called = "" if origins is None else f" ({origins.told_shortly} {origins.called(row)})"
    title = f"{trained.title}: image {index} of {examples.origin}{called}"
    named = "class" if examples.classified else str(examples.labels)
    images, scores = trained.image_blobs, trained.roles.scores
    save(layer_panels(panels, label, title, named=named, images=images, scores=scores), out)
    known = "" if label is None else f" ({named} {label})"
    tell(trained)
    if output.json:
        answer({"file": str(out), "image": index, "label": label, "blobs": [name for name, _ in panels]})
    elif not output.quiet:  # an answer: how many blobs the way has
        screen.tell(f"wrote {out}: {len(panels)} blobs of image {index}{known}")


def _of_data(trained: Trained, data: Path | None, index: int | None) -> tuple[Examples, Origins | None]:
    """The images, and where they come from: all that a run was prepared with where one is asked for by its number."""
    from ..prepare.write import ALL
    from ..recording.origin import data_of, known_origins
    from ..trained.examples import open_examples

    if data is None and index is not None and trained.net.sources:
        with suppress(DataError):
            place = data_of(trained, None)
            data = place if place.name == ALL else None
    examples = open_examples(trained, data)
    return examples, known_origins(trained, data, len(examples))


def report(
    *,
    run: options.Run,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The page.", show_default="RUN/report.html")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Images to show it with.", show_default="the run's test data")
    ] = None,
    colour_by: options.ColourBy = None,
    blobs: options.Blobs,
    snapshot: options.Snapshot = None,
    limit: options.Limit = options.SHOWN,
    machine: options.Machine,
    output: options.Output,
) -> None:
    """Write one self-contained page with all pictures and numbers of a run."""
    from ..report.build import build
    from .trained import of_run

    trained = of_run(run, machine.chosen(), blobs.named(), snapshot, output.quiet)
    with foreign_kept(out is None):
        path = build(trained, out, data, limit=limit, tell=say, colour_by=colour_by or ())
    if output.json:
        answer({"file": str(path)})
    else:
        say(f"wrote {path}", output.quiet)


def check_ending(path: Path) -> None:
    """A usage error for a file that is no picture."""
    if path.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"{path}: a picture ends in {', '.join(ENDINGS)}")
