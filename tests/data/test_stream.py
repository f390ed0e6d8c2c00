"""The endless stream: cyclic, or a permutation of every epoch; a batch depends on its number alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.data.contents import open_rows
from deepcae.data.kept import ArrayRows
from deepcae.data.memory import MemorySource
from deepcae.data.stream import Stream, draws, permutation
from deepcae.errors import DataError

lengths = st.lists(st.integers(1, 7), min_size=1, max_size=4)


def write_files(folder: Path, lengths: list[int], **options: Any) -> tuple[list[Path], np.ndarray]:
    """Files with the rows 0, 1, 2 … in `x` (n, 2, 3) and `y` (n); and all rows of x."""
    paths, start = [], 0
    rows = np.arange(6 * sum(lengths), dtype=np.float32).reshape(-1, 2, 3)
    for number, length in enumerate(lengths):
        paths.append(folder / f"{number}.h5")
        with h5py.File(paths[-1], "w") as file:
            file.create_dataset("x", data=rows[start : start + length], **options)
            file.create_dataset("y", data=np.arange(start, start + length))
        start += length
    return paths, rows


@settings(max_examples=60)
@given(lengths, st.integers(1, 9), st.booleans(), st.integers(1, 200), st.booleans())
def test_batches_are_the_cyclic_stream(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], size: int, in_memory: bool, block: int, chunked: bool
) -> None:
    options = {"chunks": (2, 1, 3), "compression": "gzip"} if chunked and min(lengths) > 1 else {}
    paths, rows = write_files(tmp_path_factory.mktemp("h5"), lengths, **options)
    source = Stream(open_rows(paths, ("x", "y"), memory_limit=10**6 if in_memory else 0, block=block), size)
    batches = [source.batch(index) for index in range(12)]
    order = np.arange(12 * size) % len(rows)
    np.testing.assert_array_equal(np.concatenate([batch["x"] for batch in batches]), rows[order])
    np.testing.assert_array_equal(np.concatenate([batch["y"] for batch in batches]), order)
    for batch in batches:
        assert batch["x"].shape == source.shapes["x"]
        assert all(array.flags.c_contiguous and array.dtype == np.float32 for array in batch.values())
    source.close()


@settings(max_examples=60)
@given(lengths, st.integers(1, 9), st.booleans(), st.integers(-3, 3))
def test_shuffling_permutes_every_epoch(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], size: int, in_memory: bool, seed: int
) -> None:
    paths, rows = write_files(tmp_path_factory.mktemp("h5"), lengths)
    hdf5 = open_rows(paths, ("y", "x"), memory_limit=10**6 if in_memory else 0)
    source = Stream(hdf5, size, shuffle=True, seed=seed)
    total = len(rows)
    batches = [source.batch(index) for index in range(-(-3 * total // size))]
    order = np.concatenate([batch["y"] for batch in batches]).astype(int)
    np.testing.assert_array_equal(np.concatenate([batch["x"] for batch in batches]), rows[order])
    for epoch in range(3):
        np.testing.assert_array_equal(np.sort(order[epoch * total : (epoch + 1) * total]), np.arange(total))
    source.close()


@given(st.lists(st.integers(0, 40), min_size=1, max_size=10), st.booleans())
def test_a_batch_does_not_depend_on_what_was_read_before(numbers: list[int], shuffle: bool) -> None:
    rows = {"x": np.arange(23.0)}
    used = MemorySource(rows, 5, shuffle=shuffle, seed=7)
    for number in numbers:
        fresh = MemorySource(rows, 5, shuffle=shuffle, seed=7)
        np.testing.assert_array_equal(used.batch(number)["x"], fresh.batch(number)["x"])


def test_orders_differ_by_seed_and_epoch_and_stay_the_same_for_ever() -> None:
    orders = {tuple(permutation(seed, epoch, 50)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4
    assert permutation(1, 0, 10).tolist() == [9, 2, 4, 7, 5, 0, 8, 6, 3, 1]  # a resumed run relies on it


@given(st.integers(0, 100), st.integers(1, 20), st.integers(1, 20))
def test_a_rows_draws_depend_on_its_position_only(start: int, first: int, second: int) -> None:
    together = draws(5, start, first + second)
    np.testing.assert_array_equal(together, np.concatenate([draws(5, start, first), draws(5, start + first, second)]))
    assert not np.array_equal(draws(5, start, 1), draws(6, start, 1))


def test_a_batch_that_does_not_wrap_is_a_view() -> None:
    array = np.arange(12, dtype=np.float32).reshape(6, 2)
    source = MemorySource({"x": array}, 3)
    assert np.shares_memory(source.batch(1)["x"], array)
    assert not np.shares_memory(MemorySource({"x": array}, 4).batch(1)["x"], array)


def test_sizes_and_numbers_below_the_least_are_refused() -> None:
    rows = ArrayRows({"x": np.zeros(3, np.float32)})
    with pytest.raises(DataError, match="batch_size is 0, but must be at least 1"):
        Stream(rows, 0)
    with pytest.raises(ValueError, match="batch -1"):
        Stream(rows, 1).batch(-1)
