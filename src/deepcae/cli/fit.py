"""`deepcae fit`: from images of any kind to codes, pictures and a report. Each step is a command of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .imageflags import ImageFlags
from .screen import answer


def fit(
    *,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="Images: a folder of pictures, or files: TIFF, HDF5, NWB, Zarr, .npy, .mat, NIfTI, video.",
            show_default=False,
        ),
    ],
    dims: Annotated[
        int,
        typer.Option(
            "--dims", metavar="N", min=1, show_default=False,
            help="How many numbers stand for an image: its code. 2 make a map; more restore more.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="RUN", show_default=False,
            help="Folder for all results. The same command goes on there if it was stopped.",
        ),
    ],
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", min=0.01, metavar="M",
            help="Take about so long, or less. A larger M later goes on with the same training.",
            show_default="until held-out images get no better; --dry-run tells how long at most",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only look: tell the images, the network and how long it takes. Writes nothing.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew, and give up what an earlier fit left in RUN.")
    ] = False,
    width: Annotated[
        float | None,
        typer.Option(
            "--width", metavar="W",
            help="Size of the network: at 2 every layer has twice as many maps and neurons as at 1, and learning takes "
            "two to four times as long. Try 0.5 where it learns images by heart.",
            show_default="2; 1 for large images, if few",
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch", metavar="N", min=1,
            help="Training images that are looked at before each change of the weights.",
            show_default="100, fewer if large",
        ),
    ] = None,
    mirror: options.Mirror = None,
    linear: options.Linear = None,
    neighbours: options.Neighbours = None,
    overrides: options.Overrides = None,
    machine: options.Machine,
    output: options.Output,
    flags: ImageFlags,
) -> None:  # fmt: skip
    """Learn codes of any images in one command: it designs and trains a network, encodes, draws and reports.

    Begin with --dry-run. If the command is stopped, the same one goes on.
    RUN/steps.sh has the commands of the single steps.
    """
    from .fitkept import alone
    from .fitoptions import FitOptions
    from .fitting import Fit

    fit_options = FitOptions(
        paths, dims, minutes, width, batch, tuple(overrides or ()), flags, neighbours, linear, mirror
    )
    fit_options.require_texts()
    whole = Fit(out, fit_options, machine, overwrite, output.quiet)
    if dry_run:
        foretold = whole.foretell(in_words=not output.json)
        if output.json:
            answer(foretold)
        return
    with alone(out):
        outcome = whole.carry_out()
    if output.json:
        answer(whole.result(outcome))
    outcome.require_whole()
