"""Every kind of layer with drawn settings and shapes: the gradient is the derivative, tops keep to the shape rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepcae.errors import LayerError
from deepcae.layers import Context, Layer
from layers.test_gradients import arguments, build

Shapes = list[tuple[int, ...]]
Drawn = tuple[str, Shapes]  # the layer's text after `type:`, the shapes of its bottoms
small = st.integers(1, 3)
flag = st.sampled_from(["true", "false"])


def geometry(draw: st.DrawFn, rank: int) -> str:
    """kernel_size, stride, pad and dilation, each once or per axis; in 2-D sometimes as _h and _w."""
    fields = []
    for name, least, most in (("kernel_size", 1, 3), ("stride", 1, 2), ("pad", 0, 1), ("dilation", 1, 2)):
        values = [draw(st.integers(least, most)) for _ in range(rank)]
        if rank == 2 and name != "dilation" and draw(st.booleans()):
            stem = name.removesuffix("_size")
            fields.append(f"{stem}_h: {values[0]} {stem}_w: {values[1]}")
        else:
            fields.append(f"{name}: {values if rank and draw(st.booleans()) else values[0] if values else 1}")
    return " ".join(fields)


def planes(draw: st.DrawFn, rank: int = 2, channels: int | None = None) -> tuple[int, ...]:
    return (draw(small), channels or draw(small), *(draw(st.integers(2, 5)) for _ in range(rank)))


def any_shape(draw: st.DrawFn, least: int = 1, most: int = 4) -> tuple[int, ...]:
    return tuple(draw(st.lists(small, min_size=least, max_size=most)))


def axis(draw: st.DrawFn, shape: tuple[int, ...], least: int = 0) -> int:
    return draw(st.sampled_from([a for a in range(-len(shape), len(shape)) if a % len(shape) >= least]))


def convolution(kind: str) -> Callable[[st.DrawFn], Drawn]:
    def drawn(draw: st.DrawFn) -> Drawn:
        rank, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2]))
        shape = planes(draw, rank, groups * draw(st.integers(1, 2)))
        channels = draw(st.sampled_from(["", "axis: 1", f"axis: {1 - len(shape)}"]))
        own = f"num_output: {groups * draw(small)} group: {groups} bias_term: {draw(flag)} " if kind != "Im2col" else ""
        force = f"force_nd_im2col: {draw(flag)}"
        return f'"{kind}" convolution_param {{ {own}{geometry(draw, rank)} {channels} {force} }}', [shape]

    return drawn


def pooling(draw: st.DrawFn) -> Drawn:
    shape = planes(draw)
    if draw(st.integers(0, 5)) == 0:
        return f'"Pooling" pooling_param {{ pool: {draw(st.sampled_from(["MAX", "AVE"]))} global_pooling: true }}', [
            shape
        ]
    kernel = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    text = f"kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride: {draw(small)} "
    text += f"pad_h: {draw(st.integers(0, kernel[0] - 1))} pad_w: {draw(st.integers(0, kernel[1] - 1))} "
    text += f"pool: {draw(st.sampled_from(['MAX', 'AVE']))} round_mode: {draw(st.sampled_from(['CEIL', 'FLOOR']))}"
    return f'"Pooling" pooling_param {{ {text} }}', [shape]


def stochastic(draw: st.DrawFn) -> Drawn:
    text = f"kernel_size: {draw(small)} stride: {draw(small)} round_mode: {draw(st.sampled_from(['CEIL', 'FLOOR']))}"
    return f'"Pooling" pooling_param {{ pool: STOCHASTIC {text} }}', [planes(draw)]


def unpooling(draw: st.DrawFn) -> Drawn:
    """AVE: of MAX without a mask, places may coincide, and then each receives the gradient though the last is seen."""
    size = f"unpool_h: {draw(st.integers(1, 8))} unpool_w: {draw(st.integers(1, 8))}"
    kernel = f"kernel_h: {draw(small)} kernel_w: {draw(small)} stride_h: {draw(small)} stride_w: {draw(small)}"
    return f'"Unpooling" unpooling_param {{ unpool: AVE {kernel} {size} pad_h: 0 pad_w: 0 }}', [planes(draw)]


def inner_product(draw: st.DrawFn) -> Drawn:
    shape = any_shape(draw, 2)
    text = f"num_output: {draw(small)} axis: {axis(draw, shape)} transpose: {draw(flag)} bias_term: {draw(flag)}"
    return f'"InnerProduct" inner_product_param {{ {text} }}', [shape]


def broadcast(kind: str) -> Callable[[st.DrawFn], Drawn]:
    def drawn(draw: st.DrawFn) -> Drawn:
        shape = any_shape(draw)
        start = axis(draw, shape)
        rest = len(shape) - start % len(shape)
        bias = f"bias_term: {draw(flag)}" if kind == "Scale" else ""
        message = f"{kind.lower()}_param"
        if draw(st.booleans()):
            covered = draw(st.integers(0, rest))
            second = shape[start % len(shape) :][:covered]
            return f'"{kind}" {message} {{ axis: {start} {bias} }}', [shape, second]
        num_axes = draw(st.integers(-1, rest))
        return f'"{kind}" {message} {{ axis: {start} num_axes: {num_axes} {bias} }}', [shape]

    return drawn


def batch_norm(draw: st.DrawFn) -> Drawn:
    shape = (draw(st.integers(2, 3)), *any_shape(draw, 1, 3))
    text = f"use_global_stats: {draw(flag)} eps: {draw(st.sampled_from([1e-5, 0.1]))} moving_average_fraction: 0.5"
    return f'"BatchNorm" batch_norm_param {{ {text} }}', [shape]


def mvn(draw: st.DrawFn) -> Drawn:
    text = f"normalize_variance: {draw(flag)} across_channels: {draw(flag)}"
    return f'"MVN" mvn_param {{ {text} }}', [(2, draw(small), 2, draw(st.integers(2, 3)))]


def lrn(draw: st.DrawFn) -> Drawn:
    region = draw(st.sampled_from(["ACROSS_CHANNELS", "WITHIN_CHANNEL"]))
    text = f"local_size: {draw(st.sampled_from([1, 3, 5]))} alpha: {draw(st.sampled_from([0.5, 2]))} beta: 0.7 k: 1.5"
    return f'"LRN" lrn_param {{ {text} norm_region: {region} }}', [planes(draw)]


def reshaping(draw: st.DrawFn) -> Drawn:
    shape = any_shape(draw, 2)
    if draw(st.booleans()):
        first = axis(draw, shape)
        last = draw(st.integers(first % len(shape), len(shape) - 1))
        return f'"Flatten" flatten_param {{ axis: {first} end_axis: {last} }}', [shape]
    first = draw(st.integers(0, len(shape) - 1))
    num_axes = draw(st.integers(1, len(shape) - first))
    start = draw(st.sampled_from([first, first - len(shape) - 1]))
    dims = [-1, *draw(st.permutations([1, 1]))][: draw(small)]
    sizes = draw(st.permutations(dims))
    return f'"Reshape" reshape_param {{ axis: {start} num_axes: {num_axes} shape {{ dim: {sizes} }} }}', [shape]


def joining(draw: st.DrawFn) -> Drawn:
    shape = any_shape(draw)
    kind = draw(st.sampled_from(["Concat", "SUM", "PROD", "MAX", "Tile", "Slice"]))
    at = axis(draw, shape)
    if kind == "Concat":
        others = [tuple(draw(small) if k == at % len(shape) else n for k, n in enumerate(shape)) for _ in range(2)]
        return f'"Concat" concat_param {{ axis: {at} }}', [shape, *others]
    if kind == "Tile":
        return f'"Tile" tile_param {{ axis: {at} tiles: {draw(small)} }}', [shape]
    if kind == "Slice":
        grown = tuple(n + 1 if k == at % len(shape) else n for k, n in enumerate(shape))
        point = draw(st.integers(1, shape[at]))
        return f'"Slice" top: "z" slice_param {{ axis: {at} slice_point: {point} }}', [grown]
    coeff = "coeff: [0.5, -2, 3]" if kind == "SUM" and draw(st.booleans()) else ""
    stable = f"stable_prod_grad: {draw(flag)}"
    return f'"Eltwise" eltwise_param {{ operation: {kind} {coeff} {stable} }}', [shape] * 3


def crop(draw: st.DrawFn) -> Drawn:
    shape = tuple(draw(st.integers(2, 4)) for _ in range(4))
    at = axis(draw, shape)
    sizes = [n if k < at % 4 else draw(st.integers(1, n)) for k, n in enumerate(shape)]
    offsets = [draw(st.integers(0, n - m)) for n, m in zip(shape[at % 4 :], sizes[at % 4 :], strict=True)]
    return f'"Crop" crop_param {{ axis: {at} offset: {offsets} }}', [shape, tuple(sizes)]


def reduction(draw: st.DrawFn) -> Drawn:
    shape = any_shape(draw)
    kind = draw(st.sampled_from(["SUM", "ASUM", "SUMSQ", "MEAN"]))
    return f'"Reduction" reduction_param {{ operation: {kind} axis: {axis(draw, shape)} coeff: -1.5 }}', [shape]


def labelled_loss(draw: st.DrawFn) -> Drawn:
    kind = draw(st.sampled_from(["SoftmaxWithLoss", "InfogainLoss"]))
    at = draw(st.sampled_from([1, 2, -1]))
    shape = (draw(small), draw(small), draw(small))
    shape = tuple(3 if k == at % 3 else n for k, n in enumerate(shape))
    labels = tuple(n for k, n in enumerate(shape) if k != at % 3)
    message = "softmax_param" if kind == "SoftmaxWithLoss" else "infogain_loss_param"
    normalization = draw(st.sampled_from(["FULL", "VALID", "BATCH_SIZE", "NONE"]))
    ignored = f"ignore_label: {draw(st.integers(-1, 2))}" if draw(st.booleans()) else ""
    text = f'"{kind}" {message} {{ axis: {at} }} loss_param {{ normalization: {normalization} {ignored} }}'
    return text, [shape, labels, *([(3, 3)] if kind == "InfogainLoss" else [])]


def cross_entropy(draw: st.DrawFn) -> Drawn:
    shape = any_shape(draw)
    normalization = draw(st.sampled_from(["FULL", "VALID", "BATCH_SIZE", "NONE"]))
    ignored = f"ignore_label: {draw(st.integers(0, 2))}" if draw(st.booleans()) else ""
    text = f'"SigmoidCrossEntropyLoss" loss_param {{ normalization: {normalization} {ignored} }}'
    return text, [shape, shape]


def neuron(draw: st.DrawFn) -> Drawn:
    texts = [
        '"ReLU" relu_param { negative_slope: %s }',
        '"ELU" elu_param { alpha: %s }',
        '"Power" power_param { power: 2 scale: %s shift: -0.5 }',
        '"Power" power_param { power: 1 scale: %s shift: 2 }',
        '"Exp" exp_param { base: 3 scale: %s shift: 0.5 }',
        '"Log" log_param { base: 2 scale: %s shift: 20 }',
        '"Swish" swish_param { beta: %s }',
        '"PReLU" prelu_param { channel_shared: true filler { value: %s } }',
        '"PReLU" prelu_param { filler { value: %s } }',
        '"Dropout" dropout_param { dropout_ratio: %s }',
        '"Clip" clip_param { min: -%s max: 0.9 }',
        '"Softmax" softmax_param { axis: -1 } # %s\n',
        '"BNLL" # %s\n',
    ]
    return draw(st.sampled_from(texts)) % draw(st.sampled_from([0.25, 0.5, 0.75])), [any_shape(draw, 2)]


DRAWN: dict[str, Callable[[st.DrawFn], Drawn]] = {
    "Convolution": convolution("Convolution"),
    "Deconvolution": convolution("Deconvolution"),
    "Im2col": convolution("Im2col"),
    "Pooling": pooling,
    "Unpooling": unpooling,
    "InnerProduct": inner_product,
    "Scale": broadcast("Scale"),
    "Bias": broadcast("Bias"),
    "BatchNorm": batch_norm,
    "MVN": mvn,
    "LRN": lrn,
    "Reshape, Flatten": reshaping,
    "Concat, Eltwise, Slice, Tile": joining,
    "Crop": crop,
    "Reduction": reduction,
    "SoftmaxWithLoss, InfogainLoss": labelled_loss,
    "SigmoidCrossEntropyLoss": cross_entropy,
    "neurons": neuron,
}


@pytest.mark.parametrize("kind", DRAWN)
@settings(max_examples=15)
@given(st.data())
def test_gradient_is_the_derivative(kind: str, data: st.DataObject) -> None:
    text, shapes = data.draw(st.composite(DRAWN[kind])())
    layer = build(text, len(shapes))
    try:
        layer.shapes(shapes)
        layer.learned(shapes)
    except LayerError:
        assume(False)
    _check(layer, shapes)


@settings(max_examples=15)
@given(st.data())
def test_gradient_of_stochastic_pooling(data: st.DataObject) -> None:
    text, shapes = data.draw(st.composite(stochastic)())
    layer = build(text, 1)
    try:
        layer.shapes(shapes)
    except LayerError:
        assume(False)
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(shapes[0], generator=generator, dtype=torch.float64).add_(0.5)

    def forward(steps: torch.Tensor) -> torch.Tensor:
        """Values that differ by more than what is stepped, so that the same ones are drawn."""
        return layer.forward([x + 1e-3 * steps], [], Context(torch.Generator().manual_seed(1)))[0]

    y = forward(torch.zeros_like(x))
    assert tuple(y.shape) == layer.shapes(shapes)[0]
    assert torch.isin(y, torch.cat([x.reshape(-1), torch.zeros(1, dtype=x.dtype)])).all()
    layer.phase = 1
    assert torch.autograd.gradcheck(forward, [torch.zeros_like(x, requires_grad=True)])


def _check(layer: Layer, shapes: Shapes) -> None:
    bottoms, params = arguments(layer, shapes)
    leaves = [tensor for tensor in (*bottoms, *params) if tensor.requires_grad]

    def forward(*_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(layer.forward(bottoms, params, Context(torch.Generator().manual_seed(1))))

    assert [tuple(top.shape) for top in forward()] == layer.shapes(shapes)
    assert torch.autograd.gradcheck(forward, leaves)
