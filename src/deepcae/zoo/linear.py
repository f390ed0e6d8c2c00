"""The linear way from image to code and back: as text, and its weights, which are the training images' PCA.

    code = s V (x - m)      restored = Vᵀ code / s + m

V: the first principal components, m: the mean image. One scale s for all gives the code a mean variance of 1; distances
between codes stay those of PCA.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..codes.principal import Array, Principal
from ..proto.schema import BlobProto, NetParameter
from .branches import as_image
from .text import block, layer

ENCODE, DECODE, IMAGE = "linear_encode", "linear_decode", "linear_image"
CENTRED, NORMAL, SCALED = "centred", "normal", "scaled"
FIXED = ("param { lr_mult: 0 }", "param { lr_mult: 0 }")


def encoder(dims: int) -> str:
    """From data to linear_encode (N, dims)."""
    note = "The linear way to the code: the images' principal components. It stays as it starts."
    return _neurons(ENCODE, "data", dims, note)


def decoder(code: str, image: Sequence[int]) -> list[str]:
    """From the blob `code` back to an image, the blob `restored(image)`."""
    found = [_neurons(DECODE, code, math.prod(image), "The linear way back.")]
    return found if len(image) == 1 else [*found, as_image(DECODE, IMAGE, image)]


def restored(image: Sequence[int]) -> str:
    """The blob of the image that the linear way restores."""
    return IMAGE if len(image) > 1 else DECODE


def joined(name: str, bottoms: Sequence[str], note: str, scale: float = 1.0) -> str:
    """The sum of both ways; `scale`: a factor of the second."""
    factors = "" if scale == 1 else f" coeff: 1 coeff: {scale:.3g}"
    return layer(name, "Eltwise", bottoms, [name], [f"eltwise_param {{ operation: SUM{factors} }}"], note=note)


def centred(scale: float) -> tuple[str, str]:
    """(x - m) · scale, the blob `NORMAL`: what the network beside the linear way is shown."""
    return (
        layer(CENTRED, "Bias", ["data"], [CENTRED], ["param { lr_mult: 0 }", "bias_param { axis: 1 num_axes: -1 }"],
              note="The images less their mean, at a variance of 1."),
        layer(NORMAL, "Power", [CENTRED], [NORMAL], [f"power_param {{ scale: {scale:.4g} }}"]),
    )  # fmt: skip


def uncentred(bottom: str, top: str, scale: float) -> tuple[str, str]:
    """scale · bottom + m, the blob `top`: what the network makes, in units of the images, and their mean."""
    return (
        layer(SCALED, "Power", [bottom], [SCALED], [f"power_param {{ scale: {scale:.4g} }}"]),
        layer(top, "Bias", [SCALED], [top], ["param { lr_mult: 0 }", "bias_param { axis: 1 num_axes: -1 }"],
              note="The restored image: the mean, and what the network makes."),
    )  # fmt: skip


def _neurons(name: str, bottom: str, count: int, note: str) -> str:
    body = [*FIXED, *block("inner_product_param", f"num_output: {count}", 'weight_filler { type: "xavier" }')]
    return layer(name, "InnerProduct", [bottom], [name], body, note=note)


def start_weights(found: Principal, net: str, shape: Sequence[int]) -> NetParameter:
    """Both layers' weights and biases, as a .caffemodel holds them."""
    spread = math.sqrt(float(found.variances.mean()))
    scale = 1 / spread if spread > 0 else 1.0
    into = found.components * np.float32(scale)
    back = np.ascontiguousarray(found.components.T) / np.float32(scale)
    bias = -(found.components.astype(np.float64) @ found.mean.astype(np.float64)) * scale
    message = NetParameter(name=net)
    for name, blobs in ((ENCODE, (into, bias)), (DECODE, (back, found.mean))):
        added = message.layer.add(name=name, type="InnerProduct")
        added.blobs.extend(_blob(each) for each in blobs)
    centre = message.layer.add(name=CENTRED, type="Bias")
    centre.blobs.append(_blob(-found.mean.reshape(shape)))
    return message


def start_means(found: Principal, net: str, shape: Sequence[int], restored: str) -> NetParameter:
    """What a network without the linear way starts with: the images' mean, taken away before it and added behind."""
    message = NetParameter(name=net)
    for name, sign in ((CENTRED, -1), (restored, 1)):
        message.layer.add(name=name, type="Bias").blobs.append(_blob(sign * found.mean.reshape(shape)))
    return message


def _blob(values: Array) -> BlobProto:
    made = BlobProto(data=values.astype(np.float32).ravel())
    made.shape.dim.extend(values.shape)
    return made
