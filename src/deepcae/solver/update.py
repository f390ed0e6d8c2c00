"""How weights move: Caffe's clip → normalise → regularise → update, over all blobs of a kind at once.

On the CPU the compiled core does all of it in one pass over the memory (`kernels.calls.FusedUpdate`); elsewhere, and
without a core, PyTorch's operators do it, whose rules stand here.

Notation: w weights, g gradient, η = rate · lr_mult, μ momentum, ρ rms_decay, β2 momentum2, ε delta, λ = weight_decay ·
decay_mult; h, h2 are blobs of history, shaped as w. Every rule returns Δ, and w ← w − Δ. Muon's, which is
deepcae's own, stands in `solver.muon`.

*Differs from torch:* `torch.optim` applies the rate to the velocity, Caffe keeps it inside; ε is added to the square
root before Adam's bias correction; AdaDelta's rate is a factor of the whole step.

*Differs from the 2015 fork:* it divides by iter_size after adding the decay; weight_decay / iter_size gives its run.

Source: Caffe's `sgd_solver.cpp`, `nesterov_solver.cpp`, `adagrad_solver.cpp`, `rmsprop_solver.cpp`,
`adadelta_solver.cpp`, `adam_solver.cpp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..kernels.choice import has_core
from ..lazy import torch
from .muon import muon

if TYPE_CHECKING:
    from torch import Tensor

    from ..kernels.calls import FusedUpdate

Tensors = list["Tensor"]


class Learnable(Protocol):
    """What the update needs of a learned blob; `net.LearnedBlob` is one."""

    name: str
    tensor: Tensor
    lr_mult: float
    decay_mult: float


@dataclass(frozen=True)
class Rule:
    """A solver: its update and the number of history blobs per parameter. `in_core`: the compiled core knows it."""

    update: Callable[[Tensors, list[Tensors], float, Any, int], Tensors]
    num_history: int = 1
    uses_momentum: bool = True
    in_core: bool = True


def _sgd(g: Tensors, history: list[Tensors], eta: float, param: Any, iteration: int) -> Tensors:
    """h ← μh + ηg;  Δ = h. After a drop of the rate the old momentum keeps the old scale."""
    (h,) = history
    torch._foreach_mul_(h, param.momentum)
    torch._foreach_add_(h, g, alpha=eta)
    return h


def _nesterov(g: Tensors, history: list[Tensors], eta: float, param: Any, iteration: int) -> Tensors:
    """h' = μh + ηg;  Δ = (1+μ)h' − μh."""
    (h,) = history
    delta = torch._foreach_mul(h, -param.momentum)
    torch._foreach_mul_(h, param.momentum)
    torch._foreach_add_(h, g, alpha=eta)
    torch._foreach_add_(delta, h, alpha=1 + param.momentum)
    return list(delta)


def _adagrad(g: Tensors, history: list[Tensors], eta: float, param: Any, iteration: int) -> Tensors:
    """h ← h + g²;  Δ = ηg / (√h + ε)."""
    (h,) = history
    torch._foreach_addcmul_(h, g, g)
    return _scaled_by_root(g, h, eta, param.delta)


def _rmsprop(g: Tensors, history: list[Tensors], eta: float, param: Any, iteration: int) -> Tensors:
    """h ← ρh + (1−ρ)g²;  Δ = ηg / (√h + ε)."""
    (h,) = history
    torch._foreach_mul_(h, param.rms_decay)
    torch._foreach_addcmul_(h, g, g, value=1 - param.rms_decay)
    return _scaled_by_root(g, h, eta, param.delta)


def _adadelta(g: Tensors, history: list[Tensors], eta: float, param: Any, iteration: int) -> Tensors:
    """h ← μh + (1−μ)g²;  u = g·√((h2+ε)/(h+ε));  h2 ← μh2 + (1−μ)u²;  Δ = ηu."""
    h, h2 = history
    mu, eps = param.momentum, param.delta
    torch._foreach_mul_(h, mu)
    torch._foreach_addcmul_(h, g, g, value=1 - mu)
    u = torch._foreach_add(h2, eps)
    torch._foreach_div_(u, torch._foreach_add(h, eps))
    torch._foreach_sqrt_(u)
    torch._foreach_mul_(u, g)
    torch._foreach_mul_(h2, mu)
    torch._foreach_addcmul_(h2, u, u, value=1 - mu)
    torch._foreach_mul_(u, eta)
    return list(u)


def _adam(g: Tensors, history: list[Tensors], eta: float, param: Any, iteration: int) -> Tensors:
    """m ← β1m + (1−β1)g;  v ← β2v + (1−β2)g²;  Δ = η·√(1−β2^t)/(1−β1^t) · m/(√v + ε),  t = iteration + 1."""
    m, v = history
    beta1, beta2 = param.momentum, param.momentum2
    torch._foreach_mul_(m, beta1)
    torch._foreach_add_(m, g, alpha=1 - beta1)
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, g, g, value=1 - beta2)
    return _scaled_by_root(m, v, eta * adam_correction(param, iteration), param.delta)


def adam_correction(param: Any, iteration: int) -> float:
    """√(1−β2^t)/(1−β1^t),  t = iteration + 1."""
    t = iteration + 1
    return math.sqrt(1 - param.momentum2**t) / (1 - param.momentum**t)


def _scaled_by_root(g: Tensors, h: Tensors, eta: float, eps: float) -> Tensors:
    """ηg / (√h + ε), in a new list."""
    root = torch._foreach_sqrt(h)
    torch._foreach_add_(root, eps)
    delta = torch._foreach_div(g, root)
    torch._foreach_mul_(delta, eta)
    return list(delta)


def _root_of_sum(squares: Sequence[float]) -> float:
    """Added one after another: Python's own sum() rounds otherwise since 3.12."""
    total = 0.0
    for number in squares:
        total += number
    return math.sqrt(total)


