"""The algorithms of a convolution, each by its name. They agree up to rounding; `choice` takes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ..lazy import torch
from .case import Case
from .rule import Rule

if TYPE_CHECKING:
    from torch import Tensor

Algorithm = Literal["core", "product", "banded", "phases", "torch"]


def computed(
    algorithm: Algorithm,
    case: Case,
    x: Tensor,
    w: Tensor,
    b: Tensor | None,
    rule: Callable[[], Rule],
    batch_last: bool = False,
) -> Tensor:
    """The convolution of x (N, C, ...) with w and b, or its transpose, as `case` says; see `convolution`.

    `rule`: asked where PyTorch computes, for the order of its memory. `batch_last`: products of a code of one pixel lie
    in memory as the core wants them.
    """
    if case.transposed:
        return _deconvolved(algorithm, case, x, w, b, rule, batch_last)
    return _convolved(algorithm, case, x, w, b, rule)


def _convolved(
    algorithm: Algorithm, case: Case, x: Tensor, w: Tensor, b: Tensor | None, rule: Callable[[], Rule]
) -> Tensor:
    stride, pad, dilation, groups = case.stride, case.pad, case.dilation, case.groups
    if algorithm == "core":
        from . import direct

        return direct.correlation(x, w, b, case)
    if algorithm == "product":
        if set(w.shape[2:]) == {1} and set(stride) == {1}:
            return _pointwise(x, w.reshape(w.shape[0], -1), b)
        whole = torch.nn.functional.linear(x.reshape(x.shape[0], -1), w.reshape(w.shape[0], -1), b)
        return whole.reshape(*whole.shape, *(1,) * (x.dim() - 2))
    if algorithm == "banded":
        from . import banded

        return banded.convolution(x, w, b)
    # of a kernel of one pixel dilation means nothing, and PyTorch's kernels read beyond a padded image of one pixel
    dilation = tuple(d if k > 1 else 1 for k, d in zip(w.shape[2:], dilation, strict=True))
    overhang = [
        max(0, d * (k - 1) + 1 - (size + 2 * p))
        for size, k, p, d in zip(x.shape[2:], w.shape[2:], pad, dilation, strict=True)
    ]
    if any(overhang):
        x = torch.nn.functional.pad(x, [n for extra in reversed(overhang) for n in (0, extra)])
    operation = (torch.conv1d, torch.conv2d, torch.conv3d)[x.dim() - 3]
    x, w = _in_torch_s_order(x, w, rule)
    return operation(x, w, b, stride, pad, dilation, groups)


def _deconvolved(
    algorithm: Algorithm, case: Case, x: Tensor, w: Tensor, b: Tensor | None, rule: Callable[[], Rule], batch_last: bool
) -> Tensor:
    stride, pad, dilation, groups = case.stride, case.pad, case.dilation, case.groups
    if algorithm == "core":
        from . import direct

        return direct.correlation(x, w, b, case)
    if algorithm == "product":
        if set(w.shape[2:]) == {1} and set(stride) == {1}:
            return _pointwise(x, w.reshape(w.shape[0], -1).t(), b)
        return _stamped(x, w, b, batch_last)
    if algorithm == "banded":
        from . import banded

        return banded.deconvolution(x, w, b)
    if algorithm == "phases":
        from . import phases

        return phases.deconvolution(x, w, b, stride, pad)
    operation = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)[x.dim() - 3]
    x, w = _in_torch_s_order(x, w, rule)
    y = operation(x, w, None, stride, pad, 0, groups, dilation)
    # oneDNN sums a deconvolution's bias gradient one by one: of 16→3, 4×4 on 32×32, batch 100, 0.5 ms of 2.1
    return y if b is None else y.add_(b.reshape(-1, *(1,) * (x.dim() - 2)))


def _in_torch_s_order(x: Tensor, w: Tensor, rule: Callable[[], Rule]) -> tuple[Tensor, Tensor]:
    """Images and kernels with their channels last in memory, where PyTorch is faster so; what follows stays so.

    From how many channels on depends on the processor (`rule`). Measured on an AMD EPYC (Zen 5), one thread, forward
    and both gradients, channels first ÷ channels last: batch 100, 3→16 3×3 on 64×64 1.8, 16→3 3.3, 16→16 on 32×32 1.3,
    20→50 5×5 on 12×12 1.4, but 1→16 3×3 0.8; batch 10, 3→16 3.1; batch 1, 16→16 1.4, but 3→16 0.6, 4→4 on 16×16 0.7.
    """
    if x.dim() != 4 or x.device.type != "cpu" or _is_mapped(x) or x.shape[1] < rule().last_channels[x.shape[0] > 1]:
        return x, w
    return x.contiguous(memory_format=torch.channels_last), w.contiguous(memory_format=torch.channels_last)


def is_plain(tensor: Tensor) -> bool:
    """Whether there are float32 numbers in the CPU's memory, not those of a subclass that only plays a tensor."""
    return (
        tensor.dtype == torch.float32
        and tensor.device.type == "cpu"
        and type(tensor) in (torch.Tensor, torch.nn.Parameter)
    )


def _is_mapped(tensor: Tensor) -> bool:
    """Whether torch.vmap stands for it: such tensors have no memory order."""
    return bool(torch._C._functorch.is_batchedtensor(tensor))


def is_traced() -> bool:
    """Whether torch writes down what is computed: it would not see the compiled kernels."""
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined]
    return bool(tracing) or bool(torch.compiler.is_compiling())


def _pointwise(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """y[n] = w x[n] + b over all pixels, w (O, C)."""
    pixels = x.reshape(*x.shape[:2], -1)  # (N, C, HW)
    batched = w.expand(x.shape[0], -1, -1)
    y = torch.bmm(batched, pixels) if b is None else torch.baddbmm(b[:, None], batched, pixels)
    return y.reshape(x.shape[0], -1, *x.shape[2:])


def _stamped(x: Tensor, w: Tensor, b: Tensor | None, batch_last: bool) -> Tensor:
    """y[n] = sum over c of x[n, c] w[c] + b: x (N, C, 1...), w (C, O, k...). The batch comes last for the core."""
    codes, stamps = x.reshape(x.shape[0], -1), w.reshape(w.shape[0], -1)
    if x.device.type == "cpu" and batch_last:
        y = torch.mm(stamps.t(), codes.t()).reshape(*w.shape[1:], -1).movedim(-1, 0)
    else:
        y = torch.mm(codes, stamps).reshape(-1, *w.shape[1:])
    return y if b is None else y + b.reshape(-1, *(1,) * (x.dim() - 2))
