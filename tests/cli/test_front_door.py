"""`import deepcae`: the names it offers."""

from __future__ import annotations

import pytest

import deepcae


@pytest.mark.parametrize("name", deepcae.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(deepcae, name) is not None
    assert name in dir(deepcae)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nett'"):
        deepcae.Nett  # noqa: B018


def test_names_lead_to_the_real_things() -> None:
    from deepcae.net.net import Net
    from deepcae.solver.solver import Solver

    assert deepcae.Net is Net
    assert deepcae.Solver is Solver
    assert "cae1" in deepcae.zoo.names()
