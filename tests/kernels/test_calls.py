"""The core's calls against torch's float64: every instruction set, one and two threads, short rows and long ones."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.kernels import calls, native
from deepcae.kernels.pooling import average_pool, max_pool

pytestmark = pytest.mark.skipif(not native.instructions(), reason="deepcae was installed without a C++ compiler")
quick = settings(max_examples=60)
SETS = ("avx512", "avx2", "sse2", "neon", "scalar")
sizes = st.sampled_from([(1, 1), (3, 7), (2, 16), (5, 100), (1, 9000), (3, 40_000), (700, 90)])
machines = st.tuples(st.sampled_from(SETS), st.sampled_from([1, 2]), st.integers(0, 2**31))


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    instructions, threads = native.instructions(), torch.get_num_threads()
    yield
    native.instructions(instructions)
    torch.set_num_threads(threads)


def _take(machine: tuple[str, int, int]) -> torch.Generator:
    native.instructions(machine[0])
    torch.set_num_threads(machine[1])
    return torch.Generator().manual_seed(machine[2])


def _close(ours: torch.Tensor, exact: torch.Tensor, scale: torch.Tensor | float = 0.0) -> None:
    """To 2e-6 of the exact value, or of the sizes that were added."""
    assert ours.shape == exact.shape
    assert bool(((ours.double() - exact).abs() <= 2e-6 * (exact.abs() + scale) + 1e-37).all())


@quick
@given(machine=machines, size=sizes, kind=st.sampled_from(calls.KINDS), biased=st.booleans(), in_place=st.booleans())
def test_activations(machine: Any, size: Any, kind: Any, biased: bool, in_place: bool) -> None:
    generator = _take(machine)
    x = torch.randn(size, generator=generator) * (20 if machine[2] % 3 else 0.01)
    bias = torch.randn(size[0], generator=generator) if biased else None
    slope = {"relu": 0.25 * (machine[2] % 2), "elu": 1.5 - machine[2] % 2}.get(kind, 0.0)
    moved = x + (0 if bias is None else bias[:, None])
    y = x if in_place or kind == "identity" else torch.empty_like(x)
    calls.activate(kind, slope, bias, x, y)()
    exact = moved.double()
    functions = {
        "identity": exact,
        "sigmoid": exact.sigmoid(),
        "relu": torch.nn.functional.leaky_relu(exact, slope),
        "elu": torch.nn.functional.elu(exact, slope),
        "tanh": exact.tanh(),
    }
    _close(y, functions[kind])
    if y is not x:
        assert torch.equal(x, moved)

    dy = torch.randn(size, generator=generator)
    slopes = {
        "identity": torch.ones(size),
        "sigmoid": y * (1 - y),
        "relu": torch.where(y > 0, 1.0, slope),
        "elu": torch.where(y > 0, 1.0, y + slope),
        "tanh": 1 - y * y,
    }
    wanted = dy.double() * slopes[kind].double()
    sums, given = torch.empty(size[0]), dy.double().abs()
    calls.activate_back(kind, slope, y, dy, sums)()
    _close(dy, wanted, given if kind == "tanh" else 0.0)  # 1 - y²
    _close(sums, wanted.sum(1), given.sum(1) if kind == "tanh" else wanted.abs().sum(1))


def test_activations_hand_nan_and_infinity_on() -> None:
    for name in SETS:
        native.instructions(name)
        x = torch.tensor([[math.nan, math.inf, -math.inf, 0.0, -1.0] * 7])
        for kind, exact in (
            ("sigmoid", x.sigmoid()),
            ("relu", x.relu()),
            ("elu", torch.nn.functional.elu(x)),
            ("tanh", x.tanh()),
        ):
            y = torch.empty_like(x)
            calls.activate(kind, 1.0 if kind == "elu" else 0.0, None, x.clone(), y)()
            torch.testing.assert_close(y, exact, equal_nan=True)


@quick
@given(machine=machines, size=sizes, factor=st.sampled_from([1.0, -0.3]), rows=st.booleans(), in_place=st.booleans())
def test_factors_and_shifts(machine: Any, size: Any, factor: float, rows: bool, in_place: bool) -> None:
    generator = _take(machine)
    x, shifts = torch.randn(size, generator=generator), torch.randn(size[0], generator=generator)
    exact = x.double() * factor + (shifts.double()[:, None] if rows else 0.5)
    y = x if in_place else torch.empty_like(x)
    calls.scale(factor, 0.5, shifts if rows else None, x, y)()
    _close(y, exact, 1.0)


@quick
@given(machine=machines, size=sizes, kind=st.sampled_from([0, 1, 2]), wanted=st.sampled_from(["a", "b", "ab"]))
def test_joins_of_two(machine: Any, size: Any, kind: int, wanted: str) -> None:
    """Products, sums, maxima: equals are the second one's. A result may have the memory of what it is made of."""
    generator = _take(machine)
    a, b = (torch.randint(-2, 3, size, generator=generator).float() for _ in range(2))
    p, q = (0.5, -2.0) if kind == 1 else (1.0, 1.0)
    left, right = (x.double().requires_grad_() for x in (a, b))
    exact = (left * right, p * left + q * right, torch.where(left > right, left, right))[kind]
    dy = torch.randn(size, generator=generator)
    into = {"a": a.clone(), "b": b.clone(), "ab": torch.empty(size)}[wanted]
    calls.join(kind, p, q, into if wanted == "a" else a, into if wanted == "b" else b, into)()
    _close(into, exact.detach())
    if kind != 1:
        theirs = torch.autograd.grad(exact, (left, right), dy.double())
        da, db = torch.empty(size) if "a" in wanted else None, dy if "b" in wanted else None
        calls.join_back(kind, a, b, dy, da, db)()
        for ours, gradient in zip((da, db), theirs, strict=True):
            assert ours is None or torch.equal(ours.double(), gradient.float().double())


