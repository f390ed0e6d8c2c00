"""Every differentiable layer against finite differences in float64; where Caffe's gradient is another, against that."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from deepcae.layers import Context, Layer, make_layer
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import TRAIN

PLANES = [(2, 4, 5, 6)]
FLAT = [(3, 5)]
# layer text, shapes of its bottoms; a bottom listed in `no_gradient` gets labels instead of normal numbers
CASES = [
    ('"Convolution" convolution_param { num_output: 6 kernel_size: [3, 2] stride: 2 pad: [1, 0] group: 2 dilation: 2 }',
     PLANES),
    ('"Convolution" convolution_param { num_output: 2 kernel_size: 1 }', PLANES),
    ('"Convolution" convolution_param { num_output: 2 kernel_size: 3 axis: 2 }', PLANES),
    ('"Convolution" top: "z" convolution_param { num_output: 2 kernel_size: 2 }', [(2, 1, 3), (2, 1, 3)]),
    ('"Convolution" convolution_param { num_output: 2 kernel_size: 4 stride: 3 }', [(2, 1, 2)]),
    ('"Deconvolution" convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 group: 2 }', PLANES),
    ('"Deconvolution" convolution_param { num_output: 3 kernel_size: 4 }', [(2, 4, 1, 1)]),
    ('"InnerProduct" inner_product_param { num_output: 3 }', PLANES),
    ('"InnerProduct" inner_product_param { num_output: 3 axis: -1 transpose: true bias_term: false }', PLANES),
    ('"Pooling" pooling_param { kernel_size: 3 stride: 2 pad: 1 }', PLANES),
    ('"Pooling" pooling_param { kernel_size: 1 stride: 3 }', PLANES),
    ('"Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 2 }', PLANES),
    ('"Pooling" pooling_param { pool: AVE global_pooling: true }', PLANES),
    ('"Unpooling" unpooling_param { kernel_size: 2 stride: 2 unpool_h: 10 unpool_w: 12 }', PLANES),
    ('"Unpooling" unpooling_param { unpool: AVE kernel_size: 3 stride: 2 unpool_size: 9 }', PLANES),
    ('"Upsample" upsample_param { scale: 2 }', [(3, 2, 1, 1), (3, 2, 1, 1)]),
    ('"ReLU" relu_param { negative_slope: 0.25 }', FLAT),
    ('"ReLU"', FLAT),
    ('"Sigmoid"', FLAT),
    ('"TanH"', FLAT),
    ('"ELU" elu_param { alpha: 0.5 }', FLAT),
    ('"AbsVal"', FLAT),
    ('"BNLL"', FLAT),
    ('"Power" power_param { power: 2 scale: 0.5 shift: 1 }', FLAT),
    ('"Power" power_param { power: 3 scale: 0.25 shift: 8 }', FLAT),
    ('"Power" power_param { scale: -0.5 }', FLAT),
    ('"Power" power_param { power: 0 }', FLAT),
    ('"Exp" exp_param { base: 2 scale: 0.5 shift: 1 }', FLAT),
    ('"Log" log_param { base: 10 scale: 0.5 shift: 8 }', FLAT),
    ('"Clip" clip_param { min: -0.5 max: 0.5 }', FLAT),
    ('"Swish" swish_param { beta: 1.5 }', FLAT),
    ('"PReLU"', PLANES),
    ('"PReLU" prelu_param { channel_shared: true }', FLAT),
    ('"Dropout" dropout_param { dropout_ratio: 0.25 }', FLAT),
    ('"Reshape" reshape_param { shape { dim: 0 dim: 1 dim: -1 } }', FLAT),
    ('"Flatten" flatten_param { axis: 2 }', PLANES),
    ('"Slice" top: "z" slice_param { slice_point: 2 }', FLAT),
    ('"Split" top: "z"', FLAT),
    ('"Crop" crop_param { offset: 1 }', [(2, 4, 5, 6), (1, 1, 3, 2)]),
    ('"Tile" tile_param { tiles: 3 }', PLANES),
    ('"Concat" concat_param { axis: -1 }', [(2, 3, 4), (2, 3, 2)]),
    ('"Eltwise" eltwise_param { coeff: [0.5, -2, 1] }', FLAT * 3),
    ('"Eltwise" eltwise_param { operation: PROD }', FLAT * 3),
    ('"Eltwise" eltwise_param { operation: PROD stable_prod_grad: false }', FLAT * 3),
    ('"Eltwise" eltwise_param { operation: MAX }', FLAT * 3),
    ('"Softmax"', PLANES),
    ('"BatchNorm"', PLANES),
    ('"BatchNorm" batch_norm_param { use_global_stats: true }', PLANES),
    ('"Scale" scale_param { axis: 0 num_axes: 2 bias_term: true }', PLANES),
    ('"Scale" scale_param { axis: 1 }', [(2, 4, 5, 6), (4, 5)]),
    ('"Scale"', [(2, 3), ()]),
    ('"Bias" bias_param { num_axes: -1 }', PLANES),
    ('"Bias"', [(2, 4, 5), (4,)]),
    ('"BN"', PLANES),
    ('"BN" bn_param { bn_mode: INFERENCE }', PLANES),
    ('"EuclideanLoss"', [(2, 3, 4), (2, 12)]),
    ('"SigmoidCrossEntropyLoss"', [(2, 3, 4), (2, 12)]),
    ('"SigmoidCrossEntropyLoss" loss_param { ignore_label: 1 normalization: VALID }', [(2, 12), (2, 12)]),
    ('"SoftmaxWithLoss" loss_param { ignore_label: 1 }', [(2, 3, 4), (2, 4)]),
    ('"ContrastiveLoss" contrastive_loss_param { margin: 20 legacy_version: true }', [(4, 3), (4, 3), (4,)]),
    ('"NeighbourLoss" neighbour_loss_param { perplexity: 2.5 }', [(7, 2), (7, 1, 2, 3)]),
    ('"LRN" lrn_param { local_size: 3 alpha: 2 k: 2 }', PLANES),
    ('"LRN" lrn_param { norm_region: WITHIN_CHANNEL local_size: 5 alpha: 2 beta: 0.5 }', PLANES),
    ('"MVN"', PLANES),
    ('"MVN" mvn_param { across_channels: true normalize_variance: false }', PLANES),
    ('"SPP" spp_param { pyramid_height: 2 }', PLANES),
    ('"SPP" spp_param { pyramid_height: 2 pool: AVE }', PLANES),
    ('"SPP" spp_param { pyramid_height: 1 }', PLANES),
    ('"Im2col" convolution_param { kernel_size: [3, 2] stride: [2, 1] pad: 1 dilation: 2 }', PLANES),
    ('"Im2col" convolution_param { kernel_size: 2 axis: 2 }', PLANES),
    ('"Im2col" convolution_param { kernel_size: 4 stride: 3 }', [(2, 1, 2)]),
    ('"Reduction"', FLAT),
    ('"Reduction" reduction_param { operation: ASUM axis: 1 coeff: -2 }', PLANES),
    ('"Reduction" reduction_param { operation: SUMSQ axis: -1 }', PLANES),
    ('"Reduction" reduction_param { operation: MEAN axis: 1 }', FLAT),
    ('"BatchReindex"', [(3, 5), (7,)]),
    ('"Embed" embed_param { input_dim: 3 num_output: 4 }', [(2, 3)]),
    ('"Parameter" parameter_param { shape { dim: 2 dim: 3 } }', []),
    ('"HingeLoss"', [(3, 2, 2), (3,)]),
    ('"HingeLoss" hinge_loss_param { norm: L2 }', [(3, 5), (3, 1)]),
    ('"InfogainLoss" loss_param { ignore_label: 1 }', [(2, 3, 4), (2, 4), (3, 3)]),
    ('"InfogainLoss" infogain_loss_param { axis: 2 } loss_param { normalization: NONE }', [(2, 2, 4), (2, 2), (16,)]),
]  # fmt: skip


def build(text: str, num_bottoms: int) -> Layer:
    bottoms = " ".join(f'bottom: "x{n}"' for n in range(num_bottoms))
    return make_layer(read_net_text(f'layer {{ name: "l" {bottoms} top: "y" type: {text} }}').message.layer[0], TRAIN)


def arguments(layer: Layer, shapes: list[tuple[int, ...]], scale: float = 1.0) -> tuple[list, list]:
    """Bottoms and parameters in float64, leaves where the layer differentiates."""
    generator = torch.Generator().manual_seed(5)

    def normal(shape: tuple[int, ...]) -> torch.Tensor:
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        return (values + 0.1 * values.sign()).mul_(scale).requires_grad_()  # off the kinks at 0

    def labels(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randint(0, 3, shape, generator=generator).double()

    bottoms = [labels(s) if i in layer.no_gradient else normal(s) for i, s in enumerate(shapes)]
    learned = layer.learned(shapes)
    params = [
        torch.rand(blob.shape, generator=generator, dtype=torch.float64).add_(0.5)
        if blob.frozen
        else normal(blob.shape)
        for blob in learned
    ]
    return bottoms, params


@pytest.mark.parametrize(("text", "shapes"), CASES, ids=[text[:70] for text, _ in CASES])
def test_gradient_is_the_derivative(text: str, shapes: list[tuple[int, ...]]) -> None:
    layer = build(text, len(shapes))
    bottoms, params = arguments(layer, shapes)
    leaves = [tensor for tensor in (*bottoms, *params) if tensor.requires_grad]
    before = [tensor.detach().clone() for tensor in (*bottoms, *params)]

    def forward(*_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(layer.forward(bottoms, params, Context(torch.Generator().manual_seed(1))))

    assert torch.autograd.gradcheck(forward, leaves)
    assert all(torch.equal(a, b) for a, b in zip(before, (*bottoms, *params), strict=True)), "changed its arguments"
    assert [tuple(top.shape) for top in forward()] == layer.shapes(shapes)


def test_every_differentiable_layer_is_checked() -> None:
    checked = {text.split('"')[1] for text, _ in CASES}
    wanted = {kind for kind, made in Layer.registry.items() if made.differentiable and not made.is_source}
    elsewhere = {"Silence", "HDF5Output", "Filter", "MultinomialLogisticLoss", "Python"}  # the third and fourth below
    assert wanted - checked == elsewhere


def test_filter_hands_the_gradient_to_the_selected_samples() -> None:
    layer = build('"Filter"', 2)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    selector = torch.tensor([1.0, 0, -2, 0.5], requires_grad=True)
    (y,) = layer.forward([x, selector], [], Context())
    assert torch.equal(y, x[[0, 2, 3]])
    top_diff = torch.randn(3, 3, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(y, x, top_diff)
    assert torch.equal(gradient[[0, 2, 3]], top_diff)
    assert not gradient[1].any()
    assert layer.forward([x, torch.zeros(4)], [], Context())[0].shape == (0, 3)


def test_filter_takes_several_bottoms_and_never_moves_the_selector() -> None:
    text = 'layer { name: "l" type: "Filter" bottom: "a" bottom: "b" bottom: "s" top: "c" top: "d" }'
    layer = make_layer(read_net_text(text).message.layer[0], TRAIN)
    assert layer.no_gradient == {2}
    assert layer.shapes([(3, 2), (3,), (3, 1)]) == [(3, 2), (3,)]
    tops = layer.forward([torch.arange(6.0).reshape(3, 2), torch.arange(3.0), torch.tensor([0.0, 1, 1])], [], Context())
    assert [top.tolist() for top in tops] == [[[2, 3], [4, 5]], [1, 2]]


def test_multinomial_loss_is_capped_but_still_pulls() -> None:
    p = torch.tensor([[0.25, 0.75], [1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    (loss,) = build('"MultinomialLogisticLoss"', 2).forward([p, torch.tensor([0.0, 1.0])], [], Context())
    assert loss.item() == pytest.approx((math.log(4) + 20 * math.log(10)) / 2)
    (gradient,) = torch.autograd.grad(loss, p)
    assert gradient[0].tolist() == [-2, 0]
    assert gradient[1].tolist() == [0, pytest.approx(-0.5e20)]


def test_infogain_loss_is_capped_but_still_pulls_and_shows_its_probabilities() -> None:
    x = torch.tensor([[0.0, 200.0]], dtype=torch.float64, requires_grad=True)
    layer = build('"InfogainLoss" top: "p" loss_weight: 1 loss_weight: 0', 3)
    loss, p = layer.forward([x, torch.zeros(1), torch.tensor([[1.0, 2.0], [0.0, 0.0]])], [], Context())
    assert loss.item() == pytest.approx(20 * math.log(10))
    assert not p.requires_grad
    torch.testing.assert_close(p, torch.softmax(x.detach(), 1))
    (gradient,) = torch.autograd.grad(loss, x)
    torch.testing.assert_close(gradient, 3 * p - torch.tensor([[1.0, 2.0]]))


def test_mvn_takes_its_eps_for_a_part_of_the_variance() -> None:
    (x,), _ = arguments(build('"MVN"', 1), PLANES)
    (y,) = build('"MVN" mvn_param { eps: 0.5 }', 1).forward([x], [], Context())
    top_diff = torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    (gradient,) = torch.autograd.grad(y, x, top_diff)
    planes, dy, out = x.detach().numpy(), top_diff.numpy(), y.detach().numpy()

    def mean(values: np.ndarray) -> np.ndarray:
        return values.mean((2, 3), keepdims=True)

    spread = planes.std((2, 3), keepdims=True) + 0.5
    np.testing.assert_allclose(out, (planes - mean(planes)) / spread)
    np.testing.assert_allclose(gradient.numpy(), (dy - mean(dy) - out * mean(dy * out)) / spread)


def test_argmax_has_no_gradient() -> None:
    (y,) = build('"ArgMax"', 1).forward([torch.ones(2, 3, requires_grad=True)], [], Context())
    assert not y.requires_grad
    assert not Layer.registry["ArgMax"].differentiable


def test_power_divides_by_its_base_as_caffe_does() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    (y,) = build('"Power" power_param { power: 3 }', 1).forward([x], [], Context())
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient[0].isnan()
    assert gradient[1] == 48


def test_contrastive_loss_damps_the_gradient_of_a_dissimilar_pair() -> None:
    a = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    b = torch.zeros(2, 2, dtype=torch.float64)
    layer = build('"ContrastiveLoss" contrastive_loss_param { margin: 6 }', 3)
    (loss,) = layer.forward([a, b, torch.zeros(2)], [], Context())
    assert loss.item() == pytest.approx((1 + 36) / 4)
    (gradient,) = torch.autograd.grad(loss, a)
    wanted = -(6 - 5) / (5 + 1e-4) / 2 * torch.tensor([3.0, 4.0], dtype=torch.float64)
    torch.testing.assert_close(gradient[0], wanted)
    assert gradient[1].tolist() == [0, 0]  # equal codes: no direction to push them


def test_the_quick_gradient_of_a_product_is_not_a_number_at_zero() -> None:
    x = [torch.tensor([0.0, 2.0], requires_grad=True), torch.tensor([3.0, 5.0])]
    for stable, wanted in (("true", 3.0), ("false", math.nan)):
        layer = build(f'"Eltwise" eltwise_param {{ operation: PROD stable_prod_grad: {stable} }}', 2)
        (gradient,) = torch.autograd.grad(layer.forward(x, [], Context())[0].sum(), x[:1])
        assert gradient.tolist() == pytest.approx([wanted, 5.0], nan_ok=True)


def test_tile_unpooling_hands_down_the_mean_not_the_sum() -> None:
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    layer = build('"Unpooling" unpooling_param { unpool: TILE kernel_size: 2 stride: 2 unpool_size: 4 }', 1)
    (y,) = layer.forward([x], [], Context())
    assert y.sum() == 16
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.tolist() == [[[[1, 1], [1, 1]]]]


@pytest.mark.parametrize("text", [text for text, shapes in CASES if shapes == PLANES])
def test_memory_order_does_not_matter(text: str) -> None:
    layer = build(text, 1)
    (x,), params = arguments(layer, PLANES)
    strided = x.detach().permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)
    assert not strided.is_contiguous()
    for ours, theirs in zip(
        layer.forward([x], params, Context()), layer.forward([strided], params, Context()), strict=True
    ):
        torch.testing.assert_close(ours.detach(), theirs.detach())


def test_batch_norm_of_one_element_per_channel_has_no_spread() -> None:
    layer = build('"BatchNorm"', 1)
    x, context = torch.tensor([[2.0, -3.0]], requires_grad=True), Context()
    sums = [torch.ones(2), torch.ones(2), torch.ones(1)]
    (y,) = layer.forward([x], sums, context)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert y.tolist() == gradient.tolist() == [[0, 0]]
    new = [value.tolist() for _, value in context.updates]
    assert new == [pytest.approx([2.999, -2.001]), pytest.approx([0.999, 0.999]), pytest.approx([1.999])]


def test_bn_shows_the_batchs_statistics() -> None:
    layer = build('"BN" top: "mean" top: "variance"', 1)
    (x,), params = arguments(layer, PLANES)
    _, mean, variance = layer.forward([x], params, Context())
    torch.testing.assert_close(mean[0, :, 0, 0], x.detach().mean((0, 2, 3)))
    torch.testing.assert_close(variance[0, :, 0, 0], x.detach().var((0, 2, 3), correction=0))
    assert not mean.requires_grad
