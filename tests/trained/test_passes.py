"""Codes of many images, block by block: the same whatever the blocks are, from every kind of file, in little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.data import kept
from deepcae.data.kept import ArrayRows
from deepcae.errors import DataError
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.trained import passes
from deepcae.trained.examples import Examples, LabelKind, one_each, open_examples
from deepcae.trained.network import Trained

TEXT = """name: "tiny" input: "data" input_shape { dim: 4 dim: 1 dim: 6 dim: 6 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "code" type: "InnerProduct" bottom: "conv" top: "code"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "up" type: "InnerProduct" bottom: "code" top: "up"
  inner_product_param { num_output: 36 weight_filler { type: "xavier" } } }
"""
ROWS = 700
IMAGES = np.random.default_rng(1).integers(0, 256, (ROWS, 1, 6, 6), dtype=np.uint8)


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    return Trained(Net(read_net_text(TEXT), seed=4), "tiny", [tmp_path])


def wanted(trained: Trained, images: np.ndarray, blob: str = "code") -> np.ndarray:
    return np.concatenate([trained.net({"data": image[None]}, want=[blob])[blob].numpy() for image in images])


@pytest.mark.parametrize("size", [1, 7, 64, 699, 5000])
def test_codes_do_not_depend_on_the_blocks(
    trained: Trained, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"], file["label"] = IMAGES / np.float32(255), np.arange(ROWS) % 10
    monkeypatch.setattr(passes, "SMALLEST", size)
    monkeypatch.setattr(passes, "LARGEST", size)
    for limit in (0, 2**30):
        monkeypatch.setattr(kept, "MEMORY_LIMIT", limit)
        told: list[int] = []
        codes, labels = passes.encoded(trained, open_examples(trained, tmp_path / "x.h5"), "code", told.append)
        np.testing.assert_allclose(codes, wanted(trained, IMAGES / np.float32(255)), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(labels, np.arange(ROWS) % 10)  # type: ignore[arg-type]
        assert labels is not None
        assert labels.dtype == np.int64
        assert told[-1] == ROWS
        assert len(told) == -(-ROWS // size)
    again = passes.decoded(trained, codes, "code", "up")
    np.testing.assert_allclose(again, wanted(trained, IMAGES / np.float32(255), "up"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("limit", [0, 2**30])
def test_some_of_the_examples_are_spread_over_all(
    trained: Trained, tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MEMORY_LIMIT", limit)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"], file["label"], file["speed"] = IMAGES, np.arange(ROWS) % 10, np.arange(ROWS)
    whole = open_examples(trained, tmp_path / "x.h5")
    assert whole.some(ROWS) is whole
    some = whole.some(8)
    rows = np.linspace(0, ROWS - 1, 8).round().astype(int)
    assert (len(some), some.num_source, whole.num_source) == (8, ROWS, ROWS)
    np.testing.assert_array_equal(some.take(2, 7)[0], IMAGES[rows[2:7]])
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in some.batches(3)]), rows % 10)  # type: ignore[arg-type]
    np.testing.assert_array_equal(some.pick(np.array([5, 1]))[0], IMAGES[rows[[5, 1]]])
    np.testing.assert_array_equal(some.column("speed"), rows)
    assert some.label_kind.whole
    assert some.origin == f"8 of {whole.origin}, spread over all {ROWS}"


def test_files_that_are_slow_to_read_are_read_ahead(trained: Trained, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES)
    codes, labels = passes.encoded(trained, open_examples(trained, tmp_path / "x.npy"), "code")
    assert labels is None
    np.testing.assert_allclose(codes, wanted(trained, IMAGES / np.float32(255)), rtol=1e-5, atol=1e-6)


def test_a_batch_fills_a_cache_and_no_more(trained: Trained) -> None:
    assert passes.batch_size(trained) == passes.LARGEST  # 36 floats are few
    large = TEXT.replace("dim: 6 dim: 6", "dim: 256 dim: 256").replace("num_output: 2", "num_output: 8")
    assert passes.batch_size(Trained(Net(read_net_text(large), seed=4), "large", [])) == passes.SMALLEST


def test_memory_does_not_grow_with_the_file(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MEMORY_LIMIT", 0)
    monkeypatch.setattr(kept, "BLOCK", 2**15)  # full in both files, labels too
    peaks = []
    for rows in (20_000, 80_000):
        path = tmp_path / f"{rows}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("data", (rows, 1, 6, 6), np.uint8, chunks=(5_000, 1, 6, 6), compression=1)
            for start in range(0, rows, 5_000):
                file["data"][start : start + 5_000] = IMAGES[0]
            file["label"] = np.zeros(rows)
        examples = open_examples(trained, path)
        tracemalloc.start()
        count = sum(len(codes) for codes, _ in passes.encoded_blocks(trained, examples, "code"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == rows
    assert peaks[1] < 1.2 * peaks[0]  # four times the images
    assert peaks[1] < 80_000 * 144  # the images as float32


@pytest.mark.parametrize(
    ("labels", "each"),
    [
        (np.array([3.0, 1.0]), [3, 1]),
        (np.array([3.0, 0.5]), [3.0, 0.5]),
        (np.array([[3.0], [1.0]]), [3, 1]),
        (np.eye(3)[[2, 0]], [2, 0]),
        (np.array([[0.0, 0, 1], [0, 1, 1]]), [0, 0]),
        (np.eye(2), [1, 0]),
        (np.array([np.nan, 1.0]), [np.nan, 1.0]),
    ],
)
def test_what_labels_are_is_told_by_all_of_them(labels: np.ndarray, each: list[float]) -> None:
    """Whether they come at once or one by one."""
    kind = LabelKind.of([labels[:1], labels[1:]])
    for found in (one_each(labels), np.concatenate([kind.one_each(labels[:1]), kind.one_each(labels[1:])])):
        np.testing.assert_array_equal(found, each)
        assert found.dtype.kind == np.array(each).dtype.kind


def test_images_that_break_off_end_it(trained: Trained, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES)
    examples: Examples = open_examples(trained, tmp_path / "x.npy")
    with open(tmp_path / "x.npy", "r+b") as file:
        file.truncate(20_000)
    with pytest.raises(DataError, match=r"x.npy: was replaced or changed while it was in use"):
        passes.encoded(trained, examples, "code")


ODD = """name: "odd" input: "data" input_shape { dim: 4 dim: 1 dim: 6 dim: 6 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 2 weight_filler { type: "xavier" } } }
layer { name: "code" type: "InnerProduct" bottom: "conv" top: "code"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "up" type: "InnerProduct" bottom: "code" top: "up"
  inner_product_param { num_output: 7 weight_filler { type: "xavier" } } }
"""


def test_a_code_does_not_depend_on_its_neighbours() -> None:
    """Rows of 50 values begin at odd addresses, where products round otherwise: none of it shows, bit by bit."""
    trained = Trained(Net(read_net_text(ODD), seed=4), "odd", [])
    images = np.random.default_rng(2).normal(size=(1100, 1, 6, 6)).astype(np.float32)

    def codes(rows: np.ndarray) -> np.ndarray:
        return passes.encoded(trained, Examples(ArrayRows({"data": rows}), "data", None, "rows"), "code")[0]

    whole = codes(images)
    for rows in ([5], [1, 3, 2], list(range(699, -1, -1)), list(range(3, 1100))):
        np.testing.assert_array_equal(codes(images[rows]), whole[rows])
        again = passes.decoded(trained, whole[rows], "code", "up")
        np.testing.assert_array_equal(again, passes.decoded(trained, whole, "code", "up")[rows])
    np.testing.assert_allclose(whole, wanted(trained, images), rtol=1e-4, atol=1e-6)
