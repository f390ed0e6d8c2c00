"""`deepcae zoo`: the networks on offer, written as texts to edit and train."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .screen import answer


def zoo(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The network; without it all are listed.")
    ] = None,
    dims: Annotated[int | None, typer.Option("--dims", min=1, help="Neurons of the code, the paper's N.")] = None,
    data: Annotated[
        tuple[str, str] | None, typer.Option("--data", metavar="TRAIN TEST", help="The list files of the data.")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Training images per iteration.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder to write to.")] = None,
    json: options.Json = False,
) -> None:
    """List the paper's networks, or write one: net.prototxt and solver.prototxt."""
    from .. import zoo as catalogue

    if name is None:
        _list({each: catalogue.describe(each) for each in catalogue.names()}, json)
        return
    folder = out or Path(name)
    train_list, test_list = data or (None, None)
    model = catalogue.build(name, dims, train_list, test_list, batch=batch, folder=folder)
    net, solver = catalogue.write(model, folder)
    if json:
        answer({"name": name, "dims": model.dims, "net": str(net), "solver": str(solver)})
    else:
        train = shlex.join(["deepcae", "train", "--solver", str(solver), "--out", f"runs/{folder.name}"])
        print(f"wrote {net} and {solver}; next: {train}")


def _list(descriptions: dict[str, str], json: bool) -> None:
    if json:
        answer([{"name": name, "description": text} for name, text in descriptions.items()])
        return
    width = max(map(len, descriptions))
    for name, text in descriptions.items():
        print(f"{name:{width}}  {text}")
