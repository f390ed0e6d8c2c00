"""The sections of a run's page, each made from the material and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..codes.measure import NEIGHBOURS, Separation
from ..draw import plan_figure
from ..errors import DeepcaeError
from ..page.html import Folded, Picture, Section, Table, Text, Tile
from ..printed.tables import CLASSES
from ..proto.text import to_text
from ..trained import passes
from ..trained.kernels import kernels
from ..viz import code_plane, filters, grid_codes, layer_panels, loss_curves, reconstructions, scatter
from ..viz.curves import unit_of
from .material import Material, samples

SHOWN = 20  # images restored
MOST_LAYERS, MOST_TILES = 300, 24  # that are drawn; that are told first


def tiles(material: Material) -> list[Tile]:
    """The numbers that people look for first."""
    found = []
    reached = material.paper
    for blob, value in list(_losses(material, "test").items())[:MOST_TILES]:
        beside = f"paper: {reached.test[blob]:.2f}" if reached and blob in reached.test else unit_of(blob)
        found.append(Tile(blob, _loss(value), f"test; {beside}"))
    if material.knn is not None:
        found.append(
            Tile("kNN accuracy", _percent(material.knn), f"of the codes, {NEIGHBOURS} neighbours, leave-one-out")
        )
    if material.separation is not None:
        note = f"paper, by eye: {reached.classes} of {CLASSES}" if reached else "in the map of the codes"
        found.append(Tile("classes separated", str(material.separation), note))
    found.append(Tile("parameters", f"{material.trained.summary.parameters:,}", _size(material)))
    finished = material.last("finished")
    if finished:
        each = f"{1000 * finished['seconds_per_iteration']:.3g} ms per iteration"
        found.append(Tile("training", _duration(finished["seconds"]), each))
    return found


def codes(material: Material) -> Section:
    """The map of the codes; beside it what the decoder makes of the plane; the classes in numbers."""
    blocks: list[Any] = []
    separation = material.separation
    if material.map2d is not None:
        flat = material.dims == 2
        figure = scatter(
            material.map2d,
            material.labels,
            f"{material.name}, N = {material.dims}",
            separated=(separation.count, separation.total) if separation else None,
            note="" if flat else "t-SNE",
            axis_names=("code 1", "code 2") if flat else ("", ""),
            scales=flat,
        )
        how = "" if flat else f", {material.dims} numbers, laid out in the plane by t-SNE"
        about = (
            f"Every point is the code of one image of {_origin(material)}{how}. Names stand where a class is purest."
        )
        blocks.append(Picture("Codes by class", about, figure))
        if flat and material.restored:
            blocks.extend(_drawn(material, "decoded code plane", lambda: _plane(material)))
    if separation is not None:
        blocks.append(_classes(separation, half=len(blocks) == 1))
    return Section("Codes", blocks)


def _classes(separation: Separation, half: bool) -> Table:
    rows = [
        (
            str(row.label),
            f"{row.count:,}",
            _percent(row.recall),
            _percent(row.precision),
            _mixed(row),
            "yes" if row.separated else "no",
        )
        for row in separation.rows
    ]
    about = (
        f"Recall and precision: by the majority of the {NEIGHBOURS} nearest other points in the map. "
        "A class is separated where no single other class shares more than 10 % of its area."
    )
    return Table(("class", "images", "recall", "precision", "mixed with", "separated"), rows, (), about, half)


def _mixed(row: Any) -> str:
    return "" if row.mixed_with is None else f"{row.mixed_with} ({100 * row.mixed:.0f} %)"


def _drawn(material: Material, what: str, make: Callable[[], Picture]) -> list[Picture]:
    """The picture in a list; an empty one and a line in `material.missing` where it cannot be made."""
    try:
        return [make()]
    except DeepcaeError as error:
        material.missing.append(f"No {what}: {error}")
        return []


def _plane(material: Material) -> Picture:
    assert material.codes is not None
    assert material.restored is not None
    places = grid_codes(material.codes)
    images = passes.decoded(material.trained, places.astype(np.float32), material.trained.code, material.restored)
    images = material.trained.as_images(images)
    about = "What the decoder makes of each place of the plane; its edges hold 98 % of the codes along each axis."
    return Picture("Decoded code plane", about, code_plane(places, images))


def restored(material: Material) -> Section:
    """Originals above, restored images below."""
    if material.examples is None or material.restored is None:
        return Section("Reconstructions", [])
    return Section("Reconstructions", _drawn(material, "reconstructions", lambda: _restored(material)))


def _restored(material: Material) -> Picture:
    assert material.examples is not None
    originals, images, labels = passes.restored(material.trained, material.examples, SHOWN, material.restored)
    figure = reconstructions(originals, images, labels)
    about = f"The first {len(originals)} images of {_origin(material)} and what the network restores from their codes."
    return Picture("Originals and reconstructions", about, figure)


def losses(material: Material) -> Section:
    """The curves, and the last values beside the paper's."""
    train, test, reached = _losses(material, "train"), _losses(material, "test"), material.paper
    blobs = list(dict.fromkeys([*train, *test]))
    if not blobs:
        return Section("Losses", [])
    drawn = _drawn(material, "curves of the losses", lambda: _curves(material))
    rows = []
    for blob in blobs:
        row = [blob, unit_of(blob), _loss(train.get(blob)), _loss(test.get(blob))]
        if reached:
            row += [_loss(reached.train.get(blob)), _loss(reached.test.get(blob))]
        rows.append(row)
    header = ["loss", "unit", "train", "test", *(["paper, train", "paper, test"] if reached else [])]
    caption = "The paper's: means of its three runs." if reached else ""
    return Section("Losses", [*drawn, Table(header, rows, caption=caption, half=len(blobs) == 1)])


