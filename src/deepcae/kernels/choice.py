"""Which way a convolution is computed: a rule of its shape, so that equal runs take equal ways.

`DEEPCAE_KERNELS` or `prefer` set another rule for the whole process:
    auto    the fastest way by the rule below (the default)
    core    the compiled kernels wherever they can
    banded  as if there were no compiled kernels
    torch   PyTorch's own operators alone
"""

from __future__ import annotations

import math
import os
from functools import lru_cache
from typing import Literal, NamedTuple, cast, get_args

from ..errors import SpecError

Way = Literal["core", "product", "banded", "torch"]
Preference = Literal["auto", "core", "banded", "torch"]
Sizes = tuple[int, ...]

VARIABLE = "DEEPCAE_KERNELS"


class Case(NamedTuple):
    """A convolution's shapes; `transposed` for a deconvolution; `plain`: float32 on the CPU."""

    transposed: bool
    x: Sizes
    w: Sizes
    stride: Sizes
    pad: Sizes
    dilation: Sizes
    groups: int
    plain: bool


_preference: list[Preference] = []  # the one in force, once asked for


def preference() -> Preference:
    """The rule in force. SpecError if the environment names another than those that exist."""
    if not _preference:
        prefer(os.environ.get(VARIABLE, "auto"))
    return _preference[0]


def prefer(name: str) -> None:
    """Sets the rule for this process from now on."""
    if name not in get_args(Preference):
        raise SpecError(f"{VARIABLE} is '{name}', but may be {', '.join(get_args(Preference))}")
    _preference[:] = [cast(Preference, name)]


def is_forced() -> bool:
    """Whether the environment names the rule."""
    return VARIABLE in os.environ


def has_core() -> bool:
    """Whether the compiled kernels are there and may be used."""
    from . import native

    return preference() in ("auto", "core") and native.available()


def choice(case: Case) -> Way:
    """The way that a case takes: compiled kernels, one matrix product, banded matrices, or torch's own operator."""
    return _chosen(case, preference(), has_core())


@lru_cache(maxsize=4096)
def _chosen(case: Case, preferred: Preference, core: bool) -> Way:
    if preferred == "torch" or not all(case.x):
        return "torch"
    if core and _core_can(case) and (preferred == "core" or _core_pays(case)):
        return "core"
    if _is_product(case):
        return "product"
    return "banded" if _banded_pays(case) else "torch"


def _is_product(case: Case) -> bool:
    if case.groups != 1 or any(case.pad):
        return False
    if set(case.w[2:]) == {1} and set(case.stride) == {1}:
        return True
    whole = set(case.x[2:]) == {1} if case.transposed else case.w[2:] == case.x[2:]
    return whole and set(case.dilation) == {1}


def _core_can(case: Case) -> bool:
    return case.plain and len(case.x) in (3, 4) and set(case.stride) == {1}


def _core_pays(case: Case) -> bool:
    return not _is_product(case) or (set(case.w[2:]) == {1} and math.prod(case.w) <= 64)


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
