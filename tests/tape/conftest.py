"""Tapes are written for the compiled core, whatever the rule of this processor prefers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deepcae.kernels import choice


@pytest.fixture(autouse=True)
def _core() -> Iterator[None]:
    before = choice.preference()
    choice.prefer("core")
    yield
    choice.prefer(before)
