"""The same training step by others: plain PyTorch, `torch.compile`, JAX. Weights and data are deepcae's.

A network is translated from its plan, layer by layer, into the functions that one writes by hand; torch.fx turns what
PyTorch is given into straight code. Forward, all losses, backward, and SGD with momentum and weight decay.
"""

from __future__ import annotations

import functools
import itertools
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from deepcae import Net
from deepcae.solver.solver import Solver

Run = Callable[[int], float]  # takes iterations; the loss of the last
Operation = Callable[..., Any]  # (layer, shape of the top, bottoms, parameters) → top


def _objective(net: Net, operations: Mapping[str, Operation], params: Sequence[Any], inputs: Mapping[str, Any]) -> Any:
    """The sum of the losses, and all that the net puts out, so that no part of it may be left out."""
    blobs = {name: inputs[name] for name in net.inputs}
    losses = []
    for step in net.plan.steps:
        if step.layer.is_source:
            continue
        bottoms = [blobs[name] for name in step.bottoms]
        if step.type == "Split":
            blobs.update(dict.fromkeys(step.tops, bottoms[0]))
            continue
        weights = [params[i] for i in step.params]
        blobs[step.tops[0]] = operations[step.type](step.layer, net.plan.shapes[step.tops[0]], bottoms, weights)
        if any(step.loss_weights):
            assert step.loss_weights == (1,)
            losses.append(blobs[step.tops[0]])
    return functools.reduce(operator.add, losses), [blobs[name] for name in net.outputs]


def _batches(inputs: tuple[str, ...], data: Mapping[str, np.ndarray], size: int) -> list[dict[str, np.ndarray]]:
    count = len(data["data"]) // size
    return [{name: data[name][i * size : (i + 1) * size] for name in inputs} for i in range(count)]


# PyTorch


def _summed(layer: Any, shape: Any, x: Any, w: Any) -> Any:
    """Sums alone."""
    first, second = layer.coefficients or (1.0, 1.0)
    return x[0] + (x[1] if second == 1 else second * x[1]) if first == 1 else first * x[0] + second * x[1]


def _line(layer: Any, shape: Any, x: Any, w: Any) -> Any:
    """A Power of exponent 1."""
    return layer.scale * x[0] + layer.shift if layer.shift else layer.scale * x[0]


SIMPLE: dict[str, Operation] = {
    "Eltwise": _summed,
    "Bias": lambda layer, shape, x, w: x[0] + w[0],
    "Power": _line,
}  # the same in all libraries


def _in_torch(function: Callable[..., Any]) -> Operation:
    return lambda layer, shape, bottoms, weights: function(*bottoms)


def _torch_filter(function: Callable[..., Any]) -> Operation:
    def apply(layer: Any, shape: Any, bottoms: Any, weights: Any) -> Any:
        _, stride, pad, _ = layer.geometry((0,) * 4)
        return function(bottoms[0], *weights, stride=stride, padding=pad)

    return apply


TORCH: dict[str, Operation] = {
    "Convolution": _torch_filter(functional.conv2d),
    "Deconvolution": _torch_filter(functional.conv_transpose2d),
    "InnerProduct": lambda layer, shape, x, w: functional.linear(x[0].flatten(1), *w),
    "Pooling": lambda layer, shape, x, w: functional.max_pool2d(x[0], layer.kernel, layer.stride),
    "Sigmoid": _in_torch(torch.sigmoid),
    "ReLU": _in_torch(functional.relu_),
    "ELU": lambda layer, shape, x, w: functional.elu(x[0], layer.alpha),
    "Reshape": lambda layer, shape, x, w: x[0].reshape(shape),
    "Flatten": lambda layer, shape, x, w: x[0].flatten(1),
    "SigmoidCrossEntropyLoss": _in_torch(
        lambda x, t: functional.binary_cross_entropy_with_logits(x, t, reduction="sum") / x.size(0)
    ),
    "EuclideanLoss": _in_torch(lambda x, t: functional.mse_loss(x, t, reduction="sum") / (2 * x.size(0))),
    "SoftmaxWithLoss": _in_torch(functional.cross_entropy),
    **SIMPLE,
}


class _Objective(nn.Module):
    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        self.weights = nn.ParameterList(tensor.detach().clone() for tensor in net.tensors)

    def forward(self, inputs: dict[str, torch.Tensor]) -> Any:
        return _objective(self.net, TORCH, list(self.weights), inputs)


