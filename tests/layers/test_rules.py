"""Rules of single layers that no reference case shows."""

from __future__ import annotations

import math

import pytest
import torch

from deepcae.errors import LayerError
from deepcae.layers import CAFFE_TYPES, Context, Layer, make_layer
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import TEST, TRAIN


def run(
    text: str, *bottoms: torch.Tensor, phase: int = TRAIN, generator: torch.Generator | None = None
) -> torch.Tensor:
    names = " ".join(f'bottom: "x{n}"' for n in range(len(bottoms)))
    layer = make_layer(read_net_text(f'layer {{ name: "l" {names} top: "y" type: {text} }}').message.layer[0], phase)
    layer.shapes([tuple(bottom.shape) for bottom in bottoms])
    return layer.forward(bottoms, [], Context(generator=generator))[0]


def test_clip_lets_min_win_and_is_zero_without_bounds() -> None:
    x = torch.tensor([-3.0, 0.5, 3.0])
    assert run('"Clip" clip_param { min: 2 max: 1 }', x).tolist() == [2, 2, 2]
    assert run('"Clip"', x).tolist() == [0, 0, 0]


def test_eltwise_max_gives_a_later_bottom_only_what_exceeds() -> None:
    bottoms = [torch.tensor([1.0, 1.0, 0.0]).requires_grad_() for _ in range(3)]
    y = run('"Eltwise" eltwise_param { operation: MAX }', *bottoms)
    grads = torch.autograd.grad(y.sum(), bottoms)
    assert [grad.tolist() for grad in grads] == [[0, 0, 0], [1, 1, 1], [0, 0, 0]]


def test_cross_entropy_ignores_targets_that_truncate_to_the_label() -> None:
    x, targets = torch.zeros(1, 4), torch.tensor([[-0.5, 0.9, 1.0, 1.5]])
    loss = run('"SigmoidCrossEntropyLoss" loss_param { ignore_label: 0 }', x, targets)
    assert loss.item() == pytest.approx(2 * math.log(2))


def test_cross_entropy_takes_any_real_target() -> None:
    x, targets = torch.tensor([[3.0, -2.0]]), torch.tensor([[2.5, -1.0]])
    wanted = (3 - 7.5 + math.log(1 + math.exp(-3))) + (0 - 2 + math.log(1 + math.exp(-2)))
    assert run('"SigmoidCrossEntropyLoss"', x, targets).item() == pytest.approx(wanted)


def test_softmax_loss_is_capped_but_still_pulls() -> None:
    x = torch.tensor([[0.0, 200.0]], requires_grad=True)
    loss = run('"SoftmaxWithLoss"', x, torch.zeros(1))
    assert loss.item() == pytest.approx(-math.log(1.17549435e-38))
    (gradient,) = torch.autograd.grad(loss, x)
    assert gradient.tolist() == [[-1, 1]]


@pytest.mark.parametrize(("mode", "divisor"), [("FULL", 12), ("VALID", 10), ("BATCH_SIZE", 6), ("NONE", 1)])
def test_softmax_loss_counts_every_axis_before_the_classes(mode: str, divisor: int) -> None:
    labels = torch.ones(2, 3, 2)
    labels[0, 0] = 2  # two to ignore
    text = f'"SoftmaxWithLoss" softmax_param {{ axis: 2 }} loss_param {{ ignore_label: 2 normalization: {mode} }}'
    loss = run(text, torch.zeros(2, 3, 4, 2), labels)
    assert loss.item() == pytest.approx(10 * math.log(4) / divisor)


def test_a_loss_with_everything_ignored_is_zero() -> None:
    loss = run('"SoftmaxWithLoss" loss_param { ignore_label: 1 }', torch.zeros(2, 3), torch.ones(2))
    accuracy = run('"Accuracy" accuracy_param { ignore_label: 1 }', torch.zeros(2, 3), torch.ones(2))
    assert (loss.item(), accuracy.item()) == (0, 0)


def test_power_zero_still_hands_down_a_gradient() -> None:
    x = torch.tensor([2.0, math.inf], requires_grad=True)
    y = run('"Power" power_param { power: 0 }', x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert (y.tolist(), gradient.tolist()) == ([1, 1], [0, 0])
    assert run('"Power" power_param { scale: 0 shift: 3 power: 2 }', x).tolist() == [9, 9]
    assert run('"Power" power_param { scale: 0 shift: 0 power: -1 }', x).tolist() == [math.inf] * 2
    assert run('"Power" power_param { scale: 0 shift: -1 power: 0.5 }', x).isnan().all()


def test_bnll_is_straight_where_exp_would_overflow() -> None:
    x = torch.tensor([200.0, -200.0], requires_grad=True)
    y = run('"BNLL"', x)
    assert y.tolist() == [200, 0]
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [1, 0]


def test_dropout_is_the_identity_in_test_and_at_ratio_zero_and_nan_at_one() -> None:
    x = torch.ones(2, 8)
    assert torch.equal(run('"Dropout"', x, phase=TEST), x)
    assert torch.equal(run('"Dropout" dropout_param { dropout_ratio: 0 }', x), x)
    assert run('"Dropout" dropout_param { dropout_ratio: 1 }', x).isnan().all()


def test_dropout_draws_from_the_passes_generator() -> None:
    x, state = torch.ones(100), torch.get_rng_state()
    first, second = (run('"Dropout"', x, generator=torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert set(first.tolist()) == {0, 2}


def test_contrastive_loss_reads_its_label_as_an_integer() -> None:
    a, b = torch.tensor([[3.0], [3.0]]), torch.tensor([[1.0], [1.0]])
    text = '"ContrastiveLoss" contrastive_loss_param { margin: 5 }'
    assert run(text, a, b, torch.tensor([0.9, -1.2])).item() == pytest.approx((9 + 4) / 4)  # unlike, alike


def in_place(kind: str, settings: str = "") -> Layer:
    text = f'layer {{ name: "l" bottom: "x" top: "x" type: "{kind}" {settings} }}'
    return make_layer(read_net_text(text).message.layer[0], TRAIN)


def test_layers_that_keep_the_place_of_an_element_may_work_in_place() -> None:
    allowed = {"BN", "BNLL", "BatchNorm", "Bias", "Clip", "Dropout", "ELU", "Exp", "Log", "PReLU", "Power", "ReLU"}
    allowed |= {"MVN", "Scale", "Sigmoid", "Softmax", "Swish", "TanH", "Threshold"}
    assert {kind for kind, made in Layer.registry.items() if made.in_place} - {"Python"} == allowed
    assert all(in_place(kind).type == kind for kind in allowed)


def test_other_layers_refuse_to_work_in_place() -> None:
    for kind, settings in (("Flatten", ""), ("Convolution", "convolution_param { num_output: 1 kernel_size: 1 }")):
        with pytest.raises(LayerError, match="in place: its top 'x' is its bottom"):
            in_place(kind, settings)


def test_every_type_is_caffes_the_forks_or_our_own() -> None:
    assert len(CAFFE_TYPES) == 61
    assert set(Layer.registry) - CAFFE_TYPES == {"Unpooling", "Upsample", "BN", "NeighbourLoss"}
    assert all(made.__doc__ and "Source: " in made.__doc__ for made in Layer.registry.values())
