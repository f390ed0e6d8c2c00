"""What the paper reached: losses of three runs on MNIST and its count of classes by eye (Tables I and IV).

The numbers are data beside this file: a file for each of the paper's tables.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

LOSSES = ("cross_entropy_loss", "l2_error")
RUNS, CLASSES = 3, 30
TEST_IMAGES = 10_000  # MNIST's; other data cannot be compared


@dataclass(frozen=True)
class PaperRun:
    """One run of the paper: its losses by loss blob."""

    train: dict[str, float]
    test: dict[str, float]


@dataclass(frozen=True)
class Cell:
    """Three runs of the paper with one network and N, and its classes "correctly classified", of 30."""

    network: str
    dims: int
    runs: tuple[PaperRun, ...]
    classes: int


@dataclass(frozen=True)
class Reached:
    """Means of the paper's three runs by loss blob, and its classes "correctly classified", of 30."""

    train: dict[str, float]
    test: dict[str, float]
    classes: int


def table(name: str) -> dict[str, Any]:
    """A table of the paper (`table1` to `table5`) as it is printed."""
    printed: dict[str, Any] = json.loads(files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return printed


@cache
def cells(name: str) -> dict[tuple[str, int], Cell]:
    """The cells of `table1` or `table4`, by network and N, in the paper's order."""
    found = {}
    for row in table(name)["rows"]:
        for cell in row["cells"]:
            runs = tuple(PaperRun(_losses(run["train"]), _losses(run["test"])) for run in cell["runs"])
            found[row["network"], cell["dims"]] = Cell(row["network"], cell["dims"], runs, cell["classes"])
    return found


def _losses(values: list[float]) -> dict[str, float]:
    return dict(zip(LOSSES, values, strict=True))


def reached(network: str, dims: int, num_images: int) -> Reached | None:
    """The paper's result for a network of the zoo with N = `dims`; None where it has none, or for other test data."""
    cell = {**cells("table1"), **cells("table4")}.get((network, dims))
    if cell is None or num_images != TEST_IMAGES:
        return None
    train, test = ([getattr(run, part) for run in cell.runs] for part in ("train", "test"))
    return Reached(_means(train), _means(test), cell.classes)


def _means(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(run[name] for run in runs) / RUNS for name in LOSSES}
