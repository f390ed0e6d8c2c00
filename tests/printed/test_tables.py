"""The paper's numbers beside ours: the right row, and only where they can be compared."""

from __future__ import annotations

import pytest

from deepcae.printed.tables import reached
from deepcae.zoo import cae, classic


def test_means_of_the_three_runs() -> None:
    cae2 = reached("cae2", 2, 10_000)
    assert cae2 is not None
    assert cae2.test["cross_entropy_loss"] == pytest.approx((148.74 + 148.33 + 149.68) / 3)
    assert cae2.test["l2_error"] == pytest.approx((16.85 + 16.72 + 16.99) / 3)
    assert cae2.train["cross_entropy_loss"] == pytest.approx((142.50 + 143.50 + 143.16) / 3)
    assert cae2.classes == 22


@pytest.mark.parametrize("network", [*classic.HIDDEN, *cae.MAPS])
@pytest.mark.parametrize("dims", [2, 10, 30])
def test_every_network_of_the_tables_is_there(network: str, dims: int) -> None:
    found = reached(network, dims, 10_000)
    assert found is not None
    assert found.train["cross_entropy_loss"] < found.test["cross_entropy_loss"]


@pytest.mark.parametrize(("network", "dims", "images"), [("cae1", 3, 10_000), ("mine", 2, 10_000), ("cae1", 2, 297)])
def test_what_the_paper_did_not_do_has_no_number(network: str, dims: int, images: int) -> None:
    assert reached(network, dims, images) is None
