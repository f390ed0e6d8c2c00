"""The Siamese network that the paper shows beside the auto-encoders (Fig. 2), after Caffe's example `mnist_siamese`."""

from __future__ import annotations

from .streams import WholeTest
from .text import block, layer, net, train_and_test

XAVIER = 'weight_filler { type: "xavier" }'
CONSTANT = 'bias_filler { type: "constant" }'
DATASET = "pair_data"


def net_text(name: str, dims: int, train_list: str, test_list: str, batch: int, test: WholeTest) -> str:
    """Two LeNets with the same weights look at two images; a contrastive loss pulls codes of one class together."""
    header = f"""
Siamese network, {dims} code neurons, after Caffe's example mnist_siamese (Fig. 2 of
"Creation of a Deep Convolutional Auto-Encoder in Caffe", arXiv:1512.01596).

Two branches share every weight (param names conv1_w, ...): feat is the code of the pair's first image, feat_p of its
second.
"""
    return net(name, header, [
        *train_and_test(
            train_list, batch, test_list, test.batch,
            "pair_data (N, 2, 28, 28): two images in two channels; sim (N): 1 if both are of one class",
            [DATASET, "sim"], name="pair_data",
        ),
        layer("slice_pair", "Slice", [DATASET], ["data", "data_p"], ["slice_param { axis: 1 slice_point: 1 }"]),
        *_branch("data", "", dims),
        *_branch("data_p", "_p", dims),
        layer("loss", "ContrastiveLoss", ["feat", "feat_p", "sim"], ["loss"], ["contrastive_loss_param { margin: 1 }"]),
    ])  # fmt: skip


def _branch(bottom: str, suffix: str, dims: int) -> list[str]:
    """One LeNet; `suffix` tells its layers and blobs from the other branch's, the params are the same."""
    conv1, pool1, conv2, pool2, ip1, relu1, ip2, feat = (
        f"{name}{suffix}" for name in ("conv1", "pool1", "conv2", "pool2", "ip1", "relu1", "ip2", "feat")
    )
    return [
        _convolution(conv1, bottom, "conv1", 20, "(N, 20, 24, 24)"),
        _pool(pool1, conv1, "(N, 20, 12, 12)"),
        _convolution(conv2, pool1, "conv2", 50, "(N, 50, 8, 8)"),
        _pool(pool2, conv2, "(N, 50, 4, 4)"),
        _inner_product(ip1, pool2, "ip1", 500),
        layer(relu1, "ReLU", [ip1], [ip1]),
        _inner_product(ip2, ip1, "ip2", 10),
        _inner_product(feat, ip2, "feat", dims, "The code."),
    ]


def _shared(params: str) -> list[str]:
    return [f'param {{ name: "{params}_w" lr_mult: 1 }}', f'param {{ name: "{params}_b" lr_mult: 2 }}']


def _convolution(name: str, bottom: str, params: str, num_output: int, note: str) -> str:
    sizes = (f"num_output: {num_output}", "kernel_size: 5", "stride: 1")
    body = [*_shared(params), *block("convolution_param", *sizes, XAVIER, CONSTANT)]
    return layer(name, "Convolution", [bottom], [name], body, note=note)


def _pool(name: str, bottom: str, note: str) -> str:
    return layer(name, "Pooling", [bottom], [name], ["pooling_param { pool: MAX kernel_size: 2 stride: 2 }"], note=note)


def _inner_product(name: str, bottom: str, params: str, num_output: int, note: str = "") -> str:
    body = [*_shared(params), *block("inner_product_param", f"num_output: {num_output}", XAVIER, CONSTANT)]
    return layer(name, "InnerProduct", [bottom], [name], body, note=note)


def solver_text(name: str, test: WholeTest) -> str:
    """Caffe's mnist_siamese_solver."""
    return f"""\
# Siamese network, trained as Caffe's example mnist_siamese.
net: "net.prototxt"
type: "SGD"
base_lr: 0.01
lr_policy: "inv"
gamma: 0.0001
power: 0.75
momentum: 0.9
weight_decay: 0
max_iter: 50000

test_iter: {test.iterations}
test_interval: 500
display: 100
snapshot: 5000
snapshot_prefix: "{name}"
"""
