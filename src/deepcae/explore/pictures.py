"""Images, and what the network makes of them: restored, decoded, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError
from ..trained import passes
from ..trained.health import held
from ..viz.reduced import reduced
from ..viz.sprite import small_pictures
from . import columns
from .subject import Looked, NotThere

MOST_SMALL, SMALLEST, LARGEST = 2000, 8, 128  # small pictures that are asked for at a time, pixels of their sides
MOST_DECODED = 1024
MOST_MAPS, MOST_SIDE, MOST_VALUES = 64, 96, 4096  # of a blob: its maps, pixels of one, values that are no maps

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]


def image(looked: Looked, row: int) -> Answer:
    """One image, what is restored of it, and all that is known of it."""
    rows = np.array([looked.row(row)])
    material, arrays = looked.material, {}
    originals, _ = looked.examples.pick(rows)
    arrays["image"] = looked.trained.as_images(originals)[0]
    if material.restored is not None:
        arrays["restored"] = passes.restored(looked.trained, looked.examples, rows, material.restored)[1][0]
    told = {each["name"]: _value(looked, each["name"], row) for each in columns.listed(looked) if _is_cheap(each)}
    error = None if material.errors is None else material.errors[row]
    header = {"row": row, "called": material.called(row), "label": _label(looked, row), "error": error}
    return {**header, "columns": told}, arrays


def _is_cheap(told: dict[str, Any]) -> bool:
    return not told["name"].startswith((*columns.STATISTICS, "code "))


def _value(looked: Looked, name: str, row: int) -> Any:
    value = columns.column(looked, name).values[row]
    return value.item() if hasattr(value, "item") else value


def _label(looked: Looked, row: int) -> Any:
    labels = looked.material.labels if looked.material.labels is not None else looked.material.quantity
    return None if labels is None else labels[row].item()


def small(looked: Looked, rows: Sequence[int], what: str, side: int) -> Answer:
    """Small pictures (n, height, width, 3), uint8, of `what` ("image" or "restored"), all in one scale."""
    if not 0 < len(rows) <= MOST_SMALL:
        raise DataError(f"{len(rows)} pictures; 1 to {MOST_SMALL} are given at a time")
    if not SMALLEST <= side <= LARGEST:
        raise DataError(f"pictures of {side} pixels; {SMALLEST} to {LARGEST} can be had")
    numbers = np.array([looked.row(row) for row in rows])
    low, high = looked.scale()
    return {}, {"pictures": small_pictures(_stack(looked, numbers, what), low, high, side)}


def mean(looked: Looked, rows: Sequence[int]) -> Answer:
    """The mean of some images, and of what is restored of them; of many, of `of` that lie evenly among them."""
    numbers = chosen(looked, rows)
    some = numbers[np.linspace(0, len(numbers) - 1, min(len(numbers), MOST_SMALL)).round().astype(int)]
    kinds = ["image", *(["restored"] if looked.material.restored is not None else [])]
    return {"count": len(numbers), "of": len(some)}, {what: _mean(looked, some, what) for what in kinds}


def chosen(looked: Looked, rows: Sequence[int]) -> np.ndarray:
    """The rows that a person chose, as an array. DataError for none, or more than there are images."""
    if not 0 < len(rows) <= len(looked.examples):
        raise DataError(f"{len(rows)} images are chosen; there are {len(looked.examples)}")
    return np.array([looked.row(row) for row in rows])


def _mean(looked: Looked, rows: np.ndarray, what: str) -> np.ndarray:
    parts = (_stack(looked, rows[at : at + 512], what).sum(axis=0, dtype=np.float64) for at in range(0, len(rows), 512))
    total: np.ndarray = sum(parts)
    return total / len(rows)


def _stack(looked: Looked, rows: np.ndarray, what: str) -> np.ndarray:
    if what == "image":
        return looked.trained.as_images(looked.examples.pick(rows)[0])
    if what != "restored" or looked.material.restored is None:
        raise NotThere(f"there are no pictures '{what}'")
    return passes.restored(looked.trained, looked.examples, rows, looked.material.restored)[1]


def decoded(looked: Looked, codes: np.ndarray) -> Answer:
    """What the decoder makes of codes (n, K)."""
    trained, restored = looked.trained, looked.material.restored
    if restored is None:
        raise NotThere("this network restores no images")
    rows = codes_of(looked, codes, MOST_DECODED)
    rows = rows.reshape(len(rows), *(trained.net.plan.shapes[trained.code] or rows.shape)[1:])
    size = 1 << (len(rows) - 1).bit_length()  # of few sizes, as a pass is written down for each
    made = passes.in_block(trained, trained.code, rows, [restored], size)[restored]
    return {}, {"restored": trained.as_images(made)}


def codes_of(looked: Looked, numbers: np.ndarray, most: int) -> np.ndarray:
    """Numbers that somebody gave, as codes (n, K), 1 <= n <= `most`. DataError for what is no code."""
    dims = looked.codes.shape[1]
    if numbers.size % dims or not 0 < numbers.size <= most * dims:
        many = "1 code is taken" if most == 1 else f"1 to {most} codes are taken"
        raise DataError(f"{numbers.size} numbers; a code has {dims}, and {many} at a time")
    if not np.isfinite(numbers).all():
        raise DataError("codes hold values that are not finite")
    return numbers.reshape(-1, dims)


def layers_of_row(looked: Looked, row: int) -> Answer:
    """`layers` of one of the images."""
    return layers(looked, looked.examples.one(looked.row(row))[0], looked.examples.origin)


def layers_of_drawing(looked: Looked, values: np.ndarray) -> Answer:
    """`layers` of an image (C, H, W) that somebody drew."""
    shape = tuple((looked.trained.net.plan.shapes[looked.trained.images] or ())[1:])
    if values.size != int(np.prod(shape)):
        raise DataError(f"{values.size} values; an image has {'x'.join(map(str, shape))}")
    if not np.isfinite(values).all():
        raise DataError("the image holds values that are not finite")
    return layers(looked, values.reshape(1, *shape), "the drawing")


def layers(looked: Looked, image: np.ndarray, origin: str) -> Answer:
    """Every blob on an image's (1, ...) way: its values, and what they come to, see `trained.health.held`.

    Maps and rows that are too many or too large to be shown are `reduced`.
    """
    trained, told, arrays = looked.trained, [], {}
    makers = {top: each for each in trained.net.bound for top in each.step.tops}
    for number, (name, values) in enumerate(passes.way_through(trained, image, origin)):
        shown = _shown(trained.as_images(values[None])[0] if name in trained.image_blobs else values)
        arrays[str(number)] = shown
        bound = makers.get(name)
        kind = {"layer": bound.step.name, "type": bound.step.type} if bound is not None else {"layer": "", "type": ""}
        told.append({
            "blob": name, **kind, "shape": list(values.shape), **held(values[None], bound),
            "array": str(number), "reduced": shown.size < values.size,
        })  # fmt: skip
    return {"blobs": told, "row": None}, arrays


def _shown(values: np.ndarray) -> np.ndarray:
    """As many maps, and as many pixels of each, as a page can show."""
    if values.ndim < 3:
        return values.reshape(-1)[:MOST_VALUES]
    return reduced(values[:MOST_MAPS] if values.ndim == 3 else values, MOST_SIDE)


def one_map(looked: Looked, row: int, blob: str, number: int) -> Answer:
    """One map (h, w) of a blob in full size."""
    way = dict(passes.layer_by_layer(looked.trained, looked.examples, looked.row(row)))
    return {"blob": blob, "map": number}, {"map": map_of(way, blob, number)}


def map_of(way: dict[str, np.ndarray], blob: str, number: int) -> np.ndarray:
    """Map `number` of a blob. NotThere where it has no such map."""
    values = way.get(blob)
    if values is None or values.ndim < 3 or not 0 <= number < len(values):
        raise NotThere(f"blob '{blob}' has no map {number}")
    return values[number]
