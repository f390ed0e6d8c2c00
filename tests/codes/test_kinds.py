"""What labels are: classes, or a quantity."""

from __future__ import annotations

import numpy as np
import pytest

from deepcae.codes.kinds import Values, are_classes
from deepcae.codes.table import Codes

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.arange(10), True),  # ten digits, one of each
        (np.arange(40) % 4, True),
        (np.arange(40.0) % 4, True),  # as HDF5 files keep them
        (np.array([0.0, 1.0, np.nan, 1.0]), True),  # one is unknown
        (np.repeat(np.arange(1000), 10), True),
        (np.array(["cat", "dog", "cat"]), True),
        (RNG.random(500) * 30, False),  # a running speed
        (np.arange(500), False),  # a frame's number
        (np.arange(500) // 2, False),
        (np.array([0.0, 0.5, 1.0]), False),
        (np.array([f"image_{number}.png" for number in range(100)]), False),
        (np.arange(300_000), False),  # more than are counted
    ],
)
def test_the_values_tell(labels: np.ndarray, classes: bool) -> None:
    assert are_classes(labels) is classes
    values = Values()  # and block by block
    for start in range(0, len(labels), 7919):
        values.take(labels[start : start + 7919])
    assert values.are_classes is classes


def test_codes_know_their_classes() -> None:
    codes = np.zeros((30, 2), np.float32)
    speed = RNG.random(30)
    assert Codes(codes, np.arange(30) % 3).classes is not None
    assert Codes(codes, speed).classes is None
    assert Codes(codes, np.arange(30) % 2, {"labels": "sim"}).classes is None
    assert Codes(codes, np.arange(30)).classes is None
    assert Codes(codes, np.arange(30), {"labels_are": "classes"}).classes is not None  # the net reads them as such
    assert Codes(codes, np.arange(30) % 3, {"labels_are": "numbers"}).classes is None


def test_codes_say_what_they_hold() -> None:
    found = Codes(np.zeros((30, 2)), np.arange(30) % 3, {"net": "cae<1>"}, {"error": np.linspace(0.5, 2, 30)})
    assert repr(found) == ("Codes(codes: 30 of 2 values, labels: 3 classes, 0 to 2, error: 0.5 to 2, net: cae<1>)")
    assert "<th>net</th><td>cae&lt;1&gt;</td>" in found._repr_html_()
    assert found.column("time").tolist() == list(range(30))
    assert found.column("error")[0] == 0.5
    with pytest.raises(Exception, match="no column 'speed'; these are there: order, label, error"):
        found.column("speed")
