"""Which part of an image a unit looks at: as its gradient says, for drawn networks."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepcae.errors import DeepcaeError
from deepcae.explore.field import field
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text

HEAD = 'input: "data" input_shape { dim: 1 dim: 1 dim: 13 dim: 11 }\n'
FILLER = 'weight_filler { type: "constant" value: 1 }'


def windows(kind: str) -> st.SearchStrategy[str]:
    sizes = {"kernel_size": st.integers(1, 4), "stride": st.integers(1, 3), "pad": st.integers(0, 2)}
    sizes |= {} if kind == "Pooling" else {"dilation": st.integers(1, 2)}
    return st.fixed_dictionaries(sizes).map(lambda told: " ".join(f"{name}: {size}" for name, size in told.items()))


def layer(kind: str, told: str, number: int) -> str:
    bottom = f"l{number - 1}" if number else "data"
    named = f'layer {{ name: "l{number}" type: "{kind}" bottom: "{bottom}" top: "l{number}" '
    if kind == "Pooling":
        return f"{named} pooling_param {{ pool: AVE {told} }} }}\n"
    return f"{named} convolution_param {{ num_output: 1 {told} {FILLER} }} }}\n"


layers = st.lists(
    st.sampled_from(["Convolution", "Deconvolution", "Pooling"]).flatmap(
        lambda kind: st.tuples(st.just(kind), windows(kind))
    ),
    min_size=1,
    max_size=3,
)


@settings(deadline=None)
@given(layers, st.data())
def test_it_is_the_part_that_has_a_gradient(drawn: list[tuple[str, str]], data: st.DataObject) -> None:
    text = HEAD + "".join(layer(kind, told, number) for number, (kind, told) in enumerate(drawn))
    try:
        net = Net(read_net_text(text))
    except DeepcaeError:  # a window that does not fit
        assume(False)
    blob = f"l{len(drawn) - 1}"
    height, width = (net.plan.shapes[blob] or ())[2:]
    assume(height * width < 10_000)
    place = data.draw(st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)))
    image = torch.ones(1, 1, 13, 11, requires_grad=True)
    made = net.forward({"data": image})[blob]
    (slope,) = torch.autograd.grad(made[0, 0, place[0], place[1]], image, allow_unused=True)
    seen = np.argwhere(slope[0, 0].numpy()) if slope is not None else np.empty((0, 2))
    assume(len(seen))  # a unit that padding alone makes looks at nothing
    box = field(net.plan, "data", blob, place)
    assert box is not None
    (top, bottom), (left, right) = box
    low, high = seen.min(axis=0), seen.max(axis=0)
    assert (top, left) <= tuple(low)
    assert top <= low[0] <= high[0] <= bottom
    assert left <= low[1] <= high[1] <= right
    gaps = "dilation: 2" in text or "stride: 3" in text or "stride: 2" in text
    if not gaps and not any(kind == "Pooling" for kind, _ in drawn):
        assert (top, bottom, left, right) == (low[0], high[0], low[1], high[1])


def test_a_fully_connected_layer_looks_at_all_of_it() -> None:
    text = HEAD + layer("Convolution", "kernel_size: 3", 0)
    text += 'layer { name: "ip" type: "InnerProduct" bottom: "l0" top: "ip" inner_product_param { num_output: 4 } }\n'
    text += 'layer { name: "r" type: "Reshape" bottom: "ip" top: "r" '
    text += "reshape_param { shape { dim: 1 dim: 1 dim: 2 dim: 2 } } }"
    net = Net(read_net_text(text))
    assert field(net.plan, "data", "r", (0, 1)) is None
    assert field(net.plan, "data", "l0", (2, 3)) == ((2, 4), (3, 5))


def test_ways_that_meet_look_at_both_parts() -> None:
    text = HEAD + layer("Convolution", "kernel_size: 3 pad: 1", 0)
    text += 'layer { name: "wide" type: "Convolution" bottom: "data" top: "wide" '
    text += "convolution_param { num_output: 1 kernel_size: 5 pad: 2 } }\n"
    text += 'layer { name: "sum" type: "Eltwise" bottom: "l0" bottom: "wide" top: "sum" }\n'
    text += 'layer { name: "relu" type: "ReLU" bottom: "sum" top: "sum" }'
    net = Net(read_net_text(text))
    assert field(net.plan, "data", "sum", (6, 5)) == ((4, 8), (3, 7))
