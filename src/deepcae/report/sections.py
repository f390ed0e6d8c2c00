"""The sections of a run's page, each made from the material and nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codes.measure import NEIGHBOURS
from ..draw import plan_figure
from ..page.html import Folded, Picture, Section, Table, Text, Tile
from ..printed.tables import CLASSES
from ..proto.text import to_text
from ..trained import passes
from ..trained.kernels import as_drawn, kernels
from ..viz import filters, layer_panels, loss_curves
from ..viz.curves import unit_of
from ..zoo.linear import DECODE, ENCODE
from .advice import later_tests
from .material import Material, samples
from .shown import drawn, duration, loss, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITH_TESTS = 1.05  # times an iteration alone: what its share of the tests adds is told
MOST_LAYERS, MOST_TILES = 300, 24  # that are drawn; that are told first


def tiles(material: Material) -> list[Tile]:
    """The numbers that people look for first."""
    found = [Tile("kept", "PCA", _nothing_learned(material))] if material.keeps_pca else []
    reached = material.paper
    for blob, value in list(_losses(material, "test").items())[:MOST_TILES]:
        beside = f"paper: {reached.test[blob]:.2f}" if reached and blob in reached.test else unit_of(blob)
        found.append(Tile(blob, loss(value), f"test; {beside}"))
    if material.linear is not None and material.errors is not None:
        by_pca, mine = material.linear.pca, float(material.errors.mean())
        if by_pca is not None:
            note = f"½·squared error per image; this network: {loss(mine)}"
            found.append(Tile(f"PCA, N = {material.linear.dims}", loss(by_pca), note))
    if material.knn is not None:
        found.append(
            Tile("kNN accuracy", percent(material.knn), f"of the codes, {NEIGHBOURS} neighbours, leave-one-out")
        )
    if (separation := material.mapped.separation) is not None:
        note = f"paper, by eye: {reached.classes} of {CLASSES}" if reached else "in the map of the codes"
        found.append(Tile("classes separated", str(separation), note))
    found.append(Tile("parameters", f"{material.trained.summary.learned:,}", _size(material)))
    return [*found, *_training(material)]


def _nothing_learned(material: Material) -> str:
    return f"iteration 0: the codes are the images' principal components; {later_tests(material.metrics)}"


def _training(material: Material) -> list[Tile]:
    """The time of the last part of a run in which it learned, which tells of that part alone."""
    begun, last = 0, None
    for record in material.metrics:
        if record["kind"] == "started":
            begun = record.get("iteration", 0)
        elif record["kind"] == "finished" and record["iteration"] > begun:
            last = begun, record
    if last is None:
        return []
    begun, finished = last
    part = f" from iteration {begun:,} on" if begun else ""
    seconds = finished["seconds_per_iteration"]
    together = finished["seconds"] / (finished["iteration"] - begun)
    tested = f", {_each(together)} with its tests" if together > WITH_TESTS * seconds else ""
    note = f"{_each(seconds)} per iteration{tested}{part}"
    return [Tile("training", duration(finished["seconds"]), note)]


def _each(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def losses(material: Material) -> Section:
    """The curves, and the last values beside the paper's."""
    train, test, reached = _losses(material, "train"), _losses(material, "test"), material.paper
    blobs = list(dict.fromkeys([*train, *test]))
    if not blobs:
        return Section("Losses", [])
    pictures = drawn(material, "curves of the losses", lambda: _curves(material))
    rows = []
    for blob in blobs:
        row = [blob, unit_of(blob), *(loss(known.get(blob)) for known in (train, test) if known)]
        if reached:
            row += [loss(reached.train.get(blob)), loss(reached.test.get(blob))]
        rows.append(row)
    phases = [name for name, known in (("train", train), ("test", test)) if known]
    header = ["loss", "unit", *phases, *(["paper, train", "paper, test"] if reached else [])]
    caption = "The paper's: means of its three runs." if reached else ""
    return Section("Losses", [*pictures, Table(header, rows, caption=caption, half=len(blobs) == 1)])


