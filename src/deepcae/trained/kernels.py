"""The learned kernels of a trained net, as pictures can show them."""

from __future__ import annotations

import numpy as np

from ..errors import DataError, DeepcaeError
from ..layers.base import Shape
from ..layers.linear import InnerProduct
from ..net.advice import authors_name
from ..net.net import Net
from ..net.step import Step
from .network import Trained


def kernels(trained: Trained) -> dict[str, np.ndarray]:
    """Layer → (O, I, kH, kW): of convolutions, and of fully connected layers that read or write images.

    Kernels of one axis are (O, I, k), of three (O, I, kD, kH, kW).

    Layers that share their weights are shown once, under the first one's name.
    """
    found: dict[str, np.ndarray] = {}
    seen: set[int] = set()
    for step in trained.net.plan.steps:
        tensors = trained.net.params.get(step.name)
        if not tensors or tensors[0].data_ptr() in seen:
            continue
        seen.add(tensors[0].data_ptr())
        blob = _as_kernels(trained, step, tensors[0].detach().cpu().numpy())
        if blob is not None:
            found[step.name] = blob
    return found


def as_drawn(trained: Trained) -> dict[str, float]:
    """Layer → how much of its weights w is still w0, which chance gave them before the training: (w·w0)²/|w|²|w0|².

    1: nothing was learned; 0: nothing is left of w0, or it was replaced by weights that were loaded. {} where the run
    does not say its seed. Few iterations change weights little, and kernels are then mostly noise.
    """
    run = trained.run
    seed = None if run is None else run.about.get("seed")
    if run is None or not isinstance(seed, int):
        return {}
    train, _ = run.nets
    try:
        begun = Net(train.document, train.phase, level=train.level, stages=train.stages, seed=seed, folders=run.folders)
    except DeepcaeError:  # its data are gone, by which sizes were told
        return {}
    found = {}
    for name, tensors in trained.net.params.items():
        first, now = (each[0].detach().cpu().flatten() for each in (begun.params.get(name) or tensors, tensors))
        length = float(first.norm() * now.norm())
        if name in begun.params and first.shape == now.shape and length > 0:
            found[name] = (float(first @ now) / length) ** 2
    return found


def _as_kernels(trained: Trained, step: Step, blob: np.ndarray) -> np.ndarray | None:
    """(O, I, kH, kW), or None for weights that are no pictures."""
    if blob.ndim in (3, 4, 5) and step.kind.convolves:
        return blob
    if not issubclass(step.kind, InnerProduct) or blob.ndim != 2 or step.node.param.inner_product_param.transpose:
        return None
    bottom = trained.net.plan.shapes.get(step.bottoms[0])
    if bottom is not None and len(bottom) in (4, 5) and bottom[-2] > 2 and blob.shape[1] == np.prod(bottom[1:]):
        return blob.reshape(len(blob), *bottom[1:])
    if authors_name(trained.net.plan.steps, step.bottoms[0]) == trained.images and trained.image_shape is not None:
        return _of_samples(blob, trained.image_shape)
    images = _restored_shape(trained)
    if images is not None and blob.shape[0] == np.prod(images):
        return _of_samples(blob.T, images)
    return None


def _of_samples(rows: np.ndarray, shape: Shape) -> np.ndarray:
    """Rows (O, values) in the shape of a sample; a signal (L,) is one channel."""
    return rows.reshape(len(rows), *((1, *shape) if len(shape) == 1 else shape))


def _restored_shape(trained: Trained) -> Shape | None:
    """(C, H, W) of the images that the net restores; None where it restores none."""
    try:
        return trained.image_shape if trained.restored else None
    except DataError:
        return None
