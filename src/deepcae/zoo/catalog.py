"""The catalogue: every network by name, built for a number of code neurons and written as a folder of two texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path

from ..atomic import whole_file
from ..errors import SpecError
from ..proto.suggest import closest
from . import best, cae, classic, classifier, denoising, pooled, siamese, stacked
from .design import require_width
from .streams import MNIST_ROWS, WholeTest, named_from, rows, whole_test
from .text import require_count


@dataclass(frozen=True)
class ZooModel:
    """A network and its solver as text."""

    name: str
    dims: int
    net_text: str  # net.prototxt
    solver_text: str  # solver.prototxt
    files: Mapping[str, bytes] = field(default_factory=dict)  # what the texts name, to lie beside them


@dataclass(frozen=True)
class _Streams:
    """What a builder needs to know of the data: list files as the text names them, and batches."""

    train_list: str
    test_list: str
    batch: int
    train_test: WholeTest  # a test that sees the training set once
    test: WholeTest


@dataclass(frozen=True)
class _Entry:
    description: str
    default_dims: int
    default_batch: int
    data_folder: str  # where the list files lie unless the caller says otherwise
    dataset: str  # the dataset whose rows are counted
    texts: Callable[..., tuple[str, str]]  # (dims, streams) → net and solver
    scales: bool = False  # whether `texts` takes a `width`, too: a factor of the number of maps


def _cae(name: str, dims: int, data: _Streams) -> tuple[str, str]:
    net = cae.net_text(name, dims, data.train_list, data.test_list, data.batch, data.test)
    return net, cae.solver_text(name, data.test)


def _classic(name: str, dims: int, data: _Streams) -> tuple[str, str]:
    net = classic.net_text(name, dims, data.train_list, data.test_list, data.batch, data.train_test, data.test)
    return net, classic.solver_text(name, data.train_test, data.test)


def _siamese(name: str, dims: int, data: _Streams) -> tuple[str, str]:
    net = siamese.net_text(name, dims, data.train_list, data.test_list, data.batch, data.test)
    return net, siamese.solver_text(name, data.test)


def _classifier(name: str, _dims: int, data: _Streams) -> tuple[str, str]:
    net = classifier.net_text(name, data.train_list, data.test_list, data.batch, data.test)
    return net, classifier.solver_text(name, data.test)


def _denoising(dims: int, data: _Streams) -> tuple[str, str]:
    net = denoising.net_text(dims, data.train_list, data.test_list, data.batch, data.test)
    return net, denoising.solver_text(data.test)


def _stage(name: str, dims: int, data: _Streams) -> tuple[str, str]:
    net = stacked.net_text(name, dims, data.train_list, data.test_list, data.batch, data.test)
    return net, stacked.solver_text(name, data.test)


def _pooled(name: str, dims: int, data: _Streams) -> tuple[str, str]:
    net = pooled.net_text(name, dims, data.train_list, data.test_list, data.batch, data.test)
    return net, pooled.solver_text(name, data.test)


def _best(dims: int, data: _Streams, width: float | None = None) -> tuple[str, str]:
    net = best.net_text(dims, data.train_list, data.test_list, data.batch, data.test, width)
    return net, best.solver_text(dims, data.test)


_CATALOG = {
    **{
        name: _Entry(
            f"classic auto-encoder 784-{'-'.join(map(str, hidden))}-N and back (paper, Table I)",
            30, 100, "data/mnist", "data", partial(_classic, name),
        )
        for name, hidden in classic.HIDDEN.items()
    },
    **{
        name: _Entry(
            f"convolutional auto-encoder, Model {name[-1]}: {maps[0]} and {maps[1]} feature maps, {maps[2]} neurons, "
            "N code neurons (paper, Table II)",
            2, 100, "data/mnist", "data", partial(_cae, name),
        )
        for name, maps in cae.MAPS.items()
    },
    **{
        name: _Entry(
            f"convolutional auto-encoder with pooling, of Model {model[-1]}'s size; decoder: {pooled.DECODERS[way]}",
            2, 100, "data/mnist", "data", partial(_pooled, name),
        )
        for name, (model, way) in pooled.NAMES.items()
    },
    best.NAME: _Entry(
        "auto-encoder of ordinary parts that restores more than the paper's from N code neurons; any --width",
        30, 100, "data/mnist", "data", _best, scales=True,
    ),
    "siamese": _Entry(
        "two LeNets with shared weights and a contrastive loss, N code neurons (paper, Fig. 2)",
        2, 64, "data/pairs", siamese.DATASET, partial(_siamese, "siamese"),
    ),
    **{
        name: _Entry(
            f"classifier of digits on cae2's encoder{', which stays as it is' if frozen else ''}; --weights brings it",
            30, 100, "data/mnist", "data", partial(_classifier, name),
        )
        for name, frozen in classifier.MODELS.items()
    },
    denoising.NAME: _Entry(
        "cae2 that reads noisy images and restores clean ones, N code neurons",
        30, 100, "data/mnist", "data", _denoising,
    ),
    **{
        name: _Entry(
            f"layer-wise training of cae2, stage {stage} of {len(stacked.STAGES)}",
            30, 100, "data/mnist", "data", partial(_stage, name),
        )
        for name, stage in stacked.STAGES.items()
    },
}  # fmt: skip
NAMES = tuple(_CATALOG)


def names() -> tuple[str, ...]:
    """All networks on offer, in the paper's order."""
    return NAMES


