"""What a trained net makes of its examples: codes, restored images, one image's way through the layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import DataError
from .examples import BATCH, Examples
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
        try:
            result = trained.net({trained.entry(images.shape[1:]): images}, want=[blob])[blob].cpu().numpy()
        except DataError as error:
            raise DataError(f"{examples.origin}: {error}") from None
        parts.append(result.reshape(len(images), *result.shape[1:]))
        labels.extend([] if classes is None else [classes])
        done += len(images)
        if progress is not None:
            progress(done)
    if not parts:
        raise DataError(f"{examples.origin}: has no examples")
    return np.concatenate(parts), classes_of(np.concatenate(labels)) if labels else None


def classes_of(labels: np.ndarray) -> np.ndarray:
    """Labels as whole numbers where they are; of several columns (pairs) the first."""
    flat = labels.reshape(len(labels), -1)[:, 0]
    return flat.astype(np.int64) if np.array_equal(flat, np.round(flat)) else flat


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


def way(trained: Trained, image: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """(name, (C, H, W) or (K,)) of every blob on the way from one image (1, ...) to what is restored, in order.

    A blob that only changes another's shape shows nothing new and is left out, so that the paper's networks give the
    panels of its Fig. 7.
    """
    entry = trained.entry(image.shape[1:])
    reached = {entry}
    reshaped: set[str] = set()
    for step in trained.net.plan.steps:
        if step.bottoms and reached.issuperset(step.bottoms):
            reached.update(step.tops)
            reshaped.update(step.tops if step.type in ("Reshape", "Flatten") else ())
    shown = [name for name in dict.fromkeys([entry, *trained.path()]) if name in reached - reshaped]
    blobs = trained.net({entry: image}, want=shown)
    arrays = [(name, blobs[name].detach().cpu().numpy()[0]) for name in shown]
    return [(name, array if array.ndim == 3 else array.reshape(-1)) for name, array in arrays]
