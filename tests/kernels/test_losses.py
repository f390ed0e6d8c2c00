"""Losses in one sweep of the core, against float64 and PyTorch's autograd."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.kernels import losses
from deepcae.kernels.choice import has_core

pytestmark = pytest.mark.skipif(not has_core(), reason="the core was not built")

ORDERS = {
    "batch first": lambda x: x.contiguous(),
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "batch last": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
}


def drawn(shape: tuple[int, ...], order: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = (ORDERS[order](torch.randn(shape, generator=generator) * 3) for _ in range(2))
    return a.requires_grad_(), b.requires_grad_()


@settings(max_examples=60)
@given(
    st.tuples(*[st.integers(1, 9)] * 4), st.sampled_from(sorted(ORDERS)), st.floats(-2, 2), st.integers(0, 2**31 - 1)
)
def test_value_and_gradients_are_those_of_float64(shape: tuple[int, ...], order: str, weight: float, seed: int) -> None:
    a, b = drawn(shape, order, seed)
    exact_a, exact_b = (x.detach().double().requires_grad_() for x in (a, b))
    loss = losses.squares(a, b, 1 / shape[0])
    assert loss is not None
    exact = (exact_a - exact_b).square().sum() / (2 * shape[0])
    torch.testing.assert_close(loss.double(), exact, rtol=1e-5, atol=1e-6)
    (loss * weight).backward()
    (exact * weight).backward()
    torch.testing.assert_close(a.grad, exact_a.grad.float())
    torch.testing.assert_close(b.grad, exact_b.grad.float())

    logits, exact_logits = a.detach().requires_grad_(), a.detach().double().requires_grad_()
    target = b.detach()
    entropy = losses.cross_entropy(logits, target, 1 / shape[0])
    assert entropy is not None
    exact = (exact_logits.clamp(min=0) - exact_logits * target + (-exact_logits.abs()).exp().log1p()).sum() / shape[0]
    torch.testing.assert_close(entropy.double(), exact, rtol=1e-5, atol=1e-5)
    (entropy * weight).backward()
    (exact * weight).backward()
    torch.testing.assert_close(logits.grad, exact_logits.grad.float(), rtol=1e-5, atol=1e-6)


def test_a_graph_that_is_kept_gives_its_gradient_again() -> None:
    a, b = drawn((3, 2, 4, 4), "channels last", 0)
    loss = losses.squares(a, b, 1.0)
    assert loss is not None
    loss.backward(retain_graph=True)
    first = a.grad.clone()
    a.grad.mul_(7)  # whoever gets a gradient may write over it
    a.grad = None
    loss.backward()
    assert torch.equal(a.grad, first)


def test_others_are_left_to_pytorch() -> None:
    a, b = drawn((3, 2, 4, 4), "batch first", 0)
    assert losses.squares(a, ORDERS["channels last"](b), 1.0) is None
    assert losses.squares(a.double(), b.double(), 1.0) is None
    assert losses.squares(a[:, :, ::2], b[:, :, ::2], 1.0) is None
    assert losses.squares(a[:0], b[:0], 1.0) is None
