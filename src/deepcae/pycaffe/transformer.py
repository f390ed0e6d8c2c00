"""From an image to a net's input and back, by settings that a script makes input by input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .resize import resize_image

__all__ = ["Transformer", "image_transformer"]


class Transformer:
    """x = (channel_swap(transpose(resize(image))) · raw_scale − mean) · input_scale, for each input what is set.

    `inputs`: the shape (N, K, H, W) of each of the net's inputs, by name. The settings stand in dicts of that name
    (`transpose`, `channel_swap`, `raw_scale`, `mean`, `input_scale`); an input without a setting skips that step.
    Every method raises Exception for a name that is no input.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = inputs
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, Any] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, Any] = {}

    def preprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """An image (H, W, K) as the input (K, h, w) in float32. The image is left as it is (Caffe could change it)."""
        self._check(in_)
        made = np.array(data, np.float32)
        if made.shape[:2] != self._shape(in_)[2:]:
            made = resize_image(made, self._shape(in_)[2:])
        if in_ in self.transpose:
            made = made.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            made = made[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            made *= self.raw_scale[in_]
        if in_ in self.mean:
            made -= self.mean[in_]
        if in_ in self.input_scale:
            made *= self.input_scale[in_]
        return made

    def deprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """The image that an input (K, h, w), or a batch of one, was made of, in the input's size: the steps undone."""
        self._check(in_)
        made = data.copy().squeeze()
        if in_ in self.input_scale:
            made /= self.input_scale[in_]
        if in_ in self.mean:
            made += self.mean[in_]
        if in_ in self.raw_scale:
            made /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            made = made[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            made = made.transpose(np.argsort(self.transpose[in_]))
        return made

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The order of the image's axes in the input: (2, 0, 1) takes (H, W, K) to (K, H, W).

        Exception if the input has another number of axes.
        """
        self._check(in_)
        if len(order) != len(self.inputs[in_]) - 1:
            raise Exception(
                "Transpose order needs to have the same number of dimensions as the input. "
                f"({in_}: {len(order)} given, {len(self.inputs[in_]) - 1} needed)"
            )
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """The order of the channels, after the transposition: (2, 1, 0) takes RGB to BGR.

        Exception if the input has another number of channels.
        """
        self._check(in_)
        if len(order) != self.inputs[in_][1]:
            raise Exception(
                "Channel swap needs to have the same number of dimensions as the input channels. "
                f"({in_}: {len(order)} given, {self.inputs[in_][1]} needed)"
            )
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: Any) -> None:
        """The factor before the mean is taken off: 255 for nets that were trained on pixels of 0..255."""
        self._check(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: np.ndarray) -> None:
        """What is taken off: a value for each channel (K,), or an image (H, W) or (K, H, W) of the input's size.

        ValueError for any other shape.
        """
        self._check(in_)
        shape = self._shape(in_)[1:]
        given = mean.shape
        if mean.ndim == 1:
            if given[0] != shape[0]:
                raise ValueError(f"Mean channels incompatible with input. ({in_}: {given[0]} given, {shape[0]} needed)")
            mean = mean[:, np.newaxis, np.newaxis]
        elif mean.ndim not in (2, 3):
            raise ValueError(f"Mean shape invalid: {given}, where (K,), (H, W) or (K, H, W) is needed")
        elif (given if mean.ndim == 3 else (1, *given)) != shape:
            raise ValueError(f"Mean shape incompatible with input shape. ({in_}: {given} given, {shape} needed)")
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: Any) -> None:
        """The factor after everything else."""
        self._check(in_)
        self.input_scale[in_] = scale

    def _check(self, in_: str) -> None:
        if in_ not in self.inputs:
            raise Exception(f"{in_} is not one of the net inputs: {self.inputs}")

    def _shape(self, in_: str) -> tuple[int, ...]:
        return tuple(self.inputs[in_])


def image_transformer(
    in_: str,
    shape: Sequence[int],
    mean: np.ndarray | None = None,
    input_scale: Any = None,
    raw_scale: Any = None,
    channel_swap: Sequence[int] | None = None,
) -> Transformer:
    """The Transformer of a net with one input of images, (H, W, K) → (K, H, W), with what else is given."""
    made = Transformer({in_: tuple(shape)})
    made.set_transpose(in_, (2, 0, 1))
    if mean is not None:
        made.set_mean(in_, mean)
    if input_scale is not None:
        made.set_input_scale(in_, input_scale)
    if raw_scale is not None:
        made.set_raw_scale(in_, raw_scale)
    if channel_swap is not None:
        made.set_channel_swap(in_, channel_swap)
    return made
