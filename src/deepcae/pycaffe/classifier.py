"""A Net whose first input is an image and whose first output is a value for each class.

Source: Caffe's python/caffe/classifier.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..proto.schema import TEST
from .io import oversample as crops_of
from .io import resize_image
from .net import Net
from .transformer import image_transformer

__all__ = ["Classifier"]


class Classifier(Net):
    """`predict` of images of any size: scaled to `image_dims` (by default the input's size), cropped, preprocessed.

    `mean`, `input_scale`, `raw_scale`, `channel_swap`: the settings of `self.transformer`.
    """

    def __init__(
        self,
        model_file: str,
        pretrained_file: str,
        image_dims: Sequence[int] | None = None,
        mean: np.ndarray | None = None,
        input_scale: Any = None,
        raw_scale: Any = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        in_ = self.inputs[0]
        shape = self.blobs[in_].data.shape
        self.transformer = image_transformer(in_, shape, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(shape[2:])
        self.image_dims = self.crop_dims if image_dims is None or not len(image_dims) else image_dims

    def predict(self, inputs: Sequence[np.ndarray], oversample: bool = True) -> np.ndarray:
        """(N, C): the net's first output for N images (H, W, K) with values as `load_image` gives them.

        `oversample`: the mean over the corners, the centre, and their mirror images; else the centre alone.
        ValueError for image dimensions smaller than the net's input.
        """
        height, width = (int(size) for size in self.image_dims)
        scaled = np.stack([resize_image(image, (height, width)) for image in inputs])
        crops = crops_of(scaled, self.crop_dims) if oversample else self._centres(scaled)
        in_ = self.inputs[0]
        blobs = np.stack([self.transformer.preprocess(in_, crop) for crop in crops])
        found: np.ndarray = self.forward_all(**{in_: blobs})[self.outputs[0]]
        return found.reshape(len(inputs), 10, -1).mean(1) if oversample else found

    def _centres(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, K) → (N, h, w, K): the middle of each image, in the size of the net's input."""
        room = np.array(images.shape[1:3]) - self.crop_dims
        if room.min() < 0:
            given, needed = tuple(images.shape[1:3]), tuple(self.crop_dims.tolist())
            raise ValueError(f"image_dims {given} are smaller than the net's input {needed}")
        top, left = room // 2
        height, width = self.crop_dims
        return images[:, top : top + height, left : left + width]
