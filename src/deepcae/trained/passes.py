"""What a trained net makes of its examples: codes, restored images, one image's way through the layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import DataError
from .examples import BATCH, Examples, one_each
from .network import Trained

Progress = Callable[[int], object]
"""Is told how many examples are done."""


def encoded(
    trained: Trained, examples: Examples, blob: str, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Blob `blob` of every example (N, ...), and the labels (N,) if there are any."""
    parts: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    done = 0
    for images, classes in examples.batches():
        result = _computed(trained, examples, images, [blob])[blob]
        if result.shape[:1] != images.shape[:1]:
            raise DataError(
                f"blob '{blob}' has shape {list(result.shape)} for {len(images)} images; a code has one row for each"
            )
        parts.append(result)
        labels.extend([] if classes is None else [classes])
        done += len(images)
        if progress is not None:
            progress(done)
    if not parts:
        raise DataError(f"{examples.origin}: has no examples")
    return np.concatenate(parts), one_each(np.concatenate(labels)) if labels else None


def _computed(trained: Trained, examples: Examples, images: np.ndarray, blobs: list[str]) -> dict[str, np.ndarray]:
    """`blobs` for images (N, ...) of `examples`, which are to blame where they do not fit."""
    entry, images = trained.fed(images)
    try:
        return {name: blob.detach().cpu().numpy() for name, blob in trained.net({entry: images}, want=blobs).items()}
    except DataError as error:
        raise DataError(f"{examples.origin}: {error}") from None


def restored(
    trained: Trained, examples: Examples, count: int, blob: str | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The first `count` images, what the net restores from them (both (N, C, H, W)), and their classes if known."""
    blob = blob or trained.restored
    images, labels = examples.take(0, min(count, len(examples)))
    result = _computed(trained, examples, images, [blob])[blob]
    classes = one_each(labels) if labels is not None and examples.classified else None
    return trained.as_images(images), trained.as_images(result), classes


def decoded(
    trained: Trained, codes: np.ndarray, code: str, restored: str, progress: Progress | None = None
) -> np.ndarray:
    """Blob `restored` for every row of `codes`, which are values of blob `code`."""
    planned = trained.net.plan.shapes[code]
    if planned is not None:
        if codes[0].size != int(np.prod(planned[1:])):
            raise DataError(f"codes have {codes[0].size} values each, but blob '{code}' has shape {list(planned[1:])}")
        codes = codes.reshape(len(codes), *planned[1:])
    parts = []
    for start in range(0, len(codes), BATCH):
        rows = codes[start : start + BATCH]
        parts.append(trained.net({code: rows}, want=[restored])[restored].cpu().numpy())
        if progress is not None:
            progress(start + len(rows))
    return np.concatenate(parts)


def way(trained: Trained, examples: Examples, index: int) -> list[tuple[str, np.ndarray]]:
    """(name, (C, H, W) or (K,)) of every blob on the way from image `index` to what is restored, in order.

    A blob that only changes another's shape shows nothing new and is left out, so that the paper's networks give the
    panels of its Fig. 7.
    """
    image, _ = examples.one(index)
    entry, _ = trained.fed(image)
    reached = {entry}
    reshaped: set[str] = set()
    for step in trained.net.plan.steps:
        if step.bottoms and reached.issuperset(step.bottoms):
            reached.update(step.tops)
            reshaped.update(step.tops if step.type in ("Reshape", "Flatten") else ())
    shown = [name for name in dict.fromkeys([entry, *trained.path()]) if name in reached - reshaped]
    blobs = _computed(trained, examples, image, shown)
    arrays = [(name, blobs[name][0]) for name in shown]
    return [(name, array if array.ndim == 3 else array.reshape(-1)) for name, array in arrays]
