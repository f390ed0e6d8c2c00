"""Answers with arrays: what is packed comes out again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from deepcae.explore.wire import finite, packed
from explore.asked import unpacked


@given(
    st.lists(
        st.one_of(
            arrays(np.float32, array_shapes(max_dims=4, max_side=5, min_side=0)),
            arrays(np.uint8, array_shapes(max_dims=3, max_side=7)),
            arrays(np.int32, array_shapes(max_dims=2, max_side=7)),
        ),
        max_size=4,
    ),
    st.text(max_size=20),
)
def test_what_is_packed_comes_out_again(values: list[np.ndarray], text: str) -> None:
    named = {f"{place} {text}": each for place, each in enumerate(values)}
    header, found = unpacked(packed({"said": text}, named))
    assert header["said"] == text
    assert list(found) == list(named)
    for name, each in named.items():
        assert found[name].dtype == each.dtype
        np.testing.assert_array_equal(found[name], each)


@pytest.mark.parametrize(
    ("given", "dtype"), [("f8", "float32"), (">f4", "float32"), ("i8", "int32"), ("u2", "int32"), ("?", "uint8")]
)
def test_other_types_become_those_of_the_page(given: str, dtype: str) -> None:
    _, found = unpacked(packed({}, {"x": np.arange(6).astype(given).reshape(2, 3)[:, ::-1]}))
    assert found["x"].dtype == dtype
    np.testing.assert_array_equal(found["x"], np.arange(6).astype(given).reshape(2, 3)[:, ::-1])


def test_numbers_that_json_lacks_are_words() -> None:
    assert finite({"a": [float("nan"), np.float32("inf")], 3: (-np.inf, np.int64(4))}) == {
        "a": ["nan", "inf"],
        "3": ["-inf", 4],
    }