def _curves(material: Material) -> Picture:
    reference = material.paper.test if material.paper else None
    lines, about = material.lines, ""
    if lines:
        about = " PCA: with as many numbers, fitted to the training images, on the test images."
    figure = loss_curves(material.metrics, reference=reference, reference_name="paper, test", lines=lines)
    return Picture("Losses", f"Training (thin: as recorded; thick: mean of a moving window) and test.{about}", figure)


def layers(material: Material) -> Section:
    """One image's way through the network for each class; one in sight, the others folded away."""
    pages: list[Picture] = []
    for index, label in samples(material):
        pages += drawn(material, f"layers of image {material.called(index)}", partial(_way, material, index, label))
    others = [Folded("The other classes", pages[1:])] if len(pages) > 1 else []
    return Section("Layer by layer", [*pages[:1], *others])


def _way(material: Material, index: int, label: Any) -> Picture:
    assert material.examples is not None
    trained, shown = material.trained, "Every blob"
    blobs = passes.layer_by_layer(trained, material.examples, index)
    of_class, in_words = ("", "") if label is None else (f", class {label}", f" (class {label})")
    about = f" from image {material.called(index)}{in_words} on: its size as Caffe shows it, and [min, max]."
    if material.keeps_pca:
        linear = (trained.images, ENCODE, trained.code, DECODE, trained.restored)
        blobs, shown = [(name, blob) for name, blob in blobs if name in linear], "The linear way"
        about += " PCA is kept: the layers beside it have not learned, add nothing, and are left out."
    figure = layer_panels(blobs, label, images=trained.image_blobs, scores=trained.roles.scores)
    return Picture(f"Layer by layer{of_class}", f"{shown}{about}", figure)


def filters_of(material: Material) -> Figure:
    """The learned kernels; the principal components where these are what was kept. DataError where there are none."""
    weights = kernels(material.trained)
    if material.keeps_pca and ENCODE in weights:
        return filters({ENCODE: weights[ENCODE]}, "Principal components: PCA is kept, and no filter was learned")
    return filters(weights, as_drawn=as_drawn(material.trained))


def learned(material: Material) -> Section:
    """Learned kernels; of fully connected layers those that read or write images."""
    weights = kernels(material.trained)
    if material.keeps_pca:
        return _components(material, weights.get(ENCODE))
    if not weights:
        return Section("Filters", [])
    about = "Red: positive weights, blue: negative; each layer has its own scale, symmetric around 0."
    pictures = drawn(material, "filters", lambda: Picture("Learned filters", about, filters_of(material)))
    return Section("Filters", pictures)


def _components(material: Material, weights: np.ndarray | None) -> Section:
    """Where nothing was learned, the kernels of the other layers are noise, as they were drawn."""
    intro = "The weights that are kept are those of iteration 0: PCA. No filter was learned, so that none is shown."
    if weights is None:
        return Section("Filters", [])
    about = "The principal components: the code has a number for each, how much of it an image holds. "
    about += "Red: positive weights, blue: negative."
    pictures = drawn(material, "components", lambda: Picture("Principal components", about, filters_of(material)))
    return Section("Filters", pictures, intro)


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
    facts = [] if summary.learned == summary.parameters else [f"Parameters: {summary.counted}."]
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
    picture = drawn(material, "drawing of the network", lambda: Picture("Architecture", about, plan_figure(plan)))
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
    """The value of every output of one number for the weights shown, where it is known; else the last one."""
    ended = [record[phase] for record in material.metrics if record["kind"] == "finished" and record.get(phase)]
    last: Mapping[str, Any] = ended[-1] if ended else material.last(phase).get("outputs") or {}
    record = (material.shown_test if phase == "test" else material.shown_train) or last
    return {blob: float(value) for blob, value in record.items() if not isinstance(value, list | tuple)}


def _size(material: Material) -> str:
    summary = material.trained.summary
    size = f"auto-encoder size {summary.size:,}" if summary.code is not None else ""
    fixed = summary.parameters - summary.learned
    return "; ".join(filter(None, [f"learned; {fixed:,} more are fixed" if fixed else "", size]))
