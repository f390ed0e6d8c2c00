"""What a network has to beat: PCA with as many dimensions, and the mean image, fitted to its own training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..codes.principal import blocks_of, principal
from ..errors import DataError
from .examples import Examples

ROUNDING = 1e-3  # of an error


@dataclass(frozen=True)
class Linear:
    """What PCA with `dims` dimensions, and the mean image alone, restore: ½ squared error per test image, the mean.

    `pca` is None where there are no so many dimensions; `num_train`: images that it was fitted to.
    """

    dims: int
    num_train: int
    pca: float | None
    mean: float

    def beats(self, error: float) -> bool:
        """Whether PCA restores images better than a network with this error: by more than another way of summing."""
        return self.pca is not None and error > self.pca * (1 + ROUNDING)


def linear(train: Examples, test: Examples, dims: int) -> Linear:
    """The line that a network has to beat, in bounded memory: the PCA that a designed network starts as.

    `pca` = (1/2M) sum_i |(x_i - m) V V^T - (x_i - m)|^2 over the M images x_i of `test`; `mean` = (1/2M) sum_i
    |x_i - m|^2; V, m: principal components and mean of the images of `train`, or, where these are very many, of some
    that are spread over all, see `codes.principal`. DataError for images of another size.
    """
    found = principal(blocks_of(train.rows, dims=dims, name=train.images), dims)
    values, sums, count = len(found.mean), np.zeros(2), 0
    for images, _ in test.batches():
        rows = np.asarray(images, np.float32).reshape(len(images), -1)
        if rows.shape[1] != values:
            raise DataError(f"training images have {values} values each, test images {rows.shape[1]}")
        sums += len(rows) * found.error(rows), np.square(rows - found.mean).sum(dtype=np.float64) / 2
        count += len(rows)
    pca, of_mean = (sums / count).tolist()
    return Linear(dims, found.num_images, pca if dims <= min(found.num_images, values) else None, of_mean)
