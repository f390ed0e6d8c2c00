"""How layers are joined: sharing, multipliers, propagate_down, force_backward, loss weights, inputs, states."""

from __future__ import annotations

import pytest
import torch

from deepcae.errors import LayerError, SpecError
from deepcae.net.graph import build_graph
from deepcae.net.layerwise import Layerwise
from deepcae.net.net import Net
from deepcae.net.plan import make_plan
from deepcae.proto.read import read_net_text, read_solver_text
from deepcae.solver.nets import choose_nets

INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


def fc(name: str, bottom: str, top: str, outputs: int, more: str = "", param: str = "") -> str:
    settings = f"num_output: {outputs} bias_term: false weight_filler {{ type: 'xavier' }} {more}"
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{top}" {param} '
        f"inner_product_param {{ {settings} }} }}\n"
    )


def planned(text: str, phase: str = "TRAIN"):
    return make_plan(build_graph(read_net_text(text, "n.prototxt"), phase))


def gradients(text: str) -> list[torch.Tensor]:
    """Of the learned blobs; the same from the whole graph as layer by layer."""
    net = Net(read_net_text(text), "TRAIN", seed=3)
    net.loss(net.forward({"x": X})).backward()
    view = Layerwise(net)
    view.forward({"x": X})
    view.backward()
    found = []
    for param, tensor, plan in zip(view.params, net.tensors, net.plan.params, strict=True):
        if plan.owner is None:
            grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            torch.testing.assert_close(param.diff, grad)
            found.append(grad)
    return found


def test_propagate_down_stops_the_gradient() -> None:
    loss = 'layer { name: "l" type: "EuclideanLoss" bottom: "b" bottom: "x" top: "l" }'
    chain = INPUT + fc("a", "x", "a", 3) + fc("b", "a", "b", 3, param="PROPAGATE") + loss
    free = gradients(chain.replace("PROPAGATE", ""))
    stopped = gradients(chain.replace("PROPAGATE", "propagate_down: false"))
    assert free[0].any()
    assert not stopped[0].any()
    torch.testing.assert_close(free[1], stopped[1])
    with pytest.raises(SpecError, match=r"n\.prototxt:3:\d+: .*propagate_down is given 2 times for 1 bottom"):
        planned(chain.replace("PROPAGATE", "propagate_down: false propagate_down: true"))


LABELLED = {
    "SigmoidCrossEntropyLoss": "give what the net made first, then what it should be",
    "SoftmaxWithLoss": "propagate_down: false keeps it so",
    "HingeLoss": "propagate_down: false keeps it so",
    "MultinomialLogisticLoss": "propagate_down: false keeps it so",
}


@pytest.mark.parametrize("loss", LABELLED)
def test_a_label_that_layers_are_to_learn_by_is_refused(loss: str) -> None:
    """Nothing would be learned, without a word; Caffe ends in its first backward pass."""
    width = 3 if loss == "SigmoidCrossEntropyLoss" else 1
    made = INPUT + fc("a", "x", "a", width)
    last = f'layer {{ name: "l" type: "{loss}" bottom: "x" bottom: "a" top: "l" PROPAGATE }}'
    told = rf"n\.prototxt:\d+:\d+: .*no gradient goes to its bottom 1, 'a', which .*: Caffe ends here; {LABELLED[loss]}"
    for more in ("", "loss_weight: 0.5", "propagate_down: true propagate_down: true"):
        with pytest.raises(SpecError, match=told):
            planned(made + last.replace("PROPAGATE", more))
    for fine in ("loss_weight: 0", "propagate_down: true propagate_down: false"):
        planned(made + last.replace("PROPAGATE", fine))
    planned(INPUT + fc("a", "x", "a", width, param="param { lr_mult: 0 }") + last.replace("PROPAGATE", ""))
    planned(made + last.replace("PROPAGATE", ""), "TEST")


