"""What a unit of a blob is for: its filter, the images that excite it most, and the patch of them that it looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers.linear import Deconvolution
from ..net.step import Step
from ..trained.passes import encoded_blocks
from .field import field
from .pictures import Answer
from .subject import Looked, NotThere

BEST, SEARCHED = 12, 2000  # images that excite a unit most, of so many


@dataclass(frozen=True)
class Best:
    """Of each unit (map, or value of a row) the images that excite it most: `rows`, `values`, `places` (units, n)."""

    rows: np.ndarray
    values: np.ndarray
    places: np.ndarray  # in a map, counted row by row
    plane: tuple[int, ...]  # height and width of a map; () of a row's values


def unit(looked: Looked, blob: str, number: int) -> Answer:
    """The filter of a unit, and the images that excite it most, the strongest first."""
    best = looked.once(("best", blob), lambda: _best(looked, blob))
    if not 0 <= number < len(best.rows):
        raise NotThere(f"blob '{blob}' has no unit {number}: they are 0 to {len(best.rows) - 1}")
    step = _filtering(looked, blob)
    told: dict[str, Any] = {"blob": blob, "map": number, "layer": "", "type": ""}
    arrays = {}
    if step is not None:
        told |= {"layer": step.name, "type": step.type}
        arrays["filter"] = _filter(looked, step, number)
    told["best"] = [
        {"row": row, "value": value, **_looked_at(looked, blob, best, place)}
        for row, value, place in zip(best.rows[number], best.values[number], best.places[number], strict=True)
    ]
    told["searched"] = min(SEARCHED, len(looked.examples))
    return told, {name: values for name, values in arrays.items() if values is not None}


def _best(looked: Looked, blob: str) -> Best:
    if blob not in looked.trained.net.plan.shapes:
        raise NotThere(f"there is no blob '{blob}'")
    examples = looked.examples.some(SEARCHED)
    numbers = np.arange(len(examples)) if len(examples) == len(looked.examples) else _spread(looked)
    rows, values, places, done, plane = [], [], [], 0, ()
    for block, _ in encoded_blocks(looked.trained, examples, blob):
        plane = block.shape[2:] if block.ndim == 4 else ()
        flat = block.reshape(*block.shape[:2], -1) if plane else block.reshape(len(block), -1, 1)
        values.append(flat.max(axis=2))
        places.append(flat.argmax(axis=2))
        rows.append(numbers[done : done + len(block)])
        done += len(block)
    value, place, row = np.concatenate(values), np.concatenate(places), np.concatenate(rows)
    order = np.argsort(-value, axis=0, kind="stable")[:BEST]
    take = np.take_along_axis
    return Best(row[order].T, take(value, order, axis=0).T, take(place, order, axis=0).T, tuple(plane))


def _spread(looked: Looked) -> np.ndarray:
    return np.linspace(0, len(looked.examples) - 1, SEARCHED).round().astype(np.int64)  # as `Examples.some` takes them


def _looked_at(looked: Looked, blob: str, best: Best, place: Any) -> dict[str, Any]:
    """Where in its map the unit is, and the patch of the image; nothing where it looks at all of it."""
    if not best.plane:
        return {"place": None, "patch": None}
    y, x = divmod(int(place), best.plane[1])
    box = field(looked.trained.net.plan, looked.trained.images, blob, (y, x))
    if box is None:
        return {"place": [y, x], "patch": None}
    (top, bottom), (left, right) = box
    return {"place": [y, x], "patch": [top, left, bottom - top + 1, right - left + 1]}


def _filtering(looked: Looked, blob: str) -> Step | None:
    """The layer whose learned weights made a blob, looked through activations; None where none did."""
    steps = looked.trained.net.plan.steps
    for step in reversed(steps):
        if blob not in step.tops or not step.bottoms:
            continue
        if step.kind.is_product:
            return step
        if len(set(step.bottoms)) > 1 or not (step.kind.is_activation or step.kind.copies or step.kind.is_view):
            return None
        blob = step.bottoms[0]
    return None


def _filter(looked: Looked, step: Step, number: int) -> np.ndarray | None:
    """(I, kh, kw) of a convolution; of a fully connected layer its weights in the shape of what it reads."""
    weights = looked.trained.net.tensors[step.params[0]].detach().cpu().numpy()
    if step.kind.convolves and weights.ndim == 4:
        if issubclass(step.kind, Deconvolution):
            return weights[:, number] if number < weights.shape[1] else None
        return weights[number] if number < len(weights) else None
    if step.kind.convolves or number >= len(weights):
        return None
    shape = (looked.trained.net.plan.shapes[step.bottoms[0]] or ())[1:]
    row = weights[number].reshape(-1)
    if step.bottoms[0] in looked.trained.image_blobs:
        shape = looked.trained.image_blobs[step.bottoms[0]]
    return row.reshape(shape) if len(shape) == 3 and row.size == int(np.prod(shape)) else row
