"""Convolutional auto-encoders with pooling, which the paper left to later work: as large as its Models 1 and 2.

The encoder is conv1-pool1-conv2-pool2-ip1-code; three decoders are on offer:

| network    | decoder                                                                                    |
|------------|--------------------------------------------------------------------------------------------|
| `…-deconv` | Model 1's or 2's own: deconvolutions alone                                                 |
| `…-unpool` | the encoder in reverse; unpooling puts a value into the top left corner of its cell        |
| `…-switch` | the same, but to the place where the maximum stood: *switches*, the second top of a Pooling |

Why the layers stand in this order, and what the three are worth: docs/13-pooling.md.
"""

from __future__ import annotations

from .cae import convolution, decoder, inner_product, losses, sigmoid, unfolded
from .cae import solver_text as cae_solver_text
from .streams import WholeTest
from .text import layer, net, train_and_test

MAPS = {
    "cae1": (2, 20, 125),
    "cae2": (5, 25, 250),
}  # maps of conv1; of conv2; ip1encode
DECODERS = {
    "deconv": "deconvolutions alone",
    "unpool": "unpooling without switches",
    "switch": "unpooling with switches",
}
NAMES = {f"{model}-pool-{way}": (model, way) for model in MAPS for way in DECODERS}
POOLS = ["pooling_param { pool: MAX kernel_size: 2 stride: 2 }"]


def net_text(name: str, dims: int, train_list: str, test_list: str, batch: int, test: WholeTest) -> str:
    """A pooled CAE with `dims` code neurons. Every activation is a blob of its own."""
    model, way = NAMES[name]
    mirrored = " -> ".join(["ip1decode", "deconv3", "unpool2", "deconv2", "unpool1", "deconv1neur"])
    decode = "ip1decode -> deconv2 -> deconv1 -> deconv1neur" if way == "deconv" else mirrored
    header = f"""
Convolutional auto-encoder with pooling, {dims} code neurons, about as large as Model {model[-1]} of
"Creation of a Deep Convolutional Auto-Encoder in Caffe" (arXiv:1512.01596); decoder: {DECODERS[way]}.

    encode: data -> conv1 -> pool1 -> conv2 -> pool2 -> ip1encode -> ip2encode (the code)
    decode: {decode} -> deconv1neursig (the restored image)
"""
    return net(name, header, [
        *train_and_test(train_list, batch, test_list, test.batch),
        *_encoder(model, dims, way == "switch"),
        *(decoder(model) if way == "deconv" else _mirrored(model, way == "switch")),
        *losses(),
    ])  # fmt: skip


def _encoder(model: str, dims: int, switches: bool) -> list[str]:
    first, second, hidden = MAPS[model]
    return [
        *convolution("Convolution", "conv1", "data", first, 9, f"(N, {first}, 20, 20)"),
        _pooling("pool1", "conv1sig", f"(N, {first}, 10, 10)", switches),
        *convolution("Convolution", "conv2", "pool1", second, 5, f"(N, {second}, 6, 6)"),
        _pooling("pool2", "conv2sig", f"(N, {second}, 3, 3)", switches),
        inner_product("ip1encode", "pool2", hidden),
        sigmoid("ip1encode"),
        inner_product("ip2encode", "ip1encodesig", dims, "The code: linear, no activation."),
    ]


def _mirrored(model: str, switches: bool) -> list[str]:
    """The encoder in reverse: what a pooling made smaller is made larger *before* the deconvolution."""
    first, second, hidden = MAPS[model]
    return [
        *unfolded(hidden),
        *convolution("Deconvolution", "deconv3", "ip1decodesh", second, 3, f"(N, {second}, 3, 3), as pool2"),
        _unpooling("unpool2", "deconv3sig", "pool2", 6, f"(N, {second}, 6, 6), as conv2", switches),
        *convolution("Deconvolution", "deconv2", "unpool2", first, 5, f"(N, {first}, 10, 10), as pool1"),
        _unpooling("unpool1", "deconv2sig", "pool1", 20, f"(N, {first}, 20, 20), as conv1", switches),
        *convolution("Deconvolution", "deconv1neur", "unpool1", 1, 9, "(N, 1, 28, 28)"),
    ]


def _pooling(name: str, bottom: str, shape: str, switches: bool) -> str:
    return layer(name, "Pooling", [bottom], [name, f"{name}_switches"] if switches else [name], POOLS, note=shape)


def _unpooling(name: str, bottom: str, pooling: str, size: int, shape: str, switches: bool) -> str:
    """The reverse of layer `pooling`, to planes of `size` by `size`."""
    body = [f"unpooling_param {{ unpool: MAX kernel_size: 2 stride: 2 unpool_size: {size} }}"]
    return layer(name, "Unpooling", [bottom, f"{pooling}_switches"] if switches else [bottom], [name], body, note=shape)


def solver_text(name: str, test: WholeTest) -> str:
    """Models 1 and 2's settings (Table V), with which all six train."""
    model, way = NAMES[name]
    return cae_solver_text(name, test, f"CAE Model {model[-1]} with pooling; decoder: {DECODERS[way]}")
