"""Which trainings each table and figure of the paper is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..report import paper as printed
from ..zoo import names as zoo_names
from .experiment import Experiment

SEEDS = 3  # as many runs as the paper made
DIMS = (2, 10, 30)
TENTH = 10  # what `quick` leaves of the iterations
CLASSIC, CAE, SIAMESE = 5_000, 20_000, 50_000  # iterations of the paper, and of Caffe's example
STEP = 1_000  # stepsize of the classic networks
TIMED = ("classic-1000", "cae1", "cae2")  # of Table V, with N = 2


def training(
    network: str, dims: int, seed: int, quick: bool = False, *, variant: str = "", settings: str = "",
    changes: Sequence[tuple[str, str]] = (),
) -> Experiment:  # fmt: skip
    """A training as the paper made it; `quick`: a tenth of the iterations, and of the steps of the learning rate."""
    classic = network.startswith("classic")
    iterations = CLASSIC if classic else SIAMESE if network == "siamese" else CAE
    if quick:
        iterations //= TENTH
        settings = " ".join([f"stepsize: {STEP // TENTH}", settings]).strip() if classic else settings
    return Experiment(network, dims, seed, iterations, settings, tuple(changes), variant)


def _losses(table: str, seeds: int, quick: bool) -> list[Experiment]:
    cells = printed.cells(table)
    return [training(network, dims, seed, quick) for network, dims in cells for seed in range(1, seeds + 1)]


def _times(seeds: int, quick: bool) -> list[Experiment]:
    return [training(network, 2, 1, quick) for network in TIMED]


def _none(seeds: int, quick: bool) -> list[Experiment]:
    return []


def _one(network: str, dims: int, seeds: int, quick: bool) -> list[Experiment]:
    return [training(network, dims, 1, quick)]


def _pooled(seeds: int, quick: bool) -> list[Experiment]:
    pooled = [name for name in zoo_names() if "-pool-" in name]
    networks = [each for model in ("cae1", "cae2") for each in (model, *(n for n in pooled if n.startswith(model)))]
    return [training(name, dims, seed, quick) for name in networks for dims in DIMS for seed in range(1, seeds + 1)]


_MADE_OF: dict[str, Callable[[int, bool], list[Experiment]]] = {
    "table1": partial(_losses, "table1"),
    "table2": _none,
    "table3": _none,
    "table4": partial(_losses, "table4"),
    "table5": _times,
    "fig1": partial(_one, "classic-1000", 2),
    "fig2": partial(_one, "siamese", 2),
    "fig3": _none,
    "fig4": partial(_one, "cae2", 2),
    "fig5": partial(_one, "cae2", 10),
    "fig6": partial(_one, "cae2", 30),
    "fig7": partial(_one, "cae2", 10),
    "pooled": _pooled,
}
NAMES = tuple(_MADE_OF)


def needed(name: str, seeds: int = SEEDS, quick: bool = False) -> list[Experiment]:
    """The trainings of one of `NAMES`; [] where the networks' texts alone are enough."""
    return _MADE_OF[name](seeds, quick)
