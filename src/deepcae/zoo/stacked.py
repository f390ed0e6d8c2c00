"""CAE Model 2 in three stages, after Masci et al., "Stacked Convolutional Auto-Encoders for Hierarchical Feature
Extraction" (ICANN 2011): each stage is an auto-encoder of what the stage before it makes of the image."""

from __future__ import annotations

from . import cae
from .classifier import FROZEN
from .streams import WholeTest
from .text import layer, net, train_and_test

STAGES = {"cae2-stage1": 1, "cae2-stage2": 2, "cae2-stage3": 3}
ITERATIONS = 5000
RATES = {1: 0.0001, 2: 0.0001, 3: 0.003}  # 0.003 saturates a convolution that is trained alone
WHAT = {1: "conv1", 2: "conv2, on a conv1 that stays as it is", 3: "the code, on convolutions that stay as they are"}


def net_text(name: str, dims: int, train_list: str, test_list: str, batch: int, test: WholeTest) -> str:
    """Stage 1, 2 or 3; its learned layers have the names that they have in cae2, but for the one that undoes it."""
    stage = STAGES[name]
    source = f"`--weights` with a run of cae2-stage{stage - 1} brings the layers before." if stage > 1 else ""
    header = f"""
Layer-wise training of "cae2", {dims} code neurons, stage {stage} of {len(STAGES)}: {WHAT[stage]}.
{source}
"""
    return net(name, header, [
        *train_and_test(train_list, batch, test_list, test.batch),
        *_layers(stage, dims),
    ])  # fmt: skip


def _layers(stage: int, dims: int) -> list[str]:
    first, second, _ = cae.MAPS["cae2"]
    conv1, conv1sig, conv2, conv2sig, *code = cae.encoder("cae2", dims)
    frozen = cae.features("cae2", params=FROZEN)
    if stage == 1:
        undo = cae.convolution("Deconvolution", "undo1", "conv1sig", 1, 9, "(N, 1, 28, 28)")
        return [conv1, conv1sig, *undo, *cae.losses("undo1", "undo1sig")]
    if stage == 2:
        undo = cae.convolution("Deconvolution", "undo2", "conv2sig", first, 9, f"(N, {first}, 20, 20)")
        return [*frozen[:2], conv2, conv2sig, *undo, *cae.losses("undo2", "undo2sig", "conv1sig")]
    flat = layer("conv2flat", "Flatten", ["conv2sig"], ["conv2flat"], note=f"(N, {second * 144})")
    return [
        *frozen[:4], flat, *code, *cae.decoder("cae2")[:2],
        cae.inner_product("undo3", "ip1decodesig", second * 144), cae.sigmoid("undo3"),
        *cae.losses("undo3", "undo3sig", "conv2flat"),
    ]  # fmt: skip


def solver_text(name: str, test: WholeTest) -> str:
    """With momentum and a rate for each stage: that of a convolution alone must be small."""
    stage = STAGES[name]
    return f"""\
# Stage {stage} of CAE Model 2, layer by layer.
net: "net.prototxt"
type: "SGD"
base_lr: {RATES[stage]}
lr_policy: "fixed"
momentum: 0.9
weight_decay: 0.0005
max_iter: {ITERATIONS}

test_iter: {test.iterations}
test_interval: 1000
test_compute_loss: true
display: 100
snapshot: {ITERATIONS}
snapshot_prefix: "{name}"
"""
