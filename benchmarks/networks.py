"""The networks that are compared: three of the zoo, two designs, three others; and how much arithmetic a step is."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np

from deepcae import Net, zoo
from deepcae.zoo.text import in_file_order

ZOO = ("cae1", "cae2", "classic-1000")
OTHERS = ("pooled", "lenet", "residual")
DESIGNED = {"designed-28": (1, 28, 28), "designed-64c": (3, 64, 64)}  # `deepcae zoo design`, the second beside PCA
CLASSES = 10


def write(name: str, dims: int, batch: int, folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """The texts and random data of a network in `folder`: its solver's path, and the data by name.

    At least two batches of images, (n, 1, 28, 28) or, for `residual`, (n, 3, 64, 64), in 0..1, with labels.
    """
    generator = np.random.default_rng(0)
    count, plane = batch * max(2, 100 // batch), DESIGNED.get(name, (3, 64, 64) if name == "residual" else (1, 28, 28))
    data = {
        "data": generator.random((count, *plane), np.float32),
        "label": generator.integers(0, CLASSES, count).astype(np.float32),
    }
    write_data(data, folder)
    if name in DESIGNED:
        source, linear = str(folder / "list.txt"), plane[0] > 1
        model = zoo.build_design(plane, dims, source, source, batch=batch, folder=folder, mirror=False, linear=linear)
        net, solver = zoo.write(model, folder)
        net.write_text(in_file_order(net.read_text()))
        weights = 'weights: "start.caffemodel"' if (folder / "start.caffemodel").exists() else ""
        solver.write_text(
            f'net: "net.prototxt" {weights} base_lr: 1e-5 lr_policy: "fixed" momentum: 0.9 max_iter: 1000000'
        )
        return solver, data
    if name not in OTHERS:
        source = folder / "list.txt"
        net, solver = zoo.write(zoo.build(name, dims, train_list=source, test_list=source, batch=batch), folder)
        net.write_text(in_file_order(net.read_text()))  # the others get the batches in order
        return solver, data
    text = {"pooled": _pooled, "lenet": _lenet, "residual": _residual}[name](dims)
    tops = 'top: "data" top: "label"' if name == "lenet" else 'top: "data"'
    return _write_texts(name, tops, text, batch, 1e-6 if name == "residual" else 1e-3, folder), data


def write_data(data: dict[str, np.ndarray], folder: Path) -> None:
    with h5py.File(folder / "data.h5", "w") as file:
        for key, values in data.items():
            file[key] = values
    (folder / "list.txt").write_text("data.h5\n")


def _write_texts(name: str, tops: str, text: str, batch: int, rate: float, folder: Path) -> Path:
    """The solver's path."""
    reading = f'{tops} hdf5_data_param {{ source: "list.txt" batch_size: {batch} }}'
    (folder / "net.prototxt").write_text(f'name: "{name}"\nlayer {{ name: "data" type: "HDF5Data" {reading} }}\n{text}')
    (folder / "solver.prototxt").write_text(
        f'net: "net.prototxt" base_lr: {rate} lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 max_iter: 1000000\n'
    )
    return folder / "solver.prototxt"


def _layer(kind: str, name: str, bottom: str | tuple[str, ...], settings: str = "", top: str = "") -> str:
    bottoms = " ".join(f'bottom: "{blob}"' for blob in ((bottom,) if isinstance(bottom, str) else bottom))
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{top or name}" {settings} }}\n'


def _filter(name: str, bottom: str, outputs: int, kernel: int, more: str = "", kind: str = "Convolution") -> str:
    sizes = f'num_output: {outputs} kernel_size: {kernel} {more} weight_filler {{ type: "xavier" }}'
    return _layer(kind, name, bottom, f"convolution_param {{ {sizes} }}")


def _unfilter(name: str, bottom: str, outputs: int, kernel: int, more: str = "") -> str:
    return _filter(name, bottom, outputs, kernel, more, "Deconvolution")


def _inner(name: str, bottom: str, outputs: int) -> str:
    settings = f'inner_product_param {{ num_output: {outputs} weight_filler {{ type: "xavier" }} }}'
    return _layer("InnerProduct", name, bottom, settings)


def _over(kind: str, blob: str) -> str:
    """An activation in place."""
    return _layer(kind, f"{blob}-{kind.lower()}", blob, top=blob)


def _pool(name: str, bottom: str) -> str:
    return _layer("Pooling", name, bottom, "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")


def _pooled(dims: int) -> str:
    """784-(9×9×8)-pool-(5×5×4)-pool-125-N-125-(12×12×4)-(17×17×4)-784, with both losses of the paper."""
    return "".join([
        _filter("conv1", "data", 8, 9), _over("Sigmoid", "conv1"), _pool("pool1", "conv1"),
        _filter("conv2", "pool1", 4, 5), _over("Sigmoid", "conv2"), _pool("pool2", "conv2"),
        _inner("ip1", "pool2", 125), _over("Sigmoid", "ip1"), _inner("code", "ip1", dims),
        _inner("ip2", "code", 125), _over("Sigmoid", "ip2"),
        _layer("Reshape", "maps", "ip2", "reshape_param { shape { dim: 0 dim: 0 dim: 1 dim: 1 } }"),
        _unfilter("deconv2", "maps", 4, 12), _over("Sigmoid", "deconv2"),
        _unfilter("deconv1", "deconv2", 4, 17), _over("Sigmoid", "deconv1"), _unfilter("logits", "deconv1", 1, 1),
        _layer("SigmoidCrossEntropyLoss", "cross_entropy", ("logits", "data"), "loss_weight: 1"),
        _layer("Sigmoid", "restored", "logits"),
        _layer("EuclideanLoss", "l2", ("restored", "data"), "loss_weight: 1"),
    ])  # fmt: skip


