"""DummyData's fillers and MemoryData's arrays, and which layers a Feed reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deepcae.data.dummy import DummySource
from deepcae.data.memory import MemorySource, open_memory
from deepcae.data.source import Feed
from deepcae.errors import DataError
from deepcae.proto.schema import TRAIN

MakeLayer = Callable[[str], Any]
DUMMY = 'name: "u" type: "DummyData" top: "a" top: "b" dummy_data_param { %s }'
MEMORY = (
    'name: "m" type: "MemoryData" top: "data" top: "label" '
    "memory_data_param { batch_size: 2 channels: 1 height: 2 width: 3 }"
)


@pytest.mark.parametrize(
    ("filler", "mean", "std", "least", "most"),
    [
        ('type: "uniform" min: -1 max: 3', 1.0, 4 / 12**0.5, -1, 3),
        ('type: "gaussian" mean: 2 std: 0.5', 2.0, 0.5, -2, 6),
        ('type: "gaussian" sparse: 20', 0.0, 0.1**0.5, -6, 6),  # a tenth of 200 rows is kept
        ('type: "xavier"', 0.0, (1 / 500) ** 0.5, -((3 / 500) ** 0.5), (3 / 500) ** 0.5),
        ('type: "msra"', 0.0, (2 / 500) ** 0.5, -0.5, 0.5),
        ('type: "msra" variance_norm: AVERAGE', 0.0, (2 / 350) ** 0.5, -0.5, 0.5),
        ('type: "positive_unitball"', 1 / 500, 1 / 500 / 3**0.5, 0, 0.01),
    ],
)
def test_random_fillers(layer: MakeLayer, filler: str, mean: float, std: float, least: float, most: float) -> None:
    source = DummySource(layer(DUMMY % f"shape {{ dim: 200 dim: 500 }} data_filler {{ {filler} }}"), seed=1)
    values = source.batch(0)["a"]
    assert values.dtype == np.float32
    assert values.shape == source.shapes["a"] == (200, 500)
    assert abs(values.mean() - mean) < 5 * std / 1e5**0.5
    assert values.std() == pytest.approx(std, rel=0.02)
    assert least <= values.min()
    assert values.max() <= most


def test_random_tops_depend_on_seed_layer_top_and_number_only(layer: MakeLayer) -> None:
    text = DUMMY % 'shape { dim: 4 } data_filler { type: "gaussian" }'

    def made(seed: int, name: str, number: int) -> dict[str, np.ndarray]:
        return DummySource(layer(text.replace('name: "u"', f'name: "{name}"')), seed=seed).batch(number)

    np.testing.assert_array_equal(made(1, "u", 3)["a"], made(1, "u", 3)["a"])
    first = made(1, "u", 3)
    others = [made(2, "u", 3)["a"], made(1, "v", 3)["a"], made(1, "u", 4)["a"], first["b"]]
    assert all(not np.array_equal(first["a"], other) for other in others)


def test_constants_are_zero_by_default_and_one_filler_serves_all(layer: MakeLayer) -> None:
    batch = DummySource(layer(DUMMY % "shape { dim: 2 } shape { dim: 3 dim: 1 }")).batch(0)
    assert batch["a"].tolist() == [0, 0]
    assert batch["b"].shape == (3, 1)
    assert DummySource(layer(DUMMY % "shape { dim: 2 } data_filler { value: 5 }")).batch(9)["b"].tolist() == [5, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shape { dim: 2 } num: 1", "give either shape or num, channels, height and width, not both"),
        ("", r"shape must be given once or once per top \(2\), not 0 times"),
        ("num: 1 channels: 1 height: 1", "each of num, channels, height and width must be given once or once per top"),
        ("shape { dim: 2 dim: 0 }", r"every dim must be at least 1, but the shape is \[2, 0\]"),
        (
            "shape { dim: 2 } data_filler { } data_filler { } data_filler { }",
            "data_filler must be given once or",
        ),
        ('shape { dim: 2 } data_filler { type: "gauss" }', "type 'gauss' cannot fill a data blob; allowed: constant"),
        ('shape { dim: 2 } data_filler { type: "uniform" min: 3 }', "min 3 is greater than max 1"),
        ('shape { dim: 2 } data_filler { type: "gaussian" std: 0 }', "std is 0, but must be positive"),
        (
            'shape { dim: 2 } data_filler { type: "gaussian" sparse: 3 }',
            "sparse 3 is greater than .* first axis, 2",
        ),
        ('shape { dim: 2 } data_filler { type: "xavier" sparse: 3 }', "sparse is only for gaussian, not for xavier"),
    ],
)
def test_dummy_refusals(layer: MakeLayer, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        DummySource(layer(DUMMY % text))


def test_arrays_of_any_numbers_are_a_source() -> None:
    source = MemorySource({"x": [[1, 2], [3, 4], [5, 6]], "y": np.array([True, False, True])}, 2)
    assert source.shapes == {"x": (2, 2), "y": (2,)}
    batch = source.batch(1)
    assert batch["x"].tolist() == [[5, 6], [1, 2]]
    assert batch["y"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "the same number of rows, at least 1, but have none"),
        ({"x": [1.0], "y": [1.0, 2.0]}, r"have \{'x': 1, 'y': 2\}"),
        ({"x": []}, "at least 1"),
        ({"x": ["a"]}, "array 'x' has type <U1"),
        ({"x": 3.0}, r"has type float64 and shape \[\]"),
    ],
)
def test_arrays_that_are_refused(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        MemorySource(arrays, 1)


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        ((4, 1, 2, 2), 4, r"data has shape \[4, 1, 2, 2\], but the layer asks for rows of shape \[1, 2, 3\]"),
        ((4, 1, 2, 3), 3, "3 labels were given for 4 rows"),
        ((3, 1, 2, 3), 3, "3 rows are not a multiple of batch_size 2"),
        ((0, 1, 2, 3), 0, "0 rows are not a multiple"),
    ],
)
def test_memory_data_refusals(layer: MakeLayer, data: tuple[int, ...], labels: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_memory(layer(MEMORY), np.zeros(data), np.zeros(labels))


def test_memory_data_needs_its_sizes_and_two_tops(layer: MakeLayer) -> None:
    with pytest.raises(DataError, match="must all be given and positive"):
        open_memory(layer(MEMORY.replace("channels: 1", "")), np.zeros((2, 1, 2, 3)), np.zeros(2))
    with pytest.raises(DataError, match="exactly 2 tops, data and labels, not 1"):
        open_memory(layer(MEMORY.replace('top: "label"', "")), np.zeros((2, 1, 2, 3)), np.zeros(2))


def test_a_feed_joins_all_layers_but_inputs(layer: MakeLayer) -> None:
    layers = [
        layer(MEMORY),
        layer(DUMMY % "shape { dim: 2 }"),
        layer('name: "i" type: "Input" top: "z" input_param { shape { dim: 2 } }'),
    ]
    arrays = {"m": (np.arange(24).reshape(4, 1, 2, 3), [0, 1, 2, 3])}
    with Feed(layers, TRAIN, arrays=arrays) as feed:
        assert feed.tops == ("data", "label", "a", "b")
        batch = feed.batch(3)
    assert set(batch) == set(feed.tops)
    assert batch["label"].shape == (2, 1, 1, 1)
    assert batch["label"].reshape(-1).tolist() == [2, 3]
    assert {top: array.shape for top, array in batch.items()} == feed.shapes


def test_layers_that_nothing_feeds_are_named(layer: MakeLayer) -> None:
    with pytest.raises(DataError, match=r"layer 'm' \(MemoryData\): MemoryData reads the arrays that a program gives"):
        Feed([layer(MEMORY)], TRAIN)
    with pytest.raises(DataError, match="'Pooling' is no data layer; known: HDF5Data"):
        Feed([layer('name: "p" type: "Pooling"')], TRAIN)
