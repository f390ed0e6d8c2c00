"""`deepcae demo`: runs `deepcae fit` on handwritten digits, without a network connection, in about a minute."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ..errors import DataError
from . import options
from .screen import answer, say

DIMS, MINUTES = 2, 1.0


def demo(
    *,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for everything.")] = Path("runs/demo"),
    overrides: options.Overrides = None,
    device: options.Device = "cpu",
    threads: options.Threads = None,
    output: options.Output,
) -> None:
    """Try it on handwritten digits, in about a minute: a folder of pictures is what `deepcae fit` gets."""
    from ..data.datasets import write_digit_pictures
    from .fitkept import alone
    from .fitoptions import FitOptions
    from .fitting import Fit
    from .imageflags import ImageFlags

    began, quiet = time.perf_counter(), output.quiet
    images = out / "images"
    is_new = _require_no_other_run(out)
    count = write_digit_pictures(images)
    say(f"{count:,} handwritten digits of 28x28 pixels, as pictures in {images}; what follows is", quiet)
    say(f"    deepcae fit {images} --dims {DIMS} --minutes {MINUTES:g} -o {out}", quiet)
    fit_options = FitOptions([images], DIMS, MINUTES, None, None, tuple(overrides or ()), ImageFlags())
    fit = Fit(out, fit_options, options.Machine(device, threads), overwrite=is_new, quiet=quiet)
    with alone(out):
        outcome = fit.carry_out()
    say(f"done in {time.perf_counter() - began:.0f} s; open {out / 'report.html'}")
    say("your own images: deepcae fit FOLDER --dims 2 -o RUN --dry-run", quiet)
    if output.json:
        answer({**fit.result(outcome), "folder": str(out)})
    outcome.require_whole()


def _require_no_other_run(out: Path) -> bool:
    """Whether the fit begins anew there: in a folder without one, and in that of a demo of an earlier version.

    DataError where a run lies in the folder that is no demo's: it would be lost.
    """
    from ..proto.lookup import FIT
    from ..solver.about import read_about
    from ..solver.earlier import Earlier

    if (out / FIT).exists():
        return False
    with suppress(FileNotFoundError):
        if str((out / "model/net.prototxt").absolute()) in read_about(out)[0].get("texts", {}):
            return True
    if Earlier(out, str(out / "design")).newest() is not None:
        raise DataError(f"{out}: holds a run that is no demo's; take another -o")
    return True
