"""Which algorithm computes a convolution: a rule of its shape and of the processor, so that equal runs take equal ones.

`DEEPCAE_KERNELS` or `prefer` set another rule for the whole process, `using` for one thread's work:
    auto    the fastest one by the rule below (the default)
    core    the compiled kernels wherever they can
    banded  as if there were no compiled kernels
    torch   PyTorch's own operators alone
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Literal, NamedTuple, cast, get_args

from ..errors import SpecError
from .algorithms import Algorithm
from .case import Case
from .rule import WITHOUT_STRIDES, Rule
from .rulecache import FoundRule, find_here, fixed_here

Preference = Literal["auto", "core", "banded", "torch"]

VARIABLE = "DEEPCAE_KERNELS"


_preference: list[Preference] = []  # the process's, once asked for
_here: ContextVar[Preference | None] = ContextVar("kernels", default=None)  # see `using`


def preference() -> Preference:
    """The rule in force here. SpecError if the environment names another than those that exist."""
    here = _here.get()
    if here is not None:
        return here
    if not _preference:
        prefer(os.environ.get(VARIABLE, "auto"))
    return _preference[0]


def prefer(name: str) -> None:
    """Sets the rule for this process from now on."""
    if name not in get_args(Preference):
        raise SpecError(f"{VARIABLE} is '{name}', but may be {', '.join(get_args(Preference))}")
    _preference[:] = [cast(Preference, name)]


@contextmanager
def using(rule: Preference) -> Iterator[None]:
    """Inside, another rule is in force: for this thread alone, other nets of the process go on by theirs."""
    before = _here.set(rule)
    try:
        yield
    finally:
        _here.reset(before)


def is_forced() -> bool:
    """Whether the environment names the rule."""
    return VARIABLE in os.environ


_resumed: list[FoundRule] = []  # the rule of a snapshot, in place of this machine's


class Kernels(NamedTuple):
    """All that says how the layers are computed here: where two are equal, so are the bits of the results.

    `core`: the instructions of the compiled kernels, "" where they are not used.
    """

    preference: Preference
    core: str
    found: FoundRule  # the numbers that differ by processor, and where they are from


def kernels() -> Kernels:
    """Those in force here."""
    wanted, core = preference(), _core()
    if wanted in ("torch", "banded"):
        return Kernels(wanted, core, fixed_here(f"{VARIABLE}={wanted}" if is_forced() else f"kernels {wanted}"))
    if not core:
        return Kernels(wanted, core, fixed_here("there is no compiled core with vectors"))
    return Kernels(wanted, core, _resumed[0] if _resumed else _of_this_machine(core))


_found: dict[str, FoundRule] = {}  # by the core's instructions


def _of_this_machine(core: str) -> FoundRule:
    """Found once for a process, so that nothing changes while it runs."""
    if core not in _found:
        _found[core] = find_here()
    return _found[core]


def _core() -> str:
    """The instructions of the compiled kernels, if they may be used: those without vectors only on request."""
    from . import native

    wanted = preference()
    instructions = native.instructions() if wanted in ("auto", "core") else ""
    return instructions if wanted == "core" or instructions != "scalar" else ""


def has_core() -> bool:
    """Whether the compiled kernels are there and may be used."""
    return bool(_core())


def rule() -> Rule:
    """The numbers in force that differ by processor."""
    return kernels().found.rule


def take(found: FoundRule | None) -> None:
    """Takes these numbers from now on; None: those of this machine."""
    _resumed[:] = [found] if found is not None else []


def in_force() -> dict[str, Any]:
    """What a snapshot keeps, for a resumed run to compute in the same ways: the rule and the core's instructions."""
    now = kernels()
    kept: dict[str, Any] = {"rule": now.preference, "instructions": now.core}
    if now.core:
        kept["numbers"] = now.found.rule.to_json()
    return kept


def go_on_with(recorded: dict[str, Any]) -> str:
    """Takes the ways that `in_force` told before; what cannot be had so, in words. ValueError for what it never tells.

    A rule that the environment names stays. Snapshots older than rules by processor were made by the fixed one.
    """
    from . import native

    name, instructions = recorded["rule"], recorded["instructions"]
    if name not in get_args(Preference) or not isinstance(instructions, str):
        raise ValueError(f"no rule of kernels: {name}")
    if instructions:
        numbers = recorded.get("numbers")
        found = fixed_here("as the snapshot")
        before = FoundRule(found.rule._replace(strided_pairs=WITHOUT_STRIDES), found.source)
        take(before if numbers is None else FoundRule(Rule.from_json(numbers), "the snapshot's"))
    if not is_forced():
        prefer(name)
    if instructions:
        native.instructions(instructions)
    now = in_force()
    same = all(now[field] == recorded[field] for field in ("rule", "instructions"))
    return "" if same else f"convolutions were computed by {_told(recorded)} and are by {_told(now)} now"


