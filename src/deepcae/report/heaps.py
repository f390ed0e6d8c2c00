"""The sections about groups of codes, and about the time of a recording: heaps where there are some, else segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..codes.cluster import Clusters
from ..codes.order import Segments, segments
from ..page.html import Picture, Section, Table
from ..recording.timeline import Recorded
from ..viz import cluster_strip, image_rows
from .material import Material
from .shown import drawn
from .small import picked

EACH = 10  # images of a cluster that are shown
SPANS = 6  # segments of a cluster that are named


def over_time(material: Material) -> Section:
    """Error and codes of the whole recording, and its least usual images."""
    whole = material.recorded
    if whole is None:
        return Section("Over the recording", [])
    together = whole.origins.together
    held = " What the network did not learn from has a red ground." if whole.line.held_out is not None else ""
    worse = whole.line.held_out_worse
    if worse is not None:
        held += f" That is restored with {abs(worse):.0%} {'more' if worse > 0 else 'less'} error in the mean."
    intro = (
        f"All {len(whole.line.index):,} images in their order.{held} "
        f"As a table, time.csv: deepcae map {material.run.folder} -o DIR"
    )

    def course() -> Picture:
        about = "Half the squared error of each image, and each number of its code; marks: the least usual images."
        return Picture(f"Codes and error over the {together}", about, whole.over_time(material.name))

    def unusual() -> Picture:
        about = (
            "Images that are restored worse than others of their part (learned from, or held out); of neighbours the "
            "one that stands out most. Below each what it is called, and by how many deviations its error is greater."
        )
        return Picture("The least usual images", about, whole.least_usual(material.trained))

    pictures = drawn(material, "time course", course)
    return Section(f"Over the {together}", [*pictures, *drawn(material, "unusual images", unusual)], intro)


def clusters(material: Material) -> Section:
    """Groups of codes that have no classes, with images of each; of a recording their segments."""
    material = material if material.recorded is not None else material.mapped
    found, whole = material.clusters, material.recorded
    if found is None or material.examples is None:
        return Section("Clusters", [])
    pictures = drawn(material, "clusters", partial(_examples, material, found))
    if whole is None:
        return Section("Clusters", pictures, f"{_heaps(found)}: k-means, {_silhouette(found)}.")
    parts = segments(whole.line.codes, found.labels, whole.follows)
    strip = drawn(material, "segments", partial(_strip, material, found, whole))
    table = Table(("cluster", "images", "segments"), [*_rows(found, parts, whole)])
    return Section("Clusters", [*strip, table, *pictures], _in_time(found, parts))


def _heaps(found: Clusters) -> str:
    if found.are_clear:
        return f"The codes fall into {found.count} heaps"
    return f"The codes are rather one cloud than heaps; cut into {found.count}"


def _silhouette(found: Clusters) -> str:
    return (
        f"the number chosen by the silhouette, which is {found.silhouette:.2f} (1 is clear, 0 none; a cloud without "
        f"heaps has {found.of_a_cloud:.2f}); half way between two there are {100 * found.valley:.0f} % as many codes "
        "as in their middles"
    )


def _in_time(found: Clusters, parts: Segments) -> str:
    """Of a recording heaps are told only where its codes jump from one to the other."""
    if found.are_clear and parts.are_states and parts.jump is not None:
        return (
            f"The codes fall into {found.count} heaps, and jump from one to the other: {100 * parts.jump:.0f} % of the "
            f"way between their middles in one step. By k-means, {_silhouette(found)}."
        )
    way = "" if parts.jump is None else f" (a step from one to the other is {100 * parts.jump:.0f} % of the way)"
    if parts.are_states:
        return (
            f"Neighbours are more alike than others, though their codes differ by much{way}: rather one cloud than "
            f"heaps, cut into {found.count} by k-means."
        )
    return (
        f"The codes move gradually from image to image{way}: these are no heaps, but segments of one way, "
        f"cut into {found.count} by k-means."
    )


def _rows(found: Clusters, parts: Segments, whole: Recorded) -> Iterator[tuple[str, str, str]]:
    for cluster, size in enumerate(found.sizes):
        runs = np.flatnonzero(parts.labels == cluster)
        ends = [(whole.called(int(parts.starts[run])), whole.called(int(parts.stops[run]) - 1)) for run in runs[:SPANS]]
        said = ", ".join(first if first == last else f"{first} to {last}" for first, last in ends)
        more = f", and {len(runs) - SPANS:,} more" if len(runs) > SPANS else ""
        yield f"cluster {cluster}", f"{size:,}", f"{said}{more}"


def _strip(material: Material, found: Clusters, whole: Recorded) -> Picture:
    figure = cluster_strip(
        found.labels,
        rows=whole.rows if whole.origins.numbered else None,
        held_out=whole.line.held_out,
        axis=f"image of {whole.origins.numbered}, from 0" if whole.origins.numbered else "images, in their order",
        title=f"{material.name}: clusters over the {whole.origins.together}",
    )
    return Picture(f"Clusters over the {whole.origins.together}", "The cluster of each image.", figure)


def _examples(material: Material, found: Clusters) -> Picture:
    whole, examples = material.recorded, material.examples
    assert examples is not None
    chosen = [found.examples(cluster, EACH) for cluster in range(found.count)]
    called: Callable[[int], str] = material.called if whole is None else whole.called
    rows = np.concatenate(chosen)
    of, numbers = (examples, rows) if whole is None else (whole.examples, whole.line.index[rows])
    shown = picked(material, of, numbers)
    stack = np.full((found.count * EACH, *shown.stack.shape[1:]), np.nan, np.float32)
    places = np.concatenate([cluster * EACH + np.arange(len(rows)) for cluster, rows in enumerate(chosen)])
    stack[places] = shown.stack
    names = [f"cluster {number}\n{size:,} image{'s' * (size != 1)}" for number, size in enumerate(found.sizes)]
    captions = [[*map(called, rows.tolist()), *[""] * (EACH - len(rows))] for rows in chosen]
    about = f"the {EACH} nearest to the middle of each"
    figure = image_rows(stack, names, "Clusters of the codes", about, captions, given=shown.given)
    about = f"The images whose codes are nearest to the middle of each; below each {material.called_by}."
    return Picture("Images of each cluster", about, figure)
