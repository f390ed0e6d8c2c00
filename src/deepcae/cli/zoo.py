"""`deepcae zoo`: the networks on offer, written as texts to edit and train."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..atomic import set_aside
from ..errors import DataError, SpecError
from . import options
from .screen import answer, say, tell

if TYPE_CHECKING:
    from ..zoo import ZooModel


def zoo(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The network; without it all are listed.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option("--input", metavar="CxHxW", help="For `design`: channels, height and width of an image."),
    ] = None,
    dims: Annotated[int | None, typer.Option("--dims", min=1, help="Neurons of the code, the paper's N.")] = None,
    width: Annotated[
        float | None,
        typer.Option("--width", metavar="W", help="A factor of the number of maps, where there is a choice."),
    ] = None,
    data: Annotated[
        tuple[str, str] | None, typer.Option("--data", metavar="TRAIN TEST", help="The list files of the data.")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Training images per iteration.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder to write to.")] = None,
    json: options.Json = False,
) -> None:
    """List the networks on offer, or write one: net.prototxt and solver.prototxt."""
    from .. import zoo as catalogue
    from ..zoo import designed
    from ..zoo.catalog import has_code

    if name is None:
        descriptions = {each: catalogue.describe(each) for each in catalogue.names()}
        _list({**descriptions, designed.NAME: designed.DESCRIPTION}, json)
        return
    folder = out or Path(name)
    if name == designed.NAME:
        _design(image, dims, width, data or (None, None), batch, folder, json)
        return
    if image is not None:
        raise SpecError(f"network '{name}' has one size of images; --input is for design")
    train_list, test_list = data or (None, None)
    if dims is not None and not has_code(name):
        say(f"network '{name}' has classes and no code; --dims changes nothing")
    model = catalogue.build(name, dims, train_list, test_list, batch=batch, width=width, folder=folder)
    _write(model, folder, json)


def _design(
    image: str | None,
    dims: int | None,
    width: float | None,
    lists: tuple[str | None, str | None],
    batch: int | None,
    folder: Path,
    json: bool,
) -> None:
    """Writes an auto-encoder for images of any size, and tells its sizes."""
    from ..zoo.design import parse_image
    from ..zoo.designed import build_design, table

    if image is None or dims is None:
        raise SpecError("design needs --input CxHxW and --dims N, such as --input 3x64x96 --dims 16")
    shape, scale = parse_image(image), 1.0 if width is None else width
    model = build_design(shape, dims, *lists, batch=batch, width=scale, folder=folder)
    for given, kind in zip(lists, ("train", "test"), strict=True):
        _require_layout(Path(given or folder / f"{kind}.txt"), shape)
    if json:
        _write(model, folder, json, model.plan.to_json(model.num_images))
    else:
        _write(model, folder, json)
        tell(table(model.plan.facts(model.num_images)))


def _require_layout(list_file: Path, image: tuple[int, ...]) -> None:
    """DataError if the images that a list names, where it is there already, lie otherwise than --input says."""
    from ..data.contents import open_rows
    from ..data.layout import misfit, samples
    from ..data.lists import read_list

    for path in read_list(list_file) if list_file.is_file() else ():
        found = open_rows([path], ["data"]).shapes["data"]
        if found != image:
            size = "x".join(map(str, found)) if len(found) == 3 else "another size"
            why = misfit(found, image) or f"give --input {size}, or images of that size"
            raise DataError(f"{path}: holds {samples(found)}, --input says {samples(image)}: {why}")


def _write(model: ZooModel, folder: Path, json: bool, facts: dict[str, Any] | None = None) -> None:
    from .. import zoo as catalogue
    from .findings import MissingFile, examine

    texts = {"net.prototxt": model.net_text, "solver.prototxt": model.solver_text}
    former = [set_aside(folder / name) for name, text in texts.items() if _differs(folder / name, text)]
    net, solver = catalogue.write(model, folder)
    if former:
        say(f"what stood there before is kept: {' and '.join(map(str, former))}", json)
    if json:
        answer({"name": model.name, "dims": model.dims, "net": str(net), "solver": str(solver), **(facts or {})})
    else:
        train = shlex.join(["deepcae", "train", "--solver", str(solver), "--out", f"runs/{folder.name}"])
        tell(f"wrote {net} and {solver}; next: {train}")
        if missing := examine(net).problems:
            hint = "; --data TRAIN TEST names other list files" if isinstance(missing[0], MissingFile) else ""
            tell(f"before that: {missing[0]}{hint}")


def _differs(path: Path, text: str) -> bool:
    """Whether something else stands in the file than is to be written."""
    try:
        return path.read_bytes() != text.encode()
    except OSError:
        return False


def _list(descriptions: dict[str, str], json: bool) -> None:
    if json:
        answer([{"name": name, "description": text} for name, text in descriptions.items()])
        return
    width = max(map(len, descriptions))
    for name, text in descriptions.items():
        tell(f"{name:{width}}  {text}")