@pytest.mark.parametrize(
    "layer",
    [
        'type: "ArgMax"',
        'type: "Threshold"',
        'type: "Embed" embed_param { num_output: 3 input_dim: 4 }',
        'type: "Filter" bottom: "a"',
        'type: "BatchReindex" bottom: "a"',
    ],
)
def test_a_layer_without_a_gradient_that_others_are_to_learn_through_is_refused(layer: str) -> None:
    made = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }' + fc("a", "x", "a", 1)
    flat = 'layer { name: "f" type: "Reshape" bottom: "a" top: "f" reshape_param { shape { dim: 2 } } }'
    bottoms = 'bottom: "x" bottom: "f"' if 'bottom: "a"' in layer else 'bottom: "a"'
    middle = f'layer {{ name: "m" {layer.replace(" bottom: " + chr(34) + "a" + chr(34), "")} {bottoms} top: "m" }}'
    sum_up = 'layer { name: "l" type: "Reduction" bottom: "m" top: "l" loss_weight: 1 }'
    with pytest.raises(SpecError, match=r"layer 'm' .*no gradient goes to its bottom \d, '[af]'"):
        planned(made + (flat if "bottom" in layer else "") + middle + sum_up)


def test_force_backward_reaches_the_inputs_and_what_has_no_gradient() -> None:
    text = INPUT + fc("a", "x", "a", 3) + 'layer { name: "l" type: "EuclideanLoss" bottom: "a" bottom: "x" top: "l" }'
    assert [step.bottom_needs_backward for step in planned(text).steps[2:]] == [(False,), (True, False)]
    forced = planned("force_backward: true\n" + text)
    assert [step.bottom_needs_backward for step in forced.steps[1:]] == [(True,), (True,), (True, True)]
    labels = 'layer { name: "t" type: "Input" top: "t" input_param { shape { dim: 2 } } }\n'
    accuracy = 'layer { name: "acc" type: "Accuracy" bottom: "x" bottom: "t" top: "acc" }'
    view = Layerwise(Net(read_net_text("force_backward: true\n" + INPUT + labels + accuracy), "TRAIN", seed=0))
    view.forward({"x": X, "t": torch.zeros(2)})
    with pytest.raises(LayerError, match=r"'acc' .*has no gradient"):
        view.backward()


def test_sharing_transposed_weights_sums_both_gradients() -> None:
    tied = INPUT + fc("a", "x", "a", 2, param='param { name: "w" }')
    tied += fc("b", "a", "y", 3, "transpose: true", 'param { name: "w" }')
    tied += 'layer { name: "l" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "l" }'
    (grad,) = gradients(tied)
    w = Net(read_net_text(tied), "TRAIN", seed=3).tensors[0].detach().requires_grad_()
    (wanted,) = torch.autograd.grad(((X @ w.T @ w - X) ** 2).sum() / 4, w)
    torch.testing.assert_close(grad, wanted)


@pytest.mark.parametrize(
    ("mode", "outputs", "fits"),
    [("", 2, True), ("", 6, False), ("share_mode: PERMISSIVE", 6, True), ("share_mode: PERMISSIVE", 5, False)],
)
def test_strict_sharing_wants_shapes_permissive_counts(mode: str, outputs: int, fits: bool) -> None:
    one = 'layer { name: "one" type: "Reshape" bottom: "x" top: "r" reshape_param { shape { dim: 6 dim: 1 } } }\n'
    text = INPUT + one + fc("a", "x", "a", 2, param='param { name: "w" }')
    text += fc("b", "x" if outputs == 2 else "r", "b", outputs, param=f'param {{ name: "w" {mode} }}')
    if fits:
        net = Net(read_net_text(text), "TRAIN", seed=0)
        assert net.tensors[1] is net.tensors[0]
        return
    what = "counts" if mode else "shapes"
    with pytest.raises(SpecError, match=rf"n\.prototxt:4:\d+: .*cannot share 'w' with 'a/0': {what} differ"):
        planned(text)