def _lenet(dims: int) -> str:
    """Caffe's LeNet."""
    return "".join([
        _filter("conv1", "data", 20, 5), _pool("pool1", "conv1"),
        _filter("conv2", "pool1", 50, 5), _pool("pool2", "conv2"),
        _inner("ip1", "pool2", 500), _over("ReLU", "ip1"), _inner("ip2", "ip1", CLASSES),
        _layer("SoftmaxWithLoss", "loss", ("ip2", "label")),
    ])  # fmt: skip


def _residual(dims: int) -> str:
    """3×3 convolutions on 64×64×3: three residual blocks of 16, 32 and 64 maps down to 8×8, and deconvolutions back."""
    halve, double, same = "stride: 2 pad: 1", "stride: 2 pad: 1", "pad: 1"
    parts, bottom = [], "data"
    for stage, maps in enumerate((16, 32, 64), 1):
        down, left, right, total = (f"{name}{stage}" for name in ("down", "left", "right", "sum"))
        parts += [
            _filter(down, bottom, maps, 3, halve), _over("ReLU", down),
            _filter(left, down, maps, 3, same), _over("ReLU", left), _filter(right, left, maps, 3, same),
            _layer("Eltwise", total, (down, right), "eltwise_param { operation: SUM }"), _over("ReLU", total),
        ]  # fmt: skip
        bottom = total
    for stage, maps in ((3, 32), (2, 16)):
        parts += [_unfilter(f"up{stage}", bottom, maps, 4, double), _over("ReLU", f"up{stage}")]
        bottom = f"up{stage}"
    parts += [_filter("mix", bottom, 16, 3, same), _over("ReLU", "mix"), _unfilter("restored", "mix", 3, 4, double)]
    return "".join([*parts, _layer("EuclideanLoss", "l2", ("restored", "data"))])


def strided(plane: tuple[int, int, int], widths: tuple[int, ...], down: int, up: int, batch: int, folder: Path) -> Path:
    """As tutorials write them: convolutions of stride 2 to a code of 8 neurons, and deconvolutions back; the solver."""
    side = plane[1] // 2 ** len(widths)
    parts, bottom = [], "data"
    for index, maps in enumerate(widths):
        parts += [_filter(f"down{index}", bottom, maps, down, "stride: 2 pad: 1"), _over("ReLU", f"down{index}")]
        bottom = f"down{index}"
    shape = f"reshape_param {{ shape {{ dim: 0 dim: {widths[-1]} dim: {side} dim: {side} }} }}"
    parts += [
        _inner("code", bottom, 8),
        _inner("back", "code", widths[-1] * side**2),
        _layer("Reshape", "up", "back", shape),
    ]
    bottom = "up"
    for index, maps in enumerate((*widths[-2::-1], plane[0])):
        parts += [_over("ReLU", bottom), _unfilter(f"up{index}", bottom, maps, up, f"stride: 2 pad: {(up - 2) // 2}")]
        bottom = f"up{index}"
    parts.append(_layer("EuclideanLoss", "l2", (bottom, "data")))
    return _write_texts("strided", 'top: "data"', "".join(parts), batch, 1e-6, folder)


def flops(net: Net) -> int:
    """Multiplications and additions that a training step cannot do without: those of the layers with weights.

    Of each: the pass forward and the gradients to its weights and, where one is needed, to its bottom. Products with
    the zeros of a padding, and those that a deconvolution's pad cuts away, are not counted.
    """
    total = 0
    for step in net.plan.steps:
        if step.type not in ("Convolution", "Deconvolution", "InnerProduct"):
            continue
        large, small = (net.plan.shapes[names[0]] for names in (step.bottoms, step.tops))
        weights = math.prod(net.tensors[step.params[0]].shape)
        if step.type == "InnerProduct":
            products = weights * large[0]
        else:
            large, small = (small, large) if step.type == "Deconvolution" else (large, small)
            kernel, stride, pad, dilation = step.layer.geometry(net.plan.shapes[step.bottoms[0]])
            pairs = math.prod(map(_pairs, large[2:], small[2:], kernel, stride, pad, dilation))
            products = large[0] * weights // math.prod(kernel) * pairs
        total += 2 * products * (2 + step.bottom_needs_backward[0])
    return total


def _pairs(large: int, small: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
    """How often, along one axis, a place of the kernel meets the large image at a place of the small one."""
    return sum(0 <= i * stride + k * dilation - pad < large for i in range(small) for k in range(kernel))
