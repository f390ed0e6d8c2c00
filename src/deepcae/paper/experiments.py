"""Which trainings each table and figure of the paper is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from ..printed import tables as printed
from ..zoo import classic
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
    changes: str = "",
) -> Experiment:  # fmt: skip
    """A training as the paper made it; `quick`: a tenth of the iterations, and of the steps of the learning rate."""
    is_classic = network.startswith("classic")
    iterations = CLASSIC if is_classic else SIAMESE if network == "siamese" else CAE
    if quick:
        iterations //= TENTH
        settings = " ".join([f"stepsize: {STEP // TENTH}", settings]).strip() if is_classic else settings
    return Experiment(network, dims, seed, iterations, settings, changes, variant)


def _losses(table: str, seeds: int, quick: bool) -> list[Experiment]:
    cells = printed.cells(table)
    return [training(network, dims, seed, quick) for network, dims in cells for seed in range(1, seeds + 1)]


def _times(seeds: int, quick: bool) -> list[Experiment]:
    return [training(network, 2, 1, quick) for network in TIMED]


def _none(seeds: int, quick: bool) -> list[Experiment]:
    return []


def _one(network: str, dims: int, seeds: int, quick: bool) -> list[Experiment]:
    return [training(network, dims, 1, quick)]


FOUND_ON = ("cae1", 10)  # the network that the side findings are looked for on
_FILTERS = ("conv1", "conv2", "deconv2", "deconv1", "deconv1neur")  # its layers that learn filters
_FULL = ("ip1encode", "ip2encode", "ip1decode")  # and those that are fully connected
_HIDDEN = ("conv1", "conv2", "ip1encode", "ip1decode", "deconv2", "deconv1")  # whose sigmoids are not the image's


def _each(layers: Iterable[str], body: str) -> str:
    """The same change of each of these layers."""
    return "".join(f'layer {{ name: "{name}" {body} }}\n' for name in layers)


# -1 and 1 are the defaults of what a filler may have been
_SMALL = 'weight_filler { type: "gaussian" std: 0.01 sparse: -1 }'
_XAVIER = 'weight_filler { type: "xavier" std: 1 sparse: -1 }'


@dataclass(frozen=True)
class Finding:
    """A change of the network that the paper tells of: what it is, and what the paper says came of it.

    `worse`: whether that can be judged by the losses; else by how much the runs differ.
    """

    variant: str
    what: str
    paper: str
    changes: str = ""
    worse: bool = False


FINDINGS = (
    Finding("", "as in Table IV", "stable"),
    Finding(
        "entropy-alone", "cross-entropy alone", "does not provide good convergence",
        'layer { name: "l2_error" loss_weight: 0 }', worse=True,
    ),
    Finding(
        "euclidean-alone", "Euclidean loss alone", "does not provide good convergence",
        'layer { name: "cross_entropy_loss" loss_weight: 0 }', worse=True,
    ),
    Finding(
        "relu", "ReLU in place of Sigmoid, but for the image", "worse results",
        _each((f"{name}sig" for name in _HIDDEN), 'type: "ReLU"'), worse=True,
    ),
    Finding(
        "gaussian", "gaussian weights of 0.01 everywhere", "in many cases not stable",
        _each(_FILTERS, f"convolution_param {{ {_SMALL} }}") + _each(_FULL, f"inner_product_param {{ {_SMALL} }}"),
    ),
    Finding(
        "xavier", "xavier weights everywhere", "in many cases not stable",
        _each(_FULL, f"inner_product_param {{ {_XAVIER} }}"),
    ),
)  # fmt: skip


def found(finding: Finding, seeds: int, quick: bool) -> list[Experiment]:
    """The trainings of a finding."""
    network, dims = FOUND_ON
    return [
        training(network, dims, seed, quick, variant=finding.variant, changes=finding.changes)
        for seed in range(1, seeds + 1)
    ]


def _findings(seeds: int, quick: bool) -> list[Experiment]:
    return [experiment for finding in FINDINGS for experiment in found(finding, seeds, quick)]


LARGE = {"classic-2000": 2000, "classic-3000": 3000}  # the networks that the paper could not train, and their width
WIDTH, RATE = 1000, 0.01  # of the largest that it could
TAMED = "tamed"


def tamed(network: str, dims: int, seed: int, quick: bool) -> Experiment:
    """A large classic network with a setting with which it does train: two numbers, scaled with its width H.

    base_lr = 0.01 · 1000 / H: a step moves what a neuron sums up by rate · (number of its inputs), so that with three
    times the inputs the first steps are three times as long, and drive the sigmoids into saturation. And the filler of
    the last layer keeps 15 · 1000 / H weights of each input: of H inputs a pixel then sums up as many as with H = 1000.
    """
    share = WIDTH / LARGE[network]
    sparse = round(classic.SPARSE * share)
    change = f'layer {{ name: "decode1" inner_product_param {{ weight_filler {{ sparse: {sparse} }} }} }}'
    return training(network, dims, seed, quick, variant=TAMED, settings=f"base_lr: {RATE * share:.4g}", changes=change)


def _large(seeds: int, quick: bool) -> list[Experiment]:
    return [tamed(network, dims, seed, quick) for network in LARGE for dims in DIMS for seed in range(1, seeds + 1)]


ORDERED = ("classic-1000", "cae1", "cae2")  # the networks that are trained in both orders
FILE_ORDER = "file-order"


def in_file_order(network: str, dims: int, seed: int, quick: bool) -> Experiment:
    """A training on the images in the order of their file, as Caffe's example reads them."""
    change = 'layer { name: "data" hdf5_data_param { shuffle: false } }'
    return training(network, dims, seed, quick, variant=FILE_ORDER, changes=change)


def _order(seeds: int, quick: bool) -> list[Experiment]:
    return [
        make(network, dims, seed, quick)
        for network in ORDERED
        for dims in DIMS
        for make in (training, in_file_order)
        for seed in range(1, seeds + 1)
    ]


def pooled_networks() -> dict[str, list[str]]:
    """By Model the networks with pooling that are as large."""
    pooled = [name for name in zoo_names() if "-pool-" in name]
    return {model: [name for name in pooled if name.startswith(model)] for model in ("cae1", "cae2")}


def _pooled(seeds: int, quick: bool) -> list[Experiment]:
    networks = [name for model, names in pooled_networks().items() for name in (model, *names)]
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
    "findings": _findings,
    "large": _large,
    "pooled": _pooled,
    "order": _order,
}
NAMES = tuple(_MADE_OF)


def needed(name: str, seeds: int = SEEDS, quick: bool = False) -> list[Experiment]:
    """The trainings of one of `NAMES`; [] where the networks' texts alone are enough."""
    return _MADE_OF[name](seeds, quick)