@quick
@given(machine=machines, size=sizes, weight=st.sampled_from([1.0, -0.5, 3.0]), wanted=st.booleans())
def test_losses(machine: Any, size: Any, weight: float, wanted: bool) -> None:
    generator = _take(machine)
    x, t = torch.randn(size, generator=generator) * 6, torch.rand(size, generator=generator)
    loss, share = torch.zeros(()), 1 / size[1]
    dx = torch.empty_like(x) if wanted else None
    exact, target = x.double().requires_grad_(), t.double().requires_grad_()

    calls.cross_entropy(share, weight, x, t, dx, loss)()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(exact, target.detach(), reduction="sum") * share
    _close(loss, entropy.detach(), share * x.double().abs().sum())
    (gradient,) = torch.autograd.grad(weight * entropy, exact)
    if dx is not None:
        _close(dx, gradient, abs(weight) * share)

    dt = torch.empty_like(t)
    calls.squares(share, weight, x, t, dx, dt, loss)()
    squares = (exact - target).square().sum() * share / 2
    _close(loss, squares.detach())
    gradient, other = torch.autograd.grad(weight * squares, (exact, target))
    scale = abs(weight) * share * (x.double().abs() + t)
    _close(dt, other, scale)
    if dx is not None:
        _close(dx, gradient, scale)

    total = torch.zeros(1, dtype=torch.float64)
    calls.squared(x, total)()
    _close(total, exact.detach().square().sum().reshape(1))


@quick
@given(
    machine=machines,
    classes=st.integers(1, 40),
    columns=st.sampled_from([1, 3, 100, 300, 20_000]),
    weight=st.sampled_from([1.0, -2.0]),
    wanted=st.booleans(),
)
def test_softmax_loss(machine: Any, classes: int, columns: int, weight: float, wanted: bool) -> None:
    """What is cut off is the value alone."""
    generator = _take(machine)
    x = torch.randn(classes, columns, generator=generator) * 30
    t = torch.randint(classes, (columns,), generator=generator)
    dx, loss, share, most = torch.empty_like(x) if wanted else None, torch.zeros(()), 1 / columns, 20.0
    calls.softmax_loss(share, weight, most, x, t.float(), dx, loss)()
    exact = x.double().requires_grad_()
    terms = torch.nn.functional.cross_entropy(exact.t(), t, reduction="none")
    _close(loss, (terms.detach().clamp(max=most) * share).sum(), share * x.double().abs().sum(0).max())
    (gradient,) = torch.autograd.grad(weight * share * terms.sum(), exact)
    if dx is not None:
        _close(dx, gradient, 30 * abs(weight) * share)


