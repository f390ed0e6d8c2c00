"""`deepcae plot`: the pictures of a run, or of a file of codes, one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..atomic import foreign_kept
from ..errors import DataError, DeepcaeError
from . import options
from .pictures import ENDINGS, check_ending
from .screen import answer, say

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from ..codes.columns import Column
    from ..codes.table import Codes
    from ..report.material import Material
    from ..trained.examples import Examples
    from ..trained.network import Named, Trained

SHOWN = 20  # images in the picture of reconstructions


class What(StrEnum):
    """The pictures of a run."""

    scatter = "scatter"
    curves = "curves"
    filters = "filters"
    reconstructions = "reconstructions"
    thumbnails = "thumbnails"
    traversals = "traversals"
    errors = "errors"


OF_CODES = (What.scatter, What.errors)  # that need no run


def plot(
    source: Annotated[Path, typer.Argument(metavar="RUN|CODES", help="A run directory, or a file of codes.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A folder, or one picture: .png, .svg, .pdf.", show_default="RUN")
    ] = None,
    what: Annotated[list[What] | None, typer.Option("--what", help="Only these.", show_default="all")] = None,
    colour_by: options.ColourBy = None,
    data: Annotated[Path | None, typer.Option("--data", help="Images; without it the run's test data.")] = None,
    image_blob: options.ImageBlob = None,
    code_blob: options.CodeBlob = None,
    restored_blob: options.RestoredBlob = None,
    snapshot: options.Snapshot = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Draw the codes (by class, time or any column), the losses, the filters, images beside restored ones, errors."""
    from ..trained.network import Named
    from ..viz.style import save

    named = Named(image_blob, code_blob, restored_blob)
    names = _pictures(source, out, what)
    if not source.exists():
        raise DataError(f"{source}: neither a run nor a file of codes is there")
    if source.is_dir():
        several = len(names) > 1
        makers = _of_run(source, data, (snapshot, named), colour_by or [], device, threads, quiet, several)
    else:
        makers = _of_codes(source, colour_by or [])
    written: list[str] = []
    for each, path in names.items():
        if each not in makers:
            raise typer.BadParameter(f"{source} is a file of codes; {each.value} needs a RUN")
        try:
            figures = makers[each]()
        except DeepcaeError as error:
            if what or len(names) == 1 or (colour_by and each is What.scatter):
                raise
            say(f"no {each.value}: {error}", quiet)  # not every net restores images, or still has its data
            continue
        for end, figure in figures.items():
            target = path.with_stem(f"{path.stem}{end}")
            with foreign_kept(path != out):
                save(figure, target)
            written.append(str(target))
            say(f"wrote {target}", quiet or json)
    if json:
        answer({"files": written})


def _pictures(source: Path, out: Path | None, what: list[What] | None) -> dict[What, Path]:
    """Which pictures are drawn, and where each goes: one file, or a folder of them."""
    target = out or (source if source.is_dir() else source.parent)
    if target.suffix.lower() in ENDINGS and not target.is_dir():
        wanted = list(what or [What.scatter])
        if len(wanted) > 1:
            raise typer.BadParameter(f"{target} is one picture, and {len(wanted)} are asked for; give a folder")
        return {wanted[0]: target}
    if target.suffix and not target.is_dir():
        check_ending(target)
    possible = list(What) if source.is_dir() else [What.scatter]
    return {each: target / f"{each.value}.png" for each in (what or possible)}


Figures = dict[str, "Figure"]  # by what follows the file's stem: "" for the only one


def _of_codes(path: Path, colour_by: Sequence[str]) -> dict[What, Callable[[], Figures]]:
    from ..codes import files
    from ..viz import error_panels

    loaded = files.load(path)

    def maps() -> Figures:
        columns = _columns(colour_by, len(loaded.codes), lambda name: _of_column(loaded, name)) or [_default(loaded)]
        return _maps(loaded.codes, columns, path.stem)

    def errors() -> Figures:
        if loaded.error is None:
            raise DataError(f"{path}: has no column 'error'; `deepcae encode` writes one, where images are restored")
        return {"": error_panels(loaded.error)}

    return {What.scatter: maps, What.errors: errors}


def _default(loaded: Codes) -> Column | None:
    """By class; else by the labels' quantity; else by nothing."""
    from ..codes.columns import Column
    from ..codes.table import TITLE

    if loaded.classes is not None:
        return Column("class", loaded.classes, classes=True)
    labels, meaning = loaded.labels, str(loaded.attributes.get("labels", "label"))
    return (
        Column.of(str(loaded.attributes.get(TITLE, "label")), labels)
        if labels is not None and labels.dtype.kind in "fiub" and "label" in meaning
        else None
    )


