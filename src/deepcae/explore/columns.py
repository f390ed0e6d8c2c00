"""By what points can be coloured: what is known of each image, its code, and what the net's blobs hold for it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ..codes.columns import Column
from ..errors import DataError
from ..trained.passes import encoded_blocks
from .subject import Looked, NotThere

MOST_CLASSES, MOST_NUMBERS = 1000, 64  # of a column, of a code
STATISTICS: dict[str, Any] = {"mean of ": np.mean, "largest of ": np.max}  # of a blob, for each image


def listed(looked: Looked) -> list[dict[str, Any]]:
    """Their names, what they are, and of classes the names: those that are asked for first stand first."""
    known = _known(looked)
    told = [{"name": name, "kind": _kind(each), "names": _names(each)} for name, each in known.items()]
    more = [f"code {number + 1}" for number in range(min(_dims(looked), MOST_NUMBERS))]
    plan = looked.trained.net.plan
    blobs = [name for name in looked.trained.path() if len(plan.shapes[name] or ()) > 1]
    more += [f"{what}{name}" for name in blobs for what in STATISTICS]
    return told + [{"name": name, "kind": "numbers", "names": []} for name in more]


def column(looked: Looked, name: str) -> Column:
    """A column by its name. NotThere for another."""
    known = _known(looked)
    if name in known:
        return known[name]
    if name.startswith("code ") and name[5:].isdecimal() and 1 <= int(name[5:]) <= _dims(looked):
        return Column(name, looked.codes[:, int(name[5:]) - 1].astype(np.float64), classes=False)
    for what in STATISTICS:
        if name.startswith(what) and name.removeprefix(what) in looked.trained.path():
            return looked.once(("column", name), partial(_statistic, looked, what, name.removeprefix(what)))
    raise NotThere(f"there is no column '{name}'")


def numbered(found: Column) -> tuple[np.ndarray, list[str]]:
    """Its values for the page, (N,): numbers as float32; of classes the number of each in their names, int32."""
    if not found.classes:
        return found.values.astype(np.float32), []
    names, places = np.unique(found.values, return_inverse=True)
    return places.reshape(-1).astype(np.int32), [_word(name) for name in names.tolist()]


def _known(looked: Looked) -> dict[str, Column]:
    return looked.once("columns", lambda: {each.name: each for each in _found(looked)})


def _found(looked: Looked) -> Iterator[Column]:
    material, examples = looked.material, looked.examples
    yield from material.colours
    origins = material.origins
    names = [*(["error"] if material.errors is not None else []), *(["order"] if origins is None else [])]
    names += [] if origins is None else [name for name in origins.columns(slice(0, 1)) if name != "name"]
    held = [] if examples.contents is None else examples.contents.names
    names += [name for name in held if name not in (examples.images, examples.labels)]
    seen = {each.name for each in material.colours}
    for name in names:
        if name in seen:
            continue
        seen.add(name)
        try:
            found = Column.of(name, material.value(name))
        except DataError:  # an array of another shape, or words that no two images share
            continue
        if not found.classes or 1 < len(np.unique(found.values)) <= MOST_CLASSES:
            yield found


def _statistic(looked: Looked, what: str, blob: str) -> Column:
    blocks = (each.reshape(len(each), -1) for each, _ in encoded_blocks(looked.trained, looked.examples, blob))
    return Column(f"{what}{blob}", np.concatenate([STATISTICS[what](each, axis=1) for each in blocks]), classes=False)


def _dims(looked: Looked) -> int:
    return 0 if looked.material.codes is None else looked.codes.shape[1]


def _kind(found: Column) -> str:
    return "classes" if found.classes else "numbers"


def _names(found: Column) -> list[str]:
    return [_word(name) for name in np.unique(found.values).tolist()] if found.classes else []


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
