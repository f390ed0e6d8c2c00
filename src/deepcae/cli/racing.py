"""The race between two designs, on the files that a design names (`race`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .screen import bar

if TYPE_CHECKING:
    from ..prepare import Prepared
    from ..proto.document import Document
    from ..race.race import Raced
    from ..zoo.designed import DesignedModel


@dataclass(frozen=True)
class Where:
    """What decides the bits of a race beside the images."""

    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    seconds: float = math.inf  # that it may take
    length: int | None = None  # iterations of the race, where they do not follow from the solver's text
    overrides: tuple[str, ...] = ()  # solver texts that are laid over it


def raced(
    model: DesignedModel, lists: tuple[str | None, str | None], folder: Path, where: Where, quiet: bool = False
) -> Raced | None:
    """How it went; None where there is nothing to choose, or no time."""
    if model.rival is None:
        return None
    from ..race.race import Ground, race
    from ..zoo.streams import Lists, opened

    named = Lists.of(*lists, folder)
    images, held_out = opened(named.train, "data"), opened(named.test, "data")
    assert images is not None  # there is a rival
    assert held_out is not None
    length = length_of(model, where.overrides) if where.length is None else where.length
    with bar("racing", 2 * length, quiet) as advance:
        tell = lambda done, _: advance(done)  # noqa: E731
        ground = Ground(
            images, held_out, where.seed, where.device, where.threads, where.seconds, length=length,
            lay=partial(_lay, where.overrides), tell=tell,
        )  # fmt: skip
        return race(model, ground)


def length_of(model: DesignedModel, overrides: Sequence[str] = ()) -> int:
    """Iterations of a race before a training, as the solver's text and those laid over it say; 0: none."""
    from ..proto.read import read_solver_text
    from ..zoo.schedule import trial

    document = read_solver_text(model.solver_text)
    _lay(overrides, document)
    return trial(document.message.max_iter)


def _lay(overrides: Sequence[str], document: Document) -> None:
    from ..proto.text import merge

    for text in overrides:
        merge(document, text, "--set")


def errors_of_start(model: DesignedModel, prepared: Prepared) -> tuple[float, float] | None:
    """Half the squared error, per held-out image, of PCA with as many numbers, and of the mean image in the place of
    each; None where there is no PCA."""
    import numpy as np

    from ..codes.principal import blocks_of
    from ..zoo.streams import opened

    tests = opened(str(prepared.test), "data")
    if model.principal is None or tests is None:
        return None
    by_pca = by_mean = count = 0.0
    for block in blocks_of(tests, prepared.understood.scaling.shown)():
        by_pca += len(block) * model.principal.error(block)
        by_mean += float(np.square(block - model.principal.mean, dtype=np.float64).sum()) / 2
        count += len(block)
    return by_pca / count, by_mean / count
