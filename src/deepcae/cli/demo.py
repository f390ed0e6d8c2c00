"""`deepcae demo`: the whole main job on the digits that need no network, in a few minutes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .screen import say

NETWORK, DIMS = "cae1", 2
SETTINGS = "max_iter: 3000 test_interval: 500 display: 100 snapshot: 1000 lr_policy: 'fixed' random_seed: 1"
"""Fewer iterations than the paper's, at one rate: enough for these 1,500 digits."""


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for everything.")] = Path("runs/demo"),
    overrides: options.Overrides = None,
    device: options.Device = "cpu",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
) -> None:
    """From a text file to pictures: digits, a network, training, test, codes, pictures, one page."""
    from .pictures import plot

    began = time.perf_counter()
    say("1/5 data: handwritten digits, 28x28", quiet)
    texts = _write_texts(out, quiet)
    say("3/5 training", quiet)
    _train(out, texts / "solver.prototxt", [SETTINGS, *(overrides or [])], device, threads, quiet)
    say("4/5 codes and pictures", quiet)
    _encode(out, device, quiet)
    plot(out, out / "pictures", device=device, quiet=quiet)
    say("5/5 report", quiet)
    page = _report(out)
    say(f"done in {time.perf_counter() - began:.0f} s; open {page}")


def _write_texts(out: Path, quiet: bool) -> Path:
    """The data and the network's texts; the folder of the texts."""
    from ..data.datasets import write_digits
    from ..zoo import build, write

    rows = write_digits(out / "data")
    say(f"    {rows['train']} to learn from, {rows['test']} to test with, in {out / 'data'}", quiet)
    texts = out / "model"
    say(f"2/5 network: the paper's CAE Model 1 with {DIMS} code neurons, as texts in {texts}", quiet)
    write(build(NETWORK, DIMS, out / "data/train.txt", out / "data/test.txt", folder=texts), texts)
    return texts


def _train(out: Path, solver: Path, settings: list[str], device: str, threads: int | None, quiet: bool) -> None:
    from ..solver.solver import Solver
    from .device import choose_device
    from .training import LOG, carry_out, prepare, solver_text

    prepare(out, None, overwrite=True)
    document, folders = solver_text(solver, out, settings)
    training = Solver(document, out=out, folders=folders, device=choose_device(device, threads))
    outcome = carry_out(training, out / LOG, quiet)
    for name, value in outcome.test.items():
        say(f"    test {name} = {value:.6g}", quiet)


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


def _report(out: Path) -> Path:
    from ..report.build import build
    from ..solver.run import Run

    return build(Run(out), out / "report.html")
