"""The classic (fully connected) auto-encoders of Table I, after Caffe's example `mnist_autoencoder`."""

from __future__ import annotations

from .streams import WholeTest
from .text import IMAGES, block, gaussian, hdf5_data, layer, net

HIDDEN = {
    "classic-300": (300, 150, 75),
    "classic-500": (500, 250, 125),
    "classic-1000": (1000, 500, 250),
    "classic-2000": (2000, 1000, 500),
    "classic-3000": (3000, 1500, 750),
}
PIXELS = 784
SPARSE = 15
TRAIN_STAGE = "test-on-train"


def net_text(
    name: str, dims: int, train_list: str, test_list: str, batch: int, train_test: WholeTest, test: WholeTest
) -> str:
    """784-H-H/2-H/4-dims and back, sigmoids between, a linear code."""
    sizes = [*HIDDEN[name], dims]
    chain = "-".join(map(str, [PIXELS, *sizes, *reversed(sizes[:-1]), PIXELS]))
    header = f"""
Classic auto-encoder, {dims} code neurons: Table I of
"Creation of a Deep Convolutional Auto-Encoder in Caffe" (arXiv:1512.01596), after Caffe's example mnist_autoencoder.
{chain}
"""
    layers = [
        hdf5_data("data", ["data"], train_list, batch, "phase: TRAIN", shuffle=True, note=IMAGES),
        hdf5_data("data", ["data"], train_list, train_test.batch, f'phase: TEST stage: "{TRAIN_STAGE}"',
                  note="The first test net measures on the training set, the second on the test set."),
        hdf5_data("data", ["data"], test_list, test.batch, f'phase: TEST not_stage: "{TRAIN_STAGE}"'),
        layer("flatdata", "Flatten", ["data"], ["flatdata"], note="(N, 784): what both losses compare with"),
    ]  # fmt: skip
    bottom = "data"
    for number, size in enumerate(sizes, start=1):
        is_code = number == len(sizes)
        layers.append(_inner_product(f"encode{number}", bottom, size, "The code: linear." if is_code else ""))
        bottom = f"encode{number}"
        if not is_code:
            layers.append(_sigmoid(bottom))
            bottom += "neuron"
    for number, size in zip(range(len(sizes), 0, -1), [*reversed(sizes[:-1]), PIXELS], strict=True):
        layers.append(_inner_product(f"decode{number}", bottom, size))
        if number > 1:
            layers.append(_sigmoid(f"decode{number}"))
            bottom = f"decode{number}neuron"
    return net(name, header, layers + _losses())


def _losses() -> list[str]:
    return [
        layer("cross_entropy_loss", "SigmoidCrossEntropyLoss", ["decode1", "flatdata"], ["cross_entropy_loss"],
              ["loss_weight: 1"], note="Sum over pixels, mean over images; reads the values before the sigmoid."),
        _sigmoid("decode1"),
        layer("l2_error", "EuclideanLoss", ["decode1neuron", "flatdata"], ["l2_error"], ["loss_weight: 0"],
              note="Half the squared distance per image; weight 0: measured, not trained on (as in Caffe's example)."),
    ]  # fmt: skip


def _inner_product(name: str, bottom: str, num_output: int, note: str = "") -> str:
    body = ["param { lr_mult: 1 decay_mult: 1 }", "param { lr_mult: 1 decay_mult: 0 }"]
    filler = 'bias_filler { type: "constant" value: 0 }'
    body += block("inner_product_param", f"num_output: {num_output}", gaussian(num_output, SPARSE), filler)
    return layer(name, "InnerProduct", [bottom], [name], body, note=note)


def _sigmoid(name: str) -> str:
    return layer(f"{name}neuron", "Sigmoid", [name], [f"{name}neuron"])


def solver_text(name: str, train_test: WholeTest, test: WholeTest) -> str:
    """The paper's settings (Table V): Caffe's example with 5,000 iterations and a step every 1,000."""
    return f"""\
# Classic auto-encoder, trained as in Table V of the paper.
net: "net.prototxt"
type: "SGD"
base_lr: 0.01
lr_policy: "step"
gamma: 0.1
stepsize: 1000  # the paper's; Caffe's example has 10000
momentum: 0.9
weight_decay: 0.0005
max_iter: 5000

test_state {{ stage: "{TRAIN_STAGE}" }}
test_iter: {train_test.iterations}
test_state {{ stage: "test-on-test" }}
test_iter: {test.iterations}
test_interval: 500
test_compute_loss: true
display: 100
snapshot: 2500
snapshot_prefix: "{name}"
"""
