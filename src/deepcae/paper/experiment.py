"""An experiment of the paper: a training, described by nothing but values, and the key that its result is kept under.

    experiment = Experiment("cae2", dims=10, seed=1, iterations=20_000)
    net_text, solver_text = experiment.texts(data)
    key = experiment.key(data)

The key is a hash of what the result depends on. How a text is laid out, how often a run is tested, displayed or saved,
and where its data lie move no weight, so they are no part of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..data.lists import read_list
from ..inplace import open_to_read
from ..proto.changed import change_layers
from ..proto.read import read_net_text, read_solver_text
from ..proto.text import merge, to_text
from ..zoo import build

ARITHMETIC = 1  # raised when a change of the program moves the losses of a fixed seed by more than rounding
JUDGING = 1  # raised when a change of the program moves what a trained network is judged to be worth
SNAPSHOTS = 5  # of each run
PAIRS = "siamese"  # the network that learns from pairs of images
TEST = 1  # Caffe's number of the phase
_MOVES_NO_WEIGHT = (
    "snapshot", "snapshot_prefix", "snapshot_after_train", "test_iter", "test_interval", "test_initialization",
    "test_compute_loss", "test_state", "display", "average_loss",
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """The list files of the images, train and test. `pairs`: the folder for the pairs that are made of them."""

    train: Path
    test: Path
    pairs: Path

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes of all files that the lists name."""
        sum_of_all = hashlib.sha256()
        for number, files in enumerate((read_list(self.train), read_list(self.test))):
            if number and len(files) > 1:
                sum_of_all.update(b"test")  # of two lists with more than one file: where the one ends
            for path in files:
                with open_to_read(path) as file:
                    sum_of_all.update(hashlib.file_digest(file, "sha256").digest())
        return sum_of_all.hexdigest()

    @property
    def pair_lists(self) -> tuple[Path, Path]:
        """The list files of the pairs, train and test: those of other images lie in another folder."""
        folder = self.pairs / self.digest[:16]
        return folder / "train.txt", folder / "test.txt"


@dataclass(frozen=True)
class Experiment:
    """A training of `network` with `dims` code neurons from `seed`.

    `settings`: solver text laid over the network's own. `changes`: layers laid over those of their names, see
    `proto.changed`. `variant`: what these two are called.
    """

    network: str
    dims: int
    seed: int
    iterations: int
    settings: str = ""
    changes: str = ""
    variant: str = ""

    @property
    def name(self) -> str:
        """`cae2-10-seed-1`, `classic-2000-30-fan-in-seed-3`."""
        return "-".join([self.network, str(self.dims), *filter(None, [self.variant]), "seed", str(self.seed)])

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Experiment:
        """The inverse of `to_json`."""
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """Its values, as JSON's types."""
        return asdict(self)

    def texts(self, data: Data, folder: Path | None = None) -> tuple[str, str]:
        """The network's and the solver's text, to lie in `folder`. SpecError where there is nothing to change."""
        train, test = data.train, data.test
        if self.network == PAIRS:
            train, test = data.pair_lists
        model = build(self.network, self.dims, train, test, folder=folder)
        net = change_layers(model.net_text, self.changes, self.name) if self.changes else model.net_text
        solver = read_solver_text(model.solver_text, "solver.prototxt")
        every = max(1, self.iterations // SNAPSHOTS)
        merge(solver, f"max_iter: {self.iterations} snapshot: {every}", "iterations")
        merge(solver, f"test_interval: {self.iterations + 1} test_initialization: false", "tests")
        merge(solver, self.settings, "settings")
        return net, to_text(solver.message)

    def depends_on(self, data: Data) -> dict[str, Any]:
        """All that the result depends on."""
        from ..kernels.choice import has_core, preference

        net_text, solver_text = self.texts(data)
        net, solver = read_net_text(net_text).message, read_solver_text(solver_text).message
        for layer in net.layer:
            if layer.HasField("hdf5_data_param"):
                layer.hdf5_data_param.ClearField("source")
                if any(rule.phase == TEST for rule in layer.include):
                    layer.hdf5_data_param.ClearField("batch_size")
        for field in _MOVES_NO_WEIGHT:
            solver.ClearField(field)
        return {
            "net": to_text(net),
            "solver": to_text(solver),
            "seed": self.seed,
            "data": data.digest,
            "kernels": {"rule": preference(), "core": has_core()},
            "arithmetic": ARITHMETIC,
        }

    def key(self, data: Data) -> str:
        """16 hexadecimal digits."""
        text = json.dumps(self.depends_on(data), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
