"""Reading ahead gives what reading gives, whatever is asked for in whatever order; errors keep their batch."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcae.data.ahead import Ahead
from deepcae.data.source import Feed
from deepcae.errors import DataError
from deepcae.proto.schema import TRAIN


@given(st.lists(st.integers(0, 5), max_size=20), st.none() | st.just(6))
def test_any_order_gives_what_reading_gives(asked: list[int], end: int | None) -> None:
    ahead = Ahead(lambda index: index * index, end)
    assert [ahead.batch(index) for index in asked] == [index * index for index in asked]
    ahead.close()


def test_the_next_batch_is_read_meanwhile_and_none_behind_the_end() -> None:
    read: list[tuple[int, str]] = []
    second = threading.Event()

    def one(index: int) -> int:
        read.append((index, threading.current_thread().name))
        if index == 1:
            second.set()
        return index

    ahead = Ahead(one, end=2)
    assert ahead.batch(0) == 0
    assert second.wait(10)  # before it is asked for
    assert ahead.batch(1) == 1
    ahead.close()
    assert [index for index, _ in read] == [0, 1]
    assert read[0][1] == threading.current_thread().name
    assert read[1][1].startswith("deepcae-ahead")


def test_reads_never_overlap() -> None:
    lock = threading.Lock()

    def one(index: int) -> int:
        assert lock.acquire(blocking=False)
        threading.Event().wait(0.002)
        lock.release()
        return index

    ahead = Ahead(one)
    assert [ahead.batch(index) for index in (0, 1, 7, 3, 4, 0)] == [0, 1, 7, 3, 4, 0]
    ahead.close()


def test_an_error_comes_out_at_its_own_batch_and_is_tried_again() -> None:
    broken = [True]

    def one(index: int) -> int:
        if index == 2 and broken[0]:
            raise DataError("file.h5: is damaged")
        return index

    ahead = Ahead(one)
    assert [ahead.batch(0), ahead.batch(1)] == [0, 1]
    for _ in range(2):
        with pytest.raises(DataError, match=r"^file.h5: is damaged$"):
            ahead.batch(2)
    broken[0] = False
    assert [ahead.batch(2), ahead.batch(3)] == [2, 3]
    ahead.close()


def test_who_lets_go_of_it_lets_go_of_its_thread() -> None:
    ahead = Ahead(lambda index: index)
    ahead.batch(0)
    ended = weakref.ref(ahead._pool)
    before = {thread for thread in threading.enumerate() if thread.name.startswith("deepcae-ahead")}
    del ahead
    gc.collect()
    assert ended() is None
    for thread in before:
        thread.join(10)
        assert not thread.is_alive()


def test_a_program_ends_though_a_batch_is_being_read() -> None:
    text = "import time, deepcae.data.ahead as a; a.Ahead(lambda i: time.sleep(i / 10)).batch(0); exit(3)"
    assert subprocess.run([sys.executable, "-c", text], timeout=60, check=False).returncode == 3


H5 = 'name: "d" type: "HDF5Data" top: "x" hdf5_data_param {{ source: "list.txt" batch_size: 4 shuffle: {} }} '


@pytest.mark.parametrize(
    ("text", "at_hand"),
    [
        (H5.format("false"), True),
        (H5.format("true"), True),  # few bytes
        (H5.format("true").replace("4", "4000000"), False),
        (H5.format("false").replace("4", "4000000"), True),  # wraps, and yet nothing is drawn or computed
        ('type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 } }', True),
        ('type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 } data_filler { type: "gaussian" } }', False),
    ],
)
def test_what_lies_in_memory_is_at_hand(
    tmp_path: Path, layer: Callable[[str], Any], write_h5: Callable[..., Path], text: str, at_hand: bool
) -> None:
    write_h5(tmp_path / "x.h5", {"x": np.arange(10)})
    (tmp_path / "list.txt").write_text("x.h5")
    with Feed([layer(text)], TRAIN, [tmp_path]) as feed:
        assert feed.at_hand is at_hand
    nothing = layer('type: "DummyData" top: "y" dummy_data_param { shape { dim: 2 } }')
    with Feed([layer(text), nothing], TRAIN, [tmp_path]) as feed:
        assert feed.at_hand is at_hand
