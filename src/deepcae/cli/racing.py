"""The race between two designs, on the files that a design names (`race`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .screen import bar

if TYPE_CHECKING:
    from ..race.race import Raced
    from ..zoo.designed import DesignedModel


@dataclass(frozen=True)
class Where:
    """What decides the bits of a race beside the images."""

    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    seconds: float = math.inf  # that it may take
    planned: int | None = None  # iterations, where the training has others than its text


def raced(
    model: DesignedModel, lists: tuple[str | None, str | None], folder: Path, where: Where, quiet: bool = False
) -> Raced | None:
    """How it went; None where there is nothing to choose, or no time."""
    if model.rival is None:
        return None
    from ..race.race import Ground, pays, race
    from ..zoo.streams import Lists, opened

    if where.planned is not None and not pays(model, where.planned):
        return None
    named = Lists.of(*lists, folder)
    images, held_out = opened(named.train, "data"), opened(named.test, "data")
    assert images is not None  # there is a rival
    assert held_out is not None
    with bar("racing", 2 * model.trial, quiet) as advance:
        tell = lambda done, _: advance(done)  # noqa: E731
        ground = Ground(images, held_out, where.seed, where.device, where.threads, where.seconds, tell=tell)
        return race(model, ground)


def planned_by(model: DesignedModel, overrides: Sequence[str]) -> int:
    """Iterations of the training, as texts laid over the solver's say."""
    from ..proto.read import read_solver_text
    from ..proto.text import merge

    document = read_solver_text(model.solver_text)
    for text in overrides:
        merge(document, text, "--set")
    return int(document.message.max_iter)
