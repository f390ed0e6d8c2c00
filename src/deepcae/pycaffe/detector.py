"""A Net that looks at windows of images, each warped to its input, with some of their surroundings if wanted.

Source: Caffe's python/caffe/detector.py (R-CNN, Girshick et al. 2014).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..proto.schema import TEST
from .io import load_image, resize_image
from .net import Net
from .transformer import image_transformer

__all__ = ["Detector"]


class Detector(Net):
    """`detect_windows` of image files. A window is (ymin, xmin, ymax, xmax) in pixels.

    `context_pad`: the pixels of the net's (square) input that show a window's surroundings at each side; what lies
    outside the image is filled with the mean. The other settings are those of `self.transformer`.
    """

    def __init__(
        self,
        model_file: str,
        pretrained_file: str,
        mean: np.ndarray | None = None,
        input_scale: Any = None,
        raw_scale: Any = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        in_ = self.inputs[0]
        shape = self.blobs[in_].data.shape
        self.transformer = image_transformer(in_, shape, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(self, images_windows: Iterable[tuple[str, Iterable[ArrayLike]]]) -> list[dict[str, Any]]:
        """For each window of each (image file, windows): {"window", "prediction", "filename"}, in their order."""
        crops, found = [], []
        for filename, windows in images_windows:
            image = load_image(filename)
            for window in windows:
                crops.append(self.crop(image, np.asarray(window)))
                found.append({"window": window, "filename": filename})
        if not crops:
            return []
        in_ = self.inputs[0]
        blobs = np.stack([self.transformer.preprocess(in_, crop) for crop in crops])
        predictions = self.forward_all(**{in_: blobs})[self.outputs[0]]
        return [{**item, "prediction": prediction} for item, prediction in zip(found, predictions, strict=True)]

    def detect_selective_search(self, image_fnames: Iterable[str]) -> list[dict[str, Any]]:
        """RuntimeError: the program that proposes windows for Caffe is a MATLAB one."""
        raise RuntimeError(
            "detect_selective_search needs a MATLAB program that proposes windows; "
            "give windows of your own to detect_windows([(image file, windows), ...])"
        )

    def configure_crop(self, context_pad: int | None) -> None:
        """Sets the context, and from the transformer what fills the outside: the mean as an image has it.

        ValueError for a context that leaves no room for the window.
        """
        in_ = self.inputs[0]
        shape = self.blobs[in_].data.shape[1:]
        if context_pad and 2 * context_pad >= min(shape[1:]):
            raise ValueError(f"context_pad {context_pad} leaves nothing of an input of {shape[1]} x {shape[2]}")
        back = np.argsort(self.transformer.transpose[in_])
        self.context_pad = context_pad
        self.crop_dims = np.array(shape)[back]  # (H, W, K)
        filling = np.broadcast_to(self.transformer.mean.get(in_, np.float32(0)), shape).transpose(back)
        if in_ in self.transformer.channel_swap:
            filling = filling[:, :, np.argsort(self.transformer.channel_swap[in_])]
        self.crop_mean = filling / np.float32(self.transformer.raw_scale.get(in_, 1))

    def crop(self, im: np.ndarray, window: np.ndarray) -> np.ndarray:
        """A window of an image (H, W, K); with context: an image of the net's input size, the window in its middle.

        ValueError for a window that shows nothing of the image.
        """
        top, left, bottom, right = (int(edge) for edge in window)
        if not self.context_pad:
            return _shown(im, top, left, bottom, right)
        size = int(self.crop_dims[1])
        rows = _span(top, bottom, im.shape[0], size, self.context_pad)
        columns = _span(left, right, im.shape[1], size, self.context_pad)
        seen = _shown(im, rows[0], columns[0], rows[1], columns[1])
        made = np.array(self.crop_mean, np.float32)
        target = made[rows[2] : rows[2] + rows[3], columns[2] : columns[2] + columns[3]]
        if target.size:
            target[...] = resize_image(seen, target.shape[:2])
        return made


def _shown(im: np.ndarray, top: int, left: int, bottom: int, right: int) -> np.ndarray:
    seen = im[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if 0 in seen.shape:
        raise ValueError(
            f"window ({top}, {left}, {bottom}, {right}) shows nothing of an image of {im.shape[0]} x {im.shape[1]} "
            "pixels; windows are (ymin, xmin, ymax, xmax)"
        )
    return seen


def _span(first: int, last: int, extent: int, size: int, pad: int) -> tuple[int, int, int, int]:
    """One axis of a crop with context: (first, end) in the image and (offset, length) in the net's input.

    The window with its surroundings is size/(size − 2·pad) times as long as the window, about the same centre; what
    of it lies outside the image, 0..extent, moves the image's part within the input.
    """
    half = (last - first + 1) / 2
    center = first + half
    reach = half * size / (size - 2 * pad)
    low, high = np.round(center - reach), np.round(center + reach)
    scale = size / (high - low + 1)
    offset = round(max(0.0, -low) * scale)
    low, high = np.clip((low, high), 0, extent)
    return int(low), int(high), offset, round((high - low + 1) * scale)
