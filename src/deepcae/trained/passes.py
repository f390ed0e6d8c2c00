"""What a trained net makes of its examples: codes, restored images, one image's way through the layers.

Examples go through the net in blocks of one size, the last of which is filled up: products of matrices round otherwise
for another number of rows. So what a net makes of an image does not depend on the images beside it, bit by bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import DataError
from ..kernels.products import rows_alike
from ..layers.base import count
from .examples import Examples
from .network import Trained

Progress = Callable[[int], object]
"""Is told how many examples are done."""

BLOB = 2 * 2**20  # bytes of the largest blob: what a core's cache holds
SMALLEST, LARGEST = 16, 512  # images of a batch
BATCHES = 16  # that make a block


def encoded(
    trained: Trained, examples: Examples, blob: str, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Blob `blob` of every example (N, ...), and the labels (N,) if there are any."""
    codes: np.ndarray | None = None
    labels: list[np.ndarray] = []
    done = 0
    for part, classes in encoded_blocks(trained, examples, blob, progress):
        if codes is None:
            codes = np.empty((len(examples), *part.shape[1:]), part.dtype)
        codes[done : done + len(part)] = part
        labels.extend([] if classes is None else [classes])
        done += len(part)
    assert codes is not None  # a data set without examples cannot be opened
    return codes, np.concatenate(labels) if labels else None


@dataclass(frozen=True)
class Block:
    """What a net makes of a few examples: codes (n, ...), labels (n,) and errors (n,); None where there are none.

    Errors: half the squared error of each restored image, 1/2 sum_d (y_d - x_d)^2, in the units of the net's input.
    """

    codes: np.ndarray
    labels: np.ndarray | None
    errors: np.ndarray | None = None


