"""Products by oneDNN, against float64 and autograd."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.kernels import products
from deepcae.kernels.choice import prefer, preference

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"),
    reason="this PyTorch has no product by oneDNN",
)


@pytest.fixture(autouse=True)
def onednn_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the processor and the sizes are."""
    monkeypatch.setattr(products, "pays", lambda: True)
    monkeypatch.setattr(products, "LEAST_ROWS", 1)
    monkeypatch.setattr(products, "LEAST_PRODUCTS", 1)


LAYOUTS = {
    "rows": lambda x: x,
    "turned": lambda x: x.t().contiguous().t(),
    "every second": lambda x: torch.stack([x, x + 1], -1)[..., 0],
}


def drawn(seed: int, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


@settings(max_examples=60)
@given(
    st.tuples(*[st.integers(1, 40)] * 3), *[st.sampled_from(sorted(LAYOUTS))] * 2, st.booleans(), st.integers(0, 2**31)
)
def test_value_and_gradients_are_those_of_float64(
    sizes: tuple[int, int, int], order: str, weights: str, biased: bool, seed: int
) -> None:
    rows, inputs, outputs = sizes
    x, w, b, dy = drawn(seed, (rows, inputs), (outputs, inputs), (outputs,), (rows, outputs))
    given = [LAYOUTS[order](x), LAYOUTS[weights](w), *([b] if biased else [])]
    leaves = [each.detach().requires_grad_() for each in given]
    exact = [each.detach().double().requires_grad_() for each in given]
    y = products.linear(leaves[0], leaves[1], leaves[2] if biased else None)
    z = torch.nn.functional.linear(exact[0], exact[1], exact[2] if biased else None)
    torch.testing.assert_close(y.double(), z, rtol=1e-5, atol=1e-4)
    y.backward(dy)
    z.backward(dy.double())
    for mine, true in zip(leaves, exact, strict=True):
        torch.testing.assert_close(mine.grad.double(), true.grad, rtol=1e-5, atol=1e-4)


def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes that oneDNN gets from now on."""
    seen: list[tuple[int, ...]] = []
    plain = products.by_onednn

    def product(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None = None) -> torch.Tensor:
        seen.append((*x.shape, w.shape[0]))
        return plain(x, w, b)

    monkeypatch.setattr(products, "by_onednn", product)
    return seen


def test_three_products_of_one_layer_of_more_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = calls(monkeypatch)
    x, w, b = (each.requires_grad_() for each in drawn(0, (2, 3, 5), (4, 5), (4,)))
    y = products.linear(x, w, b)
    assert y.shape == (2, 3, 4)
    y.sum().backward()
    assert seen == [(6, 5, 4), (6, 4, 5), (4, 6, 5)]


def test_a_second_derivative_is_autograd_s() -> None:
    x, w, b = (each.requires_grad_() for each in drawn(1, (6, 5), (4, 5), (4,)))

    def penalty(linear: object) -> list[torch.Tensor]:
        y = linear(x, w, b).square().sum()  # type: ignore[operator]
        (dx,) = torch.autograd.grad(y, x, create_graph=True)
        return list(torch.autograd.grad(dx.square().sum(), [x, w, b]))

    torch.testing.assert_close(penalty(products.linear), penalty(torch.nn.functional.linear))


def test_others_keep_pytorch_s_product(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = calls(monkeypatch)
    x, w, b = drawn(2, (6, 5), (4, 5), (4,))
    products.linear(x.double(), w.double(), b.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert products.linear(x, w, b).dtype == torch.bfloat16
    before = preference()
    prefer("torch")
    try:
        products.linear(x, w, b)
    finally:
        prefer(before)
    monkeypatch.setattr(products, "LEAST_ROWS", 7)
    products.linear(x, w, b)
    assert not seen
    monkeypatch.setattr(products, "LEAST_ROWS", 6)
    products.linear(x, w, b)
    assert len(seen) == 1
