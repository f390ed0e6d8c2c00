"""The sections about the codes: their map in several colours, the images at their places, and each number."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..codes.columns import Column
from ..codes.measure import NEIGHBOURS, Separation
from ..errors import DataError
from ..page.html import Picture, Section, Table
from ..viz import (
    code_plane,
    grid_codes,
    scatter,
    thumbnail_rows,
    thumbnails,
    traversal_codes,
    traversals,
)
from ..viz.decoder import TINY
from ..viz.thumbnails import THUMBNAIL
from .material import Material
from .shown import drawn, origin, percent
from .small import decoded, picked

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def codes(material: Material) -> Section:
    """The map of the codes; beside it what the decoder makes of the plane; the map in more colours; the classes."""
    material = material.mapped
    if material.map2d is None:
        return Section("Codes", [])
    blocks: list[Any] = []
    first, *others = material.colours
    blocks += drawn(material, f"map of the codes by {first.name}", partial(_map, material, first))
    if material.dims == 2 and material.restored:
        blocks += drawn(material, "decoded code plane", partial(_plane, material))
    for column in others:
        blocks += drawn(material, f"map of the codes by {column.name}", partial(_map, material, column))
    if material.separation is not None:
        blocks.append(_classes(material.separation, half=len(blocks) % 2 == 1))
    return Section("Codes", blocks)


def _map(material: Material, column: Column) -> Picture:
    assert material.map2d is not None
    flat, by_label = material.dims == 2, column.classes and column.values is material.labels
    separation = material.separation if by_label else None
    how = "" if flat else f", {material.dims} numbers, laid out in the plane by t-SNE"
    about = f"Every point is the code of one image of {origin(material)}{how}. "
    about += "Names stand where a class is purest." if column.classes else "Its colour: " + _meaning(column)
    figure = scatter(
        material.map2d,
        column.values if column.classes else None,
        f"{material.name}, N = {material.dims}",
        values=None if column.classes else column.values,
        values_name=column.name,
        separated=(separation.count, separation.total) if separation else None,
        note="" if flat else "t-SNE",
        axis_names=("code 1", "code 2") if flat else ("", ""),
        scales=flat,
    )
    return Picture(f"Codes by {'class' if by_label else column.name}", about, figure)


def _meaning(column: Column) -> str:
    known = {
        "time": "the time.",
        "order": "the image's place among these, in the order of the data.",
        "row": "the image's number in its file, from 0.",
        "error": "half the squared error of the restored image.",
    }
    return known.get(column.name, f"the value of '{column.name}'.")


def _classes(separation: Separation, half: bool) -> Table:
    rows = [
        (
            str(row.label),
            f"{row.count:,}",
            percent(row.recall),
            percent(row.precision),
            "" if row.mixed_with is None else f"{row.mixed_with} ({100 * row.mixed:.0f} %)",
            "yes" if row.separated else "no",
        )
        for row in separation.rows
    ]
    about = (
        f"Recall and precision: by the majority of the {NEIGHBOURS} nearest other points in the map. "
        "A class is separated where no single other class shares more than 10 % of its area."
    )
    return Table(("class", "images", "recall", "precision", "mixed with", "separated"), rows, (), about, half)


def _plane(material: Material) -> Picture:
    assert material.codes is not None
    assert material.restored is not None
    places = grid_codes(material.codes)
    images = decoded(material, places, TINY).stack
    about = "What the decoder makes of each place of the plane; its edges hold 98 % of the codes along each axis."
    return Picture("Decoded code plane", about, code_plane(places, images))


def images(material: Material) -> Section:
    """The images at the places of their codes, and what each number of the code does to an image."""
    blocks: list[Any] = []
    material = material.mapped
    if material.map2d is not None and material.examples is not None:
        blocks += drawn(material, "images at their codes", partial(_thumbnails, material))
    if material.codes is not None and material.restored and material.dims != 2:
        blocks += drawn(material, "traversals of the code", partial(_traversals, material))
    return Section("Images by code", blocks)


def thumbnails_of(material: Material) -> Figure:
    """The map with images in its cells. DataError for too few codes."""
    if material.map2d is None or material.examples is None:
        raise DataError(f"{origin(material)}: too few codes for a map")
    rows = thumbnail_rows(material.map2d)
    shown = picked(material, material.examples, rows, THUMBNAIL)
    return thumbnails(material.map2d, rows, shown.stack, given=shown.given)


def _thumbnails(material: Material) -> Picture:
    about = "The map once more, with an image in each of its cells: the one whose code is nearest to the cell's middle."
    return Picture("Images at their codes", about, thumbnails_of(material))


def traversals_of(material: Material) -> Figure:
    """Each number of the code from low to high. DataError where nothing is restored."""
    if material.codes is None or material.restored is None:
        raise DataError(f"{material.trained.origin}: no image is restored from a code")
    made, chosen = traversal_codes(material.codes)
    shown = decoded(material, made)
    return traversals(made, chosen, shown.stack, given=shown.given)


def _traversals(material: Material) -> Picture:
    about = (
        "Each row changes one number of the code, from low to high over 98 % of its range, "
        "and shows what the decoder makes of it."
    )
    return Picture("What each number of the code does", about, traversals_of(material))