def pytorch(
    solver: Solver, data: Mapping[str, np.ndarray], batch: int, *, channels_last: bool = False, compiled: bool = False
) -> Run:
    """Plain PyTorch in one of its memory formats, compiled by inductor or not."""
    net, param = solver.net, solver.param
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    batches = []
    for arrays in _batches(net.inputs, data, batch):
        values = {name: torch.from_numpy(values) for name, values in arrays.items()}
        if "label" in values:
            values["label"] = values["label"].long()
        values["data"] = values["data"].contiguous(memory_format=memory_format)
        batches.append(values)
    traced = torch.fx.symbolic_trace(_Objective(net).to(memory_format=memory_format))
    model = torch.compile(traced, dynamic=False) if compiled else traced
    groups: dict[tuple[float, float], list[Any]] = {}
    for blob, weight in zip(net.learnable, traced.parameters(), strict=True):
        weight.requires_grad_(blob.lr_mult != 0)
        groups.setdefault((blob.lr_mult, blob.decay_mult), []).append(weight)
    optimizer = torch.optim.SGD(
        [
            {"params": members, "lr": param.base_lr * rate, "weight_decay": param.weight_decay * decay}
            for (rate, decay), members in groups.items()
        ],
        momentum=param.momentum,
        fused=True,
    )
    stream = itertools.cycle(batches)

    def run(iterations: int) -> float:
        for inputs in itertools.islice(stream, iterations):
            loss, _ = model(inputs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    return run


# JAX


def _jax_operations() -> dict[str, Operation]:
    import jax
    from jax import lax
    from jax import numpy as jnp

    axes = ("NCHW", "OIHW", "NCHW")

    def convolution(layer: Any, shape: Any, x: Any, w: Any) -> Any:
        _, stride, pad, _ = layer.geometry((0,) * 4)
        y = lax.conv_general_dilated(x[0], w[0], stride, [(p, p) for p in pad], dimension_numbers=axes)
        return y + w[1][:, None, None]

    def deconvolution(layer: Any, shape: Any, x: Any, w: Any) -> Any:
        kernel, stride, pad, _ = layer.geometry((0,) * 4)
        edges = [(k - 1 - p, k - 1 - p) for k, p in zip(kernel, pad, strict=True)]
        turned = jnp.flip(w[0], (2, 3)).swapaxes(0, 1)
        y = lax.conv_general_dilated(x[0], turned, (1, 1), edges, lhs_dilation=stride, dimension_numbers=axes)
        return y + w[1][:, None, None]

    def pooling(layer: Any, shape: Any, x: Any, w: Any) -> Any:
        return lax.reduce_window(x[0], -jnp.inf, lax.max, (1, 1, *layer.kernel), (1, 1, *layer.stride), "VALID")

    def cross_entropy(layer: Any, shape: Any, x: Any, w: Any) -> Any:
        logits, target = x
        values = jnp.maximum(logits, 0) - logits * target + jnp.log1p(jnp.exp(-jnp.abs(logits)))
        return values.sum() / len(logits)

    def softmax_loss(layer: Any, shape: Any, x: Any, w: Any) -> Any:
        scores = jax.nn.log_softmax(x[0])
        return -jnp.take_along_axis(scores, x[1][:, None], 1).mean()

    return {
        "Convolution": convolution,
        "Deconvolution": deconvolution,
        "InnerProduct": lambda layer, shape, x, w: x[0].reshape(len(x[0]), -1) @ w[0].T + w[1],
        "Pooling": pooling,
        "Sigmoid": lambda layer, shape, x, w: jax.nn.sigmoid(x[0]),
        "ReLU": lambda layer, shape, x, w: jax.nn.relu(x[0]),
        "ELU": lambda layer, shape, x, w: jax.nn.elu(x[0], layer.alpha),
        "Reshape": lambda layer, shape, x, w: x[0].reshape(shape),
        "Flatten": lambda layer, shape, x, w: x[0].reshape(len(x[0]), -1),
        "SigmoidCrossEntropyLoss": cross_entropy,
        "EuclideanLoss": lambda layer, shape, x, w: ((x[0] - x[1]) ** 2).sum() / (2 * len(x[0])),
        "SoftmaxWithLoss": softmax_loss,
        **SIMPLE,
    }


def start_jax(threads: int) -> None:
    """Imports JAX with a pool of `threads` threads: as many as it sees cores when it starts. ImportError without it."""
    import jax

    if not hasattr(os, "sched_setaffinity"):
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(cores)[:threads]))
    try:
        jax.devices("cpu")
    finally:
        os.sched_setaffinity(0, cores)


def jax_step(solver: Solver, data: Mapping[str, np.ndarray], batch: int) -> Run:
    """One jitted step, its weights and momenta given back to it."""
    import jax
    from jax import numpy as jnp

    net, param, operations = solver.net, solver.param, _jax_operations()
    kinds = {"data": jnp.float32, "label": jnp.int32}
    batches = [
        {name: jnp.asarray(values, kinds[name]) for name, values in arrays.items()}
        for arrays in _batches(net.inputs, data, batch)
    ]
    weights = [jnp.array(tensor.detach().numpy()) for tensor in net.tensors]
    history = [jnp.zeros_like(weight) for weight in weights] if param.momentum else []

    def step(weights: Any, history: Any, inputs: Any) -> Any:
        def objective(weights: Any) -> Any:
            return _objective(net, operations, weights, inputs)

        (loss, outputs), gradients = jax.value_and_grad(objective, has_aux=True)(weights)
        updates = []
        for i, (blob, w, g) in enumerate(zip(net.learnable, weights, gradients, strict=True)):
            g = g + param.weight_decay * blob.decay_mult * w
            g = param.base_lr * blob.lr_mult * g
            updates.append(param.momentum * history[i] + g if history else g)
        return [w - u for w, u in zip(weights, updates, strict=True)], updates if history else [], (loss, outputs)

    jitted = jax.jit(step, donate_argnums=(0, 1))
    stream = itertools.cycle(batches)

    def run(iterations: int) -> float:
        nonlocal weights, history
        for inputs in itertools.islice(stream, iterations):
            weights, history, (loss, _) = jitted(weights, history, inputs)
        jax.block_until_ready(weights)
        return float(loss)

    return run