def encoded_blocks(
    trained: Trained, examples: Examples, blob: str, progress: Progress | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """What `encoded` gives, in blocks of a few batches: the memory that is needed is that of a block."""
    for block in _blocks(trained, examples, blob, None, progress):
        yield block.codes, block.labels


def judged_blocks(trained: Trained, examples: Examples, blob: str, progress: Progress | None = None) -> Iterator[Block]:
    """What `encoded_blocks` gives, with the error of each image, where the net restores what it is shown."""
    return _blocks(trained, examples, blob, restoring(trained), progress)


def restoring(trained: Trained) -> str | None:
    """The blob of restored images, where the net has one with as many values as what it is shown."""
    try:
        blob = trained.restored
    except DataError:
        return None
    shapes = trained.net.plan.shapes
    first, last = shapes.get(trained.images), shapes.get(blob)
    same = first is not None and last is not None and count(first, 1) == count(last, 1)
    return blob if same else None


def _blocks(
    trained: Trained, examples: Examples, blob: str, restored: str | None, progress: Progress | None
) -> Iterator[Block]:
    waiting: list[Block] = []
    size, done = batch_size(trained), 0
    wanted = list(dict.fromkeys([blob, *([restored] if restored else [])]))
    for images, labels in examples.batches(size):
        made = _computed(trained, examples.origin, images, wanted, size)
        errors = None if restored is None else half_squared(made[restored], images)
        codes = made[blob].copy()  # which may be a view of the images
        waiting.append(Block(codes, None if labels is None else examples.each(labels), errors))
        done += len(images)
        if len(waiting) == BATCHES or done == len(examples):
            yield _joined(waiting)
            waiting.clear()
        if progress is not None:
            progress(done)


def half_squared(restored: np.ndarray, images: np.ndarray) -> np.ndarray | None:
    """1/2 sum_d (y_d - x_d)^2 of each image, (n,) in single precision; None where they have other sizes."""
    y, x = (np.asarray(each, np.float64).reshape(len(images), -1) for each in (restored, images))
    return None if y.shape != x.shape else (0.5 * np.square(y - x).sum(axis=1)).astype(np.float32)


def _joined(parts: Sequence[Block]) -> Block:
    def of(values: Sequence[np.ndarray | None]) -> np.ndarray | None:
        there = [each for each in values if each is not None]
        return np.concatenate(there) if len(there) == len(values) else None

    codes = np.concatenate([part.codes for part in parts])
    return Block(codes, of([part.labels for part in parts]), of([part.errors for part in parts]))


def batch_size(trained: Trained) -> int:
    """How many images go through the net at a time: as many as the largest blob has in `BLOB` bytes, a power of two."""
    largest = max((count(shape, 1) for shape in trained.net.plan.shapes.values() if shape is not None), default=1)
    fitting = max(1, BLOB // (4 * max(largest, 1)))
    return min(max(2 ** (fitting.bit_length() - 1), SMALLEST), LARGEST)


def in_block(trained: Trained, entry: str, rows: np.ndarray, blobs: Sequence[str], size: int) -> dict[str, np.ndarray]:
    """`blobs` for up to `size` rows of blob `entry`, computed in a block of just `size`: a row of each for each.

    DataError where a blob has no row for each.
    """
    block = torch.zeros((max(size, len(rows)), *rows.shape[1:]))
    block.numpy()[: len(rows)] = rows
    with rows_alike():
        made = trained.parts.made(entry, block, blobs)
        if made is None:
            made = trained.net({entry: block}, want=list(blobs))
    for name, blob in made.items():
        if blob.shape[:1] != block.shape[:1]:
            given = f"{len(rows)} images; a code has one row for each"
            raise DataError(f"blob '{name}' has shape {list(blob.shape)} for {given}")
    return {name: blob[: len(rows)].detach().cpu().numpy() for name, blob in made.items()}


def _computed(
    trained: Trained, origin: str, images: np.ndarray, blobs: list[str], size: int = 0
) -> dict[str, np.ndarray]:
    """`blobs` for images (N, ...) of `origin`, which is to blame where they do not fit. `size`: as of `in_block`."""
    entry, images = trained.fed(images, origin)
    try:
        if size:
            return in_block(trained, entry, images, blobs, size)
        return {name: blob.detach().cpu().numpy() for name, blob in trained.net({entry: images}, want=blobs).items()}
    except DataError as error:
        raise DataError(f"{origin}: {error}") from None


def all_over(examples: Examples, count: int) -> np.ndarray:
    """The numbers of so many images, evenly from the first to the last; of all, if there are no more."""
    return np.unique(np.linspace(0, len(examples) - 1, min(count, len(examples))).astype(int))


def restored(
    trained: Trained, examples: Examples, rows: np.ndarray, blob: str | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The images of some rows, what the net restores from them (both (N, C, H, W)), and their classes if known."""
    blob = blob or trained.restored
    images, labels = examples.pick(rows)
    result = np.concatenate([
        _computed(trained, examples.origin, images[start : start + LARGEST], [blob])[blob]
        for start in range(0, len(images), LARGEST)
    ])  # fmt: skip
    classes = examples.each(labels) if labels is not None and examples.classified else None
    return trained.as_images(images), trained.as_images(result), classes


def decoded(
    trained: Trained, codes: np.ndarray, code: str, restored: str, progress: Progress | None = None
) -> np.ndarray:
    """Blob `restored` for every row of `codes`, which are values of blob `code`."""
    return np.concatenate(list(decoded_blocks(trained, codes, code, restored, progress)))


def decoded_blocks(
    trained: Trained, codes: np.ndarray, code: str, restored: str, progress: Progress | None = None, origin: str = ""
) -> Iterator[np.ndarray]:
    """What `decoded` gives, a batch at a time; of `codes`, which come from `origin`, only slices are asked for."""
    planned, row = trained.net.plan.shapes[code], codes.shape[1:]
    if planned is not None:
        if math.prod(row) != math.prod(planned[1:]):
            raise DataError(f"codes have {math.prod(row)} values each, but blob '{code}' has shape {list(planned[1:])}")
        row = planned[1:]
    size = batch_size(trained)
    for start in range(0, len(codes), size):
        rows = codes[start : start + size]
        rows = rows.reshape(len(rows), *row)
        if origin:
            trained.range_check.show(origin, code, rows)
        yield in_block(trained, code, rows, [restored], size)[restored]
        if progress is not None:
            progress(start + len(rows))


def layer_by_layer(trained: Trained, examples: Examples, index: int) -> list[tuple[str, np.ndarray]]:
    """What `way_through` gives for image `index`."""
    return way_through(trained, examples.one(index)[0], examples.origin)


def way_through(trained: Trained, image: np.ndarray, origin: str) -> list[tuple[str, np.ndarray]]:
    """(name, (C, H, W) or (K,) or more axes) of every blob on the way from an image (1, ...) to what is restored.

    In order. A blob that only changes another's shape shows nothing new and is left out, so that the paper's networks
    give the panels of its Fig. 7. `origin`: who is to blame for an image that does not fit.
    """
    entry, _ = trained.fed(image, origin)
    reached = {entry}
    reshaped: set[str] = set()
    for step in trained.net.plan.steps:
        if step.bottoms and reached.issuperset(step.bottoms):
            reached.update(step.tops)
            reshaped.update(step.tops if step.kind.is_view and not step.kind.copies else ())
    shown = [name for name in dict.fromkeys([entry, *trained.path()]) if name in reached - reshaped]
    blobs = _computed(trained, origin, image, shown)
    return [(name, np.atleast_1d(blobs[name][0])) for name in shown]
