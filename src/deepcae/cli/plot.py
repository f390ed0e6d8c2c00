"""`deepcae plot`: the pictures of a run, or of a file of codes, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
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
    time = "time"


def plot(
    *,
    source: Annotated[Path, typer.Argument(metavar="RUN|CODES", help="A run directory, or a file of codes.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A folder, or one picture: .png, .svg, .pdf.", show_default="RUN")
    ] = None,
    what: Annotated[list[What] | None, typer.Option("--what", help="Only these.", show_default="all")] = None,
    colour_by: options.ColourBy = None,
    data: Annotated[Path | None, typer.Option("--data", help="Images; without it the run's test data.")] = None,
    blobs: options.Blobs,
    snapshot: options.Snapshot = None,
    limit: options.Limit = options.SHOWN,
    machine: options.Machine,
    output: options.Output,
) -> None:
    """Draw the codes (by class, time or any column), the losses, the filters, images beside restored ones, errors."""
    names = _pictures(source, out, what)
    if not source.exists():
        raise DataError(f"{source}: neither a run nor a file of codes is there")
    if source.is_dir():
        several = len(names) > 1
        shown = (options.Network(snapshot=snapshot), blobs.named())
        makers = _OfRun(source, data, shown, colour_by or [], limit, machine, output.quiet, several).makers()
    else:
        makers = _of_codes(source, colour_by or [])
    for each in names:
        if each not in makers:
            raise typer.BadParameter(f"{source} is a file of codes; {each.value} needs a RUN")
    needed = {each for each in names if what or len(names) == 1 or (colour_by and each is What.scatter)}
    written = list(_written(names, makers, needed, out, lambda line: say(line, output.quiet or output.json)))
    if output.json:
        answer({"files": [*map(str, written)]})


def all_of_run(
    run: Path, folder: Path, limit: int, machine: options.Machine, tell: Callable[[str], object]
) -> Iterator[Path]:
    """Writes every picture that a run has, for `fit`."""
    from ..trained.network import AS_TOLD

    shown = (options.Network(), AS_TOLD)
    makers = _OfRun(run, None, shown, [], limit, machine, True, True).makers()
    yield from _written({each: folder / f"{each.value}.png" for each in What}, makers, set(), None, tell)


def _written(
    names: dict[What, Path],
    makers: dict[What, Callable[[], Figures]],
    needed: set[What],
    own: Path | None,
    tell: Callable[[str], object],
) -> Iterator[Path]:
    """Each picture, once it is written. DataError without those that are `needed`; `own`: a user's name."""
    from ..viz.style import save

    for each, path in names.items():
        try:
            figures = makers[each]()
        except DeepcaeError as error:
            if each in needed:
                raise
            if isinstance(error, NoSeries):
                continue
            tell(f"no {each.value}: {error}")  # not every net restores images, or still has its data
            continue
        for end, figure in figures.items():
            target = path.with_stem(f"{path.stem}{end}")
            with foreign_kept(path != own):
                save(figure, target)
            tell(f"wrote {target}")
            yield target


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


class NoSeries(DataError):
    """The images do not follow each other, which most do not."""


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
    from ..codes.table import CLUSTER

    if name != CLUSTER or name in loaded.columns:
        return loaded.column(name)
    from ..codes.cluster import find_clusters

    return find_clusters(loaded.codes).labels


def _columns(asked: Sequence[str], count: int, find: Callable[[str], np.ndarray]) -> list[Column | None]:
    from ..report.coloured import column

    return [column(name, count, find) for name in asked]


@dataclass
class _OfRun:
    """How each picture of a run is made; nothing is read or computed before it is asked for.

    `shown`: which snapshot, and blobs that are named; `limit`: images that are mapped and drawn; `several`: whether
    more than one picture is drawn.
    """

    folder: Path
    data: Path | None
    shown: tuple[options.Network, Named]
    colour_by: Sequence[str]
    limit: int
    machine: options.Machine
    quiet: bool
    several: bool

    @cached_property
    def trained(self) -> Trained:
        from .trained import open_trained

        network, named = self.shown
        return open_trained(self.folder, network, self.machine.chosen(), named, self.quiet)

    @cached_property
    def examples(self) -> Examples:
        from ..trained.examples import open_examples

        return open_examples(self.trained, self.data)

    @cached_property
    def some(self) -> Examples:
        found = self.examples.some(self.limit)
        if found.numbers is not None:
            say(f"{found.origin}, are mapped and drawn (--limit)", self.quiet)
        return found

    @cached_property
    def described(self) -> Material:
        """Without codes."""
        from ..recording.origin import known_origins
        from ..report.material import Material

        origins = known_origins(self.trained, self.data, len(self.examples))
        return Material(self.trained, own=self.data is None, origins=origins)

    @cached_property
    def material(self) -> Material:
        from ..report.material import of_examples

        return of_examples(self.described, self.some, self.colour_by)

    @property
    def coded(self) -> Material:
        """The same; DataError where there are no codes."""
        found = self.material
        if found.codes is None:
            _ = self.trained.code  # says so, if it cannot be told
            raise DataError(f"{self.folder}: {found.missing[-1]}")
        return found

    def makers(self) -> dict[What, Callable[[], Figures]]:
        if self.data is not None:
            _ = self.examples  # what is named and not there is no reason to draw the rest
        from ..report import maps, restored, sections
        from ..solver.run import Run
        from ..viz import loss_curves

        run, lines = Run(self.folder), self.several
        made: dict[What, Callable[[], Figures]] = {
            What.scatter: self._scattered,
            What.curves: lambda: {"": loss_curves(run.metrics(), lines=_lines(self) if lines else {})},
            What.filters: lambda: {"": sections.filters_of(self.described)},
            What.reconstructions: self._compared,
            What.thumbnails: lambda: {"": maps.thumbnails_of(self.coded.mapped)},
            What.traversals: lambda: {"": maps.traversals_of(self.coded.mapped)},
            What.errors: lambda: {"": restored.errors_of(self.material)},
            What.time: self._over_time,
        }
        return {what: partial(self._told, make, what) for what, make in made.items()}

    def _told(self, make: Callable[[], Figures], what: What) -> Figures:
        from .trained import tell

        figures = make()
        if what not in (What.curves, What.filters):
            tell(self.trained)
        return figures

    def _scattered(self) -> Figures:
        found = self.coded.mapped
        columns = found.colours[-len(self.colour_by) :] if self.colour_by else found.colours[:1]
        assert found.codes is not None
        assert found.examples is not None
        title, about = f"{found.name}, N = {found.dims}", found.examples.origin
        return _maps(found.codes, columns, title, about, found.map2d)

    def _compared(self) -> Figures:
        from ..report import restored
        from ..trained.passes import all_over
        from ..trained.passes import restored as restored_images
        from ..viz import reconstructions

        rows = all_over(self.examples, SHOWN)
        images = restored_images(self.trained, self.examples, rows)
        return {"": reconstructions(*images, **restored.named(self.described, rows))}

    def _over_time(self) -> Figures:
        whole = self.coded.recorded
        if whole is None:
            raise NoSeries(f"{self.folder}: its neighbouring images are no more alike than others: no time is drawn")
        return {"": whole.over_time(self.material.name)}


def _lines(of: _OfRun) -> dict[str, dict[str, float]]:
    """PCA's line for the curves: where other pictures need the images anyway, and these are there."""
    try:
        return of.material.lines
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
