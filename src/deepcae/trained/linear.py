"""What a network has to beat: PCA with as many dimensions, and the mean image, fitted to its own training images."""

from __future__ import annotations

from ..codes.baselines import Linear, linear_losses
from .examples import Examples

SEED = 0  # of the sample of the training images, where they are many


def linear(train: Examples, test: Examples, dims: int) -> Linear:
    """½ squared error per image of `test` by PCA fitted to `train`, in bounded memory; see `codes.baselines`."""
    blocks = (images for images, _ in test.batches())
    return linear_losses(lambda rows: train.pick(rows)[0], len(train), blocks, dims, SEED)
