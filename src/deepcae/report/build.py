"""The page of one run: from the run directory to report.html."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from ..page.html import Page, write
from ..trained.network import Trained
from . import heaps, known, maps, restored, sections
from .advice import Judged, judged_of, next_step
from .material import LIMIT, Material, gather

SECTIONS = (
    maps.codes,
    known.known,
    maps.images,
    heaps.over_time,
    heaps.clusters,
    restored.restored,
    sections.losses,
    sections.layers,
    sections.learned,
    sections.network,
    sections.settings,
)


def build(
    trained: Trained,
    output: Path | None = None,
    data: Path | None = None,
    *,
    limit: int = LIMIT,
    tell: Callable[[str], object] | None = None,
    colour_by: Sequence[str] = (),
) -> Path:
    """Writes a run's report.html (or `output`): all pictures and numbers, made with its test data (or `data`).

    `tell` gets a line for what is strange in the data; so does the page.
    `colour_by`: by what the points of further maps are coloured, see `Material.colour_by`.
    """
    material = gather(trained, data, limit, colour_by)
    whole = page(material)
    if tell is not None:
        for strange in material.strange:
            tell(f"warning: {strange}")
    return write(whole, output or material.run.folder / "report.html")


def page(material: Material) -> Page:
    """The material laid out."""
    dims = f", N = {material.dims}" if material.dims else ""
    warned = [
        f"Iteration {record['iteration']:,}: {record['message']}"
        for record in material.metrics
        if record["kind"] == "warned"
    ]
    shown = [make(material) for make in SECTIONS]  # first: what cannot be drawn is told among the warnings
    material.strange.extend(material.trained.range_check.warnings())
    return Page(
        f"{material.name}{dims}",
        _lead(material),
        sections.tiles(material),
        shown,
        [*material.missing, *material.strange, *material.verdicts, *warned],
    )


def _lead(material: Material) -> str:
    chosen, newest = material.trained.chosen, material.run.latest_snapshot()
    last = newest.iteration if newest is not None else chosen.iteration if chosen is not None else 0
    told = f" Shown: {chosen.told}." if chosen is not None and chosen.told else ""
    shown = f" Shown with {material.examples.origin}: {len(material.examples):,} images." if material.examples else ""
    step = next_step(material.metrics, _judged(material)) if material.is_designed else ""
    return f"Trained for {last:,} iterations.{told}{shown}{f' What to try next: {step}.' if step else ''}"


def _judged(material: Material) -> Judged:
    """As `fit` judged it; of a training by hand, which knows no --minutes, beside PCA."""
    folder = material.run.folder
    by = shlex.join(["deepcae", "train", "--out", str(folder), "--snapshot", "latest"])
    pca = None if material.linear is None else material.linear.pca
    return judged_of(folder) or Judged(pca=pca, bounded=False, by=by)
