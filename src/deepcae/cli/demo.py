"""`deepcae demo`: the whole main job on the digits that need no network, in a few minutes."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..atomic import foreign_kept
from ..errors import DataError
from . import options
from .screen import answer, say

if TYPE_CHECKING:
    from .training import Outcome

NETWORK, DIMS = "cae1", 2
SETTINGS = (
    "base_lr: 0.01 lr_policy: 'multistep' stepvalue: 3200 gamma: 0.1 momentum: 0.9 max_iter: 4000 "
    "test_interval: 500 display: 50 snapshot: 1000 random_seed: 1"
)
"""What differs from the paper's solver: momentum and a larger rate learn these 1,500 digits in a fifth of the time."""


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for everything.")] = Path("runs/demo"),
    overrides: options.Overrides = None,
    device: options.Device = "cpu",
    threads: Annotated[int, typer.Option("--threads", min=1, help="For so small a network one is fastest.")] = 1,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Try it on small digits, in minutes: a network as text, training, test, codes, pictures, one page."""
    from .device import choose_device
    from .training import summary

    began = time.perf_counter()
    where = choose_device(device, threads)
    _require_no_other_run(out)
    with foreign_kept():
        outcome = _all_steps(out, overrides, where, quiet)
    seconds = time.perf_counter() - began
    say(f"done in {seconds:.0f} s; open {out / 'report.html'}")
    if json:
        answer({**summary(outcome, seconds), "folder": str(out), "report": str(out / "report.html")})
    outcome.require_whole()


def _all_steps(out: Path, overrides: list[str] | None, where: str, quiet: bool) -> Outcome:
    from .plot import plot

    say("1/5 data: handwritten digits, 28x28", quiet)
    texts = _write_texts(out, quiet)
    say("3/5 training", quiet)
    outcome = _train(out, texts / "solver.prototxt", [SETTINGS, *(overrides or [])], where, quiet)
    say("4/5 codes and pictures", quiet)
    _encode(out, where, quiet)
    plot(out, out / "pictures", device=where, quiet=True)
    say(f"    pictures in {out / 'pictures'}", quiet)
    say("5/5 report", quiet)
    _report(out)
    return outcome


def _require_no_other_run(out: Path) -> None:
    """DataError where a run lies in the folder that is no demo's: it would be lost."""
    from ..solver.about import read_about
    from ..solver.earlier import Earlier

    with suppress(FileNotFoundError):
        if str((out / "model/net.prototxt").absolute()) in read_about(out)[0].get("texts", {}):
            return
    if Earlier(out, str(out / NETWORK)).newest() is not None:
        raise DataError(f"{out}: holds a run that is no demo's; take another -o")


def _write_texts(out: Path, quiet: bool) -> Path:
    """The data and the network's texts; the folder of the texts."""
    from ..data.datasets import write_digits
    from ..zoo import build, write

    rows = write_digits(out / "data", overwrite=False)
    say(f"    {rows['train']} to learn from, {rows['test']} to test with, in {out / 'data'}", quiet)
    texts = out / "model"
    say(f"2/5 network: the paper's CAE Model 1 with {DIMS} code neurons, as texts in {texts}", quiet)
    write(build(NETWORK, DIMS, out / "data/train.txt", out / "data/test.txt", folder=texts), texts)
    return texts


def _train(out: Path, solver: Path, settings: list[str], device: str, quiet: bool) -> Outcome:
    from ..solver.about import LOG
    from ..solver.begin import solver_text
    from ..solver.nets import keep_to
    from ..solver.solver import Solver
    from .training import calm_lines, carry_out

    document, folders = solver_text(solver, out, settings)
    keep_to(document, solver.parent)  # not what the working directory has by that name
    training = Solver(document, out=out, folders=folders, device=device, overwrite=True)
    return carry_out(training, out / LOG, quiet, lines=calm_lines)


def _encode(out: Path, device: str, quiet: bool) -> None:
    from ..codes import files
    from ..trained.examples import open_examples
    from .codes import encoded
    from .trained import open_trained

    trained = open_trained(out, None, None, device)
    examples = open_examples(trained, None)
    codes, labels = encoded(trained, examples, trained.code, quiet)
    files.save(out / "codes.h5", codes, labels, {"net": trained.net.name, "blob": trained.code})
    say(f"    {len(codes)} codes in {out / 'codes.h5'}", quiet)


def _report(out: Path) -> None:
    from ..report.build import build
    from ..solver.run import Run

    build(Run(out), out / "report.html")
