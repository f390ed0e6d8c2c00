"""The convolutional auto-encoders of the paper (Fig. 3, Tables II and III): Model 1 and Model 2."""

from __future__ import annotations

from collections.abc import Sequence

from .streams import WholeTest
from .text import block, gaussian, layer, net, one_pixel_maps, train_and_test

MAPS = {
    "cae1": (4, 2, 125),
    "cae2": (8, 4, 250),
}  # maps of conv1; of conv2 and both deconvs; ip1encode
SPARSE = 25
CONSTANT = 'bias_filler { type: "constant" }'
XAVIER = 'weight_filler { type: "xavier" }'


def net_text(name: str, dims: int, train_list: str, test_list: str, batch: int, test: WholeTest) -> str:
    """CAE Model 1 or 2 with `dims` code neurons. Every activation is a blob of its own: all 15 can be looked at."""
    first, second, hidden = MAPS[name]
    header = f"""
Deep convolutional auto-encoder, Model {name[-1]}, {dims} code neurons: Fig. 3 and Table II of
"Creation of a Deep Convolutional Auto-Encoder in Caffe" (arXiv:1512.01596).
784-(9x9x{first})-(9x9x{second})-{hidden}-{dims}-{hidden}-(12x12x{second})-(17x17x{second})-784

    encode: data -> conv1 -> conv2 -> ip1encode -> ip2encode (the code)
    decode: ip1decode -> deconv2 -> deconv1 -> deconv1neur -> deconv1neursig (the restored image)
"""
    return net(name, header, [
        *train_and_test(train_list, batch, test_list, test.batch),
        *encoder(name, dims),
        *decoder(name),
        *losses(),
    ])  # fmt: skip


def encoder(name: str, dims: int, images: str = "data") -> list[str]:
    """From the blob `images` (N, 1, 28, 28) to the code ip2encode (N, dims)."""
    return [
        *features(name, images),
        inner_product("ip2encode", "ip1encodesig", dims, "The code: linear, no activation."),
    ]


def features(name: str, images: str = "data", params: Sequence[str] = ()) -> list[str]:
    """The encoder up to ip1encodesig, from which the code is made. `params`: lines for each learned layer."""
    first, second, hidden = MAPS[name]
    return [
        *convolution("Convolution", "conv1", images, first, 9, f"(N, {first}, 20, 20)", params),
        *convolution("Convolution", "conv2", "conv1sig", second, 9, f"(N, {second}, 12, 12)", params),
        inner_product("ip1encode", "conv2sig", hidden, params=params),
        sigmoid("ip1encode"),
    ]


def decoder(name: str) -> list[str]:
    """From the code ip2encode (N, dims) to the restored image deconv1neursig (N, 1, 28, 28)."""
    _, second, hidden = MAPS[name]
    return [
        *unfolded(hidden),
        *convolution("Deconvolution", "deconv2", "ip1decodesh", second, 12, f"(N, {second}, 12, 12)"),
        *convolution("Deconvolution", "deconv1", "deconv2sig", second, 17, f"(N, {second}, 28, 28)"),
        *convolution("Deconvolution", "deconv1neur", "deconv1sig", 1, 1, "(N, 1, 28, 28): all maps joined into one"),
    ]


def unfolded(hidden: int) -> list[str]:
    """A decoder's beginning, from the code to `hidden` feature maps of one pixel, ip1decodesh."""
    return [
        inner_product("ip1decode", "ip2encode", hidden),
        sigmoid("ip1decode"),
        one_pixel_maps("ip1decodesig", hidden),
    ]


def losses(logits: str = "deconv1neur", restored: str = "deconv1neursig", target: str = "data") -> list[str]:
    """Both of the paper's losses with weight 1: `restored` is the sigmoid of `logits`."""
    return [
        layer("cross_entropy_loss", "SigmoidCrossEntropyLoss", [logits, target], ["cross_entropy_loss"],
              ["loss_weight: 1"], note="Sum over pixels, mean over images; reads the values before the sigmoid."),
        layer("l2_error", "EuclideanLoss", [restored, target], ["l2_error"], ["loss_weight: 1"],
              note="Half the squared distance per image."),
    ]  # fmt: skip


def convolution(
    kind: str, name: str, bottom: str, num_output: int, kernel: int, shape: str, params: Sequence[str] = ()
) -> tuple[str, str]:
    """A layer without padding, stride 1, and its sigmoid. `params`: lines such as `param { lr_mult: 0 }`."""
    body = block("convolution_param", f"num_output: {num_output}", f"kernel_size: {kernel}", XAVIER, CONSTANT)
    return layer(name, kind, [bottom], [name], [*params, *body], note=shape), sigmoid(name)


def inner_product(name: str, bottom: str, num_output: int, note: str = "", params: Sequence[str] = ()) -> str:
    """A fully connected layer with the paper's sparse gaussian filler."""
    body = block("inner_product_param", f"num_output: {num_output}", gaussian(num_output, SPARSE), CONSTANT)
    return layer(name, "InnerProduct", [bottom], [name], [*params, *body], note=note)


def sigmoid(name: str) -> str:
    """The sigmoid of blob `name`, as a blob of its own."""
    return layer(f"{name}sig", "Sigmoid", [name], [f"{name}sig"])


def solver_text(name: str, test: WholeTest, about: str = "", stages: Sequence[str] = ()) -> str:
    """Table V; momentum is absent there, and 0 reproduces the paper's losses. `about`: the first line's words.

    `stages`: of the test net, each tested by itself; without them there is one test.
    """
    iterations = f"test_iter: {test.iterations}"
    tests = "\n".join(f'test_state {{ stage: "{stage}" }}\n{iterations}' for stage in stages) or iterations
    return f"""\
# {about or f"CAE Model {name[-1]}"}, trained as in Table V of the paper.
net: "net.prototxt"
type: "SGD"
base_lr: 0.006
lr_policy: "fixed"
momentum: 0  # the paper names none, and 0 reproduces its losses
weight_decay: 0.0005
max_iter: 20000

{tests}
test_interval: 1000
test_compute_loss: true
display: 100
snapshot: 5000
snapshot_prefix: "{name}"
"""
