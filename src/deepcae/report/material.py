"""Everything that a report shows, computed once, before the page is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..codes import Separation, classes_separated, knn_accuracy, tsne
from ..codes.cluster import Clusters, find_clusters
from ..codes.columns import Column
from ..codes.measure import NEIGHBOURS
from ..errors import DataError, SpecError
from ..layers.loss import EuclideanLoss
from ..net.advice import authors_name
from ..prepare.write import ALL
from ..printed import tables as printed
from ..recording.origin import Origins, data_of, known_origins
from ..recording.timeline import Recorded, recorded_of
from ..solver.run import Run
from ..trained.examples import Examples, open_examples, training_examples
from ..trained.linear import Linear, linear
from ..trained.network import DESIGN, Trained
from ..trained.passes import judged_blocks, restoring
from ..zoo.linear import ENCODE
from .coloured import column

FEW = 100  # held-out images: of fewer a map says little
WHOLE = 10_000  # images of a recording that are encoded for its time course
FEWEST = 5  # codes of which a map can be made
LIMIT = 10_000  # examples that are encoded and drawn: MNIST's test set


@dataclass
class Material:
    """A run's net, and what became of the examples. `missing`: what cannot be shown, and why."""

    trained: Trained
    examples: Examples | None = None
    codes: np.ndarray | None = None  # (N, K)
    labels: np.ndarray | None = None  # (N,)
    errors: np.ndarray | None = None  # (N,), half the squared error of each image
    quantity: np.ndarray | None = None  # (N,), the labels where they are no classes but a quantity
    colours: list[Column] = field(default_factory=list)  # of the points of the maps, the first one's first
    own: bool = False  # whether the examples are the run's own test data
    origins: Origins | None = None  # where the examples come from, if their files say it
    missing: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)  # in the data, once they are shown
    asked: tuple[str, ...] = ()  # by what a person wants the points to be coloured

    @property
    def run(self) -> Run:
        """The run that the net is of."""
        assert self.trained.run is not None
        return self.trained.run

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The run's records, oldest first."""
        return self.run.metrics()

    @cached_property
    def name(self) -> str:
        """The net's name; the folder's, where the net is a designed one."""
        return self.trained.title

    def called(self, index: int) -> str:
        """What the user calls an example: its number in the recording, its file and number, or its name."""
        return str(index) if self.origins is None else self.origins.called(index)

    @property
    def called_by(self) -> str:
        """What `called` gives, in words."""
        return "its number in the data, from 0" if self.origins is None else self.origins.told

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
        return restoring(self.trained)

    @cached_property
    def recorded(self) -> Recorded | None:
        """The whole recording that the run was prepared with, where its images follow each other."""
        return recorded_of(self.trained, WHOLE) if self.own and self.codes is not None else None

    @cached_property
    def mapped(self) -> Material:
        """That of all images of the run, where so few were held out that these alone make no map; else this one."""
        count = 0 if self.codes is None else len(self.codes)
        few = self.own and 0 < count < FEW
        place = data_of(self.trained, None) if few and self.trained.net.sources else None
        if place is None or place.name != ALL:
            return self
        try:
            whole = open_examples(self.trained, place)
            told = f"all {len(whole):,} images, {count:,} held out"
            of = Material(self.trained, missing=self.missing, strange=self.strange)
            of.origins = known_origins(self.trained, place, len(whole))
            found = of_examples(of, replace(whole, origin=told).some(LIMIT), self.asked)
        except DataError:
            return self
        return self if found.codes is None else found

    @cached_property
    def clusters(self) -> Clusters | None:
        """Heaps of the codes, where there are no classes: of a whole recording, or else of the examples."""
        if self.codes is None or self.labels is not None:
            return None
        try:
            return find_clusters(self.codes if self.recorded is None else self.recorded.line.codes)
        except DataError:
            return None

    @cached_property
    def linear(self) -> Linear | None:
        """PCA with as many dimensions as the code, fitted to the run's training images; None without these."""
        if self.trained.run is None or self.examples is None or self.errors is None or self.dims is None:
            return None
        try:
            return linear(training_examples(self.trained), self.examples, self.dims)
        except (DataError, SpecError):
            return None

    @cached_property
    def lines(self) -> dict[str, dict[str, float]]:
        """PCA's line, for each loss that is half the squared error of the restored image."""
        if self.linear is None or self.linear.pca is None:
            return {}
        steps = self.trained.net.plan.steps
        blobs = [
            step.tops[0]
            for step in steps
            if issubclass(step.kind, EuclideanLoss)
            and self.restored in [authors_name(steps, each) for each in step.bottoms]
        ]
        return {f"PCA, N = {self.linear.dims}": dict.fromkeys(blobs, self.linear.pca)} if blobs else {}

    @property
    def verdicts(self) -> list[str]:
        """What must be said of the network as a whole: that PCA is better; that classes are told by their files."""
        alike = "" if self.origins is None or self.labels is None else self.origins.confounded(self.labels)
        said = [alike] if alike else []
        if self.linear is None or self.errors is None or self.linear.pca is None:
            return said
        mean, by_pca = float(self.errors.mean()), self.linear.pca
        if not self.linear.beats(mean):
            return said
        return [
            *said,
            f"PCA with as many numbers ({self.linear.dims}) restores these images better than this network: half the "
            f"squared error is {by_pca:.4g} by PCA, {mean:.4g} by the network. Train longer, with more images, or "
            "with a network of another size." + (" Even the mean image is better." if mean > self.linear.mean else ""),
        ]

    def value(self, name: str) -> np.ndarray:
        """A value for each image (N,): `order` (its place), `label`, `error`, `cluster`, or an array of the data.

        Or what is known of where it comes from: `row` (its number in its file), `source`, `time`, ...
        """
        assert self.examples is not None
        known: dict[str, np.ndarray | None] = {
            **({} if self.origins is None else self.origins.columns(slice(0, len(self.examples)))),
            "label": self.labels if self.labels is not None else self.quantity,
            "order": np.arange(len(self.examples)),
            "error": self.errors,
            "cluster": None if name != "cluster" or self.codes is None else find_clusters(self.codes).labels,
        }
        if (
            name == "time"
            and name not in known
            and (self.examples.contents is None or "time" not in self.examples.contents.names)
        ):
            name = "order"
        if name in known:
            found = known[name]
            if found is None:
                raise DataError(f"{self.examples.origin}: there is no {name} to colour the points by")
            return found
        return self.examples.column(name)

    @cached_property
    def paper(self) -> printed.Reached | None:
        """What the paper reached with this network and as many test images."""
        if self.examples is None or self.dims is None:
            return None
        return printed.reached(self.name, self.dims, len(self.examples))

    @property
    def shown_test(self) -> dict[str, Any] | None:
        """The outputs of the test of the weights that are shown, of the first test net; None where there was none."""
        chosen = self.trained.chosen
        if chosen is None:
            return None
        tests = [record for record in self.metrics if record.get("kind") == "test"]
        of = (record for record in reversed(tests) if record.get("iteration") == chosen.iteration)
        return next((record.get("outputs") for record in of if not record.get("net_index")), None)

    @property
    def shown_train(self) -> dict[str, Any] | None:
        """The outputs of the training when the weights that are shown were made, if the run went on after that."""
        chosen = self.trained.chosen
        trained = [record for record in self.metrics if record.get("kind") in ("train", "last_pass")]
        if chosen is None or not trained or trained[-1]["iteration"] <= chosen.iteration:
            return None
        near = min(trained, key=lambda record: abs(record["iteration"] - chosen.iteration))
        return near.get("outputs")

    @cached_property
    def is_designed(self) -> bool:
        """Whether the net is one of `zoo design`, which keeps the weights of its best test."""
        names = {step.name for step in self.trained.net.plan.steps}
        return ENCODE in names or self.trained.net.name.startswith(DESIGN)

    @cached_property
    def keeps_pca(self) -> bool:
        """Whether the weights that are shown are the PCA that a designed network starts as, though it learned on."""
        chosen, names = self.trained.chosen, {step.name for step in self.trained.net.plan.steps}
        learned = any(record.get("kind") in ("train", "last_pass") for record in self.metrics)
        return ENCODE in names and learned and chosen is not None and chosen.iteration == 0

    def last(self, kind: str) -> dict[str, Any]:
        """The last record of a kind; {} where there is none."""
        return next((record for record in reversed(self.metrics) if record.get("kind") == kind), {})