RULES: dict[str, Rule] = {
    "SGD": Rule(_sgd),
    "Nesterov": Rule(_nesterov),
    "AdaGrad": Rule(_adagrad, uses_momentum=False),
    "RMSProp": Rule(_rmsprop, uses_momentum=False),
    "AdaDelta": Rule(_adadelta, num_history=2),
    "Adam": Rule(_adam, num_history=2),
    "Muon": Rule(muon, in_core=False),
}


@dataclass
class _Group:
    """The blobs that share their multipliers, and so every factor of a step."""

    lr_mult: float
    decay_mult: float
    weights: Tensors
    history: list[Tensors]  # one list per block


class Updater:
    """The state of a solver beside its net: the history, and the step that moves the weights.

    `history`: the first block of all blobs in creation order, then the second: the order of a .solverstate.
    Blobs with lr_mult 0 have history too, as in Caffe, but never move. `stacked`: the first axis of all is that of K
    nets, each with a norm of its own.
    """

    def __init__(self, param: Any, learnable: Sequence[Learnable], stacked: bool = False) -> None:
        self.param, self.stacked = param, stacked
        self.rule = RULES[param.type]
        self.names = [blob.name for blob in learnable]
        self.weights = [blob.tensor.detach() for blob in learnable]
        self._leaves = [blob.tensor for blob in learnable]
        self.keeps_updates = bool(param.snapshot_diff or param.debug_info)
        self.updates: Tensors = [torch.zeros_like(w) for w in self.weights] if self.keeps_updates else []
        """The last Δ of every blob, where the solver text wants to see it."""
        num = len(self.weights)
        self.history = [torch.zeros_like(w) for _ in range(self.rule.num_history) for w in self.weights]
        self._mults = [(blob.lr_mult, blob.decay_mult) for blob in learnable]
        self._is_plain = (
            self.rule.in_core
            and bool(self.weights)
            and all(w.dtype == torch.float32 and w.device.type == "cpu" and w.is_contiguous() for w in self.weights)
        )
        self._fused: FusedUpdate | None = None
        self._looked_at: tuple[Tensors, bool] = ([], False)  # gradients, and whether they fuse
        members: dict[tuple[float, float], list[int]] = {}
        for index, blob in enumerate(learnable):
            members.setdefault((blob.lr_mult, blob.decay_mult), []).append(index)
        self._members = list(members.values())
        self._groups = [
            _Group(
                lr_mult,
                decay_mult,
                [self.weights[i] for i in indices],
                [[self.history[block * num + i] for i in indices] for block in range(self.rule.num_history)],
            )
            for (lr_mult, decay_mult), indices in members.items()
        ]

    def follow(self) -> None:
        """Moves the net's tensors where they lie now: since it was made, they may have become another net's."""
        for weight, leaf in zip(self.weights, self._leaves, strict=True):
            if weight.data_ptr() != leaf.data_ptr():
                weight.data = leaf.detach()
                self._fused = None

    def clear_gradients(self) -> None:
        """Forgets the gradients; the next backward pass starts new ones."""
        for leaf in self._leaves:
            leaf.grad = None

    def gradients(self) -> Tensors:
        """The gradients accumulated since `clear_gradients`, in creation order; zero where the loss does not reach."""
        return [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in self._leaves]

    def norm(self, gradients: Tensors, squares: Tensor | None = None) -> Tensor:
        """√(Σ over all blobs of Σ g²), a scalar on the gradients' device; of a stack (K).

        `squares`: each blob's Σ g², where the written pass has them: the same bits without reading the gradients.
        """
        if not gradients:
            return torch.zeros(())
        if self.stacked:
            norms = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
            return torch.linalg.vector_norm(torch.stack(norms), dim=0)
        if squares is not None:
            return torch.tensor(_root_of_sum(squares.tolist()))
        if self.fuses(gradients):
            return torch.tensor(_root_of_sum(self._in_core().squares(gradients)))
        return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))

    def _clip(self, gradients: Tensors, norm: Tensor | float) -> float:
        """g ← g · clip/n if n > clip ≥ 0, with n the `norm` of all raw sums over iter_size; of a stack each by its own.

        A norm on a device is not waited for: the gradients are multiplied there. Else the factor is still to be
        multiplied by, in the one pass that a step makes over the memory.
        """
        clip = self.param.clip_gradients
        if clip < 0 or not gradients:
            return 1.0
        if not isinstance(norm, torch.Tensor):
            return clip / norm if norm > clip else 1.0
        factor = torch.where(norm > clip, clip / norm, torch.ones_like(norm))
        for gradient in gradients:
            gradient.mul_(factor.reshape(factor.shape + (1,) * (gradient.dim() - factor.dim())))
        return 1.0

    def step(
        self, gradients: Tensors, norm: Tensor | float, rate: float, iteration: int, *, leave_update: bool = False
    ) -> None:
        """Clip by their `norm`, normalise, regularise, update. The gradients are written over.

        With `leave_update` they hold Δ afterwards, as a parameter's diff does in Caffe.
        """
        scale = self._clip(gradients, norm)
        if self.fuses(gradients):
            settings = self._settings(scale, rate, iteration)
            self._in_core().step(gradients, settings, self.param.weight_decay, leave_update)
            return
        with torch.no_grad():
            if scale != 1:
                torch._foreach_mul_(gradients, scale)
            for group, members in zip(self._groups, self._members, strict=True):
                g = [gradients[i] for i in members]
                self._normalise(g)
                self._regularise(g, group)
                delta = self.rule.update(g, group.history, rate * group.lr_mult, self.param, iteration)
                if group.lr_mult:
                    torch._foreach_sub_(group.weights, delta)
                if self.keeps_updates:
                    torch._foreach_copy_([self.updates[i] for i in members], delta)
                if leave_update:
                    torch._foreach_copy_(g, delta)

    def fuses(self, gradients: Tensors) -> bool:
        """Whether the compiled core can make the step: it knows the rule; all is float32 on the CPU, without gaps.

        Of a list that stays, as a tape's does as long as kernels are the same, it is asked once.
        """
        if gradients is not self._looked_at[0]:
            can = self._is_plain and has_core() and all(map(torch.Tensor.is_contiguous, gradients))
            self._looked_at = (gradients, can)
        return self._looked_at[1]

    def _in_core(self) -> FusedUpdate:
        if self._fused is None:
            from ..kernels.calls import FusedUpdate

            num, (rates, decay) = len(self.weights), zip(*self._mults, strict=True)
            history = [self.history[block * num : (block + 1) * num] for block in range(self.rule.num_history)]
            self._fused = FusedUpdate(self.param.type, self.weights, history, self.updates, rates, decay)
        return self._fused

    def _settings(self, scale: float, rate: float, iteration: int) -> dict[str, float]:
        """The numbers of this step's formulas."""
        param = self.param
        settings = {"rate": rate, "scale": scale / param.iter_size, "momentum": param.momentum, "delta": param.delta}
        settings["l1"] = int(param.regularization_type == "L1")
        settings["rest"] = 1 - (param.rms_decay if param.type == "RMSProp" else param.momentum)
        settings["rms_decay"], settings["momentum2"], settings["rest2"] = (
            param.rms_decay,
            param.momentum2,
            1 - param.momentum2,
        )
        settings["correction"] = adam_correction(param, iteration) if param.type == "Adam" else 1.0
        return settings

    def _normalise(self, g: Tensors) -> None:
        """g ← g / iter_size."""
        if self.param.iter_size != 1:
            torch._foreach_mul_(g, 1 / self.param.iter_size)

    def _regularise(self, g: Tensors, group: _Group) -> None:
        """L2: g ← g + λw;  L1: g ← g + λ·sign(w), sign(0) = 0."""
        decay = self.param.weight_decay * group.decay_mult
        if not decay:
            return
        if self.param.regularization_type == "L1":
            torch._foreach_add_(g, torch._foreach_sign(group.weights), alpha=decay)
        else:
            torch._foreach_add_(g, group.weights, alpha=decay)