def _curves(material: Material) -> Picture:
    reference = material.paper.test if material.paper else None
    figure = loss_curves(material.metrics, reference=reference, reference_name="paper, test")
    return Picture("Losses", "Training (thin: as recorded; thick: mean of a moving window) and test.", figure)


def layers(material: Material) -> Section:
    """One image's way through the network for each class; one in sight, the others folded away."""
    pages: list[Picture] = []
    for index, label in samples(material):
        pages += _drawn(material, f"layers of image {index}", partial(_way, material, index, label))
    others = [Folded("The other classes", pages[1:])] if len(pages) > 1 else []
    return Section("Layer by layer", [*pages[:1], *others])


def _way(material: Material, index: int, label: Any) -> Picture:
    assert material.examples is not None
    figure = layer_panels(passes.way(material.trained, material.examples, index), label)
    of_class, in_words = ("", "") if label is None else (f", class {label}", f" (class {label})")
    about = f"Every blob from image {index}{in_words} on: its size as Caffe shows it, and [min, max]."
    return Picture(f"Layer by layer{of_class}", about, figure)


def learned(material: Material) -> Section:
    """Learned kernels; of fully connected layers those that read or write images."""
    weights = kernels(material.trained)
    if not weights:
        return Section("Filters", [])
    about = "Red: positive weights, blue: negative; each layer has its own scale, symmetric around 0."
    drawn = _drawn(material, "filters", lambda: Picture("Learned filters", about, filters(weights)))
    return Section("Filters", drawn)


def network(material: Material) -> Section:
    """The architecture (the paper's Fig. 3), the table of layers, and the totals that the paper counts."""
    summary = material.trained.summary
    split = {top: row.bottoms[0] for row in summary.rows if row.copies for top in row.tops}
    rows = []
    for row in summary.rows:
        if not row.copies:  # readers of a split blob are shown with the author's name for it
            shapes = ", ".join("x".join(map(str, shape)) if shape else "scalar" for shape in row.shapes)
            flow = f"{', '.join(split.get(name, name) for name in row.bottoms)} → {', '.join(row.tops)}".strip()
            rows.append((row.name, row.type, flow, shapes, f"{row.parameters:,}" if row.parameters else "–"))
    total = ("total", "", "", "", f"{summary.parameters:,}")
    facts = []
    if summary.code is not None:
        sizes = "-".join(str(elements) for _, elements in summary.hidden)
        facts.append(f"Auto-encoder size: {summary.size:,} elements ({sizes}); the code is {summary.code}.")
    if summary.symmetric is not None:
        verdict = (
            "mirror each other within 5 %" if summary.symmetric else f"do not mirror each other: {summary.asymmetry}"
        )
        facts.append(f"Encoder and decoder {verdict}.")
    header = ("layer", "type", "bottoms → tops", "shapes of the tops", "parameters")
    plan = material.trained.net.plan
    table = Table(header, rows, total, " ".join(facts))
    if len(plan.steps) > MOST_LAYERS:
        return Section("Network", [table], f"Its {len(plan.steps):,} layers are too many for a picture here.")
    about = "Maps and neurons on the way from the image to the losses; all sides in one scale."
    picture = _drawn(material, "drawing of the network", lambda: Picture("Architecture", about, plan_figure(plan)))
    return Section("Network", [*picture, table])


def settings(material: Material) -> Section:
    """How the run was made, and its texts."""
    run, finished, chosen = material.run, material.last("finished"), material.trained.chosen
    about = [
        ("seed", run.about.get("seed")),
        ("device", run.about.get("device")),
        ("machine", run.about.get("machine")),
    ]
    if chosen is not None:
        written = time.strftime("%Y-%m-%d %H:%M", time.localtime(chosen.snapshot.model.stat().st_mtime))
        about += [("snapshot", chosen.snapshot.model.name), ("of iteration", f"{chosen.iteration:,}")]
        about += [("written", written)]
    if finished:
        about += [("ended", f"{finished['reason']} at iteration {finished['iteration']:,}")]
    fields = [(name, str(value)) for name, value in _solver_fields(run.solver_document.message)]
    texts = [
        Text("solver.prototxt", to_text(run.solver_document.message)),
        Text("net.prototxt", to_text(run.net_document.message)),
    ]
    tables = [
        Table(("run", ""), [(name, str(value)) for name, value in about if value is not None], half=True),
        Table(("solver", ""), fields, half=True),
    ]
    return Section("Run", [*tables, *texts])


def _solver_fields(message: Any) -> list[tuple[str, Any]]:
    """The scalar fields that the solver sets, numbers as written."""
    found = []
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None or descriptor.name in (
            "net",
            "test_net",
            "train_net",
            "snapshot_prefix",
        ):
            continue
        if descriptor.enum_type is not None and not hasattr(value, "append"):
            value = descriptor.enum_type.values_by_number[value].name
        values = list(value) if hasattr(value, "append") else [value]
        found.append((descriptor.name, ", ".join(map(_plain, values))))
    return found


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _losses(material: Material, phase: str) -> dict[str, float]:
    """The last value of every output of one number."""
    record: Mapping[str, Any] = material.last("finished").get(phase) or material.last(phase).get("outputs") or {}
    return {blob: float(value) for blob, value in record.items() if not isinstance(value, list | tuple)}


def _origin(material: Material) -> str:
    return material.examples.origin if material.examples is not None else ""


def _size(material: Material) -> str:
    summary = material.trained.summary
    return f"auto-encoder size {summary.size:,}" if summary.code is not None else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if abs(value) >= 1 else f"{value:.4f}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"
