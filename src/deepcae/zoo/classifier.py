"""Classifiers that begin with an auto-encoder's encoder, layer names included: `--weights` brings it trained."""

from __future__ import annotations

from . import cae
from .streams import WholeTest
from .text import IMAGES, block, layer, net, train_and_test

CLASSES = 10
MODELS = {"cae2-classifier": False, "cae2-classifier-frozen": True}  # name: whether the encoder stays as it is
FROZEN = ("param { lr_mult: 0 }", "param { lr_mult: 0 }")  # weights and biases


def net_text(name: str, train_list: str, test_list: str, batch: int, test: WholeTest) -> str:
    """CAE Model 2's layers before the code, and scores of ten classes from them."""
    frozen = MODELS[name]
    fate = "stays as it is (lr_mult: 0): only the last layer learns" if frozen else "learns on (fine-tuning)"
    header = f"""
Classifier of digits: the layers of "cae2" before its code, then one layer of {CLASSES} scores.
`--weights` with a run of cae2 (of any number of code neurons) brings conv1, conv2 and ip1encode by name; classify
starts anew. The encoder {fate}.
"""
    scores = block("inner_product_param", f"num_output: {CLASSES}", cae.XAVIER, cae.CONSTANT)
    return net(name, header, [
        *train_and_test(train_list, batch, test_list, test.batch, f"data {IMAGES}; label (N), 0..9", ["data", "label"]),
        *cae.features("cae2", params=FROZEN if frozen else ()),
        layer("classify", "InnerProduct", ["ip1encodesig"], ["classify"], scores, note=f"(N, {CLASSES})"),
        layer("loss", "SoftmaxWithLoss", ["classify", "label"], ["loss"]),
        layer("accuracy", "Accuracy", ["classify", "label"], ["accuracy"], ["include { phase: TEST }"]),
    ])  # fmt: skip


def solver_text(name: str, test: WholeTest) -> str:
    """Adam, as a few labels need no long training: a few seconds."""
    return f"""\
# Classifier on the encoder of CAE Model 2: docs/14-pretraining.md tells how the rate was chosen.
net: "net.prototxt"
type: "Adam"
base_lr: 0.001
lr_policy: "fixed"
momentum: 0.9
momentum2: 0.999
delta: 1e-8
max_iter: 1000

test_iter: {test.iterations}
test_interval: 250
test_compute_loss: true
display: 100
snapshot: 1000
snapshot_prefix: "{name}"
"""
