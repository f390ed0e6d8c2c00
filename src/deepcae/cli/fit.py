"""`deepcae fit`: from images of any kind to codes, pictures and a report, by the commands that do each step alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .imageflags import ImageFlags, with_image_flags
from .screen import answer


@with_image_flags
def fit(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Images: folders or files of any kind.")],
    dims: Annotated[int, typer.Option("--dims", min=1, help="Numbers in a code.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="RUN", help="Folder for everything.")],
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, metavar="M", help="Take about so long, or less.")
    ] = None,
    width: Annotated[float | None, typer.Option("--width", metavar="W", help="A factor of the network's maps.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Training images per iteration.")] = None,
    neighbours: options.Neighbours = None,
    overrides: options.Overrides = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is understood; write nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Give up what an earlier fit left in RUN.")] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    *,
    flags: ImageFlags,
) -> None:
    """Learn codes of any images: look at them, design and train a network, encode, draw, report.

    The same command goes on after an interruption. RUN/steps.sh has the commands of the single steps.
    """
    from .device import choose_device
    from .fitting import Fit
    from .wishes import Wishes

    wishes = Wishes(paths, dims, minutes, width, batch, tuple(overrides or ()), flags, neighbours)
    whole = Fit(out, wishes, choose_device(device, threads), threads, overwrite, quiet)
    if dry_run:
        foretold = whole.foretell()
        if json:
            answer(foretold)
        return
    outcome = whole.carry_out()
    if json:
        answer(whole.result(outcome))
    outcome.require_whole()