def gather(trained: Trained, data: Path | None, limit: int, colour_by: Sequence[str] = ()) -> Material:
    """Encodes the test data of a run's net (or `data`), `limit` examples at most, spread over all.

    `colour_by`: names as `Material.value` takes them, or files, see `coloured`.
    """
    material = Material(trained)
    try:
        examples = open_examples(trained, data)
        examples = examples if data is not None else replace(examples, origin="the test data")
    except DataError as error:
        if data is not None:
            raise
        material.missing.append(f"No codes and no images: {error}")
        return material
    material.own = data is None
    material.origins = known_origins(trained, data, len(examples))
    return of_examples(material, examples.some(limit), colour_by)


def of_examples(material: Material, examples: Examples, colour_by: Sequence[str] = ()) -> Material:
    """The material with the codes and errors of some examples, of all of them."""
    origins = material.origins
    if origins is not None and examples.numbers is not None:
        material = replace(material, origins=origins.some(examples.numbers))
    material.examples, material.asked = examples, tuple(colour_by)
    try:
        code = material.trained.code
    except DataError as error:
        material.missing.append(f"No codes: {error}")
        return material
    blocks = list(judged_blocks(material.trained, material.examples, code))
    material.codes = np.concatenate([each.codes for each in blocks]).reshape(len(material.examples), -1)
    material.errors = _joined([each.errors for each in blocks])
    labels = _joined([each.labels for each in blocks])
    if examples.classified:
        material.labels = labels
    elif examples.measured:
        material.quantity = labels
    material.colours = _colours(material, colour_by)
    finite = np.isfinite(material.codes).all(axis=1)
    if not finite.all():
        material.missing.append(
            f"No codes: {np.count_nonzero(~finite)} of {len(finite)} hold values that are not finite."
        )
        material.codes = None
    return material