@quick
@given(
    machine=machines, batch=st.integers(1, 40), plane=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)), stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    pad=st.tuples(st.integers(0, 3), st.integers(0, 3)), mean=st.booleans(), empty=st.booleans(),
)  # fmt: skip
def test_pooling(
    machine: Any, batch: int, plane: Any, kernel: Any, stride: Any, pad: Any, mean: bool, empty: bool
) -> None:
    """As the layer's operators do it, ties, nan and windows outside the image among them."""
    generator = _take(machine)
    pad = tuple(min(p, k - 1) for p, k in zip(pad, kernel, strict=True))
    outputs = tuple(
        max(0, size + 2 * p - k) // s + 1 + empty for size, k, s, p in zip(plane, kernel, stride, pad, strict=True)
    )
    x = torch.randint(-3, 4, (batch, 3, *plane), generator=generator).float()
    if machine[2] % 3 == 0 and not mean:
        x[torch.rand(x.shape, generator=generator) < 0.2] = math.nan
    x.requires_grad_()
    exact = average_pool(x, kernel, stride, pad, outputs) if mean else max_pool(x, kernel, stride, pad, outputs)[0]
    dy = torch.randn(exact.shape, generator=generator)
    (dx,) = torch.autograd.grad(exact, x, dy)

    memory = x.detach().movedim(0, -1).contiguous()
    y = torch.empty(3, *outputs, batch)
    place = None if mean else torch.empty(y.shape, dtype=torch.int32)
    numbers = calls.pooling_sizes(memory, y, kernel, stride, pad, mean)
    calls.pool(numbers, memory, y, place)()
    torch.testing.assert_close(y.movedim(-1, 0), exact.detach())
    back = torch.empty_like(memory)
    calls.pool_back(numbers, dy.movedim(0, -1).contiguous(), place, back)()
    torch.testing.assert_close(back.movedim(-1, 0), dx, rtol=1e-5, atol=1e-5)


@quick
@given(machine=machines, rows=st.integers(1, 130), places=st.integers(1, 40), columns=st.integers(1, 200))
def test_turning(machine: Any, rows: int, places: int, columns: int) -> None:
    x = torch.randn(rows, places, columns, generator=_take(machine))
    y = torch.empty(columns, places, rows)
    calls.transpose(x, y)()
    assert torch.equal(y, x.transpose(0, 2))


@quick
@given(
    machine=machines,
    rows=st.integers(1, 150),
    columns=st.sampled_from([1, 2, 15, 16, 17, 96, 100, 300]),
    depth=st.sampled_from([1, 3, 80, 500]),
    transposed=st.booleans(),
)
def test_products(machine: Any, rows: int, columns: int, depth: int, transposed: bool) -> None:
    generator = _take(machine)
    a = torch.randn((depth, rows) if transposed else (rows, depth), generator=generator)
    a = a.t() if transposed else a
    b, y = torch.randn(depth, columns, generator=generator), torch.empty(rows, columns)
    calls.product(a, b, y)()
    _close(y, a.double() @ b.double(), a.double().abs() @ b.double().abs())


CORE = Path(calls.__file__).with_name("core")


def enumerated(name: str) -> list[str]:
    """The names of an enum of the core, in order."""
    (names,) = re.findall(rf"enum {name} : int64_t {{ (.*?) }};", (CORE / "core.cpp").read_text())
    return [word.removeprefix("k") for word in names.split(", ")]


def fields(name: str) -> list[str]:
    """The fields of a struct of the core, in order."""
    text = "".join((CORE / file).read_text() for file in ("core.cpp", "steps.inc"))
    (body,) = re.findall(rf"struct {name} {{\n(.*?)\n}};", text, flags=re.DOTALL)
    plain = re.sub(r"//.*", "", body).replace("*", "")
    return [field for line in re.findall(r"\w+ ([\w, ]+);", plain) for field in line.split(", ")]


def test_both_sides_mean_the_same_numbers() -> None:
    """Python calls the core's functions, activations and rules by number: each list is in the order of its switch."""
    text = (CORE / "steps.inc").read_text()
    cases = re.findall(r"case (\d+):\s*return deepcae_(\w+)\(", text)
    assert [int(number) for number, _ in cases] == list(range(len(native.FUNCTIONS)))
    assert tuple(name for _, name in cases) == native.FUNCTIONS
    assert [kind.lower() for kind in enumerated("Activation")] == list(calls.KINDS)
    assert enumerated("Rule") == list(calls.RULES)
    assert re.findall(r"kWords = (\d+);", text) == [str(native._WORDS)]


@pytest.mark.parametrize(("struct", "ours"), [("Learned", calls._Blob), ("Update", calls._Rule)])
def test_both_sides_lay_out_their_arguments_alike(struct: str, ours: Any) -> None:
    assert fields(struct) == [name for name, _ in ours._fields_]