def describe(name: str) -> str:
    """One line: what the network is."""
    return _entry(name).description


def page(name: str) -> Path | None:
    """The page of the network, with what differs from the paper and the figures reached; None where it is not there.

    The package holds `models/` as a link, which not every archive and file system keeps.
    """
    _entry(name)
    path = Path(str(files(__package__)), "models", name, "README.md")
    return path if path.is_file() else None


def has_code(name: str) -> bool:
    """Whether the network has a code, whose neurons may be chosen; a classifier has classes."""
    return name not in classifier.MODELS


def build(
    name: str,
    dims: int | None = None,
    train_list: str | Path | None = None,
    test_list: str | Path | None = None,
    *,
    batch: int | None = None,
    width: float | None = None,
    folder: str | Path | None = None,
) -> ZooModel:
    """The texts of network `name` with `dims` code neurons (default: as `models/` has it; classifiers have none).

    `train_list`, `test_list`: the list files it reads, as seen from the working directory; where they exist, their rows
    are counted so that a test sees each row once, else MNIST's are assumed. `folder`: where the texts will lie; they
    then name list files near it relative to it, others absolutely. `batch`: training images per iteration.
    `width`: a factor of the number of maps, for networks that come in any width.
    """
    entry = _entry(name)
    scale = {} if width is None else {"width": _checked(width, name, entry)}
    dims = entry.default_dims if dims is None else dims
    batch = entry.default_batch if batch is None else batch
    for what, value in (("dims", dims), ("batch", batch)):
        require_count(what, value)
    lists = [str(train_list or f"{entry.data_folder}/train.txt"), str(test_list or f"{entry.data_folder}/test.txt")]
    counts = [rows(path, entry.dataset) or default for path, default in zip(lists, MNIST_ROWS, strict=True)]
    in_text = [named_from(path, Path(folder) if folder is not None else None) for path in lists]
    streams = _Streams(in_text[0], in_text[1], batch, whole_test(counts[0]), whole_test(counts[1]))
    net, solver = entry.texts(dims, streams, **scale)
    return ZooModel(name, dims, net, solver)


def _checked(width: float, name: str, entry: _Entry) -> float:
    if not entry.scales:
        scaling = " and ".join(["design", *(other for other, each in _CATALOG.items() if each.scales)])
        raise SpecError(f"network '{name}' has one width; a width may be given for {scaling}")
    return require_width(width)


def write(model: ZooModel, folder: str | Path) -> tuple[Path, Path]:
    """Writes `net.prototxt`, `solver.prototxt` and what they name beside them into `folder` (made if missing).

    The paths of the two texts.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    net, solver = target / "net.prototxt", target / "solver.prototxt"
    texts = {net.name: model.net_text.encode(), solver.name: model.solver_text.encode()}
    for name, content in {**model.files, **texts}.items():
        with whole_file(target / name) as temporary:
            temporary.write_bytes(content)
    return net, solver


def _entry(name: str) -> _Entry:
    if name in _CATALOG:
        return _CATALOG[name]
    others = (*NAMES, "design")  # which is no single network, see `designed`
    near = closest(name, others)
    hint = f"; did you mean '{near}'?" if near else ""
    raise SpecError(f"no network '{name}' in the zoo{hint} (there are: {', '.join(others)})")
