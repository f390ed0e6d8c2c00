"""Learning-rate policies: pure functions of the iteration, in Caffe's float32 arithmetic.

| policy | rate at iteration i (the number of updates done) |
|---|---|
| fixed | base |
| step | base · γ^floor(i / stepsize) |
| exp | base · γ^i |
| inv | base · (1 + γ·i)^(−power) |
| multistep | base · γ^k, k raised by at most one per iteration, when i ≥ stepvalue[k] |
| poly | base · (1 − i / max_iter)^power |
| sigmoid | base / (1 + exp(−γ (i − stepsize))) |

*Differs from torch:* `torch.optim.lr_scheduler` multiplies the last rate; here the rate follows from the iteration
alone, except for multistep, whose k (`current_step`) is state that a snapshot keeps.

Source: Caffe's `SGDSolver::GetLearningRate`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from ..errors import Problem, SpecError
from ..proto.suggest import closest

_FLOAT = struct.Struct("f")


def float32(value: float) -> float:
    """`value` rounded to the nearest float32: the precision that Caffe carries a rate in. Beyond its range: ±inf."""
    try:
        return float(_FLOAT.unpack(_FLOAT.pack(value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:  # 0 to a negative power is infinite in C; a negative base to a fraction has no value
        return math.nan if base else math.inf


def _fixed(param: Any, iteration: int, step: int) -> tuple[float, int]:
    return param.base_lr, step


def _step(param: Any, iteration: int, step: int) -> tuple[float, int]:
    step = iteration // param.stepsize
    return param.base_lr * _power(param.gamma, step), step


def _exp(param: Any, iteration: int, step: int) -> tuple[float, int]:
    return param.base_lr * _power(param.gamma, iteration), step


def _inv(param: Any, iteration: int, step: int) -> tuple[float, int]:
    base = float32(1 + param.gamma * iteration)  # rounded once: Caffe's compiler fuses the two operations
    return param.base_lr * float32(_power(base, -param.power)), step


def _multistep(param: Any, iteration: int, step: int) -> tuple[float, int]:
    if step < len(param.stepvalue) and iteration >= param.stepvalue[step]:
        step += 1
    return param.base_lr * _power(param.gamma, step), step


def _poly(param: Any, iteration: int, step: int) -> tuple[float, int]:
    left = float32(1 - float32(iteration / param.max_iter))
    return param.base_lr * float32(_power(left, param.power)), step


def _sigmoid(param: Any, iteration: int, step: int) -> tuple[float, int]:
    exponent = float32(-param.gamma * (iteration - param.stepsize))
    grown = math.exp(exponent) if exponent < 88.8 else math.inf  # float32's exp overflows there, to the same rate: 0
    return param.base_lr * float32(1 / float32(1 + float32(grown))), step


POLICIES: dict[str, Callable[[Any, int, int], tuple[float, int]]] = {
    "fixed": _fixed,
    "step": _step,
    "exp": _exp,
    "inv": _inv,
    "multistep": _multistep,
    "poly": _poly,
    "sigmoid": _sigmoid,
}
_USES_GAMMA = {"step", "exp", "inv", "multistep", "sigmoid"}
_USES_STEPSIZE = {"step", "sigmoid"}


def policy_problems(param: Any) -> list[tuple[str, str]]:
    """What is wrong with the rate's settings in a SolverParameter: (field, sentence) pairs."""
    valid = ", ".join(POLICIES)
    if not param.lr_policy:
        return [("lr_policy", f"lr_policy is missing; it must be one of {valid}")]
    if param.lr_policy not in POLICIES:
        near = closest(param.lr_policy, POLICIES)
        hint = f"; did you mean '{near}'?" if near else ""
        return [("lr_policy", f"lr_policy '{param.lr_policy}' is unknown; it must be one of {valid}{hint}")]
    found = []
    policy = param.lr_policy
    if policy in _USES_GAMMA and not param.gamma >= 0:
        found.append(("gamma", f"gamma is {param.gamma:g}, but lr_policy '{policy}' needs gamma >= 0"))
    if policy in _USES_STEPSIZE and param.stepsize <= 0:
        found.append(("stepsize", f"stepsize is {param.stepsize}, but lr_policy '{policy}' needs stepsize > 0"))
    if policy == "poly" and param.max_iter <= 0:
        found.append(("max_iter", f"max_iter is {param.max_iter}, but lr_policy 'poly' needs max_iter > 0"))
    return found


def rate(param: Any, iteration: int, current_step: int) -> tuple[float, int]:
    """The rate of update `iteration` (from 0) and the new current_step. SpecError for settings that give none."""
    policy = POLICIES.get(param.lr_policy)
    try:
        if policy is not None:
            value, current_step = policy(param, iteration, current_step)
            return float32(value), current_step
    except ZeroDivisionError:
        pass
    raise SpecError([Problem(sentence) for _, sentence in policy_problems(param)])