def _joined(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there and len(there) == len(parts) else None


def _colours(material: Material, asked: Sequence[str]) -> list[Column]:
    """By what the maps are coloured: by class; else by the labels' quantity, or the images' order, and the error."""
    assert material.examples is not None
    if material.labels is not None:
        found = [Column("class", material.labels, classes=True)]
    else:
        title = material.examples.meaning.title or "label"
        place = "row" if material.origins is not None and material.origins.numbered else "order"
        names = {title: "label"} if material.quantity is not None else {place: place}
        names |= {"error": "error"} if material.errors is not None and np.isfinite(material.errors).any() else {}
        found = [Column(name, material.value(of).astype(np.float64), classes=False) for name, of in names.items()]
    have = {each.name for each in found}
    source, numbers = material.examples.num_source, material.examples.numbers
    return found + [
        column(name, source, material.value, numbers, material.origins) for name in asked if name not in have
    ]


def samples(material: Material, most: int = 10) -> list[tuple[int, Any]]:
    """(index, class) of the first example of each class, at most `most`; without labels, of the first example.

    The paper's Fig. 7 shows a 2, so that class comes first.
    """
    if material.examples is None:
        return []
    if material.labels is None:
        return [(0, None)]
    names, first = np.unique(material.labels, return_index=True)
    found = [(int(index), name.item()) for name, index in zip(names, first, strict=True)][:most]
    return sorted(found, key=lambda sample: sample[1] != 2)
