"""How an array seems to lie, and in which range values lie."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from deepcae.data.layout import misfit
from deepcae.data.span import Span, Spans, into_unit, outside, spans_of
from deepcae.proto.read import read_net_text


@pytest.mark.parametrize(
    ("found", "wanted", "words"),
    [
        ((32, 48, 3), (3, 32, 48), "channels come last"),
        ((48, 32, 3), (3, 32, 48), "channels come last, and height and width are swapped"),
        ((3, 48, 32), (3, 32, 48), "height and width are swapped"),
        ((64, 64), (1, 64, 64), "the channel axis is missing"),
        ((48, 64), (1, 64, 48), "the channel axis is missing, and height and width are swapped"),
        ((3072,), (3, 32, 32), "rows are flat"),
        ((32, 3, 48), (3, 32, 48), "the axes are in another order"),
        ((16, 3, 16), (3, 16, 16), "the axes are in another order"),
        ((30, 30, 3), (3, 32, 32), "channels seem to come last"),
    ],
)
def test_the_advice_makes_the_layout_that_is_wanted(
    found: tuple[int, ...], wanted: tuple[int, ...], words: str
) -> None:
    told = misfit(found, wanted)
    assert told.startswith(words)
    code = told.split(": store ")[1]
    made = eval(code, {"numpy": np, "data": np.zeros((5, *found))})
    assert made.shape[1:] == ((3, 30, 30) if found == (30, 30, 3) else wanted)


def test_what_fits_or_is_of_another_size_is_no_layout() -> None:
    assert misfit((3, 32, 32), (3, 32, 32)) == ""
    assert misfit((3, 30, 30), (3, 32, 32)) == ""
    for found in ((7, 12), (12, 30)):  # another axis alone would not do
        assert misfit(found, (1, 8, 12)) == "there is no channel axis; asked for are 1 x 8 x 12 values"


@pytest.mark.parametrize(
    ("low", "high"), [(0, 255), (0, 65535), (-1, 1), (0, 4000), (0, 16), (-3.2, 5.1), (0, 1.5), (-128, 127), (0, 300)]
)
def test_the_advice_brings_the_range_that_was_seen_into_0_to_1(low: float, high: float) -> None:
    text = into_unit(low, high)
    body = re.search(r"transform_param \{ .*? \}", text)
    assert body is not None
    layer = read_net_text(f'layer {{ name: "d" type: "HDF5Data" top: "d" {body[0]} }}').message.layer[0]
    mean = layer.transform_param.mean_value[0] if layer.transform_param.mean_value else 0.0
    ends = [(value - mean) * layer.transform_param.scale for value in (low, high)]
    assert min(ends) == pytest.approx(0, abs=1e-4)
    assert 0.9 < max(ends) <= 1 + 1e-4


def test_a_span_is_that_of_all_batches_and_goes_on_from_json() -> None:
    values = np.random.default_rng(0).normal(3, 2, (40, 5)).astype(np.float32)
    values[7, 2] = np.nan
    whole, parts = Span(), Span()
    whole.take(values)
    for start in range(0, 40, 7):
        parts = Span.from_json(json.loads(json.dumps(parts.to_json())))
        parts.take(values[start : start + 7])
    for span in (whole, parts):
        assert (span.samples, span.values, span.strange, span.shape) == (40, 199, 1, (5,))
        assert span.mean == pytest.approx(np.nanmean(values), rel=1e-5)
        assert span.std == pytest.approx(np.nanstd(values), rel=1e-5)
        assert (span.least, span.most) == (np.nanmin(values), np.nanmax(values))


def test_which_batches_are_looked_at_depends_on_their_numbers_alone() -> None:
    unbroken, resumed = Spans(), Spans()
    for index in range(200):
        if index in (1, 33, 90):
            entry = json.loads(json.dumps(resumed.to_json()))
            resumed = Spans()
            resumed.restore(entry)
            resumed.take(index - 1, {"x": np.full((2, 3), 99.0)})  # read before, and read again
        for spans in (unbroken, resumed):
            spans.take(index, {"x": np.full((2, 3), float(index)), "noise": np.ones((2, 3))}, but=["noise"])
    assert unbroken.to_json() == resumed.to_json()
    span = spans_of(unbroken.to_json())["x"]
    assert (span.samples, span.most) == (2 * (32 + 3), 128.0)


def span_of(*values: float, samples: int = 20) -> Span:
    span = Span()
    span.take(np.tile(np.array(values, np.float32), (samples, 1)))
    return span


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ((0, 255), "255 times as large; scale: 0.00392156862745098 missing?"),
        ((0, 65535), "scale: 1.52590218966964e-05 missing?"),
        ((0, 800), "800 times as large"),
        ((0, 1 / 255), "255 times as small"),
        ((-1, 1), "negative values"),
        ((0, np.nan), "values are not finite"),
        ((0, 1.2), ""),
        ((0.2, 0.9), ""),
        ((-0.1, 1), ""),
    ],
)
def test_what_lies_far_from_the_range_learned_from_is_told(seen: tuple[float, ...], words: str) -> None:
    told = outside(span_of(*seen), span_of(0, 1))
    assert words in told
    assert bool(told) == bool(words)


def test_one_dark_image_is_nothing_strange() -> None:
    assert outside(span_of(0, 0.01, samples=1), span_of(0, 1), many=False) == ""
    assert outside(span_of(0, 0.01), span_of(0, 1))