def _of_column(loaded: Codes, name: str) -> np.ndarray:
    from ..codes.cluster import find_clusters

    return find_clusters(loaded.codes).labels if name == "cluster" else loaded.column(name)


def _columns(asked: Sequence[str], count: int, find: Callable[[str], np.ndarray]) -> list[Column | None]:
    from ..report.coloured import column

    return [column(name, count, find) for name in asked]


def _of_run(
    folder: Path,
    data: Path | None,
    shown: tuple[str | None, Named],
    colour_by: Sequence[str],
    device: str,
    threads: int | None,
    quiet: bool,
    several: bool,
) -> dict[What, Callable[[], Figures]]:
    """How each picture of a run is made; nothing is read or computed before it is asked for."""
    from ..recording.origin import known_origins
    from ..report import maps, restored
    from ..report.material import Material, of_examples
    from ..solver.run import Run
    from ..trained.examples import open_examples
    from ..trained.kernels import kernels
    from ..trained.passes import all_over
    from ..trained.passes import restored as restored_images
    from ..viz import filters, loss_curves, reconstructions
    from .device import choose_device
    from .trained import open_trained, tell

    run = Run(folder)

    @cache
    def trained() -> Trained:
        snapshot, named = shown
        return open_trained(folder, None, None, choose_device(device, threads), False, named, snapshot, quiet)

    @cache
    def examples() -> Examples:
        return open_examples(trained(), data)

    @cache
    def material() -> Material:
        return of_examples(described(), examples(), colour_by)

    @cache
    def described() -> Material:
        return Material(run, trained(), origins=known_origins(trained(), data, len(examples())))

    def told(figures: Figures) -> Figures:
        tell(trained())
        return figures

    def coded() -> Material:
        found = material()
        if found.codes is None:
            _ = trained().code  # says so, if it cannot be told
            raise DataError(f"{folder}: {found.missing[-1]}")
        return found

    def scattered() -> Figures:
        found = coded()
        columns = found.colours[-len(colour_by) :] if colour_by else found.colours[:1]
        assert found.codes is not None
        title, about = f"{found.name}, N = {found.dims}", examples().origin
        return _maps(found.codes, columns, title, about, found.map2d)

    def compared() -> Figures:
        rows = all_over(examples(), SHOWN)
        named = restored.named(described(), rows)
        return {"": reconstructions(*restored_images(trained(), examples(), rows), **named)}

    if data is not None:
        examples()  # what is named and not there is no reason to draw the rest
    return {
        What.scatter: lambda: told(scattered()),
        What.curves: lambda: {"": loss_curves(run.metrics(), lines=_lines(material) if several else {})},
        What.filters: lambda: {"": filters(kernels(trained()))},
        What.reconstructions: lambda: told(compared()),
        What.thumbnails: lambda: told({"": maps.thumbnails_of(coded())}),
        What.traversals: lambda: told({"": maps.traversals_of(coded())}),
        What.errors: lambda: told({"": restored.errors_of(material())}),
    }


def _lines(material: Callable[[], Material]) -> dict[str, dict[str, float]]:
    """PCA's line for the curves: where other pictures need the images anyway, and these are there."""
    try:
        return material().lines
    except DeepcaeError:
        return {}


def _maps(
    codes: np.ndarray, columns: Sequence[Column | None], title: str, about: str = "", plane: np.ndarray | None = None
) -> Figures:
    """Codes of two numbers as they are, others as their t-SNE map, in the colours of each column."""
    from ..codes import tsne

    flat = codes.reshape(len(codes), -1)
    if plane is None:
        plane = flat if flat.shape[1] == 2 else tsne(flat)
    if len(columns) == 1:
        return {"": _map(plane, flat.shape[1], columns[0], title, about)}
    return {f"-{_word(each)}": _map(plane, flat.shape[1], each, title, about) for each in columns}


def _word(column: Column | None) -> str:
    """The column's name as a part of a file's."""
    return "".join(letter if letter.isalnum() else "_" for letter in (column.name if column else "plain"))


def _map(plane: np.ndarray, dims: int, column: Column | None, title: str, about: str) -> Figure:
    from ..codes import classes_separated
    from ..viz import scatter

    labels = column.values if column is not None and column.classes else None
    separated = None
    if labels is not None and len(labels) > 1:
        found = classes_separated(plane, labels)
        separated = (found.count, found.total)
    note = about if dims == 2 else " · ".join(filter(None, [about, f"t-SNE of {dims} dimensions"]))
    values = column.values if column is not None and not column.classes else None
    return scatter(
        plane, labels, title, values=values, values_name=column.name if column else "", separated=separated, note=note,
        axis_names=("code 1", "code 2") if dims == 2 else ("", ""), scales=dims == 2,
    )  # fmt: skip