def _told(recorded: dict[str, Any]) -> str:
    return f"rule '{recorded['rule']}' with {recorded['instructions'] or 'no'} compiled kernels"


def choice(case: Case) -> Algorithm:
    """The algorithm for a case; all are equal up to rounding: see `convolution`."""
    now = kernels()
    return _chosen(case, now.preference, bool(now.core), now.found.rule)


@lru_cache(maxsize=4096)
def _chosen(case: Case, preferred: Preference, core: bool, numbers: Rule) -> Algorithm:
    if preferred == "torch" or not all(case.x):
        return "torch"
    if core and _core_can(case, numbers) and (preferred == "core" or _core_pays(case, numbers)):
        return "core"
    if _is_product(case):
        return "product"
    if _banded_pays(case):
        return "banded"
    return "phases" if _phases_pay(case, numbers) else "torch"


def _is_product(case: Case) -> bool:
    if case.groups != 1 or any(case.pad):
        return False
    if set(case.w[2:]) == {1} and set(case.stride) == {1}:
        return True
    whole = set(case.x[2:]) == {1} if case.transposed else case.w[2:] == case.x[2:]
    return whole and set(case.dilation) == {1}


def _core_can(case: Case, numbers: Rule) -> bool:
    known = set(case.stride) == {1} or (case.strides and numbers.strided_pairs != WITHOUT_STRIDES)
    return case.plain and len(case.x) in (3, 4) and known


def _core_pays(case: Case, numbers: Rule) -> bool:
    """Few pairs of channels: the core wins. Many: PyTorch's blocks over channels, and its Winograd products for 3×3.

    How many pairs are few depends on the processor (`rule`). Measured on an AMD EPYC (Zen 5, AVX-512) by
    `benchmarks/convolutions.py --shapes rule`, one thread, forward and both gradients, torch ÷ core. Batch
    100: 1→20 5×5 4.8, 3→16 3×3 2.3, 16→8 3×3 1.4, 16→3 3×3 1.4, but 16→16 3×3 0.9, 32→32 3×3 0.6; one pixel: 2→1 5.4,
    8→8 1.1, 32→32 0.7. Batch 10: 1→20 5×5 4.0, 16→8 3×3 1.7, 16→16 3×3 0.6; one pixel 0.7. Batch 1: 1→20 5×5 2.0,
    8→4 4×4 2.4, 16→1 9×9 1.8, but 4→4 3×3 0.7, 16→8 3×3 0.4.

    With a stride the core wins with many more channels, from 8 images on, for which it has full vectors: PyTorch's
    gradients to images of few channels are slow. Measured on an AMD EPYC (Zen 3, AVX2), see `rule`. Whether it gets
    them is a question of the whole net: see `net.strides`.
    """
    batch, pairs, area = case.x[0], case.x[1] * case.w[1 if case.transposed else 0], math.prod(case.w[2:])
    if not case.transposed:
        pairs //= case.groups
    if set(case.stride) != {1}:
        return area > 1 and pairs <= numbers.strided_pairs[(batch >= 8) + (batch >= 32)] and not _is_product(case)
    if area == 1:
        return batch >= 32 and pairs <= numbers.pixel_pairs
    most = numbers.core_pairs[(batch >= 8) + (batch >= 32)]
    return area >= numbers.core_area and pairs <= most and not _is_product(case)


def _banded_pays(case: Case) -> bool:
    """Whether the band fills enough of its matrix: the larger image is at most 2.5 kernel widths wide.

    Measured at batch 100, one thread, forward and both gradients, torch ÷ banded: conv 4→2 maps 9×9 on 20×20: 1.9;
    deconv 2→2 17×17 to 28×28: 3.2; deconv 4→4: 2.4; against conv 1→8 9×9 on 28×28: 0.3; conv 8→4 9×9 on 20×20: 0.9.
    """
    if len(case.x) != 4 or any(case.pad) or case.groups != 1 or {*case.stride, *case.dilation} != {1}:
        return False
    height, width = case.w[2:]
    larger = case.x[3] + width - 1 if case.transposed else case.x[3]
    narrow = case.w[0] * case.w[1] <= (64 if case.transposed else 8)
    return narrow and height > 1 and 1 < width <= larger and 2 * larger <= 5 * width


def _phases_pay(case: Case, numbers: Rule) -> bool:
    """A deconvolution with a stride and few outputs, of many images.

    Measured as above, two threads (one thread: more), torch ÷ phases, kernel 4×4, stride 2. Batch 100: 16→1 on 14×14
    1.5, 16→3 on 32×32 1.4, 16→8 on 16×16 1.3, but 32→16 0.8; 8×8, stride 4, 8→1 on 7×7 3.1. Batch 10: 16→1 0.8,
    16→3 1.0. Batch 1: 0.6.
    """
    if not (case.transposed and case.plain and len(case.x) == 4 and case.groups == 1 and set(case.dilation) == {1}):
        return False
    return min(case.stride) > 1 and case.w[1] <= numbers.phase_outputs and case.x[0] >= 32
