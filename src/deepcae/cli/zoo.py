"""`deepcae zoo`: the networks on offer, written as texts to edit and train."""

from __future__ import annotations

import shlex
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..atomic import set_aside
from ..errors import SpecError
from . import options
from .designing import Wanted, designed
from .device import choose_device
from .racing import Where, raced
from .screen import answer, say, set_in, tell, wrapped

if TYPE_CHECKING:
    from ..zoo import ZooModel


def zoo(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The network; without it all are listed.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="CxHxW",
            help="For `design`: the size of an image, or K for rows of K values.",
        ),
    ] = None,
    dims: Annotated[int | None, typer.Option("--dims", min=1, help="Neurons of the code, the paper's N.")] = None,
    width: Annotated[
        float | None,
        typer.Option("--width", metavar="W", help="A factor of the number of maps, where there is a choice."),
    ] = None,
    data: Annotated[
        tuple[str, str] | None,
        typer.Option("--data", metavar="TRAIN TEST", help="The list files of the data; for `design` also data files."),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            "--scale", metavar="S", help="For `design`: what stored values are multiplied by, less --mean-value."
        ),
    ] = None,
    mean_value: Annotated[
        float | None, typer.Option("--mean-value", metavar="M", help="For `design`: the stored value that becomes 0.")
    ] = None,
    mirror: options.Mirror = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="For `design`: the paper's way, without the linear layers that start as PCA."),
    ] = False,
    linear: options.Linear = None,
    neighbours: options.Neighbours = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Training images per iteration.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder to write to.")] = None,
    race: Annotated[
        int | None,
        typer.Option(
            "--race",
            min=0,
            metavar="N",
            help="For `design`: train two networks for N iterations each, with and without the linear way, and go on "
            "with the better.",
            show_default="a twentieth of the training, 150 to 400; 0 where it is short",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="For `design`: decides what is random in the race.")] = 0,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="TEXT",
            help="For `design`: a setting of the training to come, such as 'base_lr: 0.001', that the race has, too.",
        ),
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    json: options.Json = False,
) -> None:
    """List the networks on offer, or write one as net.prototxt and solver.prototxt; `design` is for your images."""
    from .. import zoo as catalogue
    from ..zoo import design
    from ..zoo.catalog import has_code

    if name is None:
        descriptions = {each: catalogue.describe(each) for each in catalogue.names()}
        _list({**descriptions, design.NAME: design.DESCRIPTION}, json)
        return
    folder = out or Path(name)
    _require_no_run(folder)
    if name == design.NAME:
        wanted = Wanted(
            image, dims, width, data or (None, None), batch, scale, mean_value, mirror, plain, neighbours, linear
        )
        _design(wanted, folder, Where(seed, device, threads, length=race, overrides=tuple(overrides or ())), json)
        return
    if image is not None:
        raise SpecError(f"network '{name}' has one size of images; --input is for design")
    if plain or (scale, mean_value, mirror, neighbours, linear, overrides) != (None,) * 6:
        raise SpecError("--scale, --mean-value, --mirror, --plain, --linear, --neighbours and --set are for design")
    train_list, test_list = data or (None, None)
    if dims is not None and not has_code(name):
        say(f"network '{name}' has classes and no code; --dims changes nothing")
    model = catalogue.build(name, dims, train_list, test_list, batch=batch, width=width, folder=folder)
    page = catalogue.page(name)
    _write(model, folder, json, {"page": None if page is None else str(page)})
    if page is not None and not json:
        tell(f"what it is, how it differs from the paper, and what it reaches: {page}")


def _require_no_run(folder: Path) -> None:
    """SpecError for the folder of a run: its texts would be replaced, and its weights fit no others."""
    from ..solver.about import ABOUT

    if (folder / ABOUT).exists():
        raise SpecError(f"{folder}: holds a run, which would lose its texts; give another -o")


def _design(wanted: Wanted, folder: Path, where: Where, json: bool) -> None:
    """Writes an auto-encoder for images of any size, and tells what it found and chose."""
    from ..zoo.designtext import table

    model, found = designed(wanted, folder)
    if model.rival is not None:
        where = replace(where, device=choose_device(where.device, where.threads))
    race = raced(model, wanted.lists, folder, where, json)
    model = model if race is None else race.model
    if json:
        won = None if race is None else race.to_json()
        told = {**found.to_json(), "starts_as_pca": model.starts_as_pca, "race": won}
        _write(model, folder, json, {**model.plan.to_json(model.num_images), **told})
        return
    _write(model, folder, json)
    facts = {} if race is None else {"race": str(race)}
    for line in table({**model.plan.facts(model.num_images), **found.facts(), **facts}).splitlines():
        tell(set_in(line))
    if not (found.start is not None or wanted.plain):
        tell("start.caffemodel is made of the training images: give the same command again when they are there")


def put(model: ZooModel, folder: Path, quiet: bool = False) -> tuple[Path, Path]:
    """Writes the texts into a folder, and keeps what stood there; the paths of both."""
    from .. import zoo as catalogue

    texts = {"net.prototxt": model.net_text.encode(), "solver.prototxt": model.solver_text.encode(), **model.files}
    former = [set_aside(folder / name) for name, text in texts.items() if _differs(folder / name, text)]
    written = catalogue.write(model, folder)
    if former:
        say(f"what stood there before is kept: {' and '.join(map(str, former))}", quiet)
    return written


def _write(model: ZooModel, folder: Path, json: bool, facts: dict[str, Any] | None = None) -> None:
    from ..check.findings import MissingFile, examine

    net, solver = put(model, folder, json)
    missing = examine(net).problems
    train = ["deepcae", "train", "--solver", str(solver), "--out", str(_free(solver))]
    if json:
        files = {"name": model.name, "dims": model.dims, "net": str(net), "solver": str(solver)}
        answer({**files, **(facts or {}), "problems": [str(each) for each in missing], "next": train})
        return
    tell(f"wrote {net} and {solver}; next: {shlex.join(train)}")
    if missing:
        hint = "; --data TRAIN TEST names other list files" if isinstance(missing[0], MissingFile) else ""
        tell(f"before that: {missing[0]}{hint}")


def _free(solver: Path) -> Path:
    """The folder that a training of this solver takes by itself, or one with a number where that one is taken."""
    from ..solver.begin import default_out

    usual = default_out(solver)
    others = (usual.with_name(f"{usual.name}-{number}") for number in count(2))
    return next(folder for folder in chain([usual], others) if not folder.exists())


def _differs(path: Path, content: bytes) -> bool:
    """Whether something else stands in the file than is to be written."""
    try:
        return path.read_bytes() != content
    except OSError:
        return False


def _list(descriptions: dict[str, str], json: bool) -> None:
    if json:
        answer([{"name": name, "description": text} for name, text in descriptions.items()])
        return
    width = max(map(len, descriptions))
    for name, text in descriptions.items():
        tell(wrapped(f"{name:{width}}  {text}", " " * (width + 2)))
