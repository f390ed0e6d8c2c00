"""What a report is made of: everything computed once, before a word of it is laid out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..codes import Separation, classes_separated, knn_accuracy, tsne
from ..codes.measure import NEIGHBOURS
from ..errors import DataError
from ..printed import tables as printed
from ..solver.run import Run
from ..trained.examples import BATCH, Examples, one_each, open_examples
from ..trained.network import AS_TOLD, Named, Trained
from ..trained.passes import encoded

FEWEST = 5  # codes of which a map can be made


@dataclass
class Material:
    """A run, its net, and what became of the examples. `missing`: what cannot be shown, and why."""

    run: Run
    trained: Trained
    examples: Examples | None = None
    codes: np.ndarray | None = None  # (N, K)
    labels: np.ndarray | None = None  # (N,)
    missing: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)  # in the data, once they are shown

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The run's records, oldest first."""
        return self.run.metrics()

    @cached_property
    def name(self) -> str:
        """The net's name, else the folder's."""
        return self.trained.net.name or self.run.folder.name

    @property
    def dims(self) -> int | None:
        """N, the numbers of a code."""
        return None if self.codes is None else self.codes.shape[1]

    @cached_property
    def map2d(self) -> np.ndarray | None:
        """(N, 2): codes of two numbers as they are, others as their t-SNE map; None for too few."""
        if self.codes is None or len(self.codes) < FEWEST:
            return None
        if self.codes.shape[1] == 2:
            return self.codes
        return tsne(self.codes, seed=int(self.run.about.get("seed") or 0))

    @cached_property
    def separation(self) -> Separation | None:
        """Which classes lie apart on the map."""
        return None if self.map2d is None or self.labels is None else classes_separated(self.map2d, self.labels)

    @cached_property
    def knn(self) -> float | None:
        """Leave-one-out accuracy of the codes' `NEIGHBOURS` nearest; None for too few."""
        if self.codes is None or self.labels is None or len(self.codes) <= NEIGHBOURS:
            return None
        return knn_accuracy(self.codes, self.labels)

    @cached_property
    def restored(self) -> str | None:
        """The blob of restored images, if the net has one of the input's size."""
        try:
            blob = self.trained.restored
        except DataError:
            return None
        shapes = self.trained.net.plan.shapes
        first, last = shapes.get(self.trained.images), shapes.get(blob)
        same = first and last and np.prod(first[1:]) == np.prod(last[1:])
        return blob if same else None

    @cached_property
    def paper(self) -> printed.Reached | None:
        """What the paper reached with this network and as many test images."""
        if self.examples is None or self.dims is None:
            return None
        return printed.reached(self.name, self.dims, len(self.examples))

    def last(self, kind: str) -> dict[str, Any]:
        """The last record of a kind; {} where there is none."""
        return next((record for record in reversed(self.metrics) if record.get("kind") == kind), {})


def gather(
    run: Run, data: Path | None, limit: int, device: str, named: Named = AS_TOLD, snapshot: str | None = None
) -> Material:
    """Open the run's net and encode its test data (or `data`), `limit` examples at most."""
    material = Material(run, Trained.of_run(run, device, named, snapshot))
    try:
        examples = open_examples(material.trained, data)
        examples = examples if data is not None else replace(examples, origin="the test data")
    except DataError as error:
        if data is not None:
            raise
        material.missing.append(f"No codes and no images: {error}")
        return material
    material.examples = _first(examples, limit)
    try:
        code = material.trained.code
    except DataError as error:
        material.missing.append(f"No codes: {error}")
        return material
    codes, labels = encoded(material.trained, material.examples, code)
    if examples.classified:
        material.labels = labels
    material.codes = codes.reshape(len(codes), -1)
    finite = np.isfinite(material.codes).all(axis=1)
    if not finite.all():
        material.missing.append(
            f"No codes: {np.count_nonzero(~finite)} of {len(codes)} hold values that are not finite."
        )
        material.codes = None
    return material


def _first(examples: Examples, limit: int) -> Examples:
    """The first `limit` examples, as rows in memory; `examples` itself where it has no more."""
    if len(examples) <= limit:
        return examples
    from ..data.stream import ArrayRows

    parts = [examples.take(start, min(start + BATCH, limit)) for start in range(0, limit, BATCH)]
    arrays = {examples.images: np.concatenate([images for images, _ in parts])}
    if examples.labels is not None:
        arrays[examples.labels] = np.concatenate([labels for _, labels in parts if labels is not None])
    return replace(
        examples, rows=ArrayRows(arrays), origin=f"the first {limit:,} of {examples.origin}", labels_alone=None
    )


def samples(material: Material, most: int = 10) -> list[tuple[int, Any]]:
    """(index, class) of the first example of each class, at most `most`; without labels, of the first example.

    The paper's Fig. 7 shows a 2, so that class comes first.
    """
    if material.examples is None:
        return []
    if material.labels is None:
        return [(0, None)]
    names, first = np.unique(one_each(material.labels), return_index=True)
    found = [(int(index), name.item()) for name, index in zip(names, first, strict=True)][:most]
    return sorted(found, key=lambda sample: sample[1] != 2)