def test_multipliers_of_sharers_agree_and_the_first_explicit_one_counts() -> None:
    def text(first: str, second: str) -> str:
        return INPUT + "".join(
            fc(name, "x", name, 2, param=f'param {{ name: "w" {mult} }}')
            for name, mult in (("a", first), ("b", second))
        )

    for first, second in (("", "lr_mult: 3"), ("lr_mult: 3", ""), ("lr_mult: 3", "lr_mult: 3")):
        assert [param.lr_mult for param in planned(text(first, second)).params] == [3, 3] or first
        assert planned(text(first, second)).params[0].lr_mult == 3
    for field in ("lr_mult", "decay_mult"):
        with pytest.raises(SpecError, match=rf"n\.prototxt:3:\d+: .*'a/0', which has {field} 2, not 3"):
            planned(text(f"{field}: 2", f"{field}: 3"))


def test_a_loss_weight_on_any_top_weighs_the_sum_of_its_elements() -> None:
    text = INPUT + fc("a", "x", "a", 2).replace("inner_product_param", "loss_weight: 0.5 inner_product_param")
    net = Net(read_net_text(text), "TRAIN", seed=0)
    blobs = net.forward({"x": X})
    assert net.loss(blobs).item() == pytest.approx(0.5 * blobs["a"].sum().item())
    torch.testing.assert_close(gradients(text)[0], 0.5 * X.sum(0).expand(2, 3))


@pytest.mark.parametrize(
    "inputs",
    [
        'input: "x" input_shape { dim: 2 dim: 3 dim: 1 dim: 1 } input: "t" input_shape { dim: 2 dim: 1 dim: 1 dim: 1 }',
        'input: "x" input: "t" input_dim: [2, 3, 1, 1, 2, 1, 1, 1]',
    ],
)
def test_inputs_named_by_the_net(inputs: str) -> None:
    plan = planned(inputs + ' layer { name: "r" type: "ReLU" bottom: "x" top: "y" }', "TEST")
    assert plan.inputs == ("x", "t")
    assert (plan.shapes["x"], plan.shapes["t"], plan.shapes["y"]) == ((2, 3, 1, 1), (2, 1, 1, 1), (2, 3, 1, 1))


def chosen(text: str) -> list[tuple[str, int, int, tuple[str, ...]]]:
    train, tests = choose_nets(read_solver_text(text, "s.prototxt"))
    return [(c.document.message.name, c.phase, c.level, c.stages) for c in (train, *tests)]


def test_the_states_of_a_solvers_nets() -> None:
    """Default phase ← the net's own state ← train_state or test_state; the net's own stages are added by its graph."""
    net = "net_param { name: 'n' state { level: 2 phase: TEST stage: 'own' } layer { name: 'a' } }"
    assert chosen(net) == [("n", 1, 2, ())]
    states = "train_state { level: 5 phase: TRAIN stage: 's' } test_iter: 1 test_iter: 1 "
    states += "test_state { stage: 'a' stage: 'b' } test_state { level: 7 }"
    assert chosen(f"{net} {states}") == [("n", 0, 5, ("s",)), ("n", 1, 2, ("a", "b")), ("n", 1, 7, ())]
    document = choose_nets(read_solver_text(f"{net} {states}"))[1][0].document
    assert build_graph(document, 1, 2, ("a", "b")).stages == ("own", "a", "b")


def test_the_order_of_a_solvers_test_nets(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("net", "file"):
        (tmp_path / f"{name}.prototxt").write_text(f"name: '{name}' layer {{ name: 'a' }}")
    inside = "test_net_param { name: 'inside' layer { name: 'a' } }"
    text = f"net: 'net.prototxt' test_net: 'file.prototxt' {inside} test_iter: [1, 1, 1, 1]"
    assert [name for name, *_ in chosen(text)] == ["net", "inside", "file", "net", "net"]
    text = (
        f"train_net_param {{ name: 'mine' layer {{ name: 'a' }} }} {inside} test_net: 'file.prototxt' test_iter: [1, 1]"
    )
    assert [name for name, *_ in chosen(text)] == ["mine", "inside", "file"]
